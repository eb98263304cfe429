"""The Compare page: values shown are those of the records, and only what is open is computed."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from streamlit.testing.v1 import AppTest

from app.compare.buckets import bucket_frame, stored_intervals
from app.figures.comparison import StoredInterval, bucket_dots
from app.figures.curve_panels import Line, MetricPanel, curve_panels
from app.figures.line_ends import spread_out
from app.figures.style import turns
from mlcnc.analysis.comparison.class_differences import (
    bucket_differences,
    class_difference_sentence,
    class_differences,
)
from mlcnc.analysis.comparison.intervals import difference_sentence, map_difference, map_intervals
from mlcnc.analysis.comparison.pair_sentences import pairs_sentence
from mlcnc.analysis.comparison.pairs import of_one_size, pairs
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.curves.nulls import random_null
from mlcnc.analysis.curves.points import curve_points, sparse_sentence
from mlcnc.analysis.runs.rows import BUCKETS, run_row, run_rows
from mlcnc.store import RunStore
from tests.app.conftest import charts, words, write_run
from tests.conftest import ROOT

TABS = ("Buckets", "Classes", "Curves", "Settings", "Tables", "Published")


def opened_at(monkeypatch, root, picked=None, **query):
    monkeypatch.setenv("MLCNC_RUNS", str(root))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / "compare" / "page.py"), default_timeout=60)
    if picked:
        page.session_state["r"] = picked
    for name, value in query.items():
        page.query_params[name] = value
    shown = page.run()
    assert not shown.exception, shown.exception
    return shown


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two runs that saw the same test images, for ids of equal length give the same ones."""
    root = tmp_path_factory.mktemp("compare")
    write_run(root, "ours").finish()
    write_run(root, "them", embedding="glove", quality=1.0).finish()
    return root, [RunStore(root).open(name) for name in ("ours", "them")]


