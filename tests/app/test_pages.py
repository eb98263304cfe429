"""Every page over every odd situation: what it says, and never a traceback."""

import pytest
from streamlit.testing.v1 import AppTest

from mlcnc.analysis.comparison.pair_sentences import pairs_sentence
from mlcnc.analysis.comparison.pairs import of_one_size, pairs
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.runs.filter import newest_first
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.store import RunStore
from tests.app.conftest import CATALOGUE, words
from tests.conftest import ROOT

PAGES = ("overview", "compare", "geometry", "variability", "images", "map", "learn")


@pytest.mark.parametrize("situation", CATALOGUE)
@pytest.mark.parametrize("page", PAGES)
def test_no_situation_breaks_a_page(opened, page, situation):
    shown = opened(page, situation)
    assert not shown.exception, shown.exception
    assert shown.title[0].value.endswith("?")
    assert "Traceback" not in words(shown)


@pytest.mark.parametrize(
    ("situation", "page", "expected"),
    [
        ("none", "overview", "There are no runs in runs/ yet"),
        ("none", "geometry", "There are no runs in runs/ yet"),
        ("running", "compare", "growing is still running: 2 of 2 epochs so far"),
        ("lost", "overview", "mlcnc train --resume dead"),
        ("failed", "variability", "broke failed after 3 epochs"),
        ("broken", "overview", "garbled cannot be read: run.json of run garbled is damaged"),
        ("newer", "overview", "upgrade mlcnc"),
        ("damaged_arrays", "geometry", "is damaged"),
        ("damaged_samples", "images", "is damaged"),
        ("half_line", "compare", "half-written"),
        ("no_validation", "overview", "No validation mAP, so the last epoch is shown: blind"),
        ("slim", "geometry", "stored no such arrays"),
        ("analyzed", "geometry", "(from 9 and 9 features)"),
        ("analyzed", "variability", "debiased CDNV"),
        (
            "analyzed",
            "images",
            "mine.npz stored no test scores with labels, so no image can be looked up: put scores",
        ),
        (
            "analyzed",
            "overview",
            "No total mAP on test images of mine.npz: the file that was analysed holds no sc",
        ),
        ("no_epoch", "overview", "No total mAP on test images of young: no epoch is logged yet"),
        ("slim", "images", "slim stored no test scores"),
        ("slim", "variability", "slim stored no class statistics"),
        ("nothing_but_loss", "variability", "None of the picked runs logged test.f/nc1_trace"),
        ("nothing_but_loss", "overview", "No total mAP on test images of bare: none was logged."),
    ],
)
def test_each_situation_is_said_in_a_sentence(opened, situation, page, expected):
    assert expected in words(opened(page, situation))


def test_overview_says_what_the_numbers_say(opened, catalogue):
    rows = run_rows(list(RunStore(catalogue("full")).scan()))
    shown = opened("overview", "full")
    same, _ = of_one_size(seed_groups(rows))
    assert pairs_sentence(pairs(same, lambda *_: {})) in words(shown)
    rows = newest_first(rows)
    table = shown.dataframe[0].value
    assert list(table["run"]) == [row.name for row in rows]
    assert table["mAP total"].tolist() == pytest.approx([row.map_percent["total"] for row in rows])
    assert table["min angle"].tolist() == pytest.approx([row.angle_min for row in rows])


def test_geometry_follows_its_controls(opened, catalogue):
    from mlcnc.analysis.geometry.angles import class_mean_angles, geometry_sentence

    shown = opened("geometry", "one")
    run = RunStore(catalogue("one")).open("only")
    for centring in ("class", "none"):
        shown.session_state["centring"] = centring
        shown.run()
        record = class_mean_angles(run, 2, split="test", space="f", centring=centring)
        assert geometry_sentence(record) in words(shown)
        assert ("uncentred" in words(shown)) == (centring == "none")


def test_attention_says_how_much_lies_on_the_object(monkeypatch, catalogue):
    monkeypatch.setenv("MLCNC_RUNS", str(catalogue("one")))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / "images" / "page.py"), default_timeout=30)
    page.query_params["image"], page.query_params["class"] = "0", "person"
    # the toy map puts everything into the upper left quarter, which is the object's box
    tables = [item.value for item in page.run().dataframe]
    (one,) = [table for table in tables if "brightest cell" in table]
    assert (one["on the object"][0], one["if even"][0]) == ("100 %", "25 %")
    (every,) = [table for table in tables if "attention on the object" in table]
    assert every["objects"][0] == "person"
    assert every["attention on the object"][0] == "100 %"
    assert every["brightest cell on the object"][0].startswith("1 of 1")


def test_entry_script_opens_every_page_with_the_picker(monkeypatch, catalogue):
    monkeypatch.setenv("MLCNC_RUNS", str(catalogue("full")))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=30).run()
    assert not app.exception
    assert app.sidebar.multiselect[0].value == ["etf-s0", "trainable-s0", "glove-s0"]
    for page in PAGES[1:]:
        app.switch_page(f"{page}/page.py").run()
        assert not app.exception, page
        assert app.title[0].value.endswith("?")


def test_runs_folder_comes_from_the_command_line(monkeypatch, tmp_path):
    from app.session import runs_root

    monkeypatch.delenv("MLCNC_RUNS", raising=False)
    monkeypatch.setattr("sys.argv", ["main.py"])
    assert runs_root() == ROOT / "runs"
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    assert runs_root() == tmp_path
    for arguments in (["--runs", "elsewhere"], ["--runs=elsewhere"]):
        monkeypatch.setattr("sys.argv", ["main.py", *arguments])
        assert str(runs_root()) == "elsewhere"


def test_a_centring_that_needs_negatives_says_so_where_there_are_none(monkeypatch, catalogue):
    monkeypatch.setenv("MLCNC_RUNS", str(catalogue("analyzed")))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    said = {
        "all": "stored no features of negatives",
        "sample": "centred by the mean of all positive features",
    }
    for centring, sentence in said.items():
        page = AppTest.from_file(str(ROOT / "app" / "geometry" / "page.py"), default_timeout=30)
        page.query_params["centring"] = centring
        shown = page.run()
        assert not shown.exception
        assert sentence in words(shown)


def test_an_empty_or_missing_folder_names_itself_and_offers_what_to_do(monkeypatch, tmp_path):
    for folder, is_there in ((tmp_path, True), (tmp_path / "mistyped", False)):
        monkeypatch.setattr("sys.argv", ["streamlit", "--runs", str(folder)])
        page = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=30).run()
        assert not page.exception, page.exception
        assert (f"The folder {folder} does not exist" in words(page)) != is_there
        assert page.code[0].value == f"mlcnc train --runs {folder}"
        links = {link.proto.label for link in page.get("page_link")}
        assert links >= {"Train one here", "New here? Start the lesson"}
