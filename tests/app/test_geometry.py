"""The geometry page: frames hold what was measured, texts follow the epoch, classes are chosen in the address."""

import re
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.angle_histogram import angle_histogram
from app.figures.angle_matrix import angle_matrix
from app.figures.class_arrows import arrows_player
from app.figures.geometry import GeometryPanel, geometry_player, most_frames
from app.geometry.tables import angle_frame
from mlcnc.analysis.geometry.angle_course import angle_course
from mlcnc.analysis.geometry.angle_history import angle_counts, angle_history
from mlcnc.analysis.geometry.angles import (
    CENTRINGS,
    class_mean_angles,
    closest_pairs,
    geometry_sentence,
)
from mlcnc.analysis.geometry.class_arrows import arrows_sentence, class_arrows, default_classes
from mlcnc.analysis.geometry.class_order import ordered_classes, reordered
from mlcnc.analysis.geometry.vector_angles import gram_angles
from mlcnc.analysis.runs.history import shown_epochs
from mlcnc.analysis.runs.rows import run_row
from mlcnc.metrics.random_directions import random_directions
from mlcnc.store import RunStore
from tests.app.conftest import charts, words, write_run
from tests.conftest import ROOT


@pytest.fixture
def runs(catalogue):
    return {run.run_id: run for run in RunStore(catalogue("full")).scan()}


def panel(run, epochs=None, subject="class means", centring="class", quantity="smallest angle"):
    history = angle_history(run, subject=subject, split="test", space="f", centring=centring)
    records = history.records if epochs is None else [history.nearest(epoch) for epoch in epochs]
    of = {"subject": subject, "split": "test", "space": "f", "centring": centring}
    return GeometryPanel(run_row(run), records, angle_course(run, history, quantity=quantity, **of))


def drawn(figure, label):
    """Return the trace updates of a frame by the place of their trace."""
    frame = next(frame for frame in figure.frames if frame.name == str(label))
    return dict(zip(frame.traces, frame.data, strict=True)), frame.layout.annotations


def test_every_frame_holds_the_angles_counts_and_smallest_angle_of_its_epoch(runs):
    panels = [panel(runs["etf-s0"]), panel(runs["glove-s0"])]
    figure = geometry_player(panels, [0, 1, 2])
    assert [step.label for step in figure.layout.sliders[0].steps] == ["1", "2", "3"]
    kinds = [trace.type for trace in figure.data]
    for index, label in enumerate((1, 2, 3)):
        parts, notes = drawn(figure, label)
        matrices = [part for place, part in parts.items() if kinds[place] == "heatmap"]
        bars = [part for place, part in parts.items() if kinds[place] == "bar"]
        marks = [part for place, part in parts.items() if kinds[place] == "scatter"]
        for matrix, bar, mark, note, each in zip(matrices, bars, marks, notes, panels, strict=True):
            expected = each.records[index].angles.copy()
            np.fill_diagonal(expected, np.nan)
            np.testing.assert_allclose(matrix.z, expected, atol=0.051)
            assert np.asarray(matrix.z).dtype == np.float32
            np.testing.assert_array_equal(bar.y, angle_counts(each.records[index])[1])
            run = runs[each.row.run_id]
            assert list(mark.x) == [label]
            assert mark.y[0] == pytest.approx(run.metrics()[index]["test.f/angle_min_class"])
            assert f"{each.row.name}</b>, epoch {label}" in note.text
            assert f"smallest {each.records[index].summary.minimum:.1f}°" in note.text
    # shown first: the last epoch
    np.testing.assert_array_equal(figure.data[0].z, drawn(figure, 3)[0][0].z)


