"""Charts that visitors share: drawn once, each shown to whom it belongs, sent whole."""

import base64
import copy
import gzip
import json

import numpy as np
import plotly.graph_objects as go
import pytest

from app.figures.backdrop import add_backdrop, without_photographs
from app.figures.player import at_frame, with_player
from app.figures.theme import figure_tree
from app.session import READ_NAMES
from app.widgets import drawing
from app.widgets.downloads import figure_page
from app.widgets.drawing import Drawing, drawing_of

CALLS = []


def bars(names, heights, *, title):
    CALLS.append(title)
    return go.Figure(go.Bar(x=list(names), y=heights)).update_layout(title=title)


@pytest.fixture(autouse=True)
def visitor(monkeypatch):
    CALLS.clear()
    drawing._drawn.clear()
    state = {}
    monkeypatch.setattr(drawing.st, "session_state", state)
    return state


def test_equal_arguments_are_drawn_once_whichever_objects_hold_them():
    name, heights = "".join(["ca", "t"]), np.array([1.0, 2.0])
    first = drawing_of(bars, (name, name), heights, title="one")
    # as a cache gives them back: equal, of other objects
    again = drawing_of(bars, copy.deepcopy(("cat", "".join(["c", "at"]))), heights.copy(), title="one")
    assert again is first
    assert CALLS == ["one"]


@pytest.mark.parametrize(
    ("names", "heights", "title"),
    [(("cat", "cow"), [1.0, 2.0], "one"), (("cat",), [1.5], "one"), (("cat",), [1.0], "two")],
)
def test_other_arguments_are_drawn_anew(names, heights, title):
    drawing_of(bars, ("cat",), np.array([1.0]), title="one")
    drawing_of(bars, names, np.array(heights), title=title)
    assert ["one", title] == CALLS


def test_a_function_that_its_name_does_not_tell_apart_is_refused():
    def within(height):
        return go.Figure(go.Bar(y=[height]))

    with pytest.raises(TypeError, match="draw must be a function of a module"):
        drawing_of(within, 1.0)


def test_what_is_taken_away_leaves_the_shared_figure_as_it_is():
    figure = bars(["cat"], [1.0], title="one")
    add_backdrop(figure, "data:image/webp;base64,AAAA", (2, 2), is_photograph=True)
    figure.frames = [go.Frame(name=str(k), data=[{"y": [k]}], traces=[0]) for k in range(2)]
    with_player(figure, [0, 1])
    before, shared = copy.deepcopy(figure.to_plotly_json()), Drawing(figure)
    shared.packed()
    shared.plain()
    without = without_photographs(at_frame(shared.figure, "0"))
    figure_page(without, "one")
    assert without.data[0].y[0] == 0
    assert not without.layout.images
    assert shared.figure.to_plotly_json() == before


def test_each_visitor_reads_their_own_names(visitor):
    shared = drawing_of(bars, ("<i>cat</i>", "cow"), [1.0, 2.0], title="one")
    texts = []
    for names in (frozenset(), frozenset({"<i>cat</i>"}), frozenset()):
        visitor[READ_NAMES] = names
        sent = json.loads(gzip.decompress(base64.b64decode(shared.packed())))
        texts.append([shared.plain().data[0].x[0], sent["data"][0]["x"][0]])
    assert texts == [["<i>cat</i>"] * 2, ["&lt;i&gt;cat&lt;/i&gt;"] * 2, ["<i>cat</i>"] * 2]
    assert CALLS == ["one"]


def test_a_packed_figure_is_the_whole_figure_and_smaller():
    figure = bars([f"class {i}" for i in range(80)], np.arange(80.0), title="one")
    figure.frames = [go.Frame(name=str(k), data=[{"y": np.arange(80.0) + k}]) for k in range(20)]
    packed = Drawing(figure).packed()
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == figure_tree(figure)
    assert 2 * len(packed) < len(json.dumps(figure_tree(figure)))
