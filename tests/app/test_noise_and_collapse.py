"""Noise through ``mlcnc analyze`` is called noise wherever it is shown, and an exact ETF is called collapsed."""

import json
from html import unescape

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.geometry import GeometryPanel, geometry_player
from app.figures.variability import variability_player
from app.report.command import report_page
from mlcnc.analysis.curves.curve import curve
from mlcnc.analysis.geometry.angle_course import angle_course
from mlcnc.analysis.geometry.angle_history import angle_history
from mlcnc.analysis.geometry.variability import class_variability
from mlcnc.analysis.runs.rows import run_row
from mlcnc.analysis.verdict import RULE
from mlcnc.cli import main
from mlcnc.etf import simplex_etf
from mlcnc.metrics import ClassStatisticsAccumulator, measure_split
from mlcnc.store import RunStore, RunWriter
from tests.app.conftest import charts, words
from tests.app.test_report import WHEN, without_library
from tests.conftest import ROOT

CLASSES, DIM, IMAGES = 7, 11, 210
ETF = np.asarray(simplex_etf(CLASSES, DIM))
ONE_LABEL = np.arange(IMAGES) % CLASSES


def _many_labels(rng):
    targets = (rng.random((IMAGES, CLASSES)) < 0.25).astype(np.float32)
    targets[np.arange(IMAGES), ONE_LABEL] = 1
    return targets


def _features(kind, rng):
    """Return features, targets and label embedding by name: what they are, and whether of images or of classes."""
    many = _many_labels(rng)
    noise = rng.normal(size=(IMAGES, CLASSES, DIM))
    queries = rng.normal(size=(CLASSES, DIM))
    return {
        "noise-of-images": (noise[:, 0], ONE_LABEL, None),
        "noise-of-images-of-many-labels": (noise[:, 0], many, None),
        "noise-of-classes": (noise, many, ETF),
        # each class query adds a direction of its own, and no image matters: tight and apart, yet noise
        "noise-of-queries": (noise + 9 * queries, many, queries),
        "etf-of-images": (ETF[ONE_LABEL], ONE_LABEL, None),
        "etf-of-classes": (np.where(many[..., None] > 0, ETF, noise), many, ETF),
    }[kind]


NOISE = ("noise-of-images", "noise-of-images-of-many-labels", "noise-of-classes", "noise-of-queries")
COLLAPSED = ("etf-of-images", "etf-of-classes")


@pytest.fixture
def seen(tmp_path, capsys, monkeypatch):
    """Return what terminal, both pages and report say of a kind of features."""

    def of(kind):
        features, targets, embedding = _features(kind, np.random.default_rng(0))
        arrays = {} if embedding is None else {"label_embedding": embedding}
        np.savez(tmp_path / f"{kind}.npz", features=features.astype(np.float32), targets=targets, **arrays)
        runs = tmp_path / "runs"
        assert main(["analyze", str(tmp_path / f"{kind}.npz"), "--runs", str(runs), "--run-id", kind]) == 0
        said = {"analyze": capsys.readouterr().out}
        monkeypatch.setenv("MLCNC_RUNS", str(runs))
        monkeypatch.setattr("sys.argv", ["streamlit"])
        for page in ("geometry", "variability"):
            app = AppTest.from_file(str(ROOT / "app" / page / "page.py"), default_timeout=30).run()
            assert not app.exception
            said[page] = words(app)
        page = report_page(list(RunStore(runs).scan()), written_at=WHEN)
        said["report"] = unescape(without_library(page)).replace(RULE.replace("**", ""), "")
        return said

    return of