@pytest.mark.parametrize("centring", ["none", "class"])
def test_matrix_is_centred_on_the_optimum_with_a_fixed_range(runs, centring):
    figure = geometry_player([panel(runs["etf-s0"], centring=centring)], [0, 1, 2])
    scale, optimum = figure.layout.coloraxis, np.degrees(np.arccos(-1 / 4))
    assert (scale.cmin + scale.cmax) / 2 == pytest.approx(optimum)
    assert scale.cmax - scale.cmin == pytest.approx(120)
    assert "ETF" in scale.colorbar.ticktext[2]
    assert [scale.colorbar.ticktext[end][:2] for end in (0, -1)] == ["≤ ", "≥ "]
    assert scale.colorbar.tickvals[2] == pytest.approx(optimum)
    matrix = figure.data[0]
    assert matrix.coloraxis == "coloraxis"
    assert (matrix.x[0], matrix.x[-1]) == ("person (500), head", "cow (4), tail")
    assert figure.layout.yaxis.ticktext[0] == "person (500)"
    lines = [shape for shape in figure.layout.shapes if shape.type == "line" and shape.line.dash is None]
    assert sorted(shape.x0 for shape in lines if shape.x0 == shape.x1) == [1.5, 2.5]
    assert list(figure.layout.xaxis.ticktext) == ["head", "medium", "tail"]
    assert list(figure.layout.xaxis.tickvals) == [0.5, 2, 3.5]
    dashed = [shape for shape in figure.layout.shapes if shape.line.dash == "dash"]
    assert [shape.x0 for shape in dashed] == [pytest.approx(optimum)]
    words_of_centring = "uncentred" if centring == "none" else "centring class"
    assert words_of_centring in figure.layout.xaxis2.title.text


def test_histogram_counts_every_pair(runs):
    figure = geometry_player([panel(runs["etf-s0"], subject="label embedding")], [0, 1, 2])
    bars = next(trace for trace in figure.data if trace.type == "bar")
    found = dict(zip(bars.x, bars.y, strict=True))
    assert found[91.5] == 10
    assert sum(found.values()) == 10


@pytest.mark.parametrize(
    ("quantity", "metric"), [("smallest angle", "angle_min_class"), ("Gram distance", "nc2_gram")]
)
def test_the_course_stands_between_the_etf_and_random_directions(runs, quantity, metric):
    names = ("etf-s0", "glove-s0")
    panels = [panel(runs[name], quantity=quantity) for name in names]
    figure = geometry_player(panels, [0, 1, 2])
    drawn = {trace.name: trace for trace in figure.data if trace.name}
    for name in names:
        np.testing.assert_allclose(drawn[name].y, [line[f"test.f/{metric}"] for line in runs[name].metrics()])
    record = panels[0].records[-1]
    null = record.null.smallest if quantity == "smallest angle" else record.null.gram
    optimum = record.optimum if quantity == "smallest angle" else 0.0
    # both runs have the same classes and dimension: one line, one band, named once
    (line,) = [trace for trace in figure.data if trace.name == "optimum"]
    assert list(line.y) == [optimum] * 2
    assert line.line.dash == "dash"
    (band,) = [trace for trace in figure.data if trace.type == "scatter" and trace.fill == "toself"]
    assert list(band.y) == [null.low, null.low, null.high, null.high]
    said = [trace.text[0] for trace in figure.data if trace.type == "scatter" and trace.mode == "text"]
    assert sorted(words.split()[0] for words in said) == ["random", "simplex"]
    axis = band.yaxis.replace("y", "yaxis")
    assert {trace.yaxis for trace in (line, band, *(drawn[name] for name in names))} == {band.yaxis}
    assert {trace.xaxis for trace in figure.data if trace.yaxis == band.yaxis} == {drawn["etf-s0"].xaxis}
    low, high = figure.layout[axis].range
    assert low < min(optimum, null.low) <= max(optimum, null.high) < high
    assert quantity in figure.layout[axis].title.text


