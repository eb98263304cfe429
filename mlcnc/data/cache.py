"""Drawn splits kept in the user's cache folder, with a checksum; damaged ones are drawn anew."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from mlcnc.data.protocol import ArraySplit
from mlcnc.files.writing import replace_file, write_all
from mlcnc.named_paths import named_path, path_in_variable


def cache_folder() -> Path:
    """Return MLCNC_CACHE, else ``mlcnc`` under XDG_CACHE_HOME or ``~/.cache``."""
    if chosen := path_in_variable("MLCNC_CACHE"):
        return chosen
    return (path_in_variable("XDG_CACHE_HOME") or named_path("~/.cache")) / "mlcnc"


def cached_splits(
    key: str, draw: Callable[[], dict[str, ArraySplit]], folder: Path | None = None
) -> dict[str, ArraySplit]:
    """Return the splits of ``key`` from the cache, or draw and keep them.

    A file holds the SHA-256 of its content in front of it. A damaged file is drawn anew; a folder
    that cannot be written only costs the time to draw. Two processes may do this at once.

    Args:
        key: file name without ending; must change whenever the drawing does.
        draw: makes the splits.
        folder: None takes :func:`cache_folder`.
    """
    path = (folder or cache_folder()) / f"{key}.cache"
    with contextlib.suppress(OSError, ValueError, KeyError):
        return _unpacked(path.read_bytes())
    splits = draw()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        content = _packed(splits)
        replace_file(path, lambda aside: write_all(aside, content), flush=False)
    return splits


def _packed(splits: dict[str, ArraySplit]) -> bytes:
    arrays: dict[str, NDArray[Any]] = {}
    for name, split in splits.items():
        arrays[f"{name}/images"] = split.images
        arrays[f"{name}/targets"] = split.targets
        if split.object_boxes is not None:
            arrays[f"{name}/boxes"] = split.object_boxes
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return hashlib.sha256(content).digest() + content


def _unpacked(data: bytes) -> dict[str, ArraySplit]:
    digest, content = data[:32], data[32:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("checksum differs")
    arrays = load(content)
    names = sorted({name.split("/")[0] for name in arrays})
    return {
        name: ArraySplit(name, arrays[f"{name}/images"], arrays[f"{name}/targets"], arrays.get(f"{name}/boxes"))
        for name in names
    }
