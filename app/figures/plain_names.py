"""Names in charts are text: Plotly reads tags, entities and templates in them, all but the house's own go."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from typing import Any

import plotly.graph_objects as go

_FOREIGN = re.compile(r"<(?!/?(?:b|i|br|sup|sub|extra)>)")
# what Plotly would not show as it is written
_READ = re.compile(r"[<>]|&[#\w]|%\{")


def with_plain_names(figure: go.Figure, names: Iterable[str] = ()) -> go.Figure:
    """Return the figure with names, and every foreign tag in its texts, shown as written and not followed.

    Names of runs and classes come from files and people; ``<a href=...>`` in one would become a link, ``<b>`` a
    tick in bold.
    A figure without such a text, nearly every one, is returned as it is.

    Args:
        names: that the figure may hold, in texts of the house too.
    """
    escaped = escaping(names)

    def rule(text: str) -> str:
        return _FOREIGN.sub("&lt;", escaped(text))

    tree = figure.to_plotly_json()
    cleaned = changed_texts(tree, rule)
    return figure if cleaned is tree else go.Figure(cleaned)


def read_by_plotly(names: Iterable[str]) -> frozenset[str]:
    """Return the names that Plotly would not show as they are written."""
    return frozenset(name for name in names if _READ.search(name))


def escaping(names: Iterable[str]) -> Callable[[str], str]:
    """Return what escapes names wherever a text holds them, in one pass and the longest first."""
    marked = sorted(read_by_plotly(names), key=len, reverse=True)
    if not marked:
        return lambda text: text
    pattern = re.compile("|".join(re.escape(name) for name in marked))
    return lambda text: pattern.sub(lambda found: _escaped(found.group()), text)


def _escaped(name: str) -> str:
    return html.escape(name, quote=False).replace("%{", "%&#123;")


def changed_texts(part: Any, rule: Callable[[str], str]) -> Any:
    """Return a tree with a rule applied to its texts; the very same object where that changes none."""
    if isinstance(part, str):
        new = rule(part)
        return part if new == part else new
    if isinstance(part, dict):
        values = {name: changed_texts(value, rule) for name, value in part.items()}
        return values if any(values[name] is not part[name] for name in part) else part
    if isinstance(part, list | tuple):
        items = [changed_texts(value, rule) for value in part]
        return items if any(one is not other for one, other in zip(items, part, strict=True)) else part
    if getattr(part, "dtype", None) is not None and part.dtype.kind in "OU":
        listed = part.tolist()
        items = changed_texts(listed, rule)
        return items if items is not listed else part
    return part
