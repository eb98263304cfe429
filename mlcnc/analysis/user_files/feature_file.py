"""Reading anyone's features from a file, safely: nothing in it is executed, nothing of it fills the memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from mlcnc.analysis.user_files.class_names import MOST_CLASSES, checked_class_names
from mlcnc.analysis.user_files.tensor_files import open_tensors, understood
from mlcnc.errors import DataError
from mlcnc.files.regular import regular_size
from mlcnc.terminal_text import one_line

KEYS = {
    "features": ("features", "class_features", "embeddings", "x"),
    "targets": ("targets", "labels", "y"),
    "classifier_weight": ("classifier_weight", "classifier", "weight"),
    "classifier_bias": ("classifier_bias", "bias"),
    "scores": ("scores", "logits"),
    "label_embedding": ("label_embedding", "label_embeddings"),
    "class_names": ("class_names", "names"),
}
"""Arrays a file may hold, and other names they are known by."""


MOST_VALUE = 1e18
"""Beyond it the products that runs store as float32 are infinite."""

FREELY_BYTES, BYTES_PER_BYTE = 400 * 2**20, 32
"""Memory that any file may take, and for each byte of it beyond: packed zeros take a thousand."""


@dataclass(frozen=True)
class FeatureFile:
    """Features read from a file.

    Attributes:
        features: (N, d) one feature an image, or (N, C, d) one for every class.
        targets: (N, C) 0 or 1.
        single_label: whether every image has exactly one label.
        classifier_weight: (C, d) or None.
        classifier_bias: (C,) or None.
        scores: (N, C) or None.
        label_embedding: (C, d) or None.
        class_names: C names.
    """

    features: NDArray[Any]
    targets: NDArray[np.uint8]
    single_label: bool
    classifier_weight: NDArray[Any] | None
    classifier_bias: NDArray[Any] | None
    scores: NDArray[Any] | None
    label_embedding: NDArray[Any] | None
    class_names: tuple[str, ...]


def read_features(path: str | Path) -> FeatureFile:
    """Return the features of a .npz, .safetensors or .pt file; nothing in it is executed.

    The file holds ``features`` (N, d) or (N, C, d) and ``targets``: (N, C) of 0 and 1, or (N,) class
    indices. It may hold ``classifier_weight`` (C, d), ``classifier_bias`` (C,), ``scores`` (N, C), with
    features of every class their ``label_embedding`` (C, d) and, in .npz and .pt, ``class_names``. A .pt file
    is a dict of tensors, or of lists of them, one a batch.
    Numbers are of any real dtype and byte order; those NumPy does not have become float32.

    Raises:
        DataError: the file is missing, of another kind or damaged, its arrays do not fit, or they take more
            memory than a file of its size should, or than is free; always one line.
    """
    try:
        return _read(Path(path))
    except DataError as error:
        # names in the file, and its own, may hold anything
        raise DataError(one_line(error)) from None


def _read(path: Path) -> FeatureFile:
    size = _size_of(path)
    file = open_tensors(path)
    chosen = {key: next((name for name in names if name in file.names), None) for key, names in KEYS.items()}
    for key in ("features", "targets"):
        if chosen[key] is None:
            some = ", ".join(f"{name:.60}" for name in sorted(file.names)[:20])
            raise DataError(f"{path.name} has no array {key}; it has {some or 'none'}")
    with understood(path):
        stored = {key: file.stored(name) for key, name in chosen.items() if name is not None}
        _require_room(path, size, sum(one.num_bytes for one in stored.values()))
        values = {key: one.load() for key, one in stored.items()}
        names = checked_class_names(values.pop("class_names")) if "class_names" in values else None
        arrays = {key: _as_numbers(key, value) for key, value in values.items()}
    features, weight = arrays["features"], arrays.get("classifier_weight")
    if features.ndim not in (2, 3) or 0 in features.shape:
        raise DataError(
            f"features must be numbers of shape (N, d) or (N, C, d), of one image or more, got {features.shape}"
        )
    number = _num_classes(arrays, names)
    # the targets of all classes, the angles of all pairs of them, and the means that metrics keep
    _require_room(
        path,
        size,
        8 * (features.size + 5 * len(features) * number + 10 * number**2 + 10 * number * features.shape[-1]),
    )
    targets, single = _as_targets(arrays["targets"], number)
    _check(path, arrays, names, number)
    return FeatureFile(
        features=features if features.dtype.kind == "f" else features.astype(np.float64),
        targets=targets,
        single_label=single,
        classifier_weight=weight,
        classifier_bias=arrays.get("classifier_bias"),
        scores=arrays.get("scores"),
        label_embedding=arrays.get("label_embedding"),
        class_names=names or tuple(f"class {index}" for index in range(number)),
    )


def _size_of(path: Path) -> int:
    try:
        return regular_size(path)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is no path"
        raise DataError(f"the file {path!s:.200} cannot be read: {reason}") from None


def _require_room(path: Path, size: int, needed: int) -> None:
    """Refuse what would take more memory than a file of this size should, or than the machine has free.

    Raises:
        DataError: with both numbers.
    """
    for room, whose in (
        (FREELY_BYTES + BYTES_PER_BYTE * size, "a file of its size may take"),
        (psutil.virtual_memory().available, "this machine has free"),
    ):
        if needed > room:
            raise DataError(
                f"{path.name} would take {needed / 1e9:.3g} GB of memory, and {whose} {room / 1e9:.3g} GB"
            )


def _as_numbers(key: str, value: Any) -> NDArray[Any]:
    """Return an array of native byte order; lists become float64, and tensors in a list one array.

    Raises:
        DataError: it is no array of real numbers, or one is so large that sums of squares lose it.
    """
    try:
        if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            # one a batch, of which the last is often smaller; or one an image
            is_row = value[0].ndim == (0 if key in ("targets", "classifier_bias") else 1)
            value = np.stack(value) if is_row else np.concatenate(value)
        array = value if isinstance(value, np.ndarray) else np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise DataError(
            f"{key} must be an array, tensors that can be joined along their first axis, or lists of "
            "numbers of equal lengths"
        ) from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{key} must be real numbers, got {array.dtype!s:.60}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if key != "targets" and array.size and not (array.min() >= -MOST_VALUE and array.max() <= MOST_VALUE):
        raise DataError(
            f"{key} must be finite and within -{MOST_VALUE:g} and {MOST_VALUE:g}, got {array.min():g} to "
            f"{array.max():g}; did the training diverge?"
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _num_classes(arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...] | None) -> int:
    """Return C, which class indices alone do not say where the last classes have no image."""
    features, targets, weight = arrays["features"], arrays["targets"], arrays.get("classifier_weight")
    if targets.ndim not in (1, 2):
        raise DataError(f"targets must have shape (N, C) or (N,), got {targets.shape}")
    if len(targets) != len(features):
        raise DataError(f"targets must have {len(features)} rows like features, got {len(targets)}")
    if targets.ndim == 2:
        number = targets.shape[1]
    else:
        whole = targets.dtype.kind in "iuf" and bool(
            (np.isfinite(targets) & (targets == np.floor(targets))).all()
        )
        if not whole or targets.min() < 0:
            raise DataError("targets of shape (N,) must be class indices from 0, got other numbers")
        number = max(int(targets.max()) + 1, len(names or ()), 0 if weight is None else len(weight))
        number = max(number, features.shape[1] if features.ndim == 3 else 0)
    if number < 2:
        raise DataError(
            f"targets must have two classes or more, got {number}: one class has no geometry, and class "
            "indices have shape (N,)"
        )
    if number > MOST_CLASSES:
        raise DataError(f"targets must have at most {MOST_CLASSES} classes, got {number:.7g}")
    return number


def _as_targets(targets: NDArray[Any], number: int) -> tuple[NDArray[np.uint8], bool]:
    if targets.ndim == 1:
        table = np.zeros((len(targets), number), dtype=np.uint8)
        table[np.arange(len(targets)), targets.astype(np.int64)] = 1
        return table, True
    if not ((targets == 0) | (targets == 1)).all():
        raise DataError("targets of shape (N, C) must be 0 or 1; give class indices as shape (N,)")
    table = targets.astype(np.uint8)
    return table, bool((table.sum(axis=1) == 1).all())


def _check(path: Path, arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...] | None, number: int) -> None:
    features = arrays["features"]
    expected: dict[str, tuple[int, ...]] = {
        "classifier_bias": (number,),
        "scores": (len(features), number),
    }
    if features.ndim == 2:
        expected["classifier_weight"] = (number, features.shape[1])
        if "label_embedding" in arrays:
            raise DataError(
                "label_embedding needs one feature for every class, (N, C, d), got features of shape "
                f"{features.shape}; leave it out"
            )
    elif features.shape[1] != number:
        raise DataError(f"features must have {number} classes like targets, got shape {features.shape}")
    expected["label_embedding"] = (number, features.shape[-1])
    for key, shape in expected.items():
        array = arrays.get(key)
        if array is not None and array.shape != shape:
            raise DataError(f"{key} in {path.name} must have shape {shape}, got {array.shape}")
    if names is not None and len(names) != number:
        raise DataError(f"class_names in {path.name} must be {number} like the classes, got {len(names)}")
