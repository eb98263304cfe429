"""Which test images of a class are found, missed or false alarms at a threshold, worst first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry.angles import NO_BUCKET, bucket_of
from mlcnc.analysis.images.thresholds import ThresholdRule, thresholds
from mlcnc.errors import RunFormatError
from mlcnc.metrics.precision_recall import PrecisionRecallCurve, precision_recall_curves
from mlcnc.store import Run

KINDS = ("missed", "found", "false alarm", "rightly absent")
"""False negatives, true positives, false positives and true negatives, as the pages call them."""

SHORT = {"missed": "FN", "found": "TP", "false alarm": "FP", "rightly absent": "TN"}


@dataclass(frozen=True)
class Scored:
    """Scores and labels of all test images at one epoch.

    Attributes:
        scores: (N, C) logits, of float16 precision.
        present: (N, C) whether the image has the class.
        thresholds: (C,) by ``rule`` on ``chosen_on``; NaN for a class without a positive there.
        chosen_on: ``validation``, or ``test`` where no validation scores were stored.
        epoch: from 0.
        rule: by which thresholds are chosen, in words.
        short_of: classes whose threshold does not reach the precision that the rule asks for.
        moved: by class index, how far a reader moved its threshold, in units of the score.
    """

    scores: NDArray[np.float32]
    present: NDArray[np.bool_]
    thresholds: NDArray[np.float64]
    chosen_on: str
    epoch: int
    rule: str = "greatest F1"
    short_of: frozenset[int] = frozenset()
    moved: Mapping[int, float] = field(default_factory=dict)

    @property
    def limits(self) -> NDArray[np.float64]:
        """(C,) the score from which on each class is a yes: its threshold, 0 where it has none, as moved."""
        limits = np.where(np.isfinite(self.thresholds), self.thresholds, 0.0)
        for class_index, by in self.moved.items():
            limits[class_index] += by
        return limits

    def threshold_words(self, class_index: int) -> str:
        """Return the threshold of a class in use, and where it comes from."""
        if np.isfinite(self.thresholds[class_index]):
            source = f"{self.rule} on {self.chosen_on}"
            if class_index in self.short_of:
                source += ", which it does not reach: that of its greatest precision stands in"
        else:
            source = f"chosen by nobody, for no {self.chosen_on} image has the class; 0 stands in"
        by = self.moved.get(class_index, 0.0)
        return f"{self.limits[class_index]:.2f}, {source}" + (f", moved by {by:+.1f}" if by else "")


@dataclass(frozen=True)
class Decisions:
    """How one class fares over all test images.

    Attributes:
        class_name, bucket, train_count: of the class.
        scores: (N,) of the class.
        present: (N,) whether the image has the class.
        threshold: a score of at least it is a yes.
        images: by kind, the indices of its images: those the network is most wrong about first, or, of
            right ones, most sure about.
        average_precision: in percent, NaN without a positive.
        curve: precision against recall over all thresholds.
    """

    class_name: str
    bucket: str
    train_count: int
    scores: NDArray[np.float32]
    present: NDArray[np.bool_]
    threshold: float
    images: dict[str, NDArray[np.int64]]
    average_precision: float
    curve: PrecisionRecallCurve

    @property
    def precision(self) -> float:
        """Share of the yes that are right; NaN where nothing is a yes."""
        said = len(self.images["found"]) + len(self.images["false alarm"])
        return len(self.images["found"]) / said if said else float("nan")

    @property
    def recall(self) -> float:
        """Share of the images with the class that are found; NaN where there is none."""
        there = int(self.present.sum())
        return len(self.images["found"]) / there if there else float("nan")


def scored(run: Run, epoch: int, *, rule: ThresholdRule = "greatest F1", target: float = 0.5) -> Scored | None:
    """Return scores, labels and thresholds of the test images, or None where the run stored none.

    Args:
        run, epoch: of which; the epoch counts from 0.
        rule, target: of the thresholds, see ``thresholds``.

    Raises:
        RunFormatError: a file is damaged, or scores and labels do not fit.
    """
    samples = run.samples()
    arrays = run.arrays(epoch)
    if samples is None or "test/scores" not in arrays or "test/targets" not in samples:
        return None
    scores, targets = arrays.get("test/scores").astype(np.float32), samples.get("test/targets")
    if scores.shape != targets.shape or scores.shape[1] != len(run.info.class_names):
        raise RunFormatError(
            f"run {run.run_id}: test scores of shape {scores.shape} do not fit labels of shape {targets.shape}"
        )
    split = "validation" if "validation/scores" in arrays and "validation/targets" in samples else "test"
    try:
        chosen = thresholds(arrays.get(f"{split}/scores"), samples.get(f"{split}/targets"), rule, target)
    except ValueError as error:
        raise RunFormatError(f"run {run.run_id}, {split} scores: {error}") from error
    words = rule if rule == "greatest F1" else f"{rule.removeprefix('equal ')} of {target:.0%}"
    short = frozenset(np.flatnonzero(np.isfinite(chosen.limits) & ~chosen.reached).tolist())
    return Scored(scores, targets > 0, chosen.limits, split, epoch, words, short)


def probability(scores: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Return the sigmoid of scores (logits), from 0 to 1; as a probability it is as good as its calibration."""
    half: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * np.asarray(scores, dtype=np.float64)))
    return half