def test_the_course_begins_at_the_untrained_network_where_that_was_measured():
    each = panel(RunStore(ROOT / "runs").open("voc07-etf-s1"))
    figure = geometry_player([each], [record.epoch for record in each.records])
    (line,) = [trace for trace in figure.data if trace.name == "voc07-etf-s1" and trace.type == "scatter"]
    # measured so rarely that no line should join them
    assert (list(line.x), line.mode) == ([0, 1, 11, 21, 31, 40], "markers")
    each = panel(RunStore(ROOT / "runs").open("voc07-etf-aligned-s0"))
    (line,) = [
        trace
        for trace in geometry_player([each], range(40)).data
        if trace.name == "voc07-etf-aligned-s0" and trace.type == "scatter"
    ]
    assert (list(line.x), line.mode) == (list(range(41)), "lines")


def test_a_course_of_few_stored_epochs_is_not_joined():
    each = panel(RunStore(ROOT / "runs").open("voc07-etf-s1"), subject="label embedding")
    figure = geometry_player([each], [record.epoch for record in each.records])
    (line,) = [trace for trace in figure.data if trace.name == "voc07-etf-s1" and trace.type == "scatter"]
    assert (list(line.x), line.mode) == ([1, 11, 21, 31, 40], "markers")


def test_the_page_draws_the_course_that_is_asked_for_and_no_nc1(monkeypatch, catalogue):
    for asked, title in ((None, "smallest angle (°)"), ("Gram distance", "Gram distance")):
        shown = opened_at(monkeypatch, catalogue("full"), **({} if asked is None else {"course": asked}))
        figure = figures(shown)[0]
        titles = [
            axis.get("title", {}).get("text", "")
            for axis in figure["layout"].values()
            if isinstance(axis, dict)
        ]
        assert title in titles
        assert "NC1" not in str(figure["layout"])


def test_names_of_twenty_classes_can_be_read_and_none_is_left_out(runs):
    record = panel(RunStore(ROOT / "runs").open("voc07-etf-s0"), [39]).records[0]
    axis = angle_matrix(record).layout.yaxis
    assert axis.tickfont.size >= 12
    assert len(axis.ticktext) == 20
    many = large(record, tuple(f"class {i}" for i in range(80)), np.random.default_rng(0))
    half = replace(
        many,
        angles=many.angles[:30, :30],
        class_names=many.class_names[:30],
        class_counts=many.class_counts[:30],
        buckets=many.buckets[:30],
    )
    axis = angle_matrix(half).layout.yaxis
    assert (axis.tickfont.size, list(axis.tickvals)) == (12, list(range(0, 30, 2)))
    assert axis.ticktext[1] == "class 2 (78)"


def test_a_matrix_beyond_the_scale_widens_it_for_both_runs_and_says_so(monkeypatch):
    picked = ["voc07-etf-s0", "balanced-etf-terminal-s0"]
    plain = opened_at(monkeypatch, ROOT / "runs", picked)
    assert "Colours reach" not in words(plain)
    (usual,) = [f["layout"]["coloraxis"] for f in figures(plain) if "coloraxis" in f["layout"]]
    assert usual["cmax"] - usual["cmin"] == pytest.approx(120)
    shown = opened_at(monkeypatch, ROOT / "runs", picked, centring="none")
    (figure,) = [figure for figure in figures(shown) if "coloraxis" in figure["layout"]]
    scale = figure["layout"]["coloraxis"]
    assert scale["cmax"] - scale["cmin"] == pytest.approx(180)
    assert (scale["cmax"] + scale["cmin"]) / 2 == pytest.approx(usual["colorbar"]["tickvals"][2])
    assert [scale["colorbar"]["ticktext"][end] for end in (0, -1)] == ["≤ 3", "180"]
    assert {trace["coloraxis"] for trace in figure["data"] if trace["type"] == "heatmap"} == {"coloraxis"}
    assert "Colours reach from 3° to 180° here" in words(shown)


