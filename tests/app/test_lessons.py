"""Lessons 1 to 4: complete without a click, numbers from the records, reasons for wrong guesses."""

import re

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.collapse_course import angle_frames, collapse_frames
from app.figures.style import GREY_GROUND
from app.figures.toys import (
    angle_against_number,
    angles_against_ratio,
    centring_strips,
    imbalanced_matrix,
    random_against_etf,
)
from app.learn.frame import COLOURS, FIVE, MARKS, STEPS, TEN, question, small
from app.learn.step4 import RATIOS
from mlcnc.toys.centring import centring_trap
from mlcnc.toys.collapse import collapse_course
from mlcnc.toys.imbalance import imbalanced_end
from mlcnc.toys.simplex import random_vectors, simplex_angles
from tests.app.conftest import charts, words
from tests.conftest import ROOT

STEP_NUMBERS = (1, 2, 3, 4)
GUESSES = {"1_four": 1, "1_twenty": 1, "2_moves": 2, "3_equal": 3, "3_trap": 3, "4_rare": 4}


@pytest.fixture
def lesson(monkeypatch, tmp_path):
    """Return a function that opens a step alone, in a project without a run."""
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])

    def open_step(number, **address):
        page = AppTest.from_file(str(ROOT / "app" / "learn" / "page.py"), default_timeout=60)
        for name, value in ({"step": str(number)} | address).items():
            page.query_params[name] = value
        shown = page.run()
        assert not shown.exception, shown.exception
        return shown

    return open_step


@pytest.mark.parametrize("number", STEP_NUMBERS)
def test_every_step_is_whole_without_a_click(lesson, number):
    shown = lesson(number)
    step = STEPS[number - 1]
    assert shown.title[0].value == step.title
    assert step.title.endswith("?")
    said = words(shown)
    assert ":violet-badge" in said
    assert "Toy:" in said
    assert "**In your run.**" in said
    assert "**What would change my mind.**" in said
    assert charts(shown)
    assert all(chart.alt for chart in charts(shown))
    assert shown.latex


def keys(block):
    """Return the ids of the containers of a page, which end with their keys."""
    found = []
    for child in getattr(block, "children", {}).values():
        found += [child.proto.id] if child.type == "flex_container" else []
        found += keys(child)
    return found


def reveals(shown):
    return sum("_answer_" in key for key in keys(shown.main))


@pytest.mark.parametrize(("key", "number"), GUESSES.items())
def test_every_guess_gets_its_reason_and_none_is_needed(lesson, key, number):
    shown = lesson(number)
    radio = next(item for item in shown.radio if item.key == f"guess_{key}")
    assert radio.value is None
    assert not shown.success
    assert not shown.warning
    questions = reveals(shown)
    assert questions > 0
    right = 0
    heard = set()
    for option in radio.options:
        next(item for item in shown.radio if item.key == f"guess_{key}").set_value(option)
        shown.run()
        told = [*shown.success, *shown.warning]
        assert len(told) == 1
        right += len(shown.success)
        heard.add(told[0].value)
        assert reveals(shown) == questions - len(shown.success), "who guessed right needs no answer"
    assert right == 1
    assert len(heard) == len(radio.options)


def test_a_guess_is_not_part_of_the_address(lesson):
    shown = lesson(1)
    shown.radio[0].set_value("90°").run()
    assert set(shown.query_params) <= {"step"}


def test_a_question_needs_a_reason_for_every_option():
    with pytest.raises(ValueError, match="each option needs a reason"):
        question("x", "?", ["a", "b"], "a", {"a": "because"})
    with pytest.raises(ValueError, match="right must be one of the options"):
        question("x", "?", ["a", "b"], "c", {"a": "because", "b": "of"})


def test_back_and_next_move_one_step_and_stop_at_the_ends(lesson):
    shown = lesson(1)
    by_key = {button.key: button for button in shown.button}
    assert by_key["step_back"].disabled
    by_key["step_next"].click().run()
    assert shown.title[0].value == STEPS[1].title
    next(button for button in shown.button if button.key == "step_on").click().run()
    assert shown.title[0].value == STEPS[2].title
    next(button for button in shown.button if button.key == "step_back").click().run()
    assert shown.title[0].value == STEPS[1].title
    assert {b.key: b.disabled for b in lesson(len(STEPS)).button}["step_next"]


@pytest.mark.parametrize("bad", ["0", str(len(STEPS) + 1), "two", ""])
def test_a_step_that_is_none_falls_back_to_the_first(lesson, bad):
    assert lesson(bad).title[0].value == STEPS[0].title


def test_the_page_imports_the_shown_step_only(lesson, monkeypatch):
    import sys

    for step in STEPS:
        monkeypatch.delitem(sys.modules, f"app.learn.step{step.number}", raising=False)
    lesson(4)
    assert [name for name in sys.modules if name.startswith("app.learn.step")] == ["app.learn.step4"]