def with_moved_threshold(found: Scored, class_index: int, shift: float) -> Scored:
    """Return the same scores with the threshold of one class moved, from 0 where it has none."""
    return replace(found, moved={**found.moved, class_index: shift})


def decisions(run: Run, epoch: int, class_index: int, *, shift: float = 0.0) -> Decisions | None:
    """Return which test images of a class are found and missed, or None where the run stored no scores.

    Args:
        run: of which.
        epoch: with stored arrays, from 0.
        class_index: from 0.
        shift: added to the threshold of greatest F1, in units of the score; where that is undefined, to 0.

    Raises:
        RunFormatError: a file is damaged, or scores and labels do not fit.
    """
    found = scored(run, epoch)
    return (
        None
        if found is None
        else decisions_of(run, with_moved_threshold(found, class_index, shift), class_index)
    )


def decisions_of(run: Run, found: Scored, class_index: int) -> Decisions:
    """Return the same from scores that were read already, at their thresholds; see ``decisions``."""
    own, present = found.scores[:, class_index], found.present[:, class_index]
    threshold = float(found.limits[class_index])
    said = own >= threshold
    rising, falling = np.argsort(own, kind="stable"), np.argsort(-own, kind="stable")
    curve = precision_recall_curves(own[:, None], present[:, None])[0]
    return Decisions(
        class_name=run.info.class_names[class_index],
        bucket=bucket_of(run).get(class_index, NO_BUCKET),
        train_count=run.info.class_counts[class_index],
        scores=own,
        present=present,
        threshold=threshold,
        images={
            "missed": rising[(present & ~said)[rising]],
            "found": falling[(present & said)[falling]],
            "false alarm": falling[(~present & said)[falling]],
            "rightly absent": rising[(~present & ~said)[rising]],
        },
        average_precision=100.0 * curve.area,
        curve=curve,
    )


@dataclass(frozen=True)
class ClassResult:
    """How well one class is ranked, and how many of its missed images can be looked into.

    Attributes:
        class_index, class_name, bucket, train_count: of the class.
        average_precision: in percent.
        num_positives: test images with the class.
        num_missed: of them below the threshold of greatest F1.
        num_with_attention: of the missed ones that have stored attention.
    """

    class_index: int
    class_name: str
    bucket: str
    train_count: int
    average_precision: float
    num_positives: int
    num_missed: int
    num_with_attention: int


