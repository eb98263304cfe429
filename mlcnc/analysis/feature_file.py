"""Reading anyone's features from a file, safely: nothing in it is executed."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import DataError

KEYS = {
    "features": ("features", "class_features", "embeddings", "x"),
    "targets": ("targets", "labels", "y"),
    "classifier_weight": ("classifier_weight", "classifier", "weight"),
    "classifier_bias": ("classifier_bias", "bias"),
    "scores": ("scores", "logits"),
    "class_names": ("class_names", "names"),
}
"""Arrays a file may hold, and other names they are known by."""


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
        class_names: C names.
    """

    features: NDArray[Any]
    targets: NDArray[np.uint8]
    single_label: bool
    classifier_weight: NDArray[Any] | None
    classifier_bias: NDArray[Any] | None
    scores: NDArray[Any] | None
    class_names: tuple[str, ...]


def read_features(path: str | Path) -> FeatureFile:
    """Return the features of a .npz, .safetensors or .pt file; nothing in it is executed.

    The file holds ``features`` (N, d) or (N, C, d) and ``targets``: (N, C) of 0 and 1, or (N,) class
    indices. It may hold ``classifier_weight`` (C, d), ``classifier_bias`` (C,), ``scores`` (N, C) and,
    in .npz and .pt, ``class_names``. A .pt file is a dict of tensors, read with ``weights_only``.

    Raises:
        DataError: the file is missing, of another kind or damaged, or its arrays do not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors, ".pt": _read_pt, ".pth": _read_pt}
    if path.suffix not in readers:
        ending = path.suffix or "no ending"
        raise DataError(f"{path.name} must end in .npz, .safetensors or .pt, got {ending!r}")
    found = readers[path.suffix](path)
    arrays = {key: _first(found, names) for key, names in KEYS.items()}
    features, targets = arrays["features"], arrays["targets"]
    if features is None or targets is None:
        missing = "features" if features is None else "targets"
        raise DataError(f"{path.name} has no array {missing}; it has {', '.join(sorted(found)) or 'none'}")
    if features.ndim not in (2, 3) or features.dtype.kind not in "fiu":
        raise DataError(f"features must be numbers of shape (N, d) or (N, C, d), got {features.shape}")
    names = arrays["class_names"]
    targets, single = _as_targets(features, targets, arrays["classifier_weight"], names)
    number = targets.shape[1]
    if number < 2:
        raise DataError(f"targets must have two classes or more, got {number}: one class has no geometry")
    _check(path, arrays, features, number)
    return FeatureFile(
        features=features if features.dtype.kind == "f" else features.astype(np.float64),
        targets=targets,
        single_label=single,
        classifier_weight=arrays["classifier_weight"],
        classifier_bias=arrays["classifier_bias"],
        scores=arrays["scores"],
        class_names=tuple(str(name) for name in names)
        if names is not None
        else tuple(f"class {index}" for index in range(number)),
    )


def _as_targets(
    features: NDArray[Any],
    targets: NDArray[Any],
    weight: NDArray[Any] | None,
    names: NDArray[Any] | None,
) -> tuple[NDArray[np.uint8], bool]:
    if len(targets) != len(features):
        raise DataError(f"targets must have {len(features)} rows like features, got {len(targets)}")
    if targets.ndim == 1:
        if targets.dtype.kind == "f" and np.isfinite(targets).all() and (targets == np.floor(targets)).all():
            targets = targets.astype(np.int64)  # class indices that were saved as floats
        if targets.dtype.kind not in "iu" or (len(targets) and targets.min() < 0):
            raise DataError("targets of shape (N,) must be class indices from 0, got other numbers")
        number = int(targets.max()) + 1 if len(targets) else 0
        number = max(number, features.shape[1] if features.ndim == 3 else 0)
        number = max(number, 0 if weight is None else len(weight), 0 if names is None else len(names))
        table = np.zeros((len(targets), number), dtype=np.uint8)
        table[np.arange(len(targets)), targets] = 1
        return table, True
    if targets.ndim != 2:
        raise DataError(f"targets must have shape (N, C) or (N,), got {targets.shape}")
    if not np.isin(targets, (0, 1)).all():
        raise DataError("targets of shape (N, C) must be 0 or 1; give class indices as shape (N,)")
    return targets.astype(np.uint8), bool((targets.sum(axis=1) == 1).all())


def _check(path: Path, arrays: Mapping[str, NDArray[Any] | None], features: NDArray[Any], number: int) -> None:
    expected: dict[str, tuple[int, ...]] = {
        "classifier_bias": (number,),
        "scores": (len(features), number),
        "class_names": (number,),
    }
    if features.ndim == 2:
        expected["classifier_weight"] = (number, features.shape[1])
    elif features.shape[1] != number:
        raise DataError(f"features must have {number} classes like targets, got shape {features.shape}")
    for key, shape in expected.items():
        array = arrays[key]
        if array is not None and array.shape != shape:
            raise DataError(f"{key} in {path.name} must have shape {shape}, got {array.shape}")


def _first(found: Mapping[str, NDArray[Any]], names: Sequence[str]) -> NDArray[Any] | None:
    return next((found[name] for name in names if name in found), None)


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stream:
            return {name: stream[name] for name in stream.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name} cannot be read as .npz: {error}") from None


def _read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as .safetensors: {error}") from None


def _read_pt(path: Path) -> dict[str, NDArray[Any]]:
    import pickle

    import torch

    try:
        with warnings.catch_warnings():
            # about pickle protocols; what it refuses to load is an error of its own
            warnings.simplefilter("ignore", UserWarning)
            tree = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path.name} cannot be read safely as .pt ({first}); save a dict of tensors with torch.save"
        ) from None
    if not isinstance(tree, dict):
        raise DataError(f"{path.name} must hold a dict of tensors, got {type(tree).__name__}")
    found: dict[str, NDArray[Any]] = {}
    for name, value in tree.items():
        if isinstance(value, torch.Tensor):
            value = value.detach()
            found[str(name)] = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        elif isinstance(value, (list, tuple)):
            found[str(name)] = np.asarray(value)
    return found
