"""One class, two classes, classes without positives, features without structure: pages say words, never nan."""

import re
from datetime import UTC, datetime

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.angle_histogram import angle_histogram
from app.figures.angle_matrix import angle_matrix
from app.figures.class_arrows import arrows_player
from app.figures.class_dots import class_dots
from app.figures.comparison import metric_curves
from app.figures.geometry import GeometryPanel, geometry_player
from app.figures.variability import variability_player
from app.report.command import report_page
from mlcnc.analysis.curves.curve import curve
from mlcnc.analysis.geometry.angle_course import QUANTITIES, angle_course
from mlcnc.analysis.geometry.angle_history import angle_history
from mlcnc.analysis.geometry.angles import CENTRINGS, class_mean_angles, geometry_sentence
from mlcnc.analysis.geometry.class_arrows import arrows_sentence, class_arrows, default_classes
from mlcnc.analysis.geometry.variability import class_variability, variability_history, variability_sentence
from mlcnc.analysis.geometry.vector_angles import gram_angles
from mlcnc.analysis.runs.rows import run_row
from mlcnc.metrics import measure_split
from mlcnc.store import RunStore, RunWriter, Space
from tests.app.conftest import words
from tests.conftest import ROOT

NUMBER = 24
SAYS_NAN = re.compile(r"(?<![\w.])(nan|inf|NaN|Infinity)(?!\w)")
PAGES = ("overview", "compare", "geometry", "variability", "map", "images")


def labels(kind):
    """Return (N, C) targets of which one thing is odd."""
    if kind == "one class":
        return np.ones((NUMBER, 1))
    if kind == "two classes":
        return np.eye(2)[np.arange(NUMBER) % 2]
    targets = np.eye(4)[np.arange(NUMBER) % 4]
    if kind == "one present":
        targets[:, 1:] = 0
    elif kind == "two empty":
        targets[:, 2:] = 0
    elif kind == "none present":
        targets[:] = 0
    elif kind == "one image each":
        targets[4:] = 0
    return targets


def features(kind, targets):
    if kind == "equal":
        return np.ones((*targets.shape, 6))
    values = np.random.default_rng(5).normal(size=(*targets.shape, 6))
    if kind == "collapsed":
        values[:] = values[0]
    elif kind == "no usable pair":
        values[:] = np.repeat(values[:6], 4, axis=0)  # every class has the same features
    return values


KINDS = ("one class", "two classes", "one present", "two empty", "none present", "one image each", "equal",
         "collapsed", "no usable pair")  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def runs(request, tmp_path_factory):
    """Return a folder with one run of two epochs, measured by the real metrics."""
    kind, root = request.param, tmp_path_factory.mktemp("few")
    targets = labels(kind)
    values, number = features(kind, targets), targets.shape[1]
    groups = {"head": [0], "medium": [1][: number - 1], "tail": list(range(2, number))}
    gram = values[0] @ values[0].T
    with RunWriter.create(
        root,
        "odd",
        class_names=[f"c{index}" for index in range(number)],
        class_counts=targets.sum(axis=0).astype(int).tolist(),
        groups=groups,
        spaces=[Space(name="f")],
        num_epochs=2,
        num_train=NUMBER,
        num_test=NUMBER,
    ) as run:
        run.log_samples({"test/targets": targets.astype(np.uint8)})
        for epoch in range(2):
            metrics, arrays = measure_split(
                "test", targets=targets, groups=groups, scores=values.sum(axis=2), spaces={"f": values}
            )
            arrays |= {"classifier/gram": gram, "label_embedding/gram": gram}
            run.log_epoch(epoch, metrics, arrays=arrays)
    return root


def no_nan(text):
    assert not [text[max(0, hit.start() - 60) : hit.end() + 20] for hit in SAYS_NAN.finditer(text)]


@pytest.mark.parametrize("view", PAGES)
def test_no_page_says_nan(view, runs, monkeypatch):
    monkeypatch.setenv("MLCNC_RUNS", str(runs))
    page = AppTest.from_file(str(ROOT / "app" / view / "page.py"), default_timeout=60)
    page.query_params["runs"] = "odd"
    page.run()
    assert not page.exception, page.exception
    no_nan(words(page))
    for part in page.metric:
        no_nan(str(part.value))


def test_no_sentence_says_nan(runs):
    (run,) = RunStore(runs).scan()
    record = class_variability(run, 1, split="test", space="f")
    no_nan(variability_sentence(record))
    for centring in CENTRINGS:
        no_nan(geometry_sentence(class_mean_angles(run, 1, split="test", space="f", centring=centring)))
    for subject in ("label embedding", "classifier"):
        no_nan(geometry_sentence(gram_angles(run, 1, subject)))


def test_the_report_does_not_say_nan(runs):
    page = report_page(list(RunStore(runs).scan()), written_at=datetime(2026, 2, 3, tzinfo=UTC))
    no_nan(re.sub(r"<script>.*?</script>|<style>.*?</style>", "", page, flags=re.S))  # the charts stay


def test_no_chart_says_nan(runs):
    (run,) = RunStore(runs).scan()
    row = run_row(run)
    trace = curve(run, "test.f/nc1_trace")
    figures = [metric_curves([(row, trace)], "NC1", log=True)]
    for centring in CENTRINGS:
        of = {"subject": "class means", "split": "test", "space": "f", "centring": centring}
        records = (history := angle_history(run, **of)).records
        for quantity in QUANTITIES:
            course = angle_course(run, history, quantity=quantity, **of)
            figures.append(geometry_player([GeometryPanel(row, records, course)], [0, 1]))
        figures += [angle_matrix(records[0]), angle_histogram(records[0])]
    spread = variability_history(run, split="test", space="f").records
    for relative in (False, True):
        figures.append(class_dots([(row, spread[0])], relative=relative))
        figures.append(
            variability_player(
                [(row, spread, trace)], [0, 1], metric_label="NC1", baselines={}, relative=relative
            )
        )
    chosen = default_classes(records[-1])
    arrows = class_arrows(run, 1, chosen, split="test", space="f") if len(chosen) > 1 else None
    if arrows is not None:
        no_nan(arrows_sentence(arrows))
        figures.append(arrows_player([(row, [arrows, arrows])], [0, 1]))
    for figure in figures:
        no_nan(figure.to_json())