def class_results(run: Run, epoch: int) -> list[ClassResult]:
    """Return one record a class with a test image of it, lowest average precision first.

    Returns:
        Empty where the run stored no scores.

    Raises:
        RunFormatError: a file is damaged, or scores and labels do not fit.
    """
    found = scored(run, epoch)
    if found is None:
        return []
    curves = precision_recall_curves(found.scores, found.present.astype(np.uint8))
    buckets = bucket_of(run)
    with_attention = np.zeros(len(found.scores), dtype=bool)
    looked_at = probe_images(run, epoch)
    with_attention[[index for index in looked_at if index < len(with_attention)]] = True
    missed = found.present & (found.scores < found.limits)
    results = [
        ClassResult(
            class_index=index,
            class_name=run.info.class_names[index],
            bucket=buckets.get(index, NO_BUCKET),
            train_count=run.info.class_counts[index],
            average_precision=100.0 * curve.area,
            num_positives=curve.num_positives,
            num_missed=int(missed[:, index].sum()),
            num_with_attention=int((missed[:, index] & with_attention).sum()),
        )
        for index, curve in enumerate(curves)
        if curve.num_positives
    ]
    return sorted(results, key=lambda result: result.average_precision)


def worst_tail_class(results: Sequence[ClassResult]) -> ClassResult | None:
    """Return the tail class of lowest average precision, or None where no tail class has a test image."""
    return next((result for result in results if result.bucket == "tail"), None)


def rarest_first(run: Run) -> list[int]:
    """Return class indices by rising number of training images, ties by index."""
    return sorted(range(len(run.info.class_names)), key=lambda index: run.info.class_counts[index])


def probe_images(run: Run, epoch: int) -> dict[int, int]:
    """Return the probe of every test image whose attention is stored, by image index.

    Raises:
        RunFormatError: a file is damaged.
    """
    samples = run.samples()
    if samples is None or "probes/image_index" not in samples or "probes/attention" not in run.arrays(epoch):
        return {}
    indices = samples.get("probes/image_index").tolist()
    splits = samples.get("probes/split").tolist() if "probes/split" in samples else [1] * len(indices)
    return {int(index): probe for probe, (index, code) in enumerate(zip(indices, splits, strict=True)) if code}


def with_attention(record: Decisions, looked_at: Collection[int]) -> dict[str, tuple[int, ...]]:
    """Return by kind the images whose attention is stored, in the order of the record.

    Args:
        record: of one class.
        looked_at: images with stored attention, see ``probe_images``.
    """
    return {
        kind: tuple(image for image in images.tolist() if image in looked_at)
        for kind, images in record.images.items()
    }


def decision_sentence(record: Decisions) -> str:
    """Return how many images of the class are found and missed, with false alarms and AP."""
    there = int(record.present.sum())
    start = f"{record.class_name} ({record.bucket}, {record.train_count} training images)"
    if there == 0:
        return f"{start}: no test image has it, so nothing can be missed."
    alarms = len(record.images["false alarm"])
    return (
        f"{start}: {len(record.images['found'])} of {there} test images found, "
        f"{len(record.images['missed'])} missed, {alarms} false {'alarm' if alarms == 1 else 'alarms'}; "
        f"AP {record.average_precision:.1f} %."
    )


@dataclass(frozen=True)
class CoOccurringClass:
    """Another class, how often it accompanies a class in training, and in its missed test images.

    Attributes:
        class_name: of the other class.
        counts: of the class's training images, its missed and its found test images, those that have it too.
    """

    class_name: str
    counts: tuple[int, int, int]


def co_occurring_classes(
    run: Run, found: Scored, record: Decisions, *, number: int = 4
) -> list[CoOccurringClass]:
    """Return the classes that most often accompany the class of ``record`` in training, most frequent first.

    Args:
        run: of which.
        found: its scores and labels.
        record: decisions on the class, from these scores.
        number: at most so many.

    Returns:
        Empty where the run stored no co-occurrence or the class has no training image.
    """
    table, class_index = run.info.co_occurrence, run.info.class_names.index(record.class_name)
    if table is None or run.info.class_counts[class_index] == 0:
        return []
    together = np.array(table[class_index], dtype=np.float64)
    together[class_index] = -1
    order = [int(i) for i in np.argsort(-together, kind="stable")[:number] if together[i] > 0]
    missed, found_rows = (found.present[record.images[kind]].sum(axis=0) for kind in ("missed", "found"))
    return [
        CoOccurringClass(
            run.info.class_names[other], (int(together[other]), int(missed[other]), int(found_rows[other]))
        )
        for other in order
    ]
