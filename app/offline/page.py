"""A page of charts, tables and text that opens without a network, in light, in dark and on paper."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

MODE_BAR: dict[str, Any] = {
    "displaylogo": False,
    # a drag zooms in and a double click out; and plotly.js would offer to upload the chart to a cloud
    "modeBarButtonsToRemove": ["sendChartToCloud", "zoomIn2d", "zoomOut2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "png", "scale": 2},
    "responsive": True,
}

THEMES = {
    "light": {"ink": "#1F2430", "ground": "#FFFFFF", "grid": "#E1E5EA", "line": "#9AA3AE"},
    "dark": {"ink": "#E8EAED", "ground": "#15181D", "grid": "#343A43", "line": "#6B7480"},
}

# nothing can be fetched, whatever a name or plotly.js holds
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


@dataclass(frozen=True)
class Table:
    """Cells as text; ``caption`` names the table."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader needs beside it.

    Attributes:
        figure: as drawn on the pages of the dashboard.
        title: above it; may be empty.
        alt: the takeaway in words, plain text.
        reading: how to read it, Markdown of paragraphs, lists, bold, italics and code.
        numbers: what is plotted, folded away below; None where the chart has a table of its own.
        narrow: whether a third of the page is wide enough for it.
    """

    figure: go.Figure
    title: str
    alt: str
    reading: str
    numbers: Table | None = None
    narrow: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, which may be empty, with paragraphs, tables and charts; a tuple stands side by side."""

    title: str
    parts: tuple[str | Table | Chart | tuple[Chart | Table, ...], ...] = field(default=())


def offline_page(
    title: str, sections: Sequence[Section], *, lead: Sequence[str] = (), names: Iterable[str] = ()
) -> str:
    """Return a page as HTML of about 5 MB, plotly.js once inside.

    Args:
        title: of the page.
        sections: in order; more than two get a table of contents.
        lead: plain paragraphs below the title.
        names: of runs and classes that figures may hold; Plotly would read markup in them.

    Returns:
        One document that asks for no other file.
    """
    marked = {name: html.escape(name, quote=False) for name in names}
    marked = {name: shown for name, shown in marked.items() if shown != name}
    ids = (f"c{number}" for number in count())
    body: list[str] = []
    for number, section in enumerate(sections):
        heading = f"<h2>{html.escape(section.title)}</h2>" if section.title else ""
        body.append(f'<section id="s{number}">{heading}')
        body += [_part(part, ids, marked) for part in section.parts]
        body.append("</section>")
    links = "".join(f'<li><a href="#s{i}">{html.escape(s.title)}</a></li>' for i, s in enumerate(sections))
    contents = f'<nav aria-label="Contents"><ul>{links}</ul></nav>' if len(sections) > 2 else ""
    folder = Path(__file__).parent
    themes = {name: _template(colours) for name, colours in THEMES.items()}
    script = (folder / "page.js").read_text(encoding="utf-8")
    paragraphs = "".join(f"<p>{html.escape(text)}</p>" for text in lead)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{(folder / 'page.css').read_text(encoding='utf-8')}</style></head><body>",
            f"<header><h1>{html.escape(title)}</h1>{paragraphs}</header>",
            "<noscript><p>The charts need JavaScript; the tables below them hold their numbers.</p></noscript>",
            f"{contents}<main>{''.join(body)}</main>" if body else "<main></main>",
            f'<script type="application/json" id="themes">{_inside_script(themes)}</script>',
            f'<script type="application/json" id="mode-bar">{_inside_script(MODE_BAR)}</script>',
            f"<script>{get_plotlyjs()}</script>",
            f"<script>{script}</script></body></html>",
        ]
    )


def prose(markdown: str) -> str:
    """Return paragraphs, lists, bold, italics and code of Markdown as HTML; all else stays text.

    Example:
        >>> prose("**White** is `0`, not <b>")
        '<p><strong>White</strong> is <code>0</code>, not &lt;b&gt;</p>'
    """
    blocks = []
    for block in re.split(r"\n\s*\n", markdown.strip()):
        lines = [line.strip() for line in block.splitlines()]
        if lines and all(line.startswith("- ") for line in lines):
            blocks.append(f"<ul>{''.join(f'<li>{_marked(line[2:])}</li>' for line in lines)}</ul>")
        elif any(lines):
            blocks.append(f"<p>{_marked(' '.join(lines))}</p>")
    return "".join(blocks)