def test_numbers_of_step_1_are_computed(lesson):
    said = words(lesson(1))
    vectors = random_vectors(20)
    for angle in ("120°", "109.47°", "93.02°"):
        assert angle in said
    assert f"mean angle of {vectors.summary.mean:.1f}°" in said
    assert f"closest pair stands at {vectors.summary.minimum:.1f}°" in said
    assert "4 arrows in space" in words(lesson(1, num_arrows="4"))
    assert "20 arrows need 19 dimensions" in words(lesson(1, num_arrows="20"))


def test_numbers_of_step_2_are_computed(lesson):
    said = words(lesson(2))
    decayed, free = collapse_course(decay=0.05), collapse_course(decay=0.0)
    after = decayed.frame_at(decayed.first_perfect)
    assert f"Accuracy reaches 100 % by step {decayed.first_perfect}" in said
    assert f"stands at {decayed.nc1[after]:.1f} then" in said
    assert small(decayed.nc1[-1]) in said
    assert f"Without it NC1 still is {free.nc1[-1]:.2f} at the end" in said
    assert f"from {free.feature_norms[0]:.1f} to {free.feature_norms[-1]:.1f}" in said


def test_numbers_of_step_3_are_computed(lesson):
    course = collapse_course(decay=0.05)
    shown = lesson(3)
    said = words(shown)
    other = collapse_course(decay=0.05, seed=2)
    np.testing.assert_allclose(other.angles.minimum[-1], course.optimum, atol=1e-3)
    assert r"within $2\times10^{-4}$° of 104.5°" in said
    assert f"grows from {course.angles.minimum[0]:.1f}° to {course.angles.minimum[-1]:.1f}°" in said
    assert f"falls from {course.duality[0]:.2f} to {small(course.duality[-1])}" in said
    plain = centring_trap("random").reading("class").summary
    assert f"mean centred angle is {plain.mean:.1f}°, the ETF has 93.0°" in said
    assert "coefficient of variation" not in said
    moved = centring_trap("two groups", norm_spread=1.0)
    said = words(lesson(3, arrangement="two groups", lengths="1.0"))
    assert f"smallest angle is {moved.reading('class').summary.minimum:.1f}°" in said
    assert f"coefficient of variation {moved.reading('class').norm_spread:.2f}" in said


def test_numbers_of_step_4_are_computed(lesson):
    end, weak = imbalanced_end(100)["classifier"], imbalanced_end(100, decay=0.005)["classifier"]
    said = words(lesson(4))
    assert f"frequent classes are {end.frequent:.1f}° apart and two rare ones {end.rare:.1f}°" in said
    assert f"rare pairs still stand at {weak.rare:.1f}° at 100 : 1" in said
    assert "five frequent ones with 200 images each and five rare ones with 2" in said
    assert "With weight decay 0.05 all pairs of classifier rows stand at 96.4°" in said
    assert max(imbalanced_end(ratio)["classifier"].nc1 for ratio in RATIOS) < 1e-12
    most = max(imbalanced_end(ratio, decay=0.005)["classifier"].nc1 for ratio in RATIOS)
    assert 1e-6 < most < 1e-5
    assert r"zero up to rounding with weight decay 0.05 and below $1\times10^{-5}$ with 0.005" in said
    shown = lesson(4, strength="0.005")
    assert f"two rare ones {weak.rare:.1f}°; the mean" in words(shown)
    # what other numbers stand beside the chart says of which weight decay they are
    for item in shown.markdown:
        if f"{end.rare:.1f}°" in item.value:
            assert "weight decay 0.05" in item.value.lower()
    means = imbalanced_end(20)["class means"]
    said = words(lesson(4, ratio="20", vectors="class means"))
    assert f"At 20 : 1 two frequent classes are {means.frequent:.1f}° apart" in said


def test_small_numbers_read_as_powers_of_ten():
    assert [small(value) for value in (0.0, 0.16, 12.0, 2.6e-10)] == [
        "0",
        "0.16",
        "12",
        r"$3\times10^{-10}$",
    ]


def test_classes_keep_colour_and_mark_through_all_lessons():
    assert TEN[:5] == FIVE
    assert len(set(TEN)) == 10
    assert set(COLOURS) == set(MARKS) == set(FIVE)
    assert len(set(COLOURS.values())) == len(set(MARKS.values())) == 5