@pytest.mark.parametrize("kind", [*NOISE, *COLLAPSED])
def test_features_are_called_what_they_are_wherever_they_are_shown(seen, kind):
    said = seen(kind)
    right, wrong = ("not collapsed", ": collapsed") if kind in NOISE else ("collapsed", "not collapsed")
    for place, text in said.items():
        if place in ("analyze", "report"):
            assert f"variability: {right} (" in text.lower(), place
            assert f"geometry: {right} (" in text.lower(), place
        else:
            assert f"{place.capitalize()}: {right}" in text, place
            assert f"**{kind}.npz**, " in text, place
        assert wrong not in text, place
        assert "partly" not in text, place
        if kind.endswith(("-classes", "-queries")) and place != "variability":
            own = right.replace("collapsed", "aligned")
            assert (f"Alignment: {own}" if place == "geometry" else f"lignment: {own} (") in text, place
            assert ("not aligned" in text) == (kind in NOISE), place
        assert "random directions" in text or place == "variability"


def test_a_collapse_that_no_logarithmic_axis_holds_is_said(seen, tmp_path):
    seen("etf-of-images")
    run = RunStore(tmp_path / "runs").open("etf-of-images")
    row, nc1 = run_row(run), curve(run, "test.z/nc1_trace")
    record = class_variability(run, 0, split="test", space="z")
    of = {"subject": "class means", "split": "test", "space": "z", "centring": "class"}
    history = angle_history(run, **of)
    course = angle_course(run, history, quantity="smallest angle", **of)
    figure = variability_player([(row, [record], nc1)], [0], metric_label="NC1", baselines={"toy-lt": 30.0})
    assert any("NC1 is 0, complete collapse" in note.text for note in figure.layout.annotations)
    figure = geometry_player([GeometryPanel(row, history.records[:1], course)], [0])
    notes = [note.text for note in figure.layout.annotations]
    # the numbers above the matrix are still there
    assert any("smallest 99.6°" in note for note in notes)
    assert any("(random " in note for note in notes)


def test_of_many_runs_the_verdicts_are_counted_and_their_values_folded():
    def page():
        from app.widgets.verdict import show_verdicts
        from mlcnc.analysis.verdict import variability_verdict

        values = {"a": 0.01, "b": 0.3, "c": 9.0, "d": 8.0, "e": float("nan")}
        found = [(name, variability_verdict(value, shuffled=99.0)) for name, value in values.items()]
        show_verdicts(found, "variability", when="last epoch", of=["test f"] * len(found))

    app = AppTest.from_function(page).run()
    assert (
        "Variability: of 5 runs 1 collapsed, 1 no verdict, 2 not collapsed, 1 partly collapsed"
        in app.markdown[0].value
    )
    text = app.expander[0].markdown[0].value
    assert text.count("\n") == 4
    assert len(app.markdown[0].help.splitlines()) == 3
    assert "b: **partly collapsed**" in text
    assert "nan" not in text


def test_what_is_not_known_is_never_a_question_mark(tmp_path, monkeypatch):
    """A run of another loop: no data set named, no number of epochs, a class in no bucket."""
    groups = {"head": [], "medium": [1], "tail": [2]}
    with RunWriter.create(
        tmp_path, "own", class_names=["a", "b", "c"], class_counts=[9, 5, 2], groups=groups, config={}
    ) as run:
        targets = np.eye(3)[np.arange(30) % 3]
        features = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
        statistics = ClassStatisticsAccumulator(3, 5)
        statistics.update(features, targets)
        metrics, arrays = measure_split(
            "test", targets=targets, groups=groups, spaces={"z": statistics.compute()}
        )
        run.log_epoch(0, metrics, arrays)
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    for page in ("geometry", "variability"):
        app = AppTest.from_file(str(ROOT / "app" / page / "page.py"), default_timeout=30).run()
        assert not app.exception
        said = words(app).replace(app.title[0].value, "") + json.dumps([chart.figure for chart in charts(app)])
        assert "?" not in said
        assert "no bucket" in said
    page = unescape(without_library(report_page(list(RunStore(tmp_path).scan()), written_at=WHEN)))
    assert "<td>?" not in page
    assert "/?" not in page
