"""Words from files on a terminal: shown, never obeyed."""

from __future__ import annotations

import re

# what moves the cursor, renames the window or turns the reading direction; a tab and a line end stay
_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: object) -> str:
    """Return a text without characters that a terminal would obey; each becomes one sign.

    Example:
        >>> printable("a\\x1b[2Jb")
        'a�[2Jb'
    """
    return _COMMANDS.sub("\ufffd", str(text))
