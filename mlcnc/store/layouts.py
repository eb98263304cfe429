"""Two-dimensional layouts of the sampled features, computed once by a command and kept beside the run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import RunFormatError, RunNotFoundError, require_shape
from mlcnc.store.array_file import ArrayFile
from mlcnc.store.files import write_arrays
from mlcnc.store.regular_files import said_of, tree_of
from mlcnc.store.schema import SCHEMA_VERSION, checked_run_id

_LAYOUT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class StoredLayout:
    """Where each sampled image-label pair lies at each stored epoch.

    Attributes:
        coordinates: (E, S, 2) float32, aligned over epochs.
        epochs: (E,) from 0, rising.
        method: e.g. ``umap``.
        space: of the features it was computed from.
        seed: of the method's random numbers.
        parameters: of the method, JSON values.
        versions: of the libraries that computed it.
    """

    coordinates: NDArray[np.float32]
    epochs: tuple[int, ...]
    method: str
    space: str
    seed: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def write_layout(root: str | Path, run_id: str, name: str, layout: StoredLayout) -> Path:
    """Write ``layouts/name.safetensors`` of a run, replacing one of that name whole, and return its path.

    Args:
        root: the runs folder.
        run_id: of a run that exists.
        name: 1 to 64 of a-z, 0-9, _ and -.
        layout: what to keep.

    Raises:
        RunNotFoundError: no such run, or an id that would leave the runs folder.
        ValueError: another kind of name, coordinates that are not (E, S, 2), finite and as many as epochs,
            or epochs that do not rise.
        StoreError: the disk is full or the folder cannot be written.
    """
    folder = Path(root) / checked_run_id(run_id)
    if not os.path.isfile(folder / "run.json"):
        raise RunNotFoundError(f"there is no run {run_id!r} in {root}")
    path = layout_path(folder, name)
    coordinates = np.asarray(layout.coordinates, dtype=np.float32)
    require_shape("coordinates", coordinates.shape, (len(layout.epochs), "S", 2), like="epochs")
    if not np.isfinite(coordinates).all():
        raise ValueError("coordinates must be finite")
    if any(later <= earlier for earlier, later in pairwise(layout.epochs)):
        raise ValueError(f"epochs must rise, got {list(layout.epochs)}")
    about = {
        "schema_version": SCHEMA_VERSION,
        "method": layout.method,
        "space": layout.space,
        "seed": int(layout.seed),
        "parameters": dict(layout.parameters),
        "versions": dict(layout.versions),
    }
    arrays: dict[str, NDArray[Any]] = {
        "coordinates": coordinates,
        "epochs": np.array(layout.epochs, dtype=np.int64),
    }
    write_arrays(path, arrays, about={"layout": json.dumps(about, sort_keys=True, allow_nan=False)})
    return path


def read_layout(folder: Path, name: str) -> StoredLayout | None:
    """Return a layout of the run in ``folder``, or None where it has none of that name.

    Raises:
        ValueError: ``name`` cannot be one.
        RunFormatError: the file is damaged or of a newer version.
    """
    path = layout_path(folder, name)
    if not os.path.lexists(path):
        return None
    file = ArrayFile(path)
    try:
        about = tree_of(file.about["layout"].encode())
        if int(about["schema_version"]) > SCHEMA_VERSION:
            raise RunFormatError(f"{said_of(path)} was written by a newer mlcnc; upgrade to open it")
        coordinates, epochs = file.get("coordinates"), tuple(file.get("epochs").tolist())
        if not epochs or any(later <= earlier for earlier, later in pairwise(epochs)):
            raise ValueError("its epochs do not rise")
        return StoredLayout(
            coordinates=coordinates.astype(np.float32),
            epochs=epochs,
            method=str(about["method"]),
            space=str(about["space"]),
            seed=int(about["seed"]),
            parameters=dict(about["parameters"]),
            versions=dict(about["versions"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunFormatError(f"{said_of(path)} is damaged: {error}") from error


def layout_path(folder: Path, name: str) -> Path:
    """Return the file of a layout.

    Raises:
        ValueError: the name could leave the folder, or is that of the run's own samples.
    """
    if not _LAYOUT_NAME.fullmatch(name) or name == "samples":
        raise ValueError(f"a layout's name must be 1 to 64 of a-z, 0-9, _ and -, and not samples, got {name!r}")
    return folder / "layouts" / f"{name}.safetensors"
