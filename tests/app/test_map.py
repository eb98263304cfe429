"""The feature map: points on values, ids that survive traces, the page's words, selection kept apart from figures."""

import base64
import json
import time
from itertools import combinations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.address import as_ranges, from_ranges
from app.figures.feature_map import (
    NO_SAMPLE,
    colour_by_bucket,
    colour_by_class,
    colour_by_outcome,
    colour_by_placement,
    feature_map,
    feature_map_player,
    kept_apart,
)
from app.map.gallery import NUM_NEIGHBOURS
from app.map.selection import samples_of
from mlcnc.analysis.samples.layouts import Layout, SampleTable, densest_place, pca_layout, sample_table
from mlcnc.analysis.samples.placement import (
    Outcomes,
    Placement,
    nearest_samples,
    outcomes,
    placement,
    placement_sentence,
    placement_verdict,
    same_samples,
)
from mlcnc.errors import RunFormatError
from mlcnc.store import RunStore, StoredLayout, write_layout
from tests.app.conftest import CLASSES, words, write_run
from tests.conftest import ROOT


def invented(number, epochs=3, num_classes=5):
    """Return layout, table and placement of made-up samples."""
    rng = np.random.default_rng(number)
    labels = rng.integers(0, num_classes, number)
    buckets = ("head", "medium", "tail")
    table = SampleTable(
        image_index=np.arange(number),
        class_index=labels,
        split=tuple("test" if i % 3 else "train" for i in range(number)),
        class_names=tuple(f"class {i}" for i in range(num_classes)),
        class_counts=tuple(range(num_classes, 0, -1)),
        buckets=tuple(buckets[i % 3] for i in range(num_classes)),
    )
    coordinates = rng.normal(size=(epochs, number, 2)).astype(np.float32)
    layout = Layout("umap", "mu", coordinates, tuple(range(0, 2 * epochs, 2)), "UMAP of a test")
    rows = table.of_split("test")
    nearest = rng.integers(0, num_classes, len(rows))
    record = Placement("test", "mu", 2, rows, nearest, nearest != labels[rows], ())
    return layout, table, record


def drawn_points(figure):
    """Return from sample to (x, y, name of the trace)."""
    found = {}
    for trace in figure.data:
        for sample, x, y in zip(trace.customdata, trace.x, trace.y, strict=True):
            found[int(sample)] = (float(x), float(y), trace.name)
    return found


def test_every_sample_of_the_split_is_drawn_once_where_the_layout_puts_it():
    layout, table, record = invented(41)
    figure = feature_map(layout, table, record.samples, colour_by_bucket(table), 2)
    points = drawn_points(figure)
    assert sorted(points) == record.samples.tolist()
    assert sum(len(trace.x) for trace in figure.data) == len(record.samples)
    for sample, (x, y, name) in points.items():
        assert (x, y) == tuple(layout.coordinates[1, sample].tolist())
        assert name == table.buckets[table.class_index[sample]]
    symbols = {trace.name: trace.marker.symbol for trace in figure.data}
    assert symbols == {"head": "circle", "medium": "square", "tail": "triangle-up"}


def test_kinds_are_told_by_fill_and_size_not_by_hue_alone():
    layout, table, record = invented(41)
    figure = feature_map(layout, table, record.samples, colour_by_placement(table, record), 2)
    by_sample = dict(zip(record.samples.tolist(), record.misplaced.tolist(), strict=True))
    for sample, (_, _, name) in drawn_points(figure).items():
        assert name.startswith("misplaced" if by_sample[sample] else "in place")
    for trace in figure.data:
        stands_out = trace.name.startswith("misplaced")
        assert trace.marker.symbol.endswith("-open") != stands_out
        # a triangle looks smaller than a circle of its size
        is_triangle = trace.marker.symbol.startswith("triangle")
        assert (
            trace.marker.size
            == {(True, False): 10, (True, True): 14, (False, False): 7, (False, True): 10}[
                stands_out, is_triangle
            ]
        )


