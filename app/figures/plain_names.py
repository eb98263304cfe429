"""Names in charts are text: Plotly reads tags in them, so all but the house's own are taken apart."""

from __future__ import annotations

import re
from typing import Any

import plotly.graph_objects as go

_FOREIGN = re.compile(r"<(?!/?(?:b|i|br|sup|sub|extra)>)")


def with_plain_names(figure: go.Figure) -> go.Figure:
    """Return the figure with every foreign tag in its texts shown as it was written, not followed.

    Names of runs and classes come from files and people; ``<a href=...>`` in one would become a link.
    A figure without such a text, nearly every one, is returned as it is.
    """
    tree = figure.to_plotly_json()
    cleaned = _cleaned(tree)
    return figure if cleaned is tree else go.Figure(cleaned)


def _cleaned(part: Any) -> Any:
    """Return the part with foreign tags escaped; the very same object where it has none."""
    if isinstance(part, str):
        return _FOREIGN.sub("&lt;", part) if _FOREIGN.search(part) else part
    if isinstance(part, dict):
        new = {name: _cleaned(value) for name, value in part.items()}
        return new if any(new[name] is not part[name] for name in part) else part
    if isinstance(part, list | tuple):
        items = [_cleaned(value) for value in part]
        return items if any(one is not other for one, other in zip(items, part, strict=True)) else part
    if getattr(part, "dtype", None) is not None and part.dtype.kind in "OU":
        listed = part.tolist()
        items = _cleaned(listed)
        return items if items is not listed else part
    return part
