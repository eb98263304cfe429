"""The variability page: every class at every epoch, against what its number of features gives by chance."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.class_dots import class_dots
from app.figures.comparison import metric_curves
from app.figures.variability import variability_player
from app.variability.tables import curve_frame, variability_frame
from mlcnc.analysis.curves.curve import curve
from mlcnc.analysis.geometry.variability import (
    cannot_move,
    class_variability,
    variability_history,
    variability_sentence,
)
from mlcnc.analysis.runs.rows import run_row, run_rows
from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.metrics import shuffled_nc1_per_class
from mlcnc.metrics.summary import query_only_nc1_per_class
from mlcnc.store import RunStore
from tests.app.conftest import charts, words, write_run
from tests.conftest import ROOT


@pytest.fixture
def runs(catalogue):
    return {run.run_id: run for run in RunStore(catalogue("full")).scan()}


def shown(run, split="test"):
    records = variability_history(run, split=split, space="f").records
    return run_row(run), records, curve(run, f"{split}.f/nc1_trace")


def test_dots_carry_bucket_and_count(runs):
    row = run_rows([runs["etf-s0"]])[0]
    record = class_variability(runs["etf-s0"], 2, split="test", space="f")
    trace = class_dots([(row, record)]).data[0]
    assert trace.marker.symbol == ("circle", "circle", "square", "triangle-up", "triangle-up")
    np.testing.assert_allclose(trace.y, record.nc1)
    np.testing.assert_allclose(trace.x, range(5))
    assert trace.customdata[0][1] == str(record.sample_counts[0])
    figure = class_dots([(row, record)], relative=True)
    np.testing.assert_allclose(figure.data[0].y, record.nc1 / record.shuffled)
    np.testing.assert_allclose(figure.data[1].y, 1.0)
    assert [note.text for note in figure.layout.annotations] == ["head", "medium", "tail"]
    assert [(band.x0, band.x1) for band in figure.layout.shapes] == [(-0.5, 1.5), (1.5, 2.5), (2.5, 4.5)]


def test_each_data_set_has_a_panel_with_its_order_its_buckets_and_its_line():
    """On one axis the classes of the second would stand at places of the first, and its line would zigzag."""
    store, both, curves = RunStore(ROOT / "runs"), [], []
    for name in ("pictogram-etf-s0", "voc07-etf-s0"):
        run = store.open(name)
        both.append((run_row(run), class_variability(run, run.array_epochs()[-1], split="test", space="f")))
        curves.append(curve(run, "test.f/nc1_trace"))
    player = variability_player(
        [(row, [record], item) for (row, record), item in zip(both, curves, strict=True)],
        [0],
        metric_label="NC1",
        baselines={"pictogram-lt": 91.0, "voc07-lt": 152.0},
    )
    for figure, first in ((class_dots(both), 1), (player, 2)):
        notes = [note.text for note in figure.layout.annotations]
        assert notes == ["head", "medium", "tail"] * 2
        assert len(figure.layout.shapes) == 6
        for place, (row, record) in enumerate(both, start=first):
            axis = "" if place == 1 else str(place)
            drawn = [trace for trace in figure.data if (trace.xaxis or "x") == f"x{axis}"]
            (dots,) = [trace for trace in drawn if trace.mode == "markers" and trace.name == row.name]
            (line,) = [trace for trace in drawn if trace.mode == "lines"]
            np.testing.assert_allclose(dots.y, record.nc1)
            np.testing.assert_allclose(line.y, record.shuffled)
            np.testing.assert_array_equal(line.x, range(20))
            ticks = [f"{name} ({n})" for name, n in zip(record.class_names, record.train_counts, strict=True)]
            assert list(figure.layout[f"xaxis{axis}"].ticktext) == ticks
            assert row.dataset in figure.layout[f"yaxis{axis}"].title.text
    named = {trace.name for trace in player.data}
    assert {
        f"labels shuffled, {name}: no collapse at all" for name in ("pictogram-lt (91)", "voc07-lt (152)")
    } <= named


def test_dots_of_two_runs_stand_side_by_side_at_their_class(runs):
    pair = [(run_row(run), class_variability(run, 2, split="test", space="f"))
            for run in (runs["etf-s0"], runs["glove-s0"])]  # fmt: skip
    one, two = class_dots(pair).data[:2]
    for trace in (one, two):
        np.testing.assert_array_equal(np.round(trace.x), range(5))
    assert (np.array(one.x) < np.array(two.x)).all()


def test_every_frame_holds_the_classes_and_the_mark_of_its_epoch(runs):
    both = [shown(runs["etf-s0"]), shown(runs["glove-s0"])]
    figure = variability_player(both, [0, 1, 2], metric_label="NC1", baselines={"toy-lt": 30.0})
    assert [step.label for step in figure.layout.sliders[0].steps] == ["1", "2", "3"]
    for index, frame in enumerate(figure.frames):
        marks, dots, dashes = frame.data[:2], frame.data[2:4], frame.data[4:]
        for (row, records, item), mark, dot, dash in zip(both, marks, dots, dashes, strict=True):
            np.testing.assert_allclose(dash.y, records[index].query_only)
            assert (mark.x[0], mark.y[0]) == (index + 1, item.values[index])
            np.testing.assert_allclose(dot.y, records[index].nc1)
            named = [figure.data[place] for place in frame.traces]
            assert [trace.name for trace in named[2:4]] == ["etf-s0", "glove-s0"]
            assert [trace.marker.symbol for trace in named[4:]] == ["line-ew"] * 2
            assert [trace.showlegend for trace in named[4:]] == [True, False]
            assert row.run_id in {trace.legendgroup for trace in named}
            low, high = 10 ** np.array(figure.layout.yaxis2.range)
            assert low < np.nanmin([dot.y, dash.y])
            assert high > np.nanmax(records[index].shuffled)
    np.testing.assert_allclose(figure.data[figure.frames[0].traces[2]].y, both[0][1][2].nc1)
    baseline = next(trace for trace in figure.data if "labels shuffled (30)" in (trace.name or ""))
    assert list(baseline.y) == [30.0, 30.0]


def test_the_shuffle_baseline_is_drawn_dashed_in_both_charts(trained):
    run = RunStore(trained).open("tiny")
    row, record = run_row(run), class_variability(run, 2, split="train", space="f")
    dashed = [trace for trace in class_dots([(row, record), (row, record)]).data if trace.mode == "lines"]
    assert len(dashed) == 1
    assert dashed[0].line.dash == "dash"
    expected = shuffled_nc1_per_class(record.sample_counts)
    np.testing.assert_allclose(np.array(dashed[0].y, dtype=float), np.where(expected > 0, expected, np.nan))
    np.testing.assert_allclose(record.relative, record.nc1 / np.where(expected > 0, expected, np.nan))
    item = curve(run, "train.f/nc1_trace")
    figure = metric_curves([(row, item)], "NC1", log=True, baseline=12.5)
    line = figure.data[-1]
    assert list(line.y) == [12.5, 12.5]
    assert list(line.x) == [1, 3]
    assert line.line.dash == "dash"


def test_downloads_hold_every_class_and_epoch(runs):
    each = shown(runs["etf-s0"])
    frame = variability_frame([each], [0, 1, 2])
    assert len(frame) == 15
    row = frame[(frame["epoch"] == 2) & (frame["class"] == "bus")]
    assert row["NC1"].item() == each[1][1].nc1[3]
    assert curve_frame([(each[0], each[2])])["value"].tolist() == each[2].values.tolist()


@pytest.mark.parametrize(("epoch", "index"), [(None, 2), ("1", 0), ("nonsense", 2)])
def test_the_sentences_are_of_the_epoch_in_the_address(monkeypatch, catalogue, epoch, index):
    monkeypatch.setenv("MLCNC_RUNS", str(catalogue("full")))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / "variability" / "page.py"), default_timeout=60)
    page.query_params["nc1_scale"] = "over chance"
    if epoch is not None:
        page.query_params["epoch"] = epoch
    opened = page.run()
    assert not opened.exception
    assert "variance of two classes over their squared distance" in words(opened), "what CDNV is"
    for name in ("etf-s0", "glove-s0"):
        record = class_variability(RunStore(catalogue("full")).open(name), index, split="test", space="f")
        assert variability_sentence(record) in words(opened)
    figure = charts(opened)[0].figure
    assert "over its value with labels shuffled" in figure["layout"]["yaxis2"]["title"]["text"]


def test_tail_marks_are_larger_and_none_is_pale(runs):
    row = run_rows([runs["etf-s0"]])[0]
    marker = class_dots([(row, class_variability(runs["etf-s0"], 2, split="test", space="f"))]).data[0].marker
    assert marker.size == (9, 9, 9, 13, 13)
    assert marker.opacity == 1.0


def test_the_slider_stands_under_the_marks_of_its_first_and_last_epoch(runs):
    run = runs["etf-s0"]
    row, records, item = shown(run)
    epochs = [record.epoch for record in records][1:]
    figure = variability_player([(row, records[1:], item)], epochs, metric_label="NC1", baselines={})
    (slider,), axis = figure.layout.sliders, figure.layout.xaxis
    low, high = axis.range
    for at, epoch in ((slider.x, epochs[0]), (slider.x + slider.len, epochs[-1])):
        assert low + at * (high - low) == pytest.approx(epoch + 1)
    assert float(axis.dtick).is_integer()


def test_a_run_with_the_features_of_another_is_drawn_once_and_said(monkeypatch, tmp_path):
    for name in ("one", "two"):
        write_run(tmp_path, name, seed=3).finish()
    write_run(tmp_path, "other", seed=4, embedding="glove").finish()
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app/variability/page.py"), default_timeout=60)
    page.session_state["r"] = ["one", "two", "other"]
    page.run()
    assert not page.exception, page.exception
    assert "two has in every class and epoch the NC1 of one" in words(page)
    (figure,) = [chart.figure for chart in charts(page)]
    assert {trace.get("name") for trace in figure["data"]} >= {"one", "other"}
    assert "two" not in {trace.get("name") for trace in figure["data"]}


def test_features_of_a_frozen_backbone_are_said_not_to_move(monkeypatch):
    """Their NC1 is the same at every epoch, which else looks like a mistake."""
    monkeypatch.setenv("MLCNC_RUNS", str(ROOT / "runs"))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app/variability/page.py"), default_timeout=60)
    page.session_state["r"] = ["voc07-erm-s0", "pictogram-erm-s0"]
    page.run()
    assert not page.exception, page.exception
    assert "voc07-erm-s0: the backbone is frozen and NC1 is that of its pooled features" in words(page)
    names = {trace.get("name") for trace in charts(page)[0].figure["data"]}
    assert {"voc07-erm-s0 (frozen backbone: cannot move)", "pictogram-erm-s0"} <= names
    run = RunStore(ROOT / "runs").open("voc07-etf-s0")
    (space,) = [space for space in run.spaces if space.name == "f"]
    assert not cannot_move(run, curve(run, "test.f/nc1_trace"), space)


def test_classes_are_ranked_against_what_their_query_alone_makes():
    run = RunStore(ROOT / "runs").open("balanced-etf-terminal-s0")
    record = class_variability(run, run.array_epochs()[-1], split="test", space="mu")
    query = query_only_nc1_per_class(stored_statistics(run.arrays(run.array_epochs()[-1]), "test.mu"))
    names = list(run.info.class_names)
    np.testing.assert_array_equal(record.query_only, [query[names.index(name)] for name in record.class_names])
    shares = dict(zip(record.class_names, record.nc1 / record.query_only, strict=True))
    sentence = variability_sentence(record)
    assert f"tightest {min(shares, key=shares.get)} (" in sentence
    assert f"widest {max(shares, key=shares.get)} (" in sentence
    last = run.metrics()[-1]["test.mu/nc1_trace_query_only"]
    assert f"where the class query alone (as many images without the class) gives {last:.3g}" in sentence
    dashes = class_dots([(run_row(run), record)], relative=True).data[-1]
    np.testing.assert_allclose(dashes.y, record.query_only / record.shuffled)


def test_a_run_without_features_of_such_images_says_that_it_has_none():
    run = RunStore(ROOT / "runs").open("voc07-etf-s1")
    record = class_variability(run, 39, split="test", space="f")
    assert record.query_only is None
    sentence = variability_sentence(record)
    assert "against labels shuffled, tightest" in sentence
    assert "Features of images without the class were not stored" in sentence
    dashes = class_dots([(run_row(run), record)]).data[-1]
    assert not np.isfinite(dashes.y).any()
    assert not dashes.showlegend
    # an image-wise space has no class query to speak of
    run = RunStore(ROOT / "runs").open("voc07-erm-s0")
    record = class_variability(run, run.array_epochs()[-1], split="test", space="z")
    assert record.query_only is None
    assert "query" not in variability_sentence(record)
    assert "not stored" not in variability_sentence(record)