def test_one_class_stands_against_the_rest():
    layout, table, record = invented(41)
    figure = feature_map(layout, table, record.samples, colour_by_class(table, 3, "#0072B2"), 0)
    for sample, (_, _, name) in drawn_points(figure).items():
        assert name.startswith("class 3") == (table.class_index[sample] == 3)
    assert {t.marker.color for t in figure.data if t.name.startswith("class 3")} == {"#0072B2"}


def test_outcomes_of_samples_without_a_score_are_grey():
    layout, table, _ = invented(41)
    spoken = tuple(("missed", "found", "no score")[i % 3] for i in range(41))
    found = Outcomes(spoken, np.zeros(5), "validation", 2)
    figure = feature_map(layout, table, np.arange(41), colour_by_outcome(found, 41), 2)
    for sample, (_, _, name) in drawn_points(figure).items():
        assert name.startswith(spoken[sample])
    grey = feature_map(layout, table, np.arange(41), colour_by_outcome(None, 41), 2)
    assert {trace.name.split(",")[0] for trace in grey.data} == {"no score"}
    assert {trace.marker.color for trace in grey.data} == {"#808080"}


def test_names_of_classes_stand_above_their_densest_places():
    layout, table, record = invented(41)
    figure = feature_map(layout, table, record.samples, colour_by_bucket(table), 2, named=(0, 3))
    names = figure.data[-1]
    assert list(names.text) == ["class 0", "class 3"]
    assert set(names.customdata) == {NO_SAMPLE}
    for label, x, y in zip((0, 3), names.x, names.y, strict=True):
        own = np.array([layout.coordinates[1, s] for s in record.samples if table.class_index[s] == label])
        thick = own[densest_place(own)[:4]]
        np.testing.assert_allclose((x, y), (thick[0, 0], thick[:, 1].max()), rtol=1e-5)


def test_names_that_would_cover_each_other_step_aside_and_are_tied_to_their_place():
    rng = np.random.default_rng(0)
    places = rng.normal(size=(2, 30)).astype(np.float32)
    widths, height = rng.uniform(0.3, 0.9, 30), 0.12
    for x, y in (places, 0.1 * places, 0.0 * places):
        middles, ends = kept_apart(x, y, widths, height)
        for one, other in combinations(range(30), 2):
            beside = abs(middles[one] - middles[other]) >= 0.999 * (widths[one] + widths[other]) / 2
            assert beside or abs(ends[one] - ends[other]) >= 0.999 * height
        lowest = np.argmin(y)
        assert (middles[lowest], ends[lowest]) == (x[lowest], y[lowest])
    # where nothing is free within reach, a name is better covered than lost
    assert kept_apart(np.zeros(400), np.zeros(400), [1.0] * 400, 1.0)[1].tolist().count(0.0) > 200

    layout, table, record = invented(41)
    layout.coordinates[1, :, :] = 0.0
    ties, names = feature_map(layout, table, record.samples, colour_by_bucket(table), 2, named=(0, 3)).data[-2:]
    assert list(ties.y[::3]) == [0.0, 0.0]
    assert names.y[0] != names.y[1]
    for of_tie, of_name in ((ties.x, names.x), (ties.y, names.y)):
        np.testing.assert_allclose(of_tie[1::3], of_name, rtol=1e-6)
    assert np.isnan(ties.x[2::3]).all(), "lines of two names are not one"


def test_chosen_samples_are_drawn_as_selected_and_nothing_dims_without_any():
    layout, table, record = invented(41)
    chosen = set(record.samples[::4].tolist())
    figure = feature_map(layout, table, record.samples, colour_by_bucket(table), 2, chosen=chosen)
    marked = {int(trace.customdata[i]) for trace in figure.data for i in trace.selectedpoints}
    assert marked == chosen
    plain = feature_map(layout, table, record.samples, colour_by_bucket(table), 2)
    assert all(trace.selectedpoints is None for trace in plain.data)