def test_a_curve_that_is_not_drawn_whole_says_so(monkeypatch, tmp_path):
    write_run(tmp_path, "long", features=False).finish()
    lines = (json.dumps({"epoch": epoch, "train/loss": 1 / (1 + epoch % 7)}) for epoch in range(6000))
    (tmp_path / "long" / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    shown = opened_at(monkeypatch, tmp_path, show="Curves", metrics="train/loss")
    drawn = re.search(r"train/loss: showing (\d+) of 6000 points", words(shown))
    assert drawn is not None, words(shown)
    assert int(drawn[1]) <= 5000


@pytest.mark.parametrize("tab", TABS[1:])  # the first one is opened by the tests of all pages
@pytest.mark.parametrize("situation", ["slim", "nan", "damaged_arrays", "no_epoch"])
def test_no_situation_breaks_a_tab(monkeypatch, catalogue, situation, tab):
    shown = opened_at(monkeypatch, catalogue(situation), show=tab)
    assert "Traceback" not in words(shown)


def test_classes_and_answer_say_what_the_records_say(monkeypatch, two):
    root, runs = two
    shown = opened_at(monkeypatch, root, bucket="tail", show="Classes", pairs="runs")
    pair = [(run, run.best_epoch()) for run in runs]
    assert class_difference_sentence(class_differences(*pair), "ours", "them") in words(shown)
    interval = map_difference(*pair)["map_tail"]
    assert difference_sentence("tail mAP", "ours", "them", interval) in words(shown)
    groups = seed_groups(run_rows(runs))
    found = pairs(of_one_size(groups)[0], lambda *_: {})
    assert pairs_sentence(found, BUCKETS.index("tail")) in words(shown)


def test_dots_of_a_bucket_average_to_the_difference_of_the_means(two):
    _, runs = two
    ours, them = run_rows(runs, "last")
    means = bucket_differences(class_differences((runs[0], 2), (runs[1], 2)))
    for bucket in BUCKETS:
        assert means[bucket] == pytest.approx(ours.map_percent[bucket] - them.map_percent[bucket], abs=1e-6)


def test_intervals_of_classes_are_said_and_drawn_on_demand(monkeypatch, two):
    root, _ = two
    without = opened_at(monkeypatch, root, show="Classes")
    assert "interval by test image excludes 0" not in words(without)
    shown = opened_at(monkeypatch, root, show="Classes", class_intervals="true", pairs="runs")
    assert "interval by test image excludes 0" in words(shown)


def test_settings_show_differences_and_equal_ones_only_when_opened(monkeypatch, two):
    root, _ = two
    shown = opened_at(monkeypatch, root, show="Settings", columns="runs")
    assert [list(table.value.index) for table in shown.dataframe] == [["label embedding"]]
    frame = shown.dataframe[0].value
    assert list(frame.columns) == ["differs", "ours", "them", "name in commands"]
    assert list(frame["name in commands"]) == ["method.label_embedding"]
    assert "differs in label embedding alone" in words(shown)


def test_only_the_open_tab_is_computed(monkeypatch, two):
    root, _ = two
    buckets = opened_at(monkeypatch, root)
    assert "Whiskers" in words(buckets) or "whisker" in words(buckets)
    assert not buckets.dataframe
    assert not [box for box in buckets.multiselect if box.label == "Metrics"]


def test_runs_grouped_by_a_setting_say_what_else_differs(monkeypatch, tmp_path):
    write_run(tmp_path, "a").finish()
    write_run(tmp_path, "b", embedding="glove").finish()
    write_run(tmp_path, "c", embedding="glove", classifier="init_only").finish()
    shown = opened_at(monkeypatch, tmp_path, ["a", "b", "c"], group="method.classifier")
    assert shown.selectbox(key="group").value == "method.classifier"
    assert "also differ in label embedding; a" in words(shown)
    assert "n=2" in words(shown)


def test_a_table_never_holds_two_data_sets(monkeypatch, two):
    root, _ = two
    shown = opened_at(monkeypatch, root, show="Published")
    origins = [set(table.value["origin"]) for table in shown.dataframe]
    assert {"this project, toy-lt"} in origins
    assert all(len({name.split(", ")[1] for name in found}) == 1 for found in origins)
    assert "never with VOC-LT" in words(shown)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "at the epoch with the highest mAP on validation images"),
        ({"at": "last"}, "at the last measured epoch"),
    ],
)
def test_published_says_of_which_epoch_and_runs_rows_are(monkeypatch, two, query, said):
    shown = opened_at(monkeypatch, two[0], show="Published", **query)
    assert said in words(shown)
    for table in shown.dataframe:
        frame = table.value
        own = frame["origin"] == "this project, toy-lt"
        assert ("runs" in frame) == own.any()
        if own.any():
            assert "variant" not in frame
            assert set(frame["runs"]) == {"ours", "them"}


def test_the_interval_by_test_image_is_of_stored_scores_as_good_as_the_chosen_epoch(two):
    """A best epoch early in a long run may lie nearest to the untrained network among those with scores."""
    for run in two[1]:
        row = run_row(run, "last")
        for line in run.metrics():
            like = replace(row, map_percent=row.map_percent | {"total": line["test/map_total"]})
            assert [item.epoch for item in stored_intervals([(run, like)])] == [line["epoch"]]


def test_means_carry_single_runs_and_intervals(two):
    _, runs = two
    rows = run_rows(runs, "last")
    groups = seed_groups(rows)
    stored = [
        StoredInterval(row, 2, map_intervals(run, 2, num_resamples=50))
        for run, row in zip(runs, rows, strict=True)
    ]
    figure = bucket_dots(groups, singles=True, stored=stored)
    dots = next(trace for trace in figure.data if trace.name == "single run")
    expected = [row.map_percent[bucket] for group in groups for row in group.rows for bucket in BUCKETS]
    np.testing.assert_allclose(dots.y, expected)
    diamonds, others = (trace for trace in figure.data if "95 %" in trace.name)
    assert (diamonds.name, others.name) == ("ours, 95 % by test image", "them, 95 % by test image")
    found = stored[0].intervals["map_total"]
    assert diamonds.y[0] + diamonds.error_y.array[0] == pytest.approx(found.high)
    assert diamonds.y[0] - diamonds.error_y.arrayminus[0] == pytest.approx(found.low)
    frame = bucket_frame(groups, stored)
    assert len(frame) == sum(len(trace.y) for trace in figure.data)
    drawn = np.sort(np.concatenate([np.array(trace.y, dtype=float) for trace in figure.data]))
    np.testing.assert_allclose(np.sort(frame["mAP (%)"].to_numpy()), drawn)


