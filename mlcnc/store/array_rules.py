"""What the arrays that pages know look like: shapes that must fit each other and values that can be meant.

Arrays of other names are nobody's business and are read as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Values = Literal[
    "finite", "positive", "defined", "means", "spreads", "shares", "counts", "codes", "classes", "bytes"
]
"""Numbers with a fraction: ``finite``; ``positive`` from 0 on; with NaN where undefined ``defined``, ``means``
(whole rows of NaN), ``spreads`` from 0 on and ``shares`` from 0 to 1. Whole numbers: ``counts`` from 0 on,
``codes`` of 0 and 1, ``classes`` below C, ``bytes`` of any kind."""

Shape = tuple[str | int, ...]
Header = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type and shape by name."""

LARGEST = 1e30
"""Its square, and the square of that, still fit into float64."""

_INTEGERS = frozenset({"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"})
_FLOATS = frozenset({"F64", "F32", "F16"})

# C classes, N images of the split, S sampled pairs, P probe images, O pictures, B boxes, E epochs; d, r and w
# are dimensions of the space, of its class means' span and of concatenated features
_RULES: dict[str, tuple[Shape, Values]] = {
    "split/scores": (("N", "C"), "finite"),
    "split/ap": (("C",), "shares"),
    "split/targets": (("N", "C"), "codes"),
    "split/id_ends": (("N",), "counts"),
    "split/id_bytes": (("any",), "bytes"),
    "split.space/class_means": (("C", "d"), "means"),
    "split.space/negative_means": (("C", "d"), "means"),
    "split.space/class_counts": (("C",), "counts"),
    "split.space/within_scatter": (("C",), "spreads"),
    "split.space/negative_scatter": (("C",), "spreads"),
    "split.space/alignment": ((4, "C"), "defined"),
    "split.space/num_images": ((1,), "counts"),
    "split.space/projected_variances": (("C", "r"), "spreads"),
    "split.space/singular_values": (("r",), "positive"),
    "split.space/multiplicity_share": (("C",), "shares"),
    "split.space/nc4_identity": (("C",), "shares"),
    "split.space/nc4_binary": ((2, "C"), "shares"),
    "split.space/positive_means": (("C", "w"), "means"),
    "split.space/overall_mean": (("w",), "defined"),
    "classifier/weight": (("C", "w"), "finite"),
    "classifier/gram": (("C", "C"), "finite"),
    "label_embedding/weight": (("C", "any"), "finite"),
    "label_embedding/gram": (("C", "C"), "finite"),
    "label_embedding/drift_cosine": (("C",), "defined"),
    "class_means_used": (("C", "any"), "finite"),
    "samples/image_index": (("S",), "counts"),
    "samples/class_index": (("S",), "classes"),
    "samples/split": (("S",), "codes"),
    "probes/attention": (("P", "C", "h", "v"), "positive"),
    "probes/images": (("P", "H", "W", 3), "bytes"),
    "probes/size": ((2,), "counts"),
    "probes/image_index": (("P",), "counts"),
    "probes/split": (("P",), "codes"),
    "probes/targets": (("P", "C"), "codes"),
    "probes/boxes": (("B", 6), "finite"),
    "pictures/split": (("O",), "codes"),
    "pictures/index": (("O",), "counts"),
    "pictures/ends": (("O",), "counts"),
    "pictures/bytes": (("any",), "bytes"),
    "coordinates": (("E", "any", 2), "finite"),
    "epochs": (("E",), "counts"),
}
_OF_SPLIT = re.compile(r"(train|validation|test)(?:\.([a-z][a-z0-9_]{0,31}))?(/.+)")
_SAMPLES = re.compile(r"samples/([a-z][a-z0-9_]{0,31})")
_CLASSES_FIRST = "C"


@dataclass(frozen=True)
class ArrayRule:
    """What one array must look like.

    Attributes:
        shape: a number, or a letter that stands for the same size in all arrays of the run that have it.
        values: what they may be.
    """

    shape: Shape
    values: Values

    @property
    def dtypes(self) -> frozenset[str]:
        """Names of the types that it may have."""
        return _INTEGERS if self.values in ("counts", "codes", "classes", "bytes") else _FLOATS