def test_the_player_has_a_frame_an_epoch_and_one_range_for_all():
    layout, table, record = invented(41)
    figure = feature_map_player(layout, table, record.samples, colour_by_bucket(table), start=2, named=(1,))
    assert [frame.name for frame in figure.frames] == ["1", "3", "5"]
    for points, frame in zip(layout.coordinates, figure.frames, strict=True):
        for trace, moved in zip(figure.data[:-2], frame.data[:-2], strict=True):
            np.testing.assert_array_equal(moved.x, points[trace.customdata, 0])
            np.testing.assert_array_equal(moved.y, points[trace.customdata, 1])
    low, high = figure.layout.xaxis.range
    assert low < layout.coordinates[:, record.samples, 0].min()
    assert high > layout.coordinates[:, record.samples, 0].max()


def test_four_thousand_points_go_by_webgl_in_few_bytes():
    layout, table, record = invented(4000, epochs=20, num_classes=80)
    colouring = colour_by_placement(table, record)
    everything = np.arange(4000)
    started = time.perf_counter()
    figure = feature_map(layout, table, everything, colouring, 2)
    assert time.perf_counter() - started < 2
    assert {trace.type for trace in figure.data} == {"scattergl"}
    size = len(figure.to_json())
    assert size < 150_000
    player = feature_map_player(layout, table, everything, colouring, start=19)
    assert len(player.to_json()) < 1_300_000
    assert {trace.type for frame in player.frames for trace in frame.data} == {"scattergl"}
    assert "svg" not in {trace.type for trace in player.data}


def test_twenty_thousand_points_are_drawn_whole_and_stay_small():
    layout, table, record = invented(20_000, epochs=1, num_classes=80)
    started = time.perf_counter()
    figure = feature_map(layout, table, np.arange(20_000), colour_by_placement(table, record), 0)
    assert time.perf_counter() - started < 4
    assert sum(len(trace.x) for trace in figure.data) == 20_000
    assert {trace.type for trace in figure.data} == {"scattergl"}
    assert len(figure.to_json()) < 1_000_000


def test_coordinates_travel_as_four_byte_numbers():
    layout, table, record = invented(41)
    figure = feature_map(layout, table, record.samples, colour_by_bucket(table), 2)
    trace = json.loads(figure.to_json())["data"][0]
    for name, dtype in (("x", "f4"), ("y", "f4"), ("customdata", "i4")):
        assert trace[name]["dtype"] == dtype
        assert len(base64.b64decode(trace[name]["bdata"])) == 4 * len(figure.data[0].x)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], ()),
        ([{"customdata": 7, "point_index": 0}, {"customdata": [3], "point_index": 0}], (3, 7)),
        ([{"customdata": NO_SAMPLE}, {"customdata": [NO_SAMPLE]}, {"customdata": 4.0}, {}], (4,)),
        ([{"customdata": 5}, {"customdata": 5}], (5,)),
    ],
)
def test_samples_are_read_from_customdata_never_from_the_index(points, expected):
    assert samples_of({"selection": {"points": points}}) == expected
    assert samples_of(None) == ()


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """Return a function that opens the map over one run with settings of its address."""
    write_run(tmp_path / "runs", "only").finish()
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("sys.argv", ["streamlit"])

    def open_map(**settings):
        page = AppTest.from_file(str(ROOT / "app" / "map" / "page.py"), default_timeout=60)
        for name, value in settings.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    open_map.run = RunStore(tmp_path / "runs").open("only")
    open_map.root = tmp_path / "runs"
    return open_map


def test_the_page_answers_its_question_from_the_data(shown):
    for split, space, epoch in (("test", "f", 2), ("train", "mu", 0)):
        page = shown(split=split, space=space, epoch=str(epoch + 1))
        record = placement(shown.run, epoch, split=split, space=space)
        assert placement_sentence(record) in words(page)
        table = page.dataframe[0].value
        assert table["class"].tolist() == [item.name for item in record.classes]
        assert table["misplaced samples"].tolist() == [item.num_misplaced for item in record.classes]
        assert page.subheader[0].value == f"{int(record.misplaced.sum())} misplaced"


