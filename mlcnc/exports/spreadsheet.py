"""Cells of CSV files that a spreadsheet opens: no text in them is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With which a spreadsheet takes a cell for a formula, in front of which it may drop white space."""


def harmless(cell: object) -> object:
    """Return a cell as it is, with an apostrophe before a text that a spreadsheet would compute."""
    if not isinstance(cell, str) or not cell.startswith(_STARTS) or _is_number(cell):
        return cell
    return f"'{cell}"


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV in UTF-8 with the mark by which Excel knows it; decimal points, None is empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _is_number(text: str) -> bool:
    try:
        float(text.rstrip("%"))
    except ValueError:
        return text in ("-", "+")
    return not text.endswith("%%")
