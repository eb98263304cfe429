"""Damaged run folders on the real pages: a sentence at most, never a traceback, and the healthy run stays."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mlcnc.launch import Jobs
from tests.app.conftest import words, write_run
from tests.app.job_files import without_gpus, write_job
from tests.conftest import ROOT
from tests.fuzz.cases import VICTIM, Playground
from tests.fuzz.surface import HEALTHY

PAGES = ("overview", "compare", "geometry", "variability", "map", "images", "learn", "train")
VIEWS = {
    "compare": ({"show": "Classes"}, {"show": "Curves"}, {"show": "Settings", "columns": "runs"}),
    "geometry": (
        {"of": "classifier"},
        {"space": "mu", "split": "train", "order": "cluster"},
        {"arrows": "true"},
    ),
    "map": ({"method": "UMAP"}, {"play": "true"}, {"space": "mu", "colour": "class"}),
    "images": ({"image": "0"}, {"image": "1", "class": "person"}, {"kind": "found"}),
    "overview": ({"at": "last"}, {"at": "epoch", "at_epoch": "2"}, {"q": "toy"}),
    "learn": tuple({"step": str(step)} for step in range(1, 8)),
}
MORE = int(os.environ.get("MLCNC_FUZZ_PAGES", "300"))

# numbers that are not finite make numpy warn, on the console and not on the page
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    return Playground(tmp_path_factory.mktemp("fuzz"))


def follow_the_victim(playground, monkeypatch):
    """Let a job that this process seems to run be training the damaged run, so that its charts are drawn live."""
    without_gpus(playground.root.parent / "locks", monkeypatch)
    if not Jobs(playground.root).all():
        write_job(playground.root, "running", run_id=VICTIM)


@contextmanager
def shown(playground, page, address, monkeypatch):
    """Open a page over the playground, with the damaged run picked first."""
    monkeypatch.setenv("MLCNC_RUNS", str(playground.root))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    opened = AppTest.from_file(str(ROOT / "app" / page / "page.py"), default_timeout=60)
    opened.session_state["r"] = [VICTIM, HEALTHY]
    if page == "train":
        follow_the_victim(playground, monkeypatch)
    for name, value in address.items():
        opened.query_params[name] = value
    with np.errstate(all="ignore"):
        yield opened.run()


def check_case(playground, seed, pages, monkeypatch):
    """Damage the run in the way of a seed and look at pages."""
    with playground.damaged(seed) as damage:
        for page in pages:
            views = VIEWS.get(page, ({},))
            address = ({}, *views)[seed % (len(views) + 1)]
            with shown(playground, page, address, monkeypatch) as opened:
                where = f"{page} {address}, {damage}"
                assert not opened.exception, (
                    f"{where}\n{opened.exception[0].message}\n{opened.exception[0].stack_trace}"
                )
                said = words(opened)
                assert opened.title[0].value.endswith("?"), where
                assert "Traceback" not in said, where
                # what stands in files is text: neither HTML nor a link of Markdown
                assert "<script>" not in said, where
                assert "[y](javascript" not in said, where
                assert str(playground.root) not in said, where
                if page == "train":
                    assert VICTIM in said, where
                if page == "overview" and "q" not in address:
                    assert f"The {HEALTHY} one" in opened.dataframe[0].value["run"].tolist(), where


@pytest.mark.parametrize("page", PAGES)
def test_a_page_over_a_damaged_run(playground, page, monkeypatch):
    place = PAGES.index(page)
    for seed in range(place, 3 * len(PAGES), len(PAGES)):
        check_case(playground, 20_000 + seed, [page], monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_many_damaged_runs_on_every_page(playground, part, monkeypatch):
    for number in range(MORE // 10):
        seed = 30_000 + MORE * part + number
        # every page is met by many cases, and some cases by every page
        pages = PAGES if number % 10 == 0 else (PAGES[seed % len(PAGES)], PAGES[(seed + 3) % len(PAGES)])
        check_case(playground, seed, pages, monkeypatch)


MARKUP_NAMES = [
    "<script>alert(1)</script>",
    "[y](javascript:alert(1))",
    "![z](http://example.org/z.png)",
    ":red[w] $x$",
    "\x1b[2J\u202e`v`",
]


@pytest.mark.parametrize("page", PAGES)
def test_names_full_of_markup_are_text_on_every_page(tmp_path, page, monkeypatch):
    place = Playground(tmp_path)
    for name in (VICTIM, HEALTHY):
        path = place.root / name / "run.json"
        tree = json.loads(path.read_text())
        config = tree["config"] | {"odd": {MARKUP_NAMES[1]: f"{name} {MARKUP_NAMES[0]}"}}
        path.write_text(
            json.dumps(tree | {"class_names": MARKUP_NAMES, "name": " ".join(MARKUP_NAMES), "config": config})
        )
        (path.parent / "notes.json").write_text(json.dumps({"tags": MARKUP_NAMES, "notes": MARKUP_NAMES[1]}))
    for address in ({}, *VIEWS.get(page, ())[-1:]):
        if page == "learn" and address.get("step") not in (None, "5", "7"):
            continue
        with shown(place, page, address, monkeypatch) as opened:
            assert not opened.exception, f"{page} {address}: {opened.exception}"
            said = words(opened)
            for sign in ("<script>", "[y](javascript", "![z](http", ":red[w]", "`v`"):
                assert sign not in said.replace("\\`", ""), f"{page} {address} shows {sign} as markup: {said}"


@pytest.mark.parametrize("page", PAGES)
def test_a_run_with_one_class_opens_on_every_page(tmp_path, page, monkeypatch):
    write_run(tmp_path, "alone", classes=["person"], co_occurrence=np.array([[9]])).finish()
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    for address in ({}, *VIEWS.get(page, ())):
        opened = AppTest.from_file(str(ROOT / "app" / page / "page.py"), default_timeout=60)
        for name, value in address.items():
            opened.query_params[name] = value
        with np.errstate(all="ignore"):
            opened.run()
        assert not opened.exception, f"{page} {address}: {opened.exception[0].stack_trace}"
        if page == "geometry":
            assert "Fewer than two classes have a class mean" in words(opened)