def test_the_page_names_method_parameters_and_numbers(shown):
    table = sample_table(shown.run)
    number = len(table.of_split("test"))
    page = shown()
    assert pca_layout(shown.run, "f").words in words(page)
    assert f"{number} of {len(table.split)} sampled pairs, those of test; space f" in words(page)
    missing = shown(method="UMAP", space="mu")
    assert "No UMAP of mu is stored for this run, so PCA is shown" in words(missing)
    assert missing.code[0].value == "mlcnc layout only --space mu"
    coordinates = np.zeros((2, len(table.split), 2), np.float32)
    stored = StoredLayout(coordinates, (0, 2), "umap", "mu", 4, {"n_neighbors": 9, "metric": "cosine"})
    write_layout(shown.root, "only", "umap-mu", stored)
    made = shown(method="UMAP", space="mu")
    assert "UMAP aligned over 2 epochs, n_neighbors 9, cosine distance, seed 4" in words(made)
    assert not made.code


def test_a_damaged_layout_is_one_sentence(shown):
    (shown.root / "only" / "layouts").mkdir()
    (shown.root / "only" / "layouts" / "umap-f.safetensors").write_bytes(b"nothing")
    assert "layouts/umap-f.safetensors of run only is damaged" in words(shown(method="UMAP"))


def test_a_damaged_picture_is_one_sentence_and_the_tables_stay(shown, monkeypatch):
    def damaged(*_):
        raise RunFormatError("picture 3 of run only is not a WebP picture")

    monkeypatch.setattr("mlcnc.analysis.images.pictures.picture_bytes", damaged)
    page = shown()
    page.session_state["map_selected"] = tuple(sample_table(shown.run).of_split("test")[:3].tolist())
    page.run()
    assert not page.exception
    assert [box.value for box in page.warning] == ["picture 3 of run only is not a WebP picture"]
    assert len(page.dataframe) == 1


def test_a_link_opens_its_run_whatever_runs_are_called(shown):
    write_run(shown.root, "other", embedding="glove").finish()
    RunStore(shown.root).open("other").write_notes({"name": "only"})
    RunStore(shown.root).open("only").write_notes({"name": "first"})
    for run_id, name in (("only", "first"), ("other", "only")):
        page = shown(a=run_id)
        assert page.selectbox(key="a").value == run_id
        assert f"{name}, epoch 3" in words(page)


def test_selected_samples_are_shown_as_small_pictures_with_what_they_are(shown):
    table = sample_table(shown.run)
    chosen = table.of_split("test")[2:5].tolist()
    page = shown()
    page.session_state["map_selected"] = tuple(chosen)
    page.run()
    found = [element.proto.imgs[0] for element in page.get("image")][:3]  # before those of neighbours
    for sample, picture in zip(chosen, found, strict=True):
        assert picture.alt.startswith(f"test image {table.image_index[sample]} with {table.name(sample)}: ")
        assert picture.url.startswith("data:image/webp;base64,")


def test_a_selection_fills_the_gallery_and_is_cleared(shown):
    table = sample_table(shown.run)
    chosen = table.of_split("test")[2:7].tolist()
    page = shown()
    page.session_state["map_selected"] = tuple(chosen)
    page.run()
    assert page.subheader[0].value == "5 selected"
    found = outcomes(shown.run, 2)
    said = words(page)
    for sample in chosen:
        assert f"image {table.image_index[sample]}" in said
        assert found.words[sample] in said
    options = page.selectbox(key="sample").options
    assert options == [
        f"sample {sample}: {table.name(sample)} in image {table.image_index[sample]}" for sample in chosen
    ]
    page.button(key="map_clear").click().run()
    assert page.subheader[0].value.endswith("misplaced")


def test_a_selection_survives_a_change_of_colour_but_not_of_split(shown):
    chosen = sample_table(shown.run).of_split("test")[:3].tolist()
    page = shown()
    page.session_state["map_selected"] = tuple(chosen)
    page.run()
    page.session_state["colour"] = "bucket"
    page.run()
    assert page.subheader[0].value == "3 selected"
    page.session_state["split"] = "train"
    page.run()
    assert page.subheader[0].value.endswith("misplaced")


