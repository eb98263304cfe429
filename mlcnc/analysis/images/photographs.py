"""Photographs that a run names but does not store, read from the folder of data sets of who looks at it.

A run folder may come from anywhere: it says which image of which data set, and never where. Opened are files
only that the data set itself lists, below a folder that the reader named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlcnc.analysis.images.image_ids import has_image_ids, image_id
from mlcnc.analysis.images.pictures import SPLITS
from mlcnc.analysis.images.stored_probes import LARGEST_SIDE
from mlcnc.config import ExperimentConfig, override
from mlcnc.data import dataset_facts, is_on_disk
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.photographs import photograph_path
from mlcnc.data.small_picture import small_webp
from mlcnc.data.view import View, view_of
from mlcnc.errors import DataError, RunFormatError
from mlcnc.named_paths import named_path
from mlcnc.store import Run

USUAL_SIDE = 224


def dataset_name(run: Run) -> str | None:
    """Return the name of the data set as the run's config says it, None where it says none."""
    name = _data_settings(run).get("dataset")
    return name if isinstance(name, str) else None


def needs_data_folder(run: Run) -> bool:
    """Return whether the run stores no pictures, but says which photographs they would be of.

    Raises:
        RunFormatError: the file is damaged.
    """
    samples = run.samples()
    return samples is not None and "pictures/ends" not in samples and has_image_ids(run)


def photographs_folder(run: Run, root: str | None) -> Path:
    """Return the folder in which the run's photographs lie.

    Args:
        run: of which; a folder that it names is not looked at.
        root: folder of data sets, as the reader named it.

    Raises:
        DataError: there are none; the message says how to get and to show them.
    """
    name = dataset_name(run)
    if name is None or not is_on_disk(name):
        raise DataError(
            f"pictures of run {run.run_id} are not stored in it, and no data set of photographs called "
            f"{name!r:.60} is known here"
        )
    if root is None:
        get = "" if name == "folder" else f" (mlcnc data prepare {name} --root DIR --download gets them)"
        raise DataError(
            f"pictures of {name} are not stored in runs; show them with: "
            f"streamlit run app/main.py -- --data-root DIR{get}"
        )
    return photographs_in(name, root)


def photographs_in(name: str, root: str) -> Path:
    """Return the folder in which the photographs of a data set lie.

    Args:
        name: of the data set.
        root: that folder, or the one of all data sets.

    Raises:
        DataError: they are not there; the message says how to get them.
    """
    find = dataset_facts(name).root if is_on_disk(name) else None
    if find is None:
        raise DataError(f"no data set of photographs called {name!r:.60} is known here")
    try:
        return find(named_path(root))
    except (OSError, ValueError):
        raise DataError(f"{root!r} is no folder that can be read") from None


def where_photographs_are(runs: Sequence[Run], root: str | None) -> list[str]:
    """Return a sentence for each data set whose photographs the runs need and ``root`` does not have.

    Raises:
        RunFormatError: a file is damaged.
    """
    said: dict[str, None] = {}
    for run in runs:
        if needs_data_folder(run):
            try:
                photographs_folder(run, root)
            except DataError as error:
                text = str(error)
                said[f"{text[:1].upper()}{text[1:]}."] = None
    return list(said)


def photograph(run: Run, root: str, split: str, image: int, longest_side: int) -> bytes:
    """Return what the network saw of a photograph when it was measured, made small, as WebP.

    Args:
        run: of which; it must store ids.
        root: folder of data sets, as the reader named it.
        split: ``train`` or ``test``.
        image: index into the split.
        longest_side: of the picture, in pixels.

    Raises:
        DataError: the data set lists no such photograph below ``root``, or it cannot be read.
        RunFormatError: a file of the run is damaged.
    """
    name, found = dataset_name(run), image_id(run, split, image) if split in SPLITS else None
    if name is None or found is None or not is_on_disk(name):
        raise DataError(f"run {run.run_id} does not say which photograph {split} image {image} is")
    annotations = _data_settings(run).get("annotations")
    path = photograph_path(name, Path(root), found, annotations if isinstance(annotations, str) else None)
    if path is None:
        raise DataError(f"{name} lists no photograph {found!r:.80} below {root}")
    file = ImageFileSplit(split, [path], np.zeros((1, 1), np.uint8))
    return small_webp(_view(run, split).picture(file.pil(0), image), longest_side)


def with_data_folder(config: ExperimentConfig, root: str | None) -> ExperimentConfig:
    """Return a config whose photographs are looked for in ``root`` where it names no folder itself."""
    if root is None or config.data.root is not None or not is_on_disk(config.data.dataset):
        return config
    return override(config, {"data": {"root": root}})


def _view(run: Run, split: str) -> View:
    settings, size = _data_settings(run), _side(run)
    augmentation = settings.get("augmentation")
    return view_of(
        augmentation if isinstance(augmentation, str) else None,
        size,
        "bilinear",
        # a measured sample of train has other places than the whole, by which it would be mirrored
        mirrored=split == "test" and settings.get("test_mirror") is True,
    )


def _side(run: Run) -> int:
    """Return the side of the images, in pixels: as stored, else as the config says, else the usual one."""
    samples = run.samples()
    if samples is not None and "probes/size" in samples:
        side = int(samples.get("probes/size")[0])
    else:
        asked = _data_settings(run).get("image_size")
        side = asked if type(asked) is int else USUAL_SIDE
    if not 0 < side <= LARGEST_SIDE:
        raise RunFormatError(
            f"run {run.run_id} says that its images have {side} pixels; 1 to {LARGEST_SIDE} can be"
        )
    return side


def _data_settings(run: Run) -> Mapping[str, Any]:
    settings = run.info.config.get("data")
    return settings if isinstance(settings, dict) else {}