def truly(course, at):
    one, other = course.scaled_means[at, :2].astype(float)
    drawn = np.degrees(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
    return f"person and dog: drawn {drawn:.0f}°, truly {course.angles.angles[at][0, 1]:.1f}°"


def test_frames_hold_the_course():
    course, free = collapse_course(num_frames=8), collapse_course(decay=0.0, num_frames=8)
    figure = collapse_frames(course, free, FIVE, COLOURS, MARKS)
    assert [frame.name for frame in figure.frames] == [str(step) for step in course.steps]
    for at, frame in enumerate(figure.frames):
        points, means, cursor, within, between, named, drawn = frame.data
        own = course.points[at][np.asarray(course.labels) == 0]
        np.testing.assert_allclose(within.x[0::2], own[:, 0], rtol=1e-6)
        np.testing.assert_allclose(between.y[1], course.means[at, 0, 1], rtol=1e-6)
        np.testing.assert_array_equal(points.x, course.points[at, :, 0])
        np.testing.assert_array_equal(means.y, course.means[at, :, 1])
        assert cursor.y[0] == course.nc1[at]
        assert cursor.x[0] == course.steps[at] + 1
        # what NC1 compares is named in the picture
        assert (named.x[0], named.y[0]) in set(zip(within.x, within.y, strict=True))
        np.testing.assert_allclose(named.y[1], np.mean(between.y), rtol=1e-5)
        assert drawn.text[0] == truly(course, at)
    assert [text.strip() for text in figure.data[6].text] == ["within", "between"]
    np.testing.assert_array_equal(figure.data[2].y, course.nc1)
    np.testing.assert_array_equal(figure.data[8].y, free.nc1)
    alone = collapse_frames(course, None, FIVE, COLOURS, MARKS)
    assert len(alone.data) == 8
    assert "no weight decay" in figure.to_json()
    assert "no weight decay" not in alone.to_json()
    reach = figure.layout.xaxis.range[1]
    assert reach > np.abs(course.points).max()
    assert list(figure.data[0].marker.color) == [COLOURS[FIVE[label]] for label in course.labels]


def test_angle_frames_hold_means_rows_and_angles():
    course = collapse_course(num_frames=8)
    figure = angle_frames(course, FIVE, COLOURS)
    for at, frame in enumerate(figure.frames):
        _, rows, means, changed, cursor, drawn = frame.data
        assert drawn.text[0] == truly(course, at)
        np.testing.assert_array_equal(rows.x, course.scaled_rows[at, :, 0])
        np.testing.assert_array_equal(means.y, course.scaled_means[at, :, 1])
        cells = figure.data[3]
        assert len(cells.x) == 20
        for x, y, angle in zip(cells.x, cells.y, changed.marker.color, strict=True):
            assert angle == pytest.approx(course.angles.angles[at][FIVE.index(y), FIVE.index(x)], abs=0.051)
        assert cursor.y[0] == course.angles.minimum[at]
    assert isinstance(cells, go.Scatter)
    same = figure.data[8]
    assert list(same.x) == list(same.y) == list(FIVE)
    assert same.marker.color == GREY_GROUND
    assert (cells.marker.cmin + cells.marker.cmax) / 2 == pytest.approx(course.optimum)


def test_the_figures_of_lessons_weigh_less_than_the_budget_of_a_rerun():
    course, free = collapse_course(), collapse_course(decay=0.0)
    assert len(collapse_frames(course, free, FIVE, COLOURS, MARKS).to_json()) < 150_000
    assert len(angle_frames(course, FIVE, COLOURS).to_json()) < 150_000


def test_other_figures_show_their_records():
    best = simplex_angles(range(2, 30))
    figure = angle_against_number(best, (3, 20))
    assert list(figure.data[1].y) == [120.0, 93.017]
    vectors = random_vectors(20)
    assert len(random_against_etf(vectors).data[0].x) == 190
    trap = centring_trap("random", norm_spread=0.5)
    strips = centring_strips(trap)
    for index, reading in enumerate(trap.readings):
        dots, mean, least = strips.data[3 * index : 3 * index + 3]
        np.testing.assert_allclose(dots.x, reading.pairs, atol=0.01)
        assert mean.x[0] == pytest.approx(reading.summary.mean, abs=0.01)
        assert least.x[0] == pytest.approx(reading.summary.minimum, abs=0.01)
        assert re.search(r"mean \d+\.\d°", mean.text[0])
    ends = [imbalanced_end(ratio)["classifier"] for ratio in (1, 20)]
    lines = {trace.name: list(trace.y) for trace in angles_against_ratio(ends, 20).data}
    assert lines["two rare classes"] == [round(end.rare, 3) for end in ends]
    assert lines["two frequent classes"] == [round(end.frequent, 3) for end in ends]
    assert {
        note.text.replace("<br>", " ") for note in angles_against_ratio(ends, 20).layout.annotations
    } >= set(lines)
    # what falls together is not rounded to the same number
    assert imbalanced_matrix(imbalanced_end(100)["classifier"], TEN).data[0].text[5][5:7] == ["", "0.2"]
    matrix = imbalanced_matrix(ends[1], TEN)
    assert matrix.data[0].x[0] == "person (40)"
    assert matrix.data[0].y[9] == "bottle (2)"
    assert np.isnan(np.diag(np.array(matrix.data[0].z, dtype=float))).all()
    assert matrix.data[0].z[6][8] == round(ends[1].angles[6, 8], 2)
    # frequent and rare classes are parted; without imbalance there is nothing to part
    assert len(matrix.layout.shapes) == 3
    assert len(imbalanced_matrix(ends[0], TEN).layout.shapes) == 1
