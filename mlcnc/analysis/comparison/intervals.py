"""Confidence intervals of mAP from the scores a run stored, and of the difference of two runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics import Interval, bootstrap_difference, bootstrap_map
from mlcnc.store import Run

__all__ = ["Interval", "difference_sentence", "map_difference", "map_intervals", "stored_scores"]


def map_intervals(
    run: Run, epoch: int, *, split: str = "test", num_resamples: int = 1000
) -> dict[str, Interval] | None:
    """Return bootstrap intervals of total and bucket mAP, or None where scores or targets are missing.

    Args:
        run: of which.
        epoch: with stored arrays, from 0.
        split: ``validation`` or ``test``.
        num_resamples: draws of images.

    Returns:
        ``map_total`` and ``map_<bucket>`` in percent. Scores are stored in float16, so the value may
        differ from the logged one in the last digits.

    Raises:
        RunFormatError: a file is damaged.
    """
    found = stored_scores(run, epoch, split)
    if found is None:
        return None
    scores, targets = found
    return bootstrap_map(scores, targets, run.info.groups, num_resamples=num_resamples)


def map_difference(
    first: tuple[Run, int], second: tuple[Run, int], *, split: str = "test", num_resamples: int = 1000
) -> dict[str, Interval] | None:
    """Return paired intervals of the first run's mAP minus the second's, or None where they do not pair.

    Args:
        first, second: run and epoch with stored arrays each.
        split: ``validation`` or ``test``.
        num_resamples: draws of images, the same for both.

    Returns:
        In percentage points; None where scores are missing or the runs saw different test images.

    Raises:
        RunFormatError: a file is damaged.
    """
    found = [stored_scores(run, epoch, split) for run, epoch in (first, second)]
    if found[0] is None or found[1] is None:
        return None
    (ours, targets), (theirs, other) = found[0], found[1]
    if not np.array_equal(targets, other) or first[0].info.groups != second[0].info.groups:
        return None
    return bootstrap_difference(ours, theirs, targets, first[0].info.groups, num_resamples=num_resamples)


def difference_sentence(name: str, first: str, second: str, interval: Interval) -> str:
    """Return whether the test images alone support a difference of two runs."""
    low, high = interval.low, interval.high
    start = f"{first} minus {second}: {name} {interval.value:+.1f} points ({low:+.1f} to {high:+.1f}, "
    start += f"{100 * interval.confidence:.0f} % by resampling test images)"
    if low > 0 or high < 0:
        return f"{start}; more than the choice of test images explains. Other seeds may differ."
    return f"{start}; the choice of test images alone could explain it."


def stored_scores(run: Run, epoch: int, split: str) -> tuple[NDArray[np.float64], NDArray[np.uint8]] | None:
    """Return (N, C) scores and targets of a split, or None where the run stored none at that epoch.

    Raises:
        RunFormatError: a file is damaged.
    """
    samples = run.samples()
    if epoch not in run.array_epochs() or samples is None or f"{split}/targets" not in samples:
        return None
    arrays = run.arrays(epoch)
    if f"{split}/scores" not in arrays:
        return None
    return arrays.get(f"{split}/scores").astype(np.float64), samples.get(f"{split}/targets")
