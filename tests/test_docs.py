"""The pages under docs say what the code and the recorded runs say."""

import importlib.util
import math

import pytest

from mlcnc import metrics
from mlcnc.metrics.catalogue import CATALOGUE, describe, metric_floor, metric_optimum
from tests.conftest import ROOT

spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", ["metrics.md", "figure3.md"])
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
    plain = {"epoch", "lr", "logit_scale", "seconds", "images_per_second"}
    for name in lines[-1]:
        if name in plain or name.startswith(("train/", "seconds_")):
            continue
        info = describe(name)
        assert info is not None, name
        optimum = metric_optimum(name, 20)
        assert optimum is None or math.isfinite(optimum)
    assert metric_floor("test.mu/nc2_gram", 80, 20) == pytest.approx(0.9968, abs=1e-4)
    assert metric_floor("test.mu/nc2_gram", 20, 20) is None
    assert describe("nonsense") is None
