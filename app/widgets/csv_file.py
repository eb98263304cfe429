"""Tables as CSV for spreadsheets."""

from __future__ import annotations

import pandas as pd

from mlcnc.exports.spreadsheet import harmless


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
            place: column if pd.api.types.is_numeric_dtype(column) else column.map(harmless)
            for place, (_, column) in enumerate(table.items())
        },
        index=table.index,
    )
    safe.columns = pd.Index([harmless(name) for name in table.columns])
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")