def test_neighbours_are_those_of_the_analysis(shown):
    table = sample_table(shown.run)
    chosen = table.of_split("test")[:4].tolist()
    page = shown()
    page.session_state["map_selected"] = tuple(chosen)
    page.session_state["sample"] = str(chosen[1])
    page.run()
    found = nearest_samples(shown.run, 2, "f", chosen[1], among=table.of_split("test"), number=NUM_NEIGHBOURS)
    same = sum(table.class_index[item.sample] == table.class_index[chosen[1]] for item in found)
    assert (
        f"{same} of the {NUM_NEIGHBOURS} nearest sampled test pairs are {table.name(chosen[1])} too"
        in words(page)
    )
    for item in found:
        assert f"cosine {item.cosine:.3f}" in words(page)


def test_bad_values_of_the_address_fall_back(shown):
    usual = words(shown())
    odd = shown(
        method="tsne", colour="hue", means="some", epoch="99", space="g", a="nobody", **{"class": "unicorn"}
    )
    assert words(odd) == usual
    assert shown(**{"class": CLASSES[2], "colour": "class"}).selectbox(key="class").value == CLASSES[2]


def test_numbers_of_the_address_are_those_of_a_loop():
    rng = np.random.default_rng(2)
    for _ in range(30):
        numbers = sorted({int(n) for n in rng.integers(0, 60, rng.integers(0, 40))})
        assert list(from_ranges(as_ranges(numbers), 60)) == numbers
    assert from_ranges("2-4.7.x.9-.3-99.-1.1-2-3", 6) == (2, 3, 4, 5)
    assert from_ranges(None, 6) == from_ranges("", 6) == ()
    assert from_ranges("0-999999999", 3) == (0, 1, 2)


def test_a_selection_in_the_address_is_shown_and_cleared(shown):
    chosen = sample_table(shown.run).of_split("test")[2:7].tolist()
    page = shown(sel=as_ranges(chosen))
    assert page.subheader[0].value == "5 selected"
    page.button(key="map_clear").click().run()
    assert "sel" not in page.query_params
    assert page.subheader[0].value.endswith("misplaced")


def test_umap_comes_first_where_it_is_stored_and_all_classes_have_names(shown):
    table = sample_table(shown.run)
    coordinates = np.zeros((1, len(table.split), 2), np.float32)
    stored = StoredLayout(coordinates, (2,), "umap", "f", 4, {"n_neighbors": 9, "metric": "cosine"})
    write_layout(shown.root, "only", "umap-f", stored)
    page = shown()
    assert "UMAP aligned over 1 epoch" in words(page)
    (figure,) = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    (names,) = [trace for trace in figure["data"] if trace["mode"] == "markers+text"]
    assert set(names["text"]) == {table.name(sample) for sample in table.of_split("test")}


def test_a_second_run_stands_beside_with_its_own_verdict_and_the_same_samples_marked(shown):
    write_run(shown.root, "other", embedding="glove", seed=1).finish()
    page = shown(a="only", b="other", sel="")
    other = RunStore(shown.root).open("other")
    for run in (shown.run, other):
        verdict = placement_verdict(placement(run, 2, split="test", space="f"))
        assert f"##### {run.run_id}: {verdict}" in [item.value for item in page.markdown]
    assert len(page.get("plotly_chart")) == 2
    same = same_samples(sample_table(shown.run), sample_table(other))
    assert same == all(
        np.array_equal(getattr(sample_table(shown.run), name), getattr(sample_table(other), name))
        for name in ("image_index", "class_index")
    )
    assert len(shown(a="only", b="none").get("plotly_chart")) == 1


def test_what_two_maps_share_is_said_once(shown):
    write_run(shown.root, "twin", embedding="glove", epochs=3).finish()
    captions = [item.value for item in shown(a="only", b="twin").caption]
    assert sum("sampled pairs, those of test" in text for text in captions) == 1
    assert any(text.strip().startswith("Epoch 3. What is selected on the left") for text in captions)
