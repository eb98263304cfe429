"""Numbers as people write them: digits 0 to 9, not whatever Python reads as one."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError

_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(_[0-9]{3})+(?![0-9_])")


def plain_number(text: str) -> str:
    """Return the text of a number without the underscores that part its thousands, as in ``10_000``.

    ``1_0`` and digits of other scripts are numbers to Python as well, and a slip to who wrote them.

    Raises:
        ValueError: it holds another underscore, or other digits than 0 to 9.
    """
    if found := _THOUSANDS.match(text.strip()):
        text = found[0].replace("_", "") + text.strip()[found.end() :]
    if "_" in text or not text.isascii():
        raise ValueError(f"must be a number written with 0 to 9 alone, got {text[:40]!r}")
    return text


def whole(text: str) -> int:
    """Return the whole number given to an option; for ``argparse``, which says the option's name in front.

    Raises:
        ArgumentTypeError: the text is none.
    """
    try:
        return int(plain_number(text))
    except ValueError:
        raise ArgumentTypeError(f"expected a whole number written with 0 to 9, got {text[:40]!r}") from None


def real(text: str) -> float:
    """Return the finite number given to an option; for ``argparse``.

    Raises:
        ArgumentTypeError: the text is none.
    """
    try:
        number = float(plain_number(text))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentTypeError(f"expected a finite number written with 0 to 9, got {text[:40]!r}")
    return number
