"""Ids of the images that a run was trained and tested on, by split and index."""

from __future__ import annotations

from mlcnc.store import ArrayFile, Run

LONGEST = 4096
"""Of an id, in bytes."""


def has_image_ids(run: Run) -> bool:
    """Return whether a run stores ids of its test images.

    Raises:
        RunFormatError: the file is damaged.
    """
    samples = run.samples()
    return samples is not None and "test/id_ends" in samples and "test/id_bytes" in samples


def image_id(run: Run, split: str, image: int) -> str | None:
    """Return the id of one image, or None where the run stored none.

    Raises:
        RunFormatError: the file is damaged.
    """
    samples = run.samples()
    return None if samples is None else stored_image_id(samples, split, image)


def stored_image_id(samples: ArrayFile, split: str, image: int) -> str | None:
    """Return the same of a file of samples that is open already; only that id is read."""
    names = f"{split}/id_ends", f"{split}/id_bytes"
    if image < 0 or any(name not in samples for name in names):
        return None
    first = max(image - 1, 0)
    ends = samples.get(names[0], slice(first, image + 1)).tolist()
    if len(ends) < image + 1 - first:
        return None
    start, end = (ends[0] if image else 0), ends[-1]
    if not 0 <= end - start <= LONGEST:
        raise samples.damaged(f"{names[0]} does not rise, or by more than {LONGEST} at once")
    encoded = bytes(samples.get(names[1], slice(start, end)))
    if len(encoded) != end - start:
        raise samples.damaged(f"{names[1]} ends before the id of image {image} does")
    return encoded.decode(errors="replace")
