"""Reading metrics.jsonl: one line of scalars an epoch, perhaps half-written, perhaps damaged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema, from_json

from mlcnc.errors import RunFormatError
from mlcnc.store.regular_files import read_regular, said_of

MOST_BYTES = 64 * 2**20
"""Eight thousand epochs of the most talkative recorded run; read whole, they take ten times as much memory."""

MOST_LINE_BYTES = 2**20
"""A hundred times the line of that run."""

MOST_LINES = 200_000
_MAX_EPOCH = 2**53
"""Beyond it a float cannot hold every integer."""


def read_metrics(path: Path, names: Collection[str] | None = None) -> tuple[list[dict[str, float]], list[str]]:
    """Return one dict an epoch, in order, and a sentence for each line that could not be read.

    The later of two lines of one epoch counts; null became NaN; values that are no numbers are left out.

    Args:
        path: of the file; a missing one holds no lines.
        names: the metrics to keep besides ``epoch``; None keeps all. Every line is checked as a whole either
            way, so that both ways agree on which lines are damaged.
    """
    try:
        raw = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        return [], []
    except RunFormatError as error:
        return [], [str(error)]
    if raw.count(b"\n") >= MOST_LINES:
        return [], [f"{said_of(path)} is damaged: it has more than {MOST_LINES} lines"]
    lines: dict[int, dict[str, float]] = {}
    problems: list[str] = []
    # one line at a time: to split all would hold the whole file twice
    for number, text in enumerate(BytesIO(raw), start=1):
        if not text.strip():
            continue
        line = _parse_line(text.removesuffix(b"\n"), names)
        if line is None:
            where = f"line {number}" if text.endswith(b"\n") else "the last line"
            problems.append(f"{where} of metrics.jsonl is half-written or damaged and is left out")
        else:
            lines[int(line["epoch"])] = line
    return [lines[epoch] for epoch in sorted(lines)], problems


def epoch_of(text: bytes) -> int | None:
    """Return the epoch of one line, None where the line is empty, half-written or damaged."""
    line = _parse_line(text, ()) if text.strip() else None
    return None if line is None else int(line["epoch"])


def _parse_line(text: bytes, names: Collection[str] | None = None) -> dict[str, float] | None:
    if len(text) > MOST_LINE_BYTES:
        return None
    try:
        # reads a line in a fifth of the time of json, which reads a little more: surrogates, UTF-16
        tree = from_json(text) if names is None else _few_of(tuple(names))(text)
    except ValueError:
        try:
            tree = json.loads(text)
        except (ValueError, RecursionError):
            return None
    epoch = tree.get("epoch") if isinstance(tree, dict) else None
    if not isinstance(epoch, int) or isinstance(epoch, bool) or not 0 <= epoch < _MAX_EPOCH:
        return None
    if names is not None:
        tree = {name: tree[name] for name in ("epoch", *names) if name in tree}
    numbers = {
        name: math.nan if value is None else value
        for name, value in tree.items()
        if value is None or isinstance(value, int | float)
    }
    try:
        return {name: float(value) for name, value in numbers.items()}
    except OverflowError:
        return {name: _number(value) for name, value in numbers.items()}


@lru_cache(maxsize=32)
def _few_of(names: tuple[str, ...]) -> Callable[[bytes], Any]:
    """Return what reads an object from JSON and keeps these names: all is checked, less than half the time."""
    field = core_schema.typed_dict_field(core_schema.any_schema(), required=False)
    wanted = dict.fromkeys(("epoch", *names), field)
    try:
        return SchemaValidator(core_schema.typed_dict_schema(wanted, extra_behavior="ignore")).validate_json
    except SchemaError:  # a name with a lone surrogate, which a damaged line may hold
        return from_json


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf if value > 0 else -math.inf