def test_intervals_of_two_runs_of_one_recipe_stand_apart_and_only_of_picked_ones(monkeypatch, tmp_path):
    for seed in range(3):
        write_run(tmp_path, f"run-{seed}", seed=seed).finish()
    shown = opened_at(monkeypatch, tmp_path, ["run-0", "run-2"])
    diamonds = [trace for trace in charts(shown)[0].figure["data"] if "95 %" in trace["name"]]
    assert [trace["name"].split(",")[0] for trace in diamonds] == ["run-0", "run-2"]
    assert len({(trace["x"][0], trace["marker"]["symbol"]) for trace in diamonds}) == 2
    assert "there is one recipe here" in words(shown)
    assert "Pick a run of another recipe on toy-lt in the sidebar" in words(shown)


def test_panels_share_one_axis_and_keep_the_logged_curve_behind(two):
    _, runs = two
    panels = []
    for metric in ("test/map_total", "test.f/nc1_trace"):
        points = curve_points([runs[0]], metric, smoothing=0.5)
        line = Line("ours", "#000000", "solid", points)
        panels.append(
            MetricPanel(
                metric, metric, (line,), log="nc1" in metric, optimum=50.0, baseline=2.0, warmup_end=1.5
            )
        )
    figure = curve_panels(panels, "epoch", faint_raw=True)
    logged = [line["test/map_total"] for line in runs[0].metrics()]
    raw = [trace for trace in figure.data if trace.meta == "raw"]
    np.testing.assert_allclose(raw[0].y, logged)
    assert raw[0].opacity < 0.5
    assert {trace.xaxis or "x" for trace in figure.data} == {"x"}
    assert {trace.yaxis for trace in figure.data} == {"y", "y2"}
    assert figure.layout.yaxis2.type == "log"
    assert figure.layout.hoversubplots == "axis"
    optimum = [trace for trace in figure.data if trace.name == "optimum"]
    assert [trace.showlegend for trace in optimum] == [True, False]
    assert [(mark.x0, mark.yref) for mark in figure.layout.shapes] == [(1.5, "y domain"), (1.5, "y2 domain")]
    assert list(optimum[0].x) == [1, 3]


def test_few_measured_epochs_are_marks_with_nothing_solid_between(two):
    points = curve_points([two[1][0]], "test/map_total")
    few = replace(points, epochs=np.array([1, 20, 40]))
    assert few.is_sparse
    assert not points.is_sparse, "every epoch of three was measured"
    lines = (Line("few", "#000000", "solid", few), Line("all", "#000000", "solid", points))
    drawn = curve_panels([MetricPanel("test/map_total", "mAP", lines)], "epoch", faint_raw=False).data
    dashes = {trace.name: (trace.mode, trace.line.dash) for trace in drawn}
    assert dashes == {"few": ("lines+markers", "1px,5px"), "all": ("lines+markers", "solid")}
    said = sparse_sentence({name: {"few": few, "all": points} for name in ("mAP", "NC1")})
    assert said.endswith("dotted lines are no measurement: mAP, NC1 at 1, 20, 40 (few).")
    assert sparse_sentence({"mAP": {"all": points}}) == ""


def test_lines_of_one_colour_take_turns():
    assert turns(["etf", "etf", "glove", "etf"]) == [0, 1, 0, 2]


