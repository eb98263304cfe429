"""The page of images: galleries hold exactly the images of a kind, and what is opened is what was asked for."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.attention_course import attention_course_figure, nearest_index
from app.figures.precision_recall import corners, precision_recall
from app.figures.style import told_apart
from app.images.answers import clue_line, clues_heading
from app.images.detail import score_table, threshold_sentences
from app.images.gallery import PER_PAGE, gallery_title
from app.images.looks import attention_table, course_frame, course_sentences, localisations
from app.images.worst_classes import class_frame
from mlcnc.analysis.images.attention import attention_course, mass_cells
from mlcnc.analysis.images.clues import Clue
from mlcnc.analysis.images.decisions import (
    class_results,
    decisions,
    probe_images,
    scored,
    with_attention,
)
from mlcnc.analysis.runs.rows import run_row
from mlcnc.store import RunStore
from tests.app.conftest import words, write_run
from tests.conftest import ROOT

ETF, GLOVE = "pictogram-etf-s0", "pictogram-glove-s0"


@pytest.fixture
def recorded(monkeypatch):
    monkeypatch.setenv("MLCNC_RUNS", str(ROOT / "runs"))
    monkeypatch.setattr("sys.argv", ["streamlit"])

    def opened(**query):
        page = AppTest.from_file(str(ROOT / "app" / "images" / "page.py"), default_timeout=60)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return opened


@pytest.fixture(scope="module")
def runs():
    return {name: RunStore(ROOT / "runs").open(name) for name in (ETF, GLOVE)}


def opening_buttons(page):
    return [int(button.key.removeprefix("open_")) for button in page.button if button.key.startswith("open_")]


def test_gallery_pictures_travel_with_the_page_and_cannot_be_cleaned_away(recorded):
    page = recorded(**{"class": "cow", "kind": "missed", "a": ETF})
    addresses = [element.proto.imgs[0].url for element in page.get("image")]
    assert sum(address.startswith("data:image/webp;base64,") for address in addresses) == len(
        opening_buttons(page)
    )


@pytest.mark.parametrize(("kind", "name"), [("missed", "sheep"), ("false alarm", "cow"), ("found", "bus")])
def test_the_gallery_holds_the_images_of_its_kind(recorded, runs, kind, name):
    page = recorded(**{"class": name, "kind": kind, "a": ETF})
    assert not page.exception
    run = runs[ETF]
    label, epoch = run.info.class_names.index(name), run.array_epochs()[-1]
    record = decisions(run, epoch, label)
    wanted = record.images[kind].tolist()
    shown = opening_buttons(page)
    assert set(shown) <= set(wanted)
    assert len(shown) == min(PER_PAGE, len(wanted))
    looked_at = [image for image in shown if image in probe_images(run, epoch)]
    assert shown[: len(looked_at)] == looked_at, "images with attention come first"
    (table,) = [item.value for item in page.dataframe if "false alarms" in item.value]
    line = table[table["run"] == ETF].iloc[0]
    there = int(record.present.sum())
    for word, key, whole in (
        ("found", "found", there),
        ("missed", "missed", there),
        ("false alarms", "false alarm", 1000 - there),
    ):
        assert line[word] == f"{len(record.images[key])} of {whole}"
    assert line["AP"] == f"{record.average_precision:.1f} %"
    assert line["threshold"] == f"{record.threshold:.2f}"
    assert "Threshold: greatest F1 on validation." in words(page)
    counts = {metric.label: int(metric.value) for metric in page.metric}
    assert counts == {
        f"{word} ({short})": len(record.images[word])
        for word, short in (("missed", "FN"), ("found", "TP"), ("false alarm", "FP"), ("rightly absent", "TN"))
    }


def test_the_threshold_moves_images_between_kinds(recorded, runs):
    label = runs[ETF].info.class_names.index("cow")
    epoch = runs[ETF].array_epochs()[-1]
    page = recorded(**{"class": "cow", "shift": "2.0", "a": ETF})
    missed = next(metric.value for metric in page.metric if metric.label.startswith("missed"))
    assert int(missed) == len(decisions(runs[ETF], epoch, label, shift=2.0).images["missed"])
    assert int(missed) > len(decisions(runs[ETF], epoch, label).images["missed"])


def test_one_click_leads_from_the_weakest_class_to_its_missed_images(recorded, runs):
    page = recorded(a=ETF)
    page.button(key=f"worst_{GLOVE}").click().run()
    worst = next(r for r in class_results(runs[GLOVE], runs[GLOVE].array_epochs()[-1]) if r.bucket == "tail")
    assert f"missed by {GLOVE}" in words(page)
    assert f"Test image {opening_buttons(page)[0]}" in words(page)
    assert f"of the attention of {worst.class_name} lies on the object" in words(page)


def test_no_missed_image_is_offered_where_none_is_missed(monkeypatch, tmp_path):
    write_run(tmp_path, "sure", quality=50.0).finish()
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / "images" / "page.py"), default_timeout=60).run()
    assert not page.exception
    assert "none of" in words(page)
    assert not [button for button in page.button if button.key.startswith("worst_")]


def test_opening_a_picture_shows_that_image(recorded):
    page = recorded(**{"class": "sheep", "a": ETF})
    last = opening_buttons(page)[-1]
    page.button(key=f"open_{last}").click().run()
    assert not page.exception
    assert f"Test image {last}" in words(page)


def test_an_image_without_attention_says_what_to_do(recorded, runs):
    probes = probe_images(runs[ETF], runs[ETF].array_epochs()[-1])
    other = next(image for image in range(1000) if image not in probes)
    page = recorded(image=str(other), a=ETF)
    said = words(page)
    assert f"No attention is stored for this image: the runs keep it for {len(probes)} probe images" in said
    assert re.search(r"Margin: by how much the score lies above its threshold.*slider \*Moved by\*", said)


def test_an_image_without_attention_leads_to_one_that_has_it(recorded, runs):
    run, epoch = runs[ETF], runs[ETF].array_epochs()[-1]
    label = run.info.class_names.index("aeroplane")
    probes = probe_images(run, epoch)
    record = decisions(run, epoch, label)
    attended = with_attention(record, probes)
    other = next(image for image in record.images["missed"].tolist() if image not in probes)
    page = recorded(**{"class": "aeroplane", "image": str(other), "a": ETF})
    page.button(key="offer_attention").click().run()
    assert f"Test image {attended['missed'][0]}" in words(page)
    assert "of the attention of aeroplane lies on the object" in words(page)
    # at a threshold where no image with attention is missed, those of the other kinds are offered
    page = recorded(**{"class": "aeroplane", "image": str(other), "a": ETF, "shift": "-5.0"})
    low = decisions(run, epoch, label, shift=-5.0)
    kept = with_attention(low, probes)
    if kept["missed"]:
        assert any(button.key == "offer_attention" for button in page.button)
    else:
        kind, short = next((k, s) for k, s in (("found", "TP"), ("false alarm", "FP")) if kept[k])
        page.button(key=f"offer_{short}").click().run()
        assert f"are {kind} by {ETF}" in words(page)


def test_images_without_any_attention_for_the_kind_name_the_others(recorded, monkeypatch):
    root = ROOT / "tests" / "unit" / "store" / "version_1"
    run = RunStore(root).open("digits-etf-s0")
    epoch = run.array_epochs()[-1]
    results = {item.class_name: item for item in class_results(run, epoch)}
    name = next(n for n, item in results.items() if item.num_missed and not item.num_with_attention)
    monkeypatch.setenv("MLCNC_RUNS", str(root))
    page = recorded(**{"r": ["digits-etf-s0"], "a": "digits-etf-s0", "class": name})
    assert not page.exception
    assert f"none is missed for {name}, but" in words(page)
    kept = with_attention(decisions(run, epoch, run.info.class_names.index(name)), probe_images(run, epoch))
    for kind, short in (("found", "TP"), ("false alarm", "FP"), ("rightly absent", "TN")):
        assert any(button.key == f"offer_{short}" for button in page.button) == bool(kept[kind])


def test_the_table_of_classes_holds_every_run_with_tail_classes_first(runs):
    results = {name: class_results(run, run.array_epochs()[-1]) for name, run in runs.items()}
    table = class_frame([(run_row(runs[name]), found) for name, found in results.items()])
    assert sorted(table["class"]) == sorted(runs[ETF].info.class_names)
    places = table["bucket"].map({"tail": 0, "medium": 1, "head": 2})
    assert places.is_monotonic_increasing
    for name, found in results.items():
        by_class = {item.class_name: item for item in found}
        for class_name, value, missed in zip(
            table["class"], table[f"AP {name}"], table[f"missed {name}"], strict=True
        ):
            item = by_class[class_name]
            assert value == pytest.approx(item.average_precision, abs=0.051)
            assert missed == f"{item.num_missed} of {item.num_positives}"
    weakest = min(
        (item.average_precision, item.class_name)
        for found in results.values()
        for item in found
        if item.bucket == "tail"
    )
    assert table["class"][0] == weakest[1]


def test_bad_addresses_fall_back(recorded):
    page = recorded(
        **{"class": "unicorn", "image": "99999", "kind": "?", "shift": "many", "a": "../x", "label": "x"}
    )
    assert not page.exception
    assert "missed" in words(page)


def test_the_score_table_says_yes_at_the_threshold(runs):
    entries = [(run, run_row(run), scored(run, run.array_epochs()[-1])) for run in runs.values()]
    image = 150
    table = score_table(image, "sheep", entries)
    names = entries[0][0].info.class_names
    assert table["class"][0] == "sheep"
    true = [names[i] for i in np.flatnonzero(entries[0][2].present[image])]
    assert set(true) <= set(table["class"])
    for _, row, item in entries:
        for name, said in zip(table["class"], table[row.name], strict=True):
            label = names.index(name)
            assert said.startswith("yes") == (item.scores[image, label] >= item.thresholds[label])


def test_frames_are_the_stored_cells_of_both_runs(runs):
    courses = [(name, attention_course(run, 2, 14)) for name, run in runs.items()]
    figure = attention_course_figure(courses, opacity=0.7)
    assert [frame.name for frame in figure.frames] == [str(epoch + 1) for epoch in courses[0][1].epochs]
    assert (
        figure.data[0].zmax
        == figure.data[2].zmax
        == pytest.approx(max(c.maps[0].size * c.maps.max() for _, c in courses))
    )
    for index, frame in enumerate(figure.frames):
        for number, (_, course) in enumerate(courses):
            np.testing.assert_allclose(
                frame.data[2 * number].z, course.maps[index].size * course.maps[index], atol=0.006
            )
    table = course_frame(courses)
    assert table.groupby(["run", "epoch"])["percent_of_attention"].sum().to_numpy() == pytest.approx(
        100, abs=0.1
    )
    assert "no box of person is known" in course_sentences("person", courses)
    assert not {"on the object", "if even", "it lies"} & set(attention_table(courses))


def test_attention_on_the_object_is_a_line_a_run(runs):
    probe, label = (int(number) for number in runs[ETF].samples().get("probes/boxes")[0, :2])
    courses = [(name, attention_course(run, probe, label)) for name, run in runs.items()]
    sentence = course_sentences("a class", courses)
    shares = attention_table(courses).set_index("run")
    for name, course in courses:
        assert name in sentence
        assert f"{100 * course.mass_in_box[-1]:.0f} %" in sentence
        assert shares.loc[name, "on the object"] == f"{100 * course.mass_in_box[-1]:.0f} %"
        assert shares.loc[name, "if even"] == f"{100 * course.chance:.0f} %"
        assert (shares.loc[name, "it lies"] == "on the object") == course.peak_in_box[-1]


def test_brightest_cells_and_company_are_counted_not_shares_of_a_few(recorded, runs):
    label = runs[ETF].info.class_names.index("aeroplane")
    (name, item), _ = localisations(runs[ETF], "aeroplane", label)
    assert name == "aeroplane"
    page = recorded(**{"class": "aeroplane", "a": ETF})
    (table,) = [shown.value for shown in page.dataframe if "brightest cell on the object" in shown.value]
    line = table[(table["run"] == ETF) & (table["objects"] == "aeroplane")].iloc[0]
    assert (
        line["brightest cell on the object"] == f"{round(item.hits * item.num_objects)} of {item.num_objects}"
    )
    (company,) = [shown.value for shown in page.dataframe if "comes along" in shown.value]
    together = runs[ETF].info.co_occurrence[label]
    other = company.iloc[0]
    number = together[runs[ETF].info.class_names.index(other["comes along"])]
    assert other["in training images"].startswith(f"{number} of {runs[ETF].info.class_counts[label]} (")


def test_a_clue_is_two_counts_and_whether_they_may_be_chance(runs):
    row = run_row(runs[ETF])
    line = clue_line(row, Clue("horse", "person", 30, 30, 0, 12, 1e-9))
    assert line == {
        "run": ETF, "beside": "person", "found with it": "30 of 30", "found without it": "0 of 12",
        "may be chance": "no, p below 0.001",
    }  # fmt: skip
    assert clue_line(row, Clue("horse", "car", 1, 3, 2, 3, 1.0))["may be chance"] == "yes, p 1"


def test_no_companion_is_called_sure_where_all_may_be_chance():
    surely, chance = Clue("horse", "person", 30, 30, 0, 12, 1e-9), Clue("horse", "car", 1, 3, 2, 3, 1.0)
    assert "most surely" in clues_heading("horse", [chance, surely])
    assert clues_heading("horse", [chance]).startswith(
        "Beside no class is horse found more, or less, often than"
    )


def test_a_no_above_one_half_is_explained_by_its_threshold(runs):
    run = runs[ETF]
    item = scored(run, run.array_epochs()[-1])
    name, label = run.info.class_names[3], 3
    image = int(np.argmin(np.abs(item.scores[:, label] - 0.6)))
    high = replace(item, thresholds=np.full_like(item.thresholds, 5.3))
    (said,) = threshold_sentences(image, [name], [(run, run_row(run), high)])
    assert said.startswith(f"{ETF} says no to {name} at ")
    assert ", threshold 99.50 %. Each class has a threshold of its own, by greatest F1 on " in said
    level = replace(item, thresholds=np.zeros_like(item.thresholds))
    assert threshold_sentences(image, [name], [(run, run_row(run), level)]) == []


def test_even_attention_has_no_outline_and_looks_nowhere(runs):
    course = attention_course(runs[ETF], 2, 14)
    even = replace(course, maps=np.full_like(course.maps, 1.0 / course.maps[0].size))
    figure = attention_course_figure([("one", even)], opacity=1.0)
    assert np.isnan(figure.data[1].x).all()
    assert "attention is even: it looks nowhere in particular" in course_sentences("cow", [("one", even)])
    assert attention_table([("one", even)])["it lies"][0] == "nowhere in particular: even"


@pytest.mark.parametrize("number", [2, 3])
def test_in_a_narrow_window_no_two_attention_maps_share_a_place(runs, number):
    course = attention_course(runs[ETF], 2, 14)
    named = [(f"run {turn}", course) for turn in range(number)]
    narrow = attention_course_figure(named, opacity=0.7).layout.meta["narrow"]["layout"]
    places = [[narrow[f"{axis}axis{end}"]["domain"] for axis in "xy"] for end in ("", 2, 3)[:number]]
    assert np.min(places) >= 0.0
    assert np.max(places) <= 1.0
    for one, other in combinations(places, 2):
        assert any(mine[1] < his[0] or his[1] < mine[0] for mine, his in zip(one, other, strict=True))
    assert attention_course_figure(named[:1], opacity=0.7).layout.meta is None


def test_the_outline_runs_around_the_cells_that_hold_most(runs):
    course = attention_course(runs[ETF], 2, 14)
    figure = attention_course_figure([("one", course)], opacity=1.0, smooth=True)
    assert figure.data[0].zsmooth == "best"
    inside = np.pad(mass_cells(course.maps[-1], 0.5), 1)
    edges = sum(int((np.diff(inside.astype(int), axis=axis) != 0).sum()) for axis in (0, 1))
    assert int(np.isnan(figure.data[1].x).sum()) == edges
    assert nearest_index(course, 10**6) == len(course.epochs) - 1


def test_the_curve_passes_through_its_threshold(runs):
    run = runs[ETF]
    record = decisions(run, run.array_epochs()[-1], 3)
    figure = precision_recall([(run_row(run), record)])
    line, mark = figure.data[0], figure.data[1]
    assert mark.x[0] == pytest.approx(100 * record.recall)
    there = np.array(line.y)[np.isclose(line.x, mark.x[0], atol=0.006)]
    assert mark.y[0] == pytest.approx(100 * record.precision)
    assert there.min() - 0.01 <= mark.y[0] <= there.max() + 0.01
    guess = figure.data[-1].y[0]
    assert guess == pytest.approx(100 * record.present.mean())


def test_thresholds_of_runs_of_one_colour_differ_in_their_mark(runs):
    record = decisions(runs[ETF], runs[ETF].array_epochs()[-1], 3)
    figure = precision_recall([(row, record) for row in told_apart([run_row(runs[ETF])] * 2)])
    marks = [trace.marker for trace in figure.data if trace.mode == "markers"]
    assert len({mark.color for mark in marks}) == 1
    assert len({mark.symbol for mark in marks}) == 2


@pytest.mark.parametrize("label", [0, 3, 19])
def test_the_drawn_curve_is_that_of_all_thresholds(runs, label):
    """Every threshold lies on the drawn steps, though only corners are drawn."""
    record = decisions(runs[ETF], runs[ETF].array_epochs()[-1], label)
    line = precision_recall([(run_row(runs[ETF]), record)]).data[0]
    x, y = np.array(line.x), np.array(line.y)
    assert len(x) <= 2 * record.present.sum() + 2 < len(record.curve.thresholds)
    for recall, precision in zip(record.curve.recall, record.curve.precision, strict=True):
        same = np.isclose(x, 100 * recall, atol=0.006)
        assert y[same].min() - 0.01 <= 100 * precision <= y[same].max() + 0.01
    assert (np.diff(x / 100, prepend=0.0) * y).sum() == pytest.approx(record.average_precision, abs=0.1)


def test_corners_of_odd_curves_are_all_their_points():
    assert corners(np.empty(0)).tolist() == []
    assert corners(np.array([0.5])).tolist() == [0]
    assert corners(np.full(4, np.nan)).tolist() == [0, 1, 2, 3]
    assert corners(np.array([0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0])).tolist() == [0, 2, 3, 4, 6]


def test_runs_of_other_test_images_are_not_set_side_by_side(opened_pair):
    page = opened_pair("one", "another", image=0)
    (table,) = [item.value for item in page.dataframe if "in the image" in item.value.columns]
    assert len({"one", "another"} & set(table.columns)) == 1
    assert any("tested on other images" in item.value for item in page.caption)


def test_another_class_begins_with_its_own_attention(recorded):
    # of the images that are found the first has stored attention, whatever the class
    page = recorded(**{"class": "bus", "kind": "found", "a": ETF, "label": "bus"})
    for name in ("bus", "cow", "bus"):
        page.selectbox(key="class").set_value(name).run()
        (choice,) = [item for item in page.button_group if item.key == "label"]
        assert choice.value == name
    assert not page.warning


@pytest.mark.parametrize(
    ("number", "kind", "title"),
    [
        (2, "missed", "2 test images with cow, missed by x"),
        (1, "found", "1 test image with cow, found by x"),
        (3, "false alarm", "3 test images without cow, in which it is seen by x"),
        (890, "rightly absent", "890 test images without cow, rightly absent by x"),
    ],
)
def test_the_title_of_a_gallery_is_true_of_its_images(number, kind, title):
    assert gallery_title(number, "cow", kind, "x") == title


def test_names_of_classes_are_shown_as_they_are_in_the_choice_of_attention(tmp_path, monkeypatch):
    write_run(tmp_path, "marked", classes=["**a**", "b", ":material/bolt:"]).finish()
    page = _opened(tmp_path, monkeypatch, ["marked"], image=0)
    (choice,) = [item for item in page.button_group if item.key == "label"]
    assert r"\*\*a\*\*" in choice.options


@pytest.fixture
def opened_pair(tmp_path, monkeypatch):
    def opened(first, second, **query):
        for name, seed in ((first, 0), (second, 1)):
            write_run(tmp_path, name, seed=seed).finish()
        return _opened(tmp_path, monkeypatch, [first, second], a=first, b=second, **query)

    return opened


def _opened(root, monkeypatch, picked, **query):
    monkeypatch.setenv("MLCNC_RUNS", str(root))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / "images" / "page.py"), default_timeout=60)
    page.session_state["r"] = picked
    for name, value in query.items():
        page.query_params[name] = str(value)
    return page.run()


def test_the_image_is_judged_by_the_moved_threshold(recorded, runs):
    label = runs[ETF].info.class_names.index("aeroplane")
    epoch = runs[ETF].array_epochs()[-1]
    image = int(decisions(runs[ETF], epoch, label).images["missed"][0])
    strict = recorded(**{"class": "aeroplane", "image": str(image), "a": ETF, "b": GLOVE})
    assert f"aeroplane is missed by {ETF}" in words(strict).replace("\\", "")
    loose = recorded(**{"class": "aeroplane", "image": str(image), "a": ETF, "b": GLOVE, "shift": "-20.0"})
    assert f"aeroplane is found by {ETF}" in words(loose).replace("\\", "")
    table = next(frame.value for frame in loose.dataframe if "in the image" in frame.value)
    assert table[ETF][0].startswith("yes")


def test_three_runs_stand_side_by_side_on_one_scale_by_one_rule(recorded, runs):
    third = "pictogram-trainable-s0"
    page = recorded(**{"class": "cow", "a": ETF, "b": GLOVE, "rule": "equal recall", "target": "80"})
    page.session_state["r"] = [ETF, GLOVE, third]
    page.run()
    assert not page.exception
    assert page.selectbox(key="c").value == third, "the third begins with the recipe that the others lack"
    (table,) = [item.value for item in page.dataframe if "in the image" in item.value]
    assert {ETF, GLOVE, third} <= set(table.columns)
    found = scored(runs[ETF], runs[ETF].array_epochs()[-1], rule="equal recall", target=0.8)
    label, image = (
        runs[ETF].info.class_names.index("cow"),
        int(words(page).split("Test image ")[1].split(":")[0]),
    )
    margin = found.scores[image, label] - found.limits[label]
    assert f"margin {margin:+.2f}" in table[ETF][0]
    assert "recall of 80% on validation" in words(page)


def test_images_selected_on_the_map_fill_the_gallery_until_they_are_let_go(recorded):
    page = recorded(**{"class": "cow", "a": ETF, "only": "3-5.9"})
    assert not page.exception
    assert set(opening_buttons(page)) == {3, 4, 5, 9}
    page.button(key="forget_map").click().run()
    assert "missed by" in words(page)
    assert "only" not in page.query_params