@pytest.mark.parametrize(
    ("name", "subject", "said"),
    [
        ("voc07-erm-s0", "classifier", "Geometry: not collapsed (classifier vectors)"),
        ("pictogram-etf-s0", "classifier", "Geometry: given, not trained (classifier vectors)"),
        ("pictogram-trainable-s0", "label embedding", "Geometry: not collapsed (label embedding vectors)"),
    ],
)
def test_trained_vectors_are_judged_against_random_directions_and_fixed_ones_are_not(
    monkeypatch, name, subject, said
):
    shown = opened_at(monkeypatch, ROOT / "runs", [name], of=subject)
    assert said in words(shown)
    run = RunStore(ROOT / "runs").open(name)
    record = gram_angles(run, run.array_epochs()[-1], subject)
    dim = {space.name: space.dim for space in run.spaces}
    expected = dim["f"] if subject == "label embedding" else dim.get("z", dim.get("concat"))
    assert record.null == random_directions(20, expected, centred=False, gram_centred=False)
    assert record.all_equal or f"random directions in {expected:,} dimensions" in words(shown)
    assert any(trace.get("fill") == "toself" for trace in figures(shown)[-1]["data"])


def test_another_order_has_no_bucket_lines_where_buckets_are_mixed(runs):
    each = panel(runs["etf-s0"])
    records = [reordered(record, np.array([4, 0, 2, 1, 3])) for record in each.records]
    mixed = GeometryPanel(each.row, records, each.course)
    figure = geometry_player([mixed], [0, 1, 2])
    assert figure.data[0].y[0] == "cow (4), tail"
    assert [shape.line.dash for shape in figure.layout.shapes if shape.type == "line"] == ["dash"]
    assert not figure.layout.xaxis.ticktext


def test_matrix_and_histogram_alone_show_the_same_numbers(runs):
    each = panel(runs["etf-s0"])
    figure = geometry_player([each], [0, 1, 2])
    matrix, bars = angle_matrix(each.records[-1]), angle_histogram(each.records[-1])
    np.testing.assert_array_equal(matrix.data[0].z, figure.data[0].z)
    assert matrix.layout.coloraxis == figure.layout.coloraxis
    np.testing.assert_array_equal(bars.data[0].y, figure.data[1].y)
    assert bars.layout.shapes[0].x0 == each.records[0].optimum


@pytest.mark.parametrize("num_runs", [1, 2])
def test_eighty_classes_and_a_hundred_epochs_stay_small(runs, num_runs):
    limit = most_frames(80, num_runs)
    assert 10 // num_runs <= limit < 100
    assert most_frames(20, num_runs) >= 40 // num_runs
    rng = np.random.default_rng(0)
    record = panel(runs["etf-s0"]).records[0]
    names = tuple(f"class {i}" for i in range(80))
    epochs, number = shown_epochs([angle_history_of(record, 100)], limit)
    assert (len(epochs), number) == (limit, 100)
    records = [large(record, names, rng) for _ in epochs]
    each = panel(runs["etf-s0"])
    panels = [GeometryPanel(each.row, records, each.course)] * num_runs
    figure = geometry_player(panels, epochs)
    np.testing.assert_array_equal(figure.frames[-1].data[0].z, records[-1].angles.round())
    assert len(figure.to_json()) < 150e3


def test_classes_that_were_not_seen_stay_empty_among_many(runs):
    rng = np.random.default_rng(0)
    record = large(panel(runs["etf-s0"]).records[0], tuple(f"class {i}" for i in range(80)), rng)
    angles = record.angles.copy()
    angles[3] = angles[:, 3] = np.nan
    shown = angle_matrix(replace(record, angles=angles)).data[0].z
    assert np.isnan(shown[3]).all()
    assert np.isnan(shown[:, 3]).all()
    assert np.isfinite(shown).sum() == 79 * 78


def test_the_diagonal_is_grey_so_that_an_exact_etf_is_no_empty_square(runs):
    record = panel(runs["etf-s0"]).records[0]
    (cells,) = (shape for shape in angle_matrix(record).layout.shapes if shape.type == "path")
    assert cells.path.count("M") == len(record.class_names)


def large(record, names, rng):
    from dataclasses import replace

    angles = rng.uniform(40, 130, (80, 80))
    return replace(
        record,
        angles=(angles + angles.T) / 2,
        class_names=names,
        class_counts=tuple(range(80, 0, -1)),
        buckets=("head",) * 30 + ("medium",) * 30 + ("tail",) * 20,
    )