def test_values_without_a_place_on_a_logarithmic_axis_are_said(monkeypatch, tmp_path):
    from mlcnc.store import RunWriter

    with RunWriter.create(tmp_path, "dips", class_names=["a", "b"], class_counts=[9, 2]) as run:
        for epoch, value in enumerate([2.0, 0.0, -1.0, 0.5]):
            run.log_epoch(epoch, {"test.f/nc1_trace": value})
    shown = opened_at(monkeypatch, tmp_path, show="Curves", metrics="test.f/nc1_trace")
    assert "2 values of NC1, trace ratio, test f" in words(shown)
    assert "left out" in words(shown)
    linear = opened_at(monkeypatch, tmp_path, show="Curves", metrics="test.f/nc1_trace", log="false")
    assert "left out" not in words(linear)


def test_an_axis_that_no_run_logged_is_said(monkeypatch, two):
    root, _ = two
    shown = opened_at(monkeypatch, root, show="Curves", axis="time")
    assert "logged none" in words(shown)


def flat(points, name, end):
    """A line that ends at a value, with the points of another."""
    constant = np.full(len(points.x), end)
    return Line(name, "#000000", "solid", replace(points, values=constant, low=constant, high=constant))


def test_names_stand_at_line_ends_without_overlap_and_many_lines_keep_the_legend(two):
    points = curve_points([two[1][0]], "test/map_total")

    def figure_of(number):
        lines = tuple(flat(points, f"line {place}", 50.0 + 0.01 * place) for place in range(number))
        return curve_panels([MetricPanel("test/map_total", "mAP", lines)], "epoch", faint_raw=False)

    named = figure_of(8)
    ends = [note for note in named.layout.annotations if note.name]
    assert {note.text for note in ends} == {f"line {place}" for place in range(8)}
    assert not any(trace.showlegend for trace in named.data)
    # from the bottom upwards; within a hundredth of a point their ends lie 30 pixels apart or less
    heights = sorted(140 * (note.y - 50.0) / 0.07 - note.ay for note in ends)
    assert min(np.diff(heights)) >= 13
    many = figure_of(9)
    assert not [note for note in many.layout.annotations if note.name]
    assert sum(bool(trace.showlegend) for trace in many.data) == 9


def test_a_name_cut_at_a_line_end_is_no_tag(two):
    points = curve_points([two[1][0]], "test/map_total")
    lines = tuple(flat(points, name, 50.0) for name in ("<b>x</b>, seed 1", "plain, seed 1"))
    figure = curve_panels([MetricPanel("test/map_total", "mAP", lines)], "epoch", faint_raw=False)
    assert {note.text for note in figure.layout.annotations if note.name} == {
        "\u2039b\u203ax\u2039/b\u203a",
        "plain",
    }


def test_names_close_to_each_other_are_spread_and_stay_inside():
    placed = spread_out([100.0] * 8, [26.0] * 8, (0.0, 210.0))
    assert np.diff(placed) == pytest.approx([26.0] * 7)
    assert placed[0] == pytest.approx(9.0), "about their middle"
    assert spread_out([200.0, 205.0, 30.0], [26.0, 13.0, 13.0], (0.0, 210.0)) == pytest.approx(
        [190.5, 210.0, 30.0]
    ), "in any order, of any height"
    assert spread_out([1.0, 0.0], [13.0, 13.0], (0.0, 210.0)) == [13.0, 0.0]
    assert spread_out([0.0, 100.0], [13.0, 13.0], (0.0, 210.0)) == [0.0, 100.0]
    assert spread_out([], []) == []


def test_names_at_the_ends_of_low_lines_stay_above_the_axis(two):
    points = curve_points([two[1][0]], "test/map_total")
    lines = [flat(points, f"line {place}", 50.0) for place in range(4)] + [flat(points, "high", 60.0)]
    named = curve_panels([MetricPanel("test/map_total", "mAP", tuple(lines))], "epoch", faint_raw=False)
    low = [note for note in named.layout.annotations if note.name and note.name != "high"]
    # nor do names widen the axis
    assert named.layout.yaxis.range == pytest.approx((49.4, 60.6))
    assert sorted(-note.ay for note in low) == [0, 13, 26, 39]


