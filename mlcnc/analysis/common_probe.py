"""One probe image that several runs keep, so that their attention can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlcnc.store import Run


@dataclass(frozen=True)
class CommonProbe:
    """One image that all runs kept, and a class in it.

    Attributes:
        probe: its position among the probe images.
        class_index: of a class that the image has.
        class_name: its name.
    """

    probe: int
    class_index: int
    class_name: str


def common_probe(runs: Sequence[Run]) -> CommonProbe | None:
    """Return the first image with a tail class that all runs keep as the same probe, and its rarest class.

    Where no image has a tail class, the first one with a class. None where the runs keep no common probe.

    Raises:
        RunFormatError: a file is damaged.
    """
    first = runs[0]
    kept = [run.samples() for run in runs]
    needed = ("probes/images", "probes/targets")
    if any(samples is None or any(name not in samples for name in needed) for samples in kept):
        return None
    images = [samples.get("probes/images") for samples in kept if samples is not None]
    if any(other.shape != images[0].shape or (other != images[0]).any() for other in images[1:]):
        return None
    targets = kept[0].get("probes/targets") if kept[0] is not None else np.zeros((0, 0))
    counts = np.array(first.info.class_counts)
    tail = first.info.groups.get("tail", [])
    found = [int(i) for i in np.flatnonzero(targets[:, tail].any(axis=1))]
    found += [int(i) for i in np.flatnonzero(targets.any(axis=1))]
    if not found:
        return None
    present = np.flatnonzero(targets[found[0]])
    rarest = int(present[counts[present].argmin()])
    return CommonProbe(found[0], rarest, first.info.class_names[rarest])