def angle_history_of(record, number):
    from dataclasses import replace

    from mlcnc.analysis.geometry.angle_history import AngleHistory

    return AngleHistory("x", tuple(replace(record, epoch=epoch) for epoch in range(number)), (), True)


def test_the_download_holds_every_plotted_angle(runs):
    panels = [panel(runs["etf-s0"])]
    frame = angle_frame(panels, [0, 1, 2])
    assert len(frame) == 3 * 10
    record = panels[0].records[1]
    row = frame[(frame["epoch"] == 2) & (frame["first class"] == "person") & (frame["second class"] == "bus")]
    assert row["angle (degrees)"].item() == record.angles[0, 3]


def test_arrows_end_where_the_record_says_and_start_at_the_origin(runs):
    run = runs["etf-s0"]
    records = [class_arrows(run, e, ["cow", "person", "bus"], split="test", space="f") for e in range(3)]
    figure = arrows_player([(run_row(run), records)], [0, 1, 2])
    for record, frame in zip(records, figure.frames, strict=True):
        points = np.stack([frame.data[0][axis] for axis in "xyz"], axis=1).reshape(3, 3, 3)
        np.testing.assert_array_equal(points[:, 0], 0)
        np.testing.assert_allclose(points[:, 1], record.points, atol=1e-4)
        assert np.isnan(points[:, 2]).all()
        assert f"{record.angles[0, 1]:.1f}°" in frame.data[0].customdata[1]
        assert "(simplex 120.0°)" in frame.layout.annotations[0].text
    ideal = np.stack([figure.data[0][axis] for axis in "xyz"], axis=1).reshape(3, 3, 3)
    np.testing.assert_allclose(ideal[0, :2], records[0].ideal[:2])
    assert figure.data[1].marker.symbol[1] == "diamond"  # cow is of the tail


def opened_at(monkeypatch, root, picked=None, **address):
    monkeypatch.setenv("MLCNC_RUNS", str(root))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / "geometry" / "page.py"), default_timeout=60)
    for name, value in address.items():
        page.query_params[name] = value
    if picked is not None:
        page.session_state["r"] = picked
    shown = page.run()
    assert not shown.exception, shown.exception
    return shown


def figures(shown):
    return [chart.figure for chart in charts(shown)]


@pytest.mark.parametrize(("epoch", "index"), [(None, 2), ("1", 0), ("2", 1), ("77", 2), ("nonsense", 2)])
def test_texts_and_tables_are_of_the_epoch_in_the_address(monkeypatch, catalogue, epoch, index):
    shown = opened_at(monkeypatch, catalogue("full"), **({} if epoch is None else {"epoch": epoch}))
    text = words(shown)
    for place, name in enumerate(("etf-s0", "trainable-s0")):
        run = RunStore(catalogue("full")).open(name)
        record = class_mean_angles(run, index, split="test", space="f", centring="class")
        assert geometry_sentence(record) in text
        assert f"Epoch {index + 1}; class means of test features f" in text
        assert f"{record.gram:.3f} (0 is an ETF" in text
        table = shown.dataframe[place].value
        assert table["angle"].tolist() == pytest.approx([pair.angle for pair in closest_pairs(record)])


def test_both_runs_share_the_order_and_the_table_names_the_other_angle(monkeypatch, catalogue):
    shown = opened_at(monkeypatch, catalogue("full"), order="cluster", centring="none")
    figure = figures(shown)[0]
    one, other = [trace for trace in figure["data"] if trace["type"] == "heatmap"]
    store = RunStore(catalogue("full"))
    first, second = (
        class_mean_angles(store.open(name), 2, split="test", space="f", centring="none")
        for name in ("etf-s0", "trainable-s0")
    )
    positions = ordered_classes(first, "cluster")
    names = [first.class_names[i] for i in positions]
    assert [re.sub(r" \(\d+\), \w+$", "", label) for label in one["y"]] == names
    assert one["y"] == other["y"]
    pair = closest_pairs(first, 1)[0]
    at = [second.class_names.index(name) for name in (pair.first, pair.second)]
    assert shown.dataframe[0].value["in trainable-s0"][0] == pytest.approx(second.angles[at[0], at[1]])


