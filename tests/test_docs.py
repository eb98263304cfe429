"""The pages under docs say what the code and the recorded runs say."""

import importlib.util
import json
import math
import re
import sys

import pytest

from mlcnc import metrics
from mlcnc.methods.method import named
from mlcnc.methods.settings import LOSSES, METHODS
from mlcnc.metrics.catalogue import CATALOGUE, describe, metric_floor, metric_optimum
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))  # as for a script that lies there
spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)
methods_page = sys.modules["methods_page"]


@pytest.mark.parametrize("name", ["metrics.md", "figure3.md", "methods.md"])
def test_pages_are_what_the_generator_writes(name):
    text = (ROOT / "docs" / name).read_text()
    assert text == generate.pages()[name], f"run python docs/generate.py and commit docs/{name}"


@pytest.mark.parametrize("name", [name for names in generate.SECTIONS.values() for name in names])
def test_every_metric_states_formula_convention_and_source(name):
    parts = generate.parts_of(generate.function_of(name))
    wanted = {"Summary", "Convention", "Source"}
    if name not in ("angle_summary", "mean_average_precision"):
        wanted.add("Formula")
    if name not in ("centre", "between_directions"):
        wanted.add("Range")
    assert wanted <= set(parts)
    assert all(len(text) > 3 for text in parts.values())


def test_every_function_of_the_catalogue_is_documented():
    documented = {name for names in generate.SECTIONS.values() for name in names}
    assert {info.function for info in CATALOGUE.values()} - documented == {"ClassStatistics"}
    for info in CATALOGUE.values():
        assert callable(generate.function_of(info.function))
        assert info.weights in ("", "class", "sample")
        assert info.centring in ("", *metrics.CENTRINGS)


def test_every_logged_metric_is_in_the_catalogue(trained):
    from mlcnc.store import RunStore

    lines = RunStore(trained).open("tiny").metrics()
    plain = {"epoch", "lr", "logit_scale", "seconds", "images_per_second", "peak_memory_mb"}
    for name in lines[-1]:
        if name in plain or name.startswith(("train/", "gradient", "seconds_")):
            continue
        info = describe(name)
        assert info is not None, name
        optimum = metric_optimum(name, 20)
        assert optimum is None or math.isfinite(optimum)
    assert metric_floor("test.mu/nc2_gram", 80, 20) == pytest.approx(0.9968, abs=1e-4)
    assert metric_floor("test.mu/nc2_gram", 20, 20) is None
    assert describe("nonsense") is None


@pytest.mark.parametrize("settings", METHODS.values(), ids=list(METHODS))
def test_every_method_says_what_it_is_by_which_formula_and_from_where(settings):
    parts = methods_page.docstring_parts(settings)
    assert parts["Summary"].startswith(f"{settings.title}: ")
    assert {"Formula", "Source", "Read"} <= set(parts)
    assert len(methods_page.sentence(settings)) < 120


def test_what_was_read_is_named_with_its_commit():
    for settings in METHODS.values():
        read = methods_page.docstring_parts(settings)["Read"]
        assert re.search(r"\w/[\w.\\-]+.* at [0-9a-f]{7}\b", read) or read.startswith("nothing"), settings.title


def test_nothing_names_what_is_not_in_the_project():
    sources = [*(ROOT / "mlcnc").rglob("*.py"), *(ROOT / "docs").glob("*.*")]
    slips = re.compile(
        r"baselines\.md|baselines,? section|mlc_nc\.md|mlc_nc (section|difference|notes)|notes on baselines|design section"
    )
    assert [path.name for path in sources if slips.search(path.read_text())] == []


@pytest.mark.parametrize("settings", LOSSES.values(), ids=list(LOSSES))
def test_every_loss_says_its_formula_and_from_where(settings):
    text = "\n".join(methods_page.described(settings.title, settings, "", named(settings.function)))
    assert text.count("**Formula**") == text.count("**Source**") == 1
    assert methods_page.docstring_parts(settings).keys() == {"Summary", "More"}, "said by its function"


def test_a_docstring_is_cut_at_its_fields():
    class Documented:
        """NAME: what it is.

        More of ``it``
        on two lines.

        Formula: a_i = b * c
            over two lines.
        Source: somewhere.
        Args:
            x: no field of a page.
        """

    assert methods_page.docstring_parts(Documented) == {
        "Summary": "NAME: what it is.",
        "More": "More of `it` on two lines.",
        "Formula": r"a\_i = b \* c over two lines.",
        "Source": "somewhere.",
    }


def test_the_streams_and_stages_of_a_method_are_told():
    assert methods_page.drawn_from("erm") == "`uniform`"
    assert methods_page.drawn_from("bbn") == "`uniform` and `reversed`"
    assert methods_page.drawn_from("oltr") == "`uniform`, then `class_aware`"


def test_a_recorded_race_becomes_a_table_of_means_ranges_and_differences(tmp_path):
    values = {"total": [30.0, 33.0], "head": [50.0, 50.0], "medium": [20.0, 21.0], "tail": [10.0, 11.0]}
    method = {
        "name": "ERM",
        "key": "erm",
        "rate": 0.004,
        "validation": {"0.004": 31.0},
        "runs": [{"seed": s, **{bucket: pair[s] for bucket, pair in values.items()}} for s in (0, 1)],
        "minus": {"MLC-NC": {"total": [-1.26, -2.0, 0.5]}},
        "seconds": 61.4,
        "memory_mb": None,
    }
    (tmp_path / "bench").mkdir()
    race = {"dataset": "voc07-lt", "rates": [0.001, 0.004], "seeds": [0, 1], "methods": [method]}
    (tmp_path / "bench" / "voc07-lt.json").write_text(json.dumps(race))
    text = methods_page.methods_page(tmp_path)
    assert "## Measured on voc07-lt" in text
    assert "## Measured on pictogram-lt" not in text
    row = next(line for line in text.splitlines() if line.startswith("| ERM |"))
    assert row == (
        "| ERM | 0.004 | 31.5 (30.0-33.0) | 50.0 (50.0-50.0) | 20.5 (20.0-21.0) | 10.5 (10.0-11.0) "
        "| -1.3 (-2.0 to +0.5) | - | 61 | - |"
    )


def test_the_tables_of_scale_are_those_of_the_cost_model():
    from tests.benchmarks.cost_model import table

    text = (ROOT / "docs" / "scale.md").read_text()
    for part in table().strip().split("\n\n"):
        assert part in text, "run python -m tests.benchmarks.cost_model and put its tables into docs/scale.md"
