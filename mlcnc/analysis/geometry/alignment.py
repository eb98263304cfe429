"""How the class-wise features of a run point: to their own label embedding, and to those of others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry.angles import NO_BUCKET, bucket_of
from mlcnc.analysis.verdict import Verdict, alignment_verdict
from mlcnc.etf import optimal_cosine
from mlcnc.metrics.namespace import mean_of_defined
from mlcnc.store import Run

PARTS = ("positive_own", "positive_others", "negative_own", "negative_others")
"""Of the images with the class and without it, the cosine with its own label embedding and with the others."""


@dataclass(frozen=True)
class AlignmentRecord:
    """Mean cosines of class-wise features with label embeddings at one epoch, most frequent class first.

    Attributes:
        run_id, epoch, split, space: of which; the epoch counts from 0.
        class_names, buckets, train_counts: of each class.
        cosines: (4, C) in the order of ``PARTS``, NaN where no image has, or lacks, the class.
        others_optimum: -1/(C-1), the cosine between the vectors of a simplex ETF.
    """

    run_id: str
    epoch: int
    split: str
    space: str
    class_names: tuple[str, ...]
    buckets: tuple[str, ...]
    train_counts: NDArray[np.int64]
    cosines: NDArray[np.float64]
    others_optimum: float

    @property
    def verdict(self) -> Verdict | None:
        """On the means over classes; None where no class has an image."""
        own, others, without, _ = (mean_of_defined(of) for of in self.cosines)
        return alignment_verdict(own, others=others, without=without)


def class_alignment(run: Run, epoch: int, *, split: str, space: str) -> AlignmentRecord | None:
    """Return the cosines of every class, or None where the epoch did not store them.

    Raises:
        RunFormatError: the file of the epoch is missing or damaged.
    """
    arrays, name = run.arrays(epoch), f"{split}.{space}/alignment"
    if name not in arrays:
        return None
    counts = np.array(run.info.class_counts, dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    buckets = bucket_of(run)
    return AlignmentRecord(
        run_id=run.run_id,
        epoch=epoch,
        split=split,
        space=space,
        class_names=tuple(run.info.class_names[i] for i in order),
        buckets=tuple(buckets.get(int(i), NO_BUCKET) for i in order),
        train_counts=counts[order],
        cosines=arrays.get(name).astype(np.float64)[:, order],
        others_optimum=optimal_cosine(len(counts)),
    )


def alignment_sentence(record: AlignmentRecord) -> str:
    """Return how far the features of images with their class point to its label embedding, and where least."""
    own, _, without, _ = record.cosines
    if not np.isfinite(own).any():
        return f"no {record.split} image has a class, so no cosine is defined"
    least, most = int(np.nanargmin(own)), int(np.nanargmax(own))
    beside = f" against {np.nanmean(without):.2f} without it" if np.isfinite(without).any() else ""
    return (
        f"{record.split} features {record.space} of images with the class have cosine {np.nanmean(own):.2f} "
        f"with its label embedding{beside} (mean over classes; 1 is alignment), "
        f"least {record.class_names[least]} {own[least]:.2f}, most {record.class_names[most]} {own[most]:.2f}"
    )