def test_the_run_that_is_shown_stays_when_others_join_those_picked(monkeypatch, catalogue):
    """Whatever the names of those that join: they come after what was there."""
    shown = opened_at(monkeypatch, catalogue("full"))
    for picked in (["trainable-s0"], ["trainable-s0", "glove-s0"], ["trainable-s0", "glove-s0", "etf-s0"]):
        shown.session_state["r"] = picked
        shown.run()
        assert not shown.exception, shown.exception
        by_label = {box.label: box.value for box in shown.selectbox}
        assert by_label["Run"] == "trainable-s0"
        assert by_label["Beside it"] == ("none" if len(picked) == 1 else "glove-s0")


@pytest.mark.parametrize("subject", ["label embedding", "classifier"])
def test_other_vectors_than_class_means(monkeypatch, catalogue, subject):
    shown = opened_at(monkeypatch, catalogue("one"), of=subject)
    record = gram_angles(RunStore(catalogue("one")).open("only"), 2, subject)
    assert geometry_sentence(record) in words(shown)
    assert f"{subject} vectors, uncentred" in words(shown)
    # orthogonal vectors tie: which pair is the closest would be rounding
    assert closest_pairs(record) == []
    assert not shown.dataframe
    assert "all pairs are 90.0° apart, equal within rounding" in words(shown)
    assert "none is the closest" in words(shown)


def test_an_exact_etf_beside_other_vectors_has_no_closest_pairs(monkeypatch):
    shown = opened_at(
        monkeypatch, ROOT / "runs", ["pictogram-etf-s0", "pictogram-glove-s0"], of="label embedding"
    )
    assert "all pairs are 93.0° apart, equal within rounding, where an ETF has 93.0°" in words(shown)
    assert "fixed before training: its equal angles hold by construction" in words(shown)
    (table,) = [each.value for each in shown.dataframe]
    assert list(table) == ["pair (training images)", "angle", "in pictogram-etf-s0"]


def test_runs_of_two_data_sets_have_the_same_class_in_the_same_row(monkeypatch):
    """Their training counts differ, and by these the order of each."""
    shown = opened_at(monkeypatch, ROOT / "runs", ["pictogram-etf-s0", "voc07-etf-s0"])
    figure, *alignment = figures(shown)[-1:] + figures(shown)[:-1]
    one, other = (
        [label.partition(" (")[0] for label in trace["y"]]
        for trace in figure["data"]
        if trace["type"] == "heatmap"
    )
    assert one == other
    runs = [RunStore(ROOT / "runs").open(name) for name in ("pictogram-etf-s0", "voc07-etf-s0")]
    assert one != list(class_mean_angles(runs[1], 39, split="test", space="f", centring="class").class_names)
    assert "voc07-etf-s0 has other training counts than pictogram-etf-s0" in words(shown)
    assert len(alignment) == 2
    for chart, run in zip(alignment, runs, strict=True):
        counts = sorted(run.info.class_counts, reverse=True)
        assert [int(tick[:-1].rpartition("(")[2]) for tick in chart["layout"]["xaxis2"]["ticktext"]] == counts


def test_runs_with_different_stored_epochs_are_shown_at_their_nearest(monkeypatch, tmp_path):
    write_run(tmp_path, "long", epochs=4).finish()
    write_run(tmp_path, "late", embedding="glove", epochs=4).finish()
    (tmp_path / "late" / "epochs" / "0001.safetensors").unlink()
    shown = opened_at(monkeypatch, tmp_path, epoch="2", a="long", b="late")
    assert "The runs stored different epochs; each is shown at its nearest one." in words(shown)
    notes = {frame["name"]: frame["layout"]["annotations"] for frame in figures(shown)[0]["frames"]}
    assert list(notes) == ["1", "2", "3", "4"]
    assert "epoch 2" in notes["2"][0]["text"]
    assert "epoch 3" in notes["2"][1]["text"]


