"""Tables as CSV for spreadsheets."""

from __future__ import annotations

import pandas as pd

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With which a spreadsheet takes a cell for a formula, in front of which it may drop white space."""


def csv_file(frame: pd.DataFrame, *, index: bool = False) -> bytes:
    """Return a table as CSV in UTF-8 with the mark by which Excel knows it, no cell of which is a formula.

    An apostrophe is set before texts that a spreadsheet would compute; numbers stay as they are, those in texts
    too.

    Args:
        index: write the labels of rows as well.
    """
    table = frame.reset_index() if index else frame
    safe = pd.DataFrame(
        {
            place: column if pd.api.types.is_numeric_dtype(column) else column.map(_harmless)
            for place, (_, column) in enumerate(table.items())
        },
        index=table.index,
    )
    safe.columns = pd.Index([_harmless(name) for name in table.columns])
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def _harmless(cell: object) -> object:
    if not isinstance(cell, str) or not cell.startswith(_STARTS) or _is_number(cell):
        return cell
    return f"'{cell}"


def _is_number(text: str) -> bool:
    try:
        float(text.rstrip("%"))
    except ValueError:
        return text in ("-", "+")
    return not text.endswith("%%")
