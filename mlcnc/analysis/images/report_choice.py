"""Which runs and probe images a report shows, chosen by rule and not by how they look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlcnc.analysis.images.stored_probes import has_probes
from mlcnc.store import Run

BUCKET_ORDER = ("head", "medium", "tail")


def detailed_runs(runs: Sequence[Run], number: int = 4) -> list[Run]:
    """Return the first runs with stored arrays, in the order given, at most ``number``."""
    return [run for run in runs if run.array_epochs()][:number]


def probe_of_each_bucket(run: Run) -> list[tuple[str, int, int]]:
    """Return bucket, probe image and class index: in each bucket the first probe image with a class of it.

    Of several classes of the bucket in one image the rarest is taken; no image is used twice where another
    one is there.

    Returns:
        At most one a bucket, head, medium, tail; empty where the run stored no probe images.

    Raises:
        RunFormatError: the file is damaged.
    """
    samples = run.samples()
    if not has_probes(samples):
        return []
    targets = samples.get("probes/targets").astype(bool)
    counts = np.array(run.info.class_counts)
    chosen: list[tuple[str, int, int]] = []
    for bucket in BUCKET_ORDER:
        members = np.array(run.info.groups.get(bucket, ()), dtype=np.int64)
        if not len(members):
            continue
        holding = np.flatnonzero(targets[:, members].any(axis=1)).tolist()
        fresh = [probe for probe in holding if probe not in {taken for _, taken, _ in chosen}] or holding
        if fresh:
            present = members[targets[fresh[0], members]]
            chosen.append((bucket, fresh[0], int(present[np.argmin(counts[present])])))
    return chosen
