"""Names in charts are text: Plotly reads tags, entities and templates in them, all but the house's own go."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from typing import Any

import plotly.graph_objects as go

_HOUSE = r"</?(?:b|i|br|sup|sub|extra)>|%\{[^{}]*\}"
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
    tree = figure.to_plotly_json()
    cleaned = changed_texts(tree, escaping(names))
    return figure if cleaned is tree else go.Figure(cleaned)


def read_by_plotly(names: Iterable[str]) -> frozenset[str]:
    """Return the names that Plotly would not show as they are written."""
    return frozenset(name for name in names if _READ.search(name))


def escaping(names: Iterable[str]) -> Callable[[str], str]:
    """Return what escapes names and foreign tags wherever a text holds them, in one pass and the longest first.

    A name that is itself a tag of the house's, such as ``<b>``, is one where it stands alone or is not closed.
    """
    marked = sorted(read_by_plotly(names), key=len, reverse=True)
    tags = frozenset(name for name in marked if re.fullmatch(_HOUSE, name))
    # a piece of a tag is a name only outside tags
    pieces = [name for name in marked if name not in tags and re.search(_HOUSE, name) is None]
    longer = [name for name in marked if name not in tags and name not in pieces]
    kinds = {"longer": longer, "house": [], "piece": pieces}
    pattern = re.compile(
        "|".join(
            f"(?P<{kind}>{_HOUSE if kind == 'house' else '|'.join(map(re.escape, found))})"
            for kind, found in kinds.items()
            if found or kind == "house"
        )
    )

    def rule(text: str) -> str:
        if _READ.search(text) is None:
            return text
        if marked:
            lone = _lone(text, pattern, tags) if tags else frozenset()
            text = pattern.sub(
                lambda found: (
                    found.group()
                    if found.lastgroup == "house" and found.start() not in lone
                    else _escaped(found.group())
                ),
                text,
            )
        return _FOREIGN.sub("&lt;", text)

    return rule


def _lone(text: str, pattern: re.Pattern[str], tags: frozenset[str]) -> frozenset[int]:
    """Return where a text holds names that are tags: the house closes what it opens and nests none in itself.

    Its line breaks stand between other things, and its templates beside tags.
    """
    found = [(one.start(), one.group()) for one in pattern.finditer(text) if one.lastgroup == "house"]
    opened: dict[str, int] = {}
    lone: set[int] = set()
    for start, tag in found:
        kind = tag.strip("</>")
        if tag.startswith("%{"):
            stays = not tags.issuperset(other for _, other in found)
        elif kind == "br":
            stays = not re.search(r"(?:^|<\w+>)$", text[:start]) and not re.match(
                r"$|</", text[start + len(tag) :]
            )
        elif tag.startswith("</"):
            stays = opened.pop(kind, None) is not None
        else:
            stays = kind not in opened
            opened.setdefault(kind, start)
        if not stays:
            lone.add(start)
    lone.update(opened.values())
    return frozenset(start for start, tag in found if start in lone and tag in tags)


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