@lru_cache(maxsize=4096)
def rule_of(name: str) -> ArrayRule | None:
    """Return what an array of this name must look like, None where any will do."""
    match = _OF_SPLIT.fullmatch(name)
    if match is None:
        found = _RULES.get(name)
        of_space = _SAMPLES.fullmatch(name)
        if found is None and of_space is not None:
            found = (("S", f"d {of_space[1]}"), "finite")
        return None if found is None else ArrayRule(*found)
    split, space, rest = match.groups()
    place = "" if space is None else ".space"
    found = _RULES.get(f"split{place}{rest}")
    if found is None:
        return None
    own = {"N": f"N {split}", "d": f"d {space}", "r": f"r {split} {space}"}
    return ArrayRule(
        tuple(own.get(size, size) if isinstance(size, str) else size for size in found[0]), found[1]
    )


def sizes_in(header: Header) -> dict[str, set[int]]:
    """Return by letter the sizes that the arrays of a file have; more than one where they do not fit."""
    sizes: dict[str, set[int]] = {}
    for name, (_, shape) in header.items():
        rule = rule_of(name)
        if rule is None or len(rule.shape) != len(shape):
            continue
        for letter, size in zip(rule.shape, shape, strict=True):
            if isinstance(letter, str) and letter != "any":
                sizes.setdefault(letter, set()).add(size)
    return sizes


def misfit(
    name: str, dtype: str, shape: tuple[int, ...], inside: Mapping[str, Iterable[int]], known: Mapping[str, int]
) -> str | None:
    """Return what is wrong with type or shape of an array, None where it can be read.

    Args:
        name, dtype, shape: of the array.
        inside: by letter, the sizes in the same file.
        known: by letter, the sizes fixed elsewhere in the run.
    """
    if dtype not in _FLOATS | _INTEGERS:
        return f"{name} has type {dtype}, which cannot be read"
    rule = rule_of(name)
    if rule is None:
        return None
    if dtype not in rule.dtypes:
        wanted = "numbers with a fraction" if rule.dtypes is _FLOATS else "whole numbers"
        return f"{name} must hold {wanted}, got type {dtype}"
    wanted = ", ".join(_shown(size, known) for size in rule.shape)
    came = ", ".join(str(size) for size in shape)
    if len(shape) != len(rule.shape):
        return f"{name} must have shape ({wanted}), got ({came})"
    for letter, size in zip(rule.shape, shape, strict=True):
        if letter == "any":
            continue
        if size != known.get(str(letter), size) or (isinstance(letter, int) and size != letter):
            return f"{name} must have shape ({wanted}), got ({came})"
        sizes = sorted(inside.get(str(letter), ()))
        if len(sizes) > 1 and str(letter) not in known:
            others = " or ".join(str(other) for other in sizes if other != size)
            return f"{name} of shape ({came}) does not fit other arrays of the file, with {others} for {letter}"
    return None


def impossible(name: str, array: NDArray[Any], known: Mapping[str, int]) -> str | None:
    """Return what is wrong with the values of an array or a part of it, None where they can be used."""
    rule = rule_of(name)
    if rule is None or rule.values == "bytes" or array.size == 0:
        return None
    if rule.dtypes is _FLOATS:
        return _impossible_fraction(name, array, rule.values)
    low, high = int(array.min()), int(array.max())
    most = {"codes": 1, "classes": known.get(_CLASSES_FIRST, 2**31) - 1, "counts": 2**53}[rule.values]
    if low < 0 or high > most:
        return f"{name} must hold whole numbers from 0 to {most}, got {low} to {high}"
    return None


def _impossible_fraction(name: str, array: NDArray[Any], values: Values) -> str | None:
    if array.dtype == np.float16 and values == "finite":
        # its greatest number is far below the bound, and its least and greatest are slow to find
        return None if np.isfinite(array).all() else f"{name} holds values that are not finite"
    low, high = float(array.min()), float(array.max())
    if math.isnan(low):  # as soon as one value is
        undefined = np.isnan(array)
        if values in ("finite", "positive"):
            return f"{name} holds values that are not finite"
        if values == "means" and (undefined.any(axis=-1) != undefined.all(axis=-1)).any():
            return f"{name} must be defined, or undefined, in whole rows"
        if undefined.all():
            return None
        low, high = float(np.nanmin(array)), float(np.nanmax(array))
    least = 0.0 if values in ("positive", "spreads", "shares") else -LARGEST
    most = 1.0 if values == "shares" else LARGEST
    if low < least or high > most:
        return f"{name} must hold values from {least:g} to {most:g}, got {low:g} to {high:g}"
    return None


def _shown(size: str | int, known: Mapping[str, int]) -> str:
    if isinstance(size, int):
        return str(size)
    return str(known[size]) if size in known else size.split(" ")[0]
