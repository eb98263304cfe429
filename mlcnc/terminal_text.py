"""Words from files on a terminal: shown, never obeyed."""

from __future__ import annotations

import re
from collections.abc import Sequence

# what moves the cursor, renames the window or turns the reading direction, and halves of characters, which no
# stream can write; a tab and a line end stay
_COMMANDS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: object) -> str:
    """Return a text without characters that a terminal would obey; each becomes one sign.

    Example:
        >>> printable("a\\x1b[2Jb")
        'a�[2Jb'
    """
    return _COMMANDS.sub("\ufffd", str(text))


def one_line(text: object) -> str:
    """Return :func:`printable` text whose line ends, tabs and runs of spaces are one space.

    Example:
        >>> one_line("a\\n\\tb")
        'a b'
    """
    return printable(" ".join(str(text).split()))


def columns(rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> list[str]:
    """Return rows as lines whose columns are as wide as what they hold; a line end in a cell is a space.

    Args:
        rows: equally long ones, names of columns among them.
        right: places of the columns that end in line.

    Example:
        >>> columns([("run", "epochs"), ("erm-s0", 40)], right=[1])
        ['run     epochs', 'erm-s0      40']
    """
    cells = [[printable(" ".join(str(cell).splitlines())) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            f"{cell:>{width}}" if place in right else f"{cell:{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