def test_arrows_are_drawn_for_the_classes_in_the_address_when_asked(monkeypatch, catalogue):
    assert len(charts(opened_at(monkeypatch, catalogue("one")))) == 1
    run = RunStore(catalogue("one")).open("only")
    record = class_mean_angles(run, 2, split="test", space="f", centring="class")
    shown = opened_at(monkeypatch, catalogue("one"), arrows="true")
    assert shown.multiselect[0].value == default_classes(record)
    chosen = ["cow", "bus", "dog"]
    shown = opened_at(monkeypatch, catalogue("one"), arrows="true", classes=chosen)
    arrows = class_arrows(run, 2, chosen, split="test", space="f")
    assert arrows_sentence(arrows) in words(shown)
    assert [text for text in figures(shown)[1]["data"][1]["text"] if text] == chosen
    alone = opened_at(monkeypatch, catalogue("one"), arrows="true", classes=["cow"])
    assert "Choose 2 to 6 classes." in words(alone)


def test_eighty_classes_show_no_names_on_the_axes(monkeypatch, catalogue):
    shown = opened_at(monkeypatch, catalogue("many_classes"))
    figure = figures(shown)[0]
    assert figure["layout"]["yaxis"]["showticklabels"] is False
    assert "80 classes" in words(shown)


def test_every_centring_names_itself_on_the_axis(trained):
    run = RunStore(trained).open("tiny")
    for centring in CENTRINGS:
        each = panel(run, centring=centring)
        title = geometry_player([each], [r.epoch for r in each.records]).layout.xaxis2.title
        assert ("uncentred" if centring == "none" else f"centring {centring}") in title.text
        record = class_mean_angles(run, 2, split="train", space="mu", centring=centring)
        assert record.summary.minimum == pytest.approx(
            run.metrics()[2][f"train.mu/angle_min_{centring}"], abs=1e-3
        )
        pair = closest_pairs(record)[0]
        assert pair.first_features is not None
        assert f"(from {pair.first_features} and {pair.second_features} features)" in geometry_sentence(record)
    # 20 classes in 7 dimensions: no ETF fits, and the page says what is the least
    centred = class_mean_angles(run, 2, split="train", space="mu", centring="class")
    assert centred.std_floor > 10
    assert centred.gram_floor > 0.5
    assert "at best about" in geometry_sentence(centred)


def test_arrows_of_classes_that_share_one_mean_have_no_angles(runs):
    run = runs["etf-s0"]
    record = class_arrows(run, 2, ["cow", "bus"], split="test", space="f")
    same = replace(record, angles=np.full((2, 2), np.nan))
    (note,) = arrows_player([(run_row(run), [same])], [2]).frames[0].layout.annotations
    assert "angles undefined (simplex 180.0°)" in note.text


def test_the_exported_chart_has_the_sentence_of_its_epoch(monkeypatch):
    """The browser's alternative text is of the last epoch; a downloaded chart rests at another one."""
    said = {}
    monkeypatch.setattr("app.widgets.player.show_extras", lambda figure, **given: said.update(given))

    def script():
        import plotly.graph_objects as go

        from app.figures.player import with_player
        from app.widgets.player import show_player

        figure = go.Figure([go.Scatter(y=[1])], frames=[go.Frame(data=[go.Scatter(y=[n])]) for n in (1, 2)])
        show_player(
            with_player(figure, [3, 7]),
            key="k",
            title="t",
            alt="at 7",
            reading="",
            frame=lambda: None,
            alt_at=lambda label: f"at {label}",
        )

    test = AppTest.from_function(script)
    test.query_params["epoch"] = "3"
    assert not test.run().exception
    assert said["alt"] == "at 3"
