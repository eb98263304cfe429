"""A page of charts, tables and text that opens without a network, in light, in dark and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from app.figures.plain_names import changed_texts, escaping
from app.figures.theme import THEMES, figure_tree, template

MODE_BAR: dict[str, Any] = {
    "displaylogo": False,
    # a drag zooms in and a double click out; and plotly.js would offer to upload the chart to a cloud
    "modeBarButtonsToRemove": ["sendChartToCloud", "zoomIn2d", "zoomOut2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "png", "scale": 2},
    "responsive": True,
}


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
    escaped, numbers = escaping(names), count()
    folder = Path(__file__).parent
    pages = Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True)
    pages.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    pages.filters["prose"] = prose
    return pages.get_template("page.html.jinja").render(
        title=title,
        sections=sections,
        lead=lead,
        new_name=lambda: f"c{next(numbers)}",
        drawn=lambda chart: changed_texts(figure_tree(chart.figure), escaped),
        themes={name: template(colours) for name, colours in THEMES.items()},
        mode_bar=MODE_BAR,
        style=(folder / "page.css").read_text(encoding="utf-8"),
        script=(folder / "page.js").read_text(encoding="utf-8"),
        library=get_plotlyjs(),
    )


_MARKDOWN = MarkdownIt("zero").enable(["backticks", "emphasis", "list"])


def prose(markdown: str) -> Markup:
    """Return paragraphs, lists, bold, italics and code of Markdown as HTML; all else, links too, stays text.

    Example:
        >>> print(prose("**White** is `0`, not <b>"), end="")
        <p><strong>White</strong> is <code>0</code>, not &lt;b&gt;</p>
    """
    return Markup(_MARKDOWN.render(markdown))