def _marked(text: str) -> str:
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
    return re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"<em>\1</em>", text)


def _part(
    part: str | Table | Chart | tuple[Chart | Table, ...], ids: Iterator[str], marked: dict[str, str]
) -> str:
    if isinstance(part, str):
        return f"<p>{html.escape(part)}</p>"
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Chart):
        return _chart(part, next(ids), marked, part.reading)
    readings = {item.reading for item in part if isinstance(item, Chart)}
    # charts of one kind need their reading once, below all of them
    shared = readings.pop() if len(part) > 1 and len(readings) == 1 else ""
    cells = [
        _table(item)
        if isinstance(item, Table)
        else _chart(item, next(ids), marked, "" if shared else item.reading)
        for item in part
    ]
    narrow = all(isinstance(item, Table) or item.narrow for item in part)
    return f'<div class="row{" narrow" if narrow else ""}">{"".join(cells)}</div>{_reading(shared)}'


def _chart(chart: Chart, name: str, marked: dict[str, str], reading: str) -> str:
    tree = json.loads(plotly.io.to_json(chart.figure, validate=False))
    tree["layout"].pop("template", None)
    height = tree["layout"].get("height", 400)
    numbers = f"<details><summary>Numbers</summary>{_table(chart.numbers)}</details>" if chart.numbers else ""
    heading = f"<h3>{html.escape(chart.title)}</h3>" if chart.title else ""
    return (
        f'<figure>{heading}<div class="chart" id="{name}" role="group" '
        f'aria-label="{html.escape(chart.alt)}" style="height:{height}px"></div>'
        f'<figcaption><p class="takeaway">{html.escape(chart.alt)}</p>{_reading(reading)}{numbers}</figcaption>'
        f'<script type="application/json" id="{name}-data">{_inside_script(_plain(tree, marked))}</script>'
        "</figure>"
    )


def _reading(markdown: str) -> str:
    return f'<div class="reading"><h4>How to read this</h4>{prose(markdown)}</div>' if markdown else ""


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.columns)
    rows = [f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows]
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(table.caption)}"><table>'
        f"<caption>{html.escape(table.caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _plain(tree: Any, marked: dict[str, str]) -> Any:
    """Return the tree with the names escaped that Plotly would take for markup."""
    if not marked:
        return tree
    if isinstance(tree, str):
        # in one pass and the longest first, so that no escape is escaped again
        names = "|".join(re.escape(name) for name in sorted(marked, key=len, reverse=True))
        return re.sub(names, lambda found: marked[found.group()], tree)
    if isinstance(tree, dict):
        return {key: _plain(value, marked) for key, value in tree.items()}
    return [_plain(value, marked) for value in tree] if isinstance(tree, list) else tree


def _inside_script(tree: Any) -> str:
    text = json.dumps(tree, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _template(colours: dict[str, str]) -> dict[str, Any]:
    axis = {
        "gridcolor": colours["grid"],
        "zerolinecolor": colours["grid"],
        "linecolor": colours["line"],
        "tickcolor": colours["line"],
        "title": {"font": {"size": 13}},
    }
    return {
        "layout": {
            "paper_bgcolor": colours["ground"],
            "plot_bgcolor": colours["ground"],
            "font": {"color": colours["ink"], "family": "system-ui, sans-serif", "size": 13},
            "hoverlabel": {"bgcolor": colours["ground"], "font": {"color": colours["ink"]}},
            "xaxis": axis,
            "yaxis": axis,
            "scene": {f"{name}axis": {**axis, "backgroundcolor": colours["ground"]} for name in "xyz"},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colours["line"], "activecolor": colours["ink"]},
            "annotationdefaults": {"font": {"color": colours["ink"]}},
            "sliderdefaults": {"bgcolor": colours["grid"], "font": {"color": colours["ink"]}},
            "updatemenudefaults": {"bgcolor": colours["ground"], "font": {"color": colours["ink"]}},
        }
    }
