"""A figure with frames and the controls that move it."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from app.figures.player import at_frame, with_player
from app.widgets.player import _rested_at, nearest_label

VALUES = [[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]]


def animated():
    figure = go.Figure([go.Scatter(x=[0, 1], name="still"), go.Scatter(x=[0, 1])])
    figure.frames = [
        go.Frame(data=[go.Scatter(y=values)], traces=[1], layout={"title": {"text": str(values[0])}})
        for values in VALUES
    ]
    return figure


@pytest.mark.parametrize(("start", "shown"), [(-1, 2), (0, 0), (1, 1), (99, 2), (-99, 0)])
def test_the_first_shown_frame_is_in_the_traces_and_on_the_slider(start, shown):
    figure = with_player(animated(), [1, 9, 40], start=start)
    np.testing.assert_array_equal(figure.data[1].y, VALUES[shown])
    assert figure.data[0].name == "still"
    assert figure.layout.title.text == str(VALUES[shown][0])
    slider = figure.layout.sliders[0]
    assert slider.active == shown
    assert [step.label for step in slider.steps] == ["1", "9", "40"]
    # every step and its frame bear one name
    assert [step.args[0][0] for step in slider.steps] == [frame.name for frame in figure.frames]


def test_play_goes_on_from_the_shown_frame_and_pause_stops():
    play, pause = with_player(animated(), ["a", "b", "c"], duration=300).layout.updatemenus[0].buttons
    assert play.args[0] is None  # every frame
    assert play.args[1]["fromcurrent"]
    assert play.args[1]["frame"]["duration"] == 300
    assert list(pause.args[0]) == [None]


def test_one_frame_needs_no_controls_and_no_frame_none():
    figure = go.Figure([go.Scatter(x=[0, 1])], frames=[go.Frame(data=[go.Scatter(y=[4, 6])])])
    alone = with_player(figure, [3])
    assert list(alone.data[0].y) == [4, 6]
    assert not alone.layout.sliders
    assert with_player(go.Figure(), []) == go.Figure()
    with pytest.raises(ValueError, match="3 frames, 2 labels"):
        with_player(animated(), [1, 2])


@pytest.mark.parametrize(
    ("wanted", "label"),
    [("9", "9"), ("8", "9"), ("5", "9"), ("4", "1"), ("-3", "1"), ("99", "40"), ("x", "40"), (None, "40")],
)
def test_an_address_opens_the_nearest_frame(wanted, label):
    assert nearest_label(["1", "9", "40"], wanted) == label


@pytest.mark.parametrize(
    ("said", "frame"),
    [
        (None, None),
        ("9/40", "9"),  # chosen
        ("9/12", "9"),  # chosen in a run of other epochs
        ("40/40", "40"),
        ("9/9", None),  # merely the last epoch of a shorter run
        ("33/40", None),  # not here
        ("a/b/a/b", None),
    ],
)
def test_a_last_frame_that_nobody_chose_is_not_taken_to_another_figure(said, frame):
    assert _rested_at(said, ["1", "9", "40"]) == frame


def test_a_player_is_exported_at_the_frame_it_rests_at():
    figure = with_player(animated(), ["a", "b", "c"])
    before = json.loads(figure.to_json())
    moved = at_frame(figure, "a")
    assert moved.layout.sliders[0].active == 0
    assert list(moved.data[1].y) == VALUES[0]
    assert moved.layout.title.text == str(VALUES[0][0])
    assert json.loads(figure.to_json()) == before
    assert at_frame(figure, "z") is figure
    assert at_frame(figure, None) is figure


def test_a_shared_player_is_exported_without_being_touched_meanwhile():
    figure = with_player(animated(), ["a", "b", "c"])
    figure.add_heatmap(z=[[1, 2], [3, 4]], colorbar={"title": {"text": "share"}})
    before = figure.to_json()
    seen = []

    class Watched(dict):
        def pop(self, key, *default):
            seen.append((id(self), key))
            return super().pop(key, *default)

    figure.__dict__["_data"] = [Watched(trace) for trace in figure._data]
    own = [id(trace) for trace in figure._data]
    at_frame(figure, "b")
    assert not [key for of, key in seen if of in own], "who draws it at that moment draws another kind of trace"
    assert figure.to_json() == before
