"""One probe image that several runs keep, so that their attention can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlcnc.analysis.images.image_ids import stored_image_id
from mlcnc.analysis.images.photographs import dataset_name
from mlcnc.analysis.images.stored_probes import has_probes
from mlcnc.store import ArrayFile, Run


@dataclass(frozen=True)
class SharedProbe:
    """One image that all runs kept, and a class in it.

    Attributes:
        probe: its position among the probe images.
        class_index: of a class that the image has.
        class_name: its name.
    """

    probe: int
    class_index: int
    class_name: str


def shared_probe(runs: Sequence[Run]) -> SharedProbe | None:
    """Return the first image with a tail class that all runs keep as the same probe, and its rarest class.

    Where no image has a tail class, the first one with a class. None where the runs keep no common probe.

    Raises:
        RunFormatError: a file is damaged.
    """
    first = runs[0]
    kept = [samples for run in runs if has_probes(samples := run.samples())]
    if len(kept) < len(runs) or not _same_images(runs, kept):
        return None
    targets = kept[0].get("probes/targets")
    counts = np.array(first.info.class_counts)
    tail = first.info.groups.get("tail", [])
    found = [int(i) for i in np.flatnonzero(targets[:, tail].any(axis=1))]
    found += [int(i) for i in np.flatnonzero(targets.any(axis=1))]
    if not found:
        return None
    present = np.flatnonzero(targets[found[0]])
    rarest = int(present[counts[present].argmin()])
    return SharedProbe(found[0], rarest, first.info.class_names[rarest])


def _same_images(runs: Sequence[Run], kept: Sequence[ArrayFile]) -> bool:
    if all("probes/images" in samples for samples in kept):
        images = [samples.get("probes/images") for samples in kept]
        return all(np.array_equal(other, images[0]) for other in images[1:])
    named = [_named_probes(run, samples) for run, samples in zip(runs, kept, strict=True)]
    return None not in named[0] and all(other == named[0] for other in named[1:])


def _named_probes(run: Run, samples: ArrayFile) -> list[str | None]:
    """Return the data set, then the id of each probe image; None where the run stored none."""
    indices = samples.get("probes/image_index").tolist() if "probes/image_index" in samples else [-1]
    return [dataset_name(run), *(stored_image_id(samples, "test", index) for index in indices)]
