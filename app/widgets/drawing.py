"""Charts that are drawn once: finished figures that all visitors share, and what is sent of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import pickle
from collections.abc import Callable
from typing import Any, ParamSpec, cast

import plotly.graph_objects as go
import streamlit as st

from app.figures.plain_names import changed_texts, escaping, with_plain_names
from app.figures.theme import figure_tree
from app.session import READ_NAMES

P = ParamSpec("P")


class Drawing:
    """A finished figure, which nobody changes any more.

    Attributes:
        figure: as it was drawn.
    """

    def __init__(self, figure: go.Figure) -> None:
        self.figure = figure
        # one place each, taken out whole: another visitor may have other names
        self._plain: tuple[frozenset[str], go.Figure] | None = None
        self._packed: tuple[frozenset[str], str] | None = None

    def plain(self) -> go.Figure:
        """Return the figure with the names of the visitor's runs and classes as text."""
        names, kept = _names(), self._plain
        if kept is None or kept[0] != names:
            kept = self._plain = names, with_plain_names(self.figure, names)
        return kept[1]

    def packed(self) -> str:
        """Return that figure as JSON, without the template of Plotly, as base64 of gzip: a quarter to send."""
        names, kept = _names(), self._packed
        if kept is None or kept[0] != names:
            tree = changed_texts(figure_tree(self.figure), escaping(names))
            text = json.dumps(tree, separators=(",", ":")).encode()
            kept = self._packed = names, base64.b64encode(gzip.compress(text, mtime=0)).decode()
        return kept[1]


def _names() -> frozenset[str]:
    return cast(frozenset[str], st.session_state.get(READ_NAMES, frozenset()))


def drawing_of(draw: Callable[P, go.Figure], *args: P.args, **settings: P.kwargs) -> Drawing:
    """Return what a function of ``app.figures`` draws, drawn again only for other arguments.

    Plotly takes longer to make a figure than a page has; a page that runs again mostly shows what it showed.
    The last 64 figures are kept, of some megabytes at most, until the server ends: whoever changes a function
    of ``app.figures`` starts it anew.

    Args:
        draw: a pure function of a module.
        args, settings: its arguments, which can be pickled; told apart by what they hold.

    Raises:
        TypeError: the function is one within another.
    """
    name = f"{draw.__module__}.{draw.__qualname__}"
    if "<" in name:
        raise TypeError(f"draw must be a function of a module, told from all others by its name, got {name}")
    what = io.BytesIO()
    pickler = pickle.Pickler(what, pickle.HIGHEST_PROTOCOL)
    # without notes of what was written already: it does not matter which parts are one and the same object
    pickler.fast = True
    pickler.dump((name, args, settings))
    return _drawn(hashlib.sha256(what.getbuffer()).hexdigest(), draw, args, settings)


@st.cache_resource(max_entries=64, show_spinner=False)
def _drawn(
    key: str, _draw: Callable[..., go.Figure], _args: tuple[Any, ...], _settings: dict[str, Any]
) -> Drawing:
    return Drawing(_draw(*_args, **_settings))
