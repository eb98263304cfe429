"""Names of classes as files hold them: words, bytes, numbers, by index or with their index."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlcnc.errors import DataError
from mlcnc.terminal_text import printable

MOST_CLASSES = 8192
"""The angles of all pairs of more are more than the dashboard reads at once."""
MOST_CHARACTERS = 500
"""Of a name; the longest of ImageNet, with all its synonyms, has 131."""


def checked_class_names(value: Any) -> tuple[str, ...]:
    """Return class names as text on one line each, in Unicode's composed form, in the order of the classes.

    Args:
        value: a list, tuple or array of words, bytes (as HDF5 gives them) or whole numbers, a dict of them by
            class index, or a dict of class indices by name.

    Raises:
        DataError: a name is empty, no text, too long, holds control characters, or two are the same.
    """
    if isinstance(value, Mapping):
        value = _in_order(value)
    if isinstance(value, np.ndarray):
        # an array of short words is eight times as large as a list
        if value.size > MOST_CLASSES:
            raise DataError(f"class_names must be at most {MOST_CLASSES}, got {value.size}")
        try:
            value = value.tolist()
        except ValueError:
            raise DataError("class_names must be text, got numbers that stand for no character") from None
    if not isinstance(value, (list, tuple)):
        raise DataError(f"class_names must be a list of words, got {_said(value)}")
    names = tuple(_name(index, one) for index, one in enumerate(value))
    if names:
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise DataError(f"class_names must differ, got {name!r:.60} {times} times; rename all but one")
    return names


def _in_order(names: Mapping[Any, Any]) -> list[Any]:
    by_index = (
        names
        if not all(_is_whole(index) for index in names.values())
        else {index: name for name, index in names.items()}
    )
    if len(by_index) != len(names) or not all(_is_whole(index) for index in by_index):
        raise DataError("class_names as a dict must be names by class index, or class indices by name")
    ordered = sorted(by_index)
    if ordered != list(range(len(ordered))):
        raise DataError(
            f"class_names as a dict must have every class index from 0 to {len(ordered) - 1}, got {ordered[-1]}"
        )
    return [by_index[index] for index in ordered]


def _name(index: int, value: Any) -> str:
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(f"class_names must be text in UTF-8, got {value[:60]!r} of class {index}") from None
    if not isinstance(value, str) and not _is_whole(value):
        raise DataError(f"class_names must be words, got {_said(value)} of class {index}")
    name = unicodedata.normalize("NFC", " ".join(str(value).split())) if not _is_huge(value) else ""
    if not name or printable(name) != name or len(name) > MOST_CHARACTERS:
        raise DataError(
            f"class_names must be text of 1 to {MOST_CHARACTERS} characters without control characters, got "
            f"{_said(value)} of class {index}"
        )
    return name


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_huge(value: Any) -> bool:
    # Python refuses to write a number of more than 4,300 digits
    return isinstance(value, int) and value.bit_length() > 64


def _said(value: Any) -> str:
    return f"{value[:60]!r}" if isinstance(value, (str, bytes)) else type(value).__name__