def test_curves_of_angles_say_and_draw_what_random_directions_give(monkeypatch, two):
    root, runs = two
    band = random_null(runs[0], "test.f/angle_min_class")
    shown = opened_at(monkeypatch, root, show="Curves", metrics="test.f/angle_min_class")
    assert f"({band.mean:.3g} of random directions)" in words(shown)
    points = curve_points([runs[0]], "test.f/angle_min_class")
    panel = MetricPanel(
        "test.f/angle_min_class",
        "angle",
        (Line("ours", "#000000", "solid", points, null=points),),
        random=(band,),
    )
    drawn = curve_panels([panel, panel], "epoch", faint_raw=False).data
    shaded = [trace for trace in drawn if trace.fill == "toself"]
    assert [(trace.yaxis, min(trace.y), max(trace.y)) for trace in shaded] == [
        ("y", band.low, band.high), ("y2", band.low, band.high)
    ]  # fmt: skip
    null = next(trace for trace in drawn if trace.meta == "null")
    np.testing.assert_allclose(null.y, points.values)
    assert null.legendgroup == "ours"


def test_classes_take_every_seed_that_stored_precisions_and_say_how_many(monkeypatch, tmp_path):
    for name, embedding, quality in (("ours", "etf", 0.0), ("them", "glove", 1.0)):
        for seed in range(2):
            write_run(tmp_path, f"{name}{seed}", embedding=embedding, seed=seed, quality=quality).finish()
    for path in (tmp_path / "ours1" / "epochs").iterdir():
        save_file({"test/ap": load_file(path)["test/ap"]}, path)
    write_run(tmp_path, "ours2", seed=2, slim=True).finish()
    shown = opened_at(monkeypatch, tmp_path, ["ours0", "them0"], show="Classes")
    assert "Means over the 2 seeds that both have." in words(shown)
    assert "(n = 2, the seeds that both have)" in words(shown)
    assert "2 of 3 runs stored AP per class" in words(shown)


def test_a_run_that_is_picked_no_more_leaves_the_address(monkeypatch, tmp_path):
    for name, embedding in (("one", "etf"), ("two", "glove"), ("three", "trainable")):
        write_run(tmp_path, name, embedding=embedding).finish()
    shown = opened_at(monkeypatch, tmp_path, ["one", "two", "three"], show="Classes", a="two", b="three")
    assert (shown.selectbox(key="a").value, shown.selectbox(key="b").value) == ("two", "three")
    shown.session_state["r"] = ["one", "three"]
    shown.run()
    assert (shown.selectbox(key="a").value, shown.selectbox(key="b").value) == ("one", "three")
    assert not any("two" in values for values in shown.query_params.values())


def test_sides_of_classes_have_names_of_their_own(monkeypatch, tmp_path):
    for name, lr in (("slow", 0.1), ("fast", 0.2)):
        write_run(tmp_path, name, lr=lr).finish()
    shown = opened_at(monkeypatch, tmp_path, ["slow", "fast"], show="Classes")
    assert "MLC-NC etf, lr=0.1: higher AP" not in words(shown)
    frame = charts(shown)[0]
    title = next(part.value for part in shown.markdown if " minus " in part.value)
    first, _, second = title.partition(": ")[0].partition(" minus ")
    assert first != second, frame


def test_the_chart_of_buckets_says_the_verdict_of_the_page(monkeypatch, two):
    shown = opened_at(monkeypatch, two[0])
    answer = next(part.value for part in shown.markdown if part.value.startswith("##### "))
    assert charts(shown)[0].alt.startswith(answer.removeprefix("##### ").split("\\")[0])
    assert "Mean (lowest to highest seed): " in words(shown)
