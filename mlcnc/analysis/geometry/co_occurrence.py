"""Which classes share training images, and how often a tail class comes with a head class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry.angles import NO_BUCKET, bucket_of
from mlcnc.store import Run

PAPER_HEAD_COMPANY = {"VOC-LT": 100.0, "COCO-LT": 99.26}
"""Percent of images with a tail class that also have a head class, from the introduction of MLC-NC."""


@dataclass(frozen=True)
class HeadCompany:
    """How often one tail class comes with a head class.

    Attributes:
        name: of the tail class.
        count: its training images.
        head: the head class with which it shares most of them.
        together: images that have both.
        at_least: share of its images with any head class, as far as pairs of classes tell: at least
            ``together`` / ``count``.
        at_most: and at most this much: every shared image counted once.
    """

    name: str
    count: int
    head: str
    together: int
    at_least: float
    at_most: float


@dataclass(frozen=True)
class CoOccurrence:
    """Shares of training images that two classes have in common.

    Attributes:
        class_names, class_counts, buckets: (C,) by falling training count.
        shares: (C, C) of the images with the row's class, the share that also has the column's; NaN on the
            diagonal and for classes without an image.
        images: (C, C) number of images with both.
        tail: one record a tail class with images, most frequent first; empty without a head class.
    """

    class_names: tuple[str, ...]
    class_counts: tuple[int, ...]
    buckets: tuple[str, ...]
    shares: NDArray[np.float64]
    images: NDArray[np.int64]
    tail: tuple[HeadCompany, ...]


def co_occurrence(run: Run) -> CoOccurrence | None:
    """Return which classes share training images, or None where the run did not store it.

    The number of images with any of several head classes does not follow from pairs of classes, so each
    tail class gets bounds.
    """
    if run.info.co_occurrence is None:
        return None
    counts = np.array(run.info.class_counts)
    order = np.argsort(-counts, kind="stable")
    images = np.array(run.info.co_occurrence, dtype=np.int64)[np.ix_(order, order)]
    counts = counts[order]
    names = tuple(run.info.class_names[i] for i in order)
    buckets = tuple(bucket_of(run).get(int(i), NO_BUCKET) for i in order)
    shares = images / np.where(counts > 0, counts, np.nan)[:, None]
    np.fill_diagonal(shares, np.nan)
    head = [index for index, bucket in enumerate(buckets) if bucket == "head"]
    tail = []
    for index, bucket in enumerate(buckets):
        if bucket != "tail" or counts[index] == 0 or not head:
            continue
        most = head[int(images[index, head].argmax())]
        together, count = int(images[index, most]), int(counts[index])
        tail.append(
            HeadCompany(
                name=names[index],
                count=count,
                head=names[most],
                together=together,
                at_least=together / count,
                at_most=min(1.0, float(images[index, head].sum()) / count),
            )
        )
    return CoOccurrence(
        class_names=names,
        class_counts=tuple(int(count) for count in counts),
        buckets=buckets,
        shares=shares,
        images=images,
        tail=tuple(tail),
    )


def head_company_sentence(tail: Sequence[HeadCompany]) -> str:
    """Return how many tail labels surely come with a head class, and the loneliest tail class.

    Args:
        tail: of :class:`CoOccurrence`; at least one.
    """
    together, labels = sum(item.together for item in tail), sum(item.count for item in tail)
    least = min(tail, key=lambda item: item.at_least)
    return (
        f"Of {labels} labels of tail classes, at least {together} ({100 * together / labels:.0f} %) stand in "
        "an image that also has a head class. That counts, for each tail class, only the head class it meets "
        f"most often; the others would need more than counts of pairs. It is lowest for {least.name}: "
        f"{least.together} of its {least.count} images have {least.head} too."
    )
