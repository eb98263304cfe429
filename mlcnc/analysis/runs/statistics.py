"""Class statistics as a run stored them, ready for the metrics again."""

from __future__ import annotations

import numpy as np

from mlcnc.metrics import ClassStatistics
from mlcnc.store import ArrayFile


def stored_statistics(arrays: ArrayFile, prefix: str) -> ClassStatistics | None:
    """Return the statistics of one split and space, or None where the epoch did not store them.

    Args:
        arrays: of one epoch.
        prefix: split and space, e.g. ``test.mu``.

    Returns:
        Means in float64 from the float32 of the file; negative means only where they were stored.

    Raises:
        RunFormatError: the file is damaged.
    """
    needed = ("class_means", "class_counts", "within_scatter")
    if any(f"{prefix}/{name}" not in arrays for name in needed):
        return None
    with_negatives = f"{prefix}/negative_means" in arrays and f"{prefix}/num_images" in arrays
    spread = f"{prefix}/negative_scatter" if f"{prefix}/negative_scatter" in arrays else None
    found = ClassStatistics(
        class_means=arrays.get(f"{prefix}/class_means").astype(np.float64),
        class_counts=arrays.get(f"{prefix}/class_counts").astype(np.int64),
        within_scatter=arrays.get(f"{prefix}/within_scatter").astype(np.float64),
        negative_means=arrays.get(f"{prefix}/negative_means").astype(np.float64) if with_negatives else None,
        num_images=int(arrays.get(f"{prefix}/num_images").reshape(-1)[0]) if with_negatives else None,
        negative_scatter=arrays.get(spread).astype(np.float64) if with_negatives and spread else None,
    )
    means, scatter = found.class_means[found.present], found.within_scatter[found.present]
    if not (np.isfinite(means).all() and np.isfinite(scatter).all()) or (scatter < 0).any():
        raise arrays.damaged(f"{prefix} counts features of a class whose mean or scatter is undefined")
    if found.num_images is not None and found.class_counts.max(initial=0) > found.num_images:
        raise arrays.damaged(f"{prefix} counts more images of a class than there are")
    return found


def stored_concatenation(arrays: ArrayFile, split: str) -> ClassStatistics | None:
    """Return the statistics of concatenated features of one split, or None where they were not stored.

    Runs of version 1 stored positive means and the mean of all images; their scatter is unknown, NaN.

    Raises:
        RunFormatError: the file is damaged.
    """
    prefix = f"{split}.concat"
    found = stored_statistics(arrays, prefix)
    mu = stored_statistics(arrays, f"{split}.mu")
    if found is not None or mu is None or mu.num_images is None or f"{prefix}/positive_means" not in arrays:
        return found
    positive = arrays.get(f"{prefix}/positive_means").astype(np.float64)
    overall = arrays.get(f"{prefix}/overall_mean").astype(np.float64)
    counts = mu.class_counts.astype(np.float64)[:, None]
    if np.isnan(positive[mu.present]).any():
        raise arrays.damaged(f"{prefix} lacks the mean of a class that {split}.mu counts features of")
    absent = mu.num_images - counts
    negative = mu.num_images * overall - counts * np.nan_to_num(positive)
    return ClassStatistics(
        class_means=positive,
        class_counts=mu.class_counts,
        within_scatter=np.full(len(counts), np.nan),
        negative_means=negative / np.where(absent > 0, absent, np.nan),
        num_images=mu.num_images,
    )
