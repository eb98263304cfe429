"""Alignment with label embeddings and which loss trains: records, charts, and what pages say without them."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.compare.loss_shares import shares_frame
from app.figures.alignment import alignment_dots
from app.figures.loss_shares import share_areas
from app.geometry.alignment import alignment_frame
from mlcnc.analysis.curves.loss_shares import loss_shares
from mlcnc.analysis.curves.points import curve_points
from mlcnc.analysis.geometry.alignment import alignment_sentence, class_alignment
from mlcnc.analysis.runs.rows import run_row
from mlcnc.store import RunStore
from tests.app.conftest import charts, words, write_run
from tests.conftest import ROOT


@pytest.fixture
def runs(tmp_path):
    """Return three runs: two that measured alignment, one that was recorded before."""
    root = tmp_path / "runs"
    write_run(root, "after-s0", aligned=True).finish()
    write_run(root, "after-s1", aligned=True, seed=1, embedding="glove").finish()
    write_run(root, "before-s0").finish()
    return {run.run_id: run for run in RunStore(root).scan()}


@pytest.fixture
def page(monkeypatch, runs):
    """Return what opens a page of the runs."""

    def opened(name, *shown, **query):
        monkeypatch.setenv("MLCNC_RUNS", str(runs["after-s0"].folder.parent))
        monkeypatch.setattr("sys.argv", ["streamlit"])
        page = AppTest.from_file(str(ROOT / "app" / name / "page.py"), default_timeout=60)
        if shown:
            page.session_state["r"] = list(shown)
        for key, value in query.items():
            page.query_params[key] = value
        found = page.run()
        assert not found.exception, found.exception
        return found

    return opened


def drawn(runs, *ids):
    return [(run_row(runs[i]), class_alignment(runs[i], 2, split="test", space="f")) for i in ids]


def test_a_record_is_what_was_stored_most_frequent_class_first(runs):
    run = runs["after-s0"]
    record = class_alignment(run, 2, split="test", space="f")
    assert record.class_names == tuple(run.info.class_names)  # counts fall already
    np.testing.assert_array_equal(record.cosines, run.arrays(2).get("test.f/alignment"))
    assert np.nanmean(record.cosines[0]) == pytest.approx(run.metrics()[2]["test.f/alignment_positive"])
    assert record.others_optimum == -0.25
    said = alignment_sentence(record)
    assert f"cosine {np.mean(record.cosines[0]):.2f} with its" in said
    assert f"least {record.class_names[np.argmin(record.cosines[0])]} " in said
    assert class_alignment(runs["before-s0"], 2, split="test", space="f") is None
    assert class_alignment(run, 2, split="test", space="mu") is None


def test_classes_stand_in_order_with_their_optimum(runs):
    shown = drawn(runs, "after-s0", "after-s1")
    figure = alignment_dots(shown)
    own, others = figure.data[0], figure.data[1]
    np.testing.assert_array_equal(own.y, shown[0][1].cosines[0])
    np.testing.assert_array_equal(others.y, shown[0][1].cosines[1])
    optima = {trace.yaxis: trace.y[0] for trace in figure.data if trace.legendgroup == "optimum"}
    assert optima == {"y": 1.0, "y2": -0.25}
    assert figure.layout.xaxis2.ticktext[0] == "person (500)"
    assert {note.text for note in figure.layout.annotations} >= {"head", "medium", "tail"}
    # marks of two runs stand side by side
    assert len({trace.x[0] for trace in figure.data if trace.mode == "markers"}) == 2
    frame = alignment_frame(shown)
    assert len(frame) == 10
    assert frame["negative, own"].tolist() == [x for _, record in shown for x in record.cosines[2]]


def test_the_page_draws_what_is_there_and_says_what_is_missing(page):
    shown = page("geometry", "after-s0", "before-s0")
    assert "after-s0, epoch 3: test features f of images with the class have cosine" in words(shown)
    assert "before-s0 has no cosines of test features f with the label embedding" in words(shown)
    assert sum("cosine, images with the class" in str(chart) for chart in charts(shown)) == 1


def test_each_verdict_names_split_space_and_the_centring_that_it_keeps(page):
    shown = page("geometry", "after-s0", split="train", centring="none")
    headings = [item.value for item in shown.markdown if item.value.startswith("#####")]
    assert any(
        each.startswith("##### Geometry: ") and "(train f, centred by class)" in each for each in headings
    )
    shown = page("geometry", "after-s0", split="test")
    headings = [item.value for item in shown.markdown if item.value.startswith("#####")]
    assert any(each.startswith("##### Geometry: ") and each.endswith("collapsed (test f)") for each in headings)


def test_the_page_says_large_whether_training_features_are_aligned(page, runs):
    shown = page("geometry", "after-s0", "after-s1", split="test", epoch="2")
    headings = [item.value for item in shown.markdown if item.value.startswith("#####")]
    for name in ("after-s0", "after-s1"):
        record = class_alignment(runs[name], 1, split="train", space="f")
        assert record.verdict.label == "not"  # random features
        assert "##### Alignment: not aligned (train f)" in headings
        own, others, without = (np.nanmean(record.cosines[part]) for part in (0, 1, 2))
        assert (
            f"**{name}**, epoch 2: train features f, cosine with the own label embedding {own:.2f}; null: "
            in words(shown)
        )
        assert f"other embeddings {others:z.2f}, images without the class {without:z.2f}); aligned: 1" in words(
            shown
        )


def test_shares_are_stacked_to_a_hundred_and_missing_ones_are_named(runs, page):
    found = [(run_row(runs[i]), loss_shares(runs[i])) for i in ("after-s0", "after-s1")]
    figure = share_areas(found)
    assert [trace.name for trace in figure.data] == ["alignment", "two way"] * 2
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]
    heights = [note.y for note in figure.layout.annotations]
    assert figure.layout.legend.yanchor == "bottom"
    assert figure.layout.legend.y > max(heights), "above the names of the runs"
    three = share_areas([found[0], found[1], found[0]])
    titled = [three.layout[axis].title.text for axis in ("xaxis", "xaxis2", "xaxis3")]
    assert titled == [None, "epoch", "epoch"], "a name of a run stands below the first"
    np.testing.assert_allclose(np.add(figure.data[0].y, figure.data[1].y), 100.0)
    assert len(shares_frame(found)) == 12
    shown = page("compare", "after-s0", "before-s0", show="Curves", metrics="train.f/alignment_positive")
    assert "No shares of before-s0" in words(shown)
    assert "after-s0: at epoch 3 two way 88 %, alignment 12 % of the gradient" in words(shown)


def test_the_untrained_network_is_epoch_0_of_its_curve(runs):
    points = curve_points([runs["after-s0"]], "train.f/alignment_positive")
    assert points.epochs.tolist() == [0, 1, 2, 3]
    assert points.x[0] == 0.0
    assert points.raw[0] == pytest.approx(0.01)
    assert curve_points([runs["after-s0"]], "test/map_total").epochs.tolist() == [1, 2, 3]


def test_the_table_has_a_column_of_the_alignment(runs, page):
    shown = page("overview")
    table = shown.dataframe[0].value.set_index("run")["alignment"]
    assert table["after-s0"] == pytest.approx(
        runs["after-s0"].metrics()[2]["train.f/alignment_positive"], abs=0.1
    )
    assert np.isnan(table["before-s0"])
