"""What a run keeps of its probe images: the images themselves, or only how large they are seen."""

from __future__ import annotations

from typing import TypeGuard

from mlcnc.store import ArrayFile

LARGEST_SIDE = 1024
"""In pixels, all that a config can ask for; a few bytes may claim any number."""


def has_probes(samples: ArrayFile | None) -> TypeGuard[ArrayFile]:
    """Return whether there are probe images with labels and a size."""
    return has_sizes(samples) and "probes/targets" in samples


def has_sizes(samples: ArrayFile | None) -> TypeGuard[ArrayFile]:
    """Return whether it is known how large probe images are seen."""
    return samples is not None and ("probes/images" in samples or "probes/size" in samples)


def probe_size(samples: ArrayFile) -> tuple[int, int]:
    """Return height and width of what the network sees of a probe image, in which boxes are given.

    Raises:
        RunFormatError: the file is damaged.
    """
    if "probes/images" in samples:
        height, width = samples.get("probes/images", 0).shape[:2]
    else:
        height, width = samples.get("probes/size").tolist()
        if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
            raise samples.damaged(f"probes/size must be from 1 to {LARGEST_SIDE} each, got {height}, {width}")
    return int(height), int(width)
