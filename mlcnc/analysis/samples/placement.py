"""Which sampled pairs lie nearer to another class than to their own, which are missed, and who is near whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.analysis.samples.layouts import SampleTable, sample_features, sample_table
from mlcnc.errors import RunFormatError
from mlcnc.metrics.precision_recall import precision_recall_curves
from mlcnc.store import Run


@dataclass(frozen=True)
class ClassPlacement:
    """How the samples of one class lie among the class means.

    Attributes:
        class_index: of the class.
        name, bucket, class_count: of the class; the count is of training images.
        num_samples: sampled pairs of the class in the split.
        num_misplaced: of them nearest to the mean of another class.
        most_often: the other class that most of these are nearest to, the first of equal ones; None
            without one.
        num_pairs: all pairs of the class in the split, sampled or not.
        all_pairs_share: share of these that are misplaced (1 minus NC4 identity); NaN where the run did not
            store it.
    """

    class_index: int
    name: str
    bucket: str
    class_count: int
    num_samples: int
    num_misplaced: int
    most_often: str | None
    num_pairs: int
    all_pairs_share: float

    @property
    def share(self) -> float:
        """Misplaced samples in all samples of the class; NaN without a sample."""
        return self.num_misplaced / self.num_samples if self.num_samples else float("nan")


@dataclass(frozen=True)
class Placement:
    """The class mean nearest to each sample of one split, in feature space.

    Attributes:
        split, space, epoch: what was looked at.
        samples: (n,) rows of the table of samples, those of the split.
        nearest: (n,) class whose mean is nearest to each.
        misplaced: (n,) whether that is another class than the sample's own.
        classes: one record a class that has samples, by falling share over all pairs, or over the samples
            where that is not known of each; then rarest first.
    """

    split: str
    space: str
    epoch: int
    samples: NDArray[np.int64]
    nearest: NDArray[np.int64]
    misplaced: NDArray[np.bool_]
    classes: tuple[ClassPlacement, ...]


def placement(run: Run, epoch: int, *, split: str, space: str) -> Placement | None:
    """Return which samples are nearest to the mean of another class than their own.

    Args:
        run: of which.
        epoch: with stored arrays, from 0.
        split: ``train`` or ``test``; the class means are of all positives of the same split, as in NC4.
        space: ``f`` or ``mu``.

    Returns:
        Euclidean distances to the raw means, ties to the lowest class; None where the run stored no
        samples of the split, or no class has a mean.

    Raises:
        RunFormatError: a file is damaged.
    """
    table = sample_table(run)
    arrays = run.arrays(epoch)
    statistics = stored_statistics(arrays, f"{split}.{space}")
    if table is None or statistics is None or f"samples/{space}" not in arrays:
        return None
    if not statistics.present.any():
        return None
    rows = table.of_split(split)
    features = sample_features(run, epoch, space)
    if len(rows) == 0 or len(features) != len(table.split):
        return None
    nearest = nearest_means(features[rows], statistics.class_means, statistics.present)
    name = f"{split}.{space}/nc4_identity"
    own_share = arrays.get(name) if name in arrays else np.full(len(table.class_names), np.nan)
    misplaced = nearest != table.class_index[rows]
    classes = [
        _class_placement(
            table, rows, nearest, int(label), int(statistics.class_counts[label]), 1.0 - float(own_share[label])
        )
        for label in np.unique(table.class_index[rows])
    ]
    known = all(np.isfinite(item.all_pairs_share) for item in classes)
    ordered = sorted(
        classes,
        key=lambda item: (-(item.all_pairs_share if known else item.share), item.class_count, item.class_index),
    )
    return Placement(split, space, epoch, rows, nearest, misplaced, tuple(ordered))


def nearest_means(
    features: NDArray[np.float32], class_means: NDArray[np.float64], present: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the class (n,) whose mean is nearest to each row, by Euclidean distance.

    Args:
        features: (n, d).
        class_means: (C, d); rows of absent classes may hold NaN.
        present: (C,) classes that have a mean; at least one.
    """
    known = np.flatnonzero(present)
    means = class_means[known] - class_means[known].mean(axis=0)
    rows = features.astype(np.float64) - class_means[known].mean(axis=0)
    # |x - m|^2 without |x|^2, which is the same for every class
    return known[np.argmin((means**2).sum(axis=1)[None] - 2.0 * rows @ means.T, axis=1)]


def placement_sentence(record: Placement) -> str:
    """Return which class has the largest share of misplaced pairs, and how many samples are misplaced."""
    where = f"in {record.space} after epoch {record.epoch + 1}"
    number, total = int(record.misplaced.sum()), len(record.misplaced)
    worst = record.classes[0]
    known = all(np.isfinite(item.all_pairs_share) for item in record.classes)
    share = worst.all_pairs_share if known else worst.share
    whole = f"{record.split} pairs" if known else f"sampled {record.split} pairs"
    if share == 0:
        return f"Nobody is misplaced {where}: all {whole} lie nearest to the mean of their own class."
    ties = sum((item.all_pairs_share if known else item.share) == share for item in record.classes) - 1
    also = "" if ties == 0 else ", as has one other class" if ties == 1 else f", as have {ties} other classes"
    often = "" if worst.most_often is None else f", most often {worst.most_often}"
    of = worst.num_pairs if known else worst.num_samples
    return (
        f"{worst.name} ({worst.bucket}, {worst.class_count} training images) has the largest share of "
        f"misplaced pairs{also}: {100 * share:.0f} % of its {of} {whole} lie nearer to the mean of another "
        f"class{often}, {where}. Of the {total} sampled {record.split} pairs shown here {number} are misplaced "
        f"({100 * number / total:.0f} %)."
    )


def placement_verdict(record: Placement) -> str:
    """Return how many samples are misplaced, in a few words."""
    number, total = int(record.misplaced.sum()), len(record.misplaced)
    return f"{number} of {total} sampled {record.split} pairs misplaced ({100 * number / total:.0f} %)"


def same_samples(one: SampleTable, other: SampleTable) -> bool:
    """Return whether the samples of two runs are the same classes in the same images, number by number."""
    return (
        one.split == other.split
        and one.class_names == other.class_names
        and np.array_equal(one.image_index, other.image_index)
        and np.array_equal(one.class_index, other.class_index)
    )


@dataclass(frozen=True)
class Outcomes:
    """Whether the network finds the class of each sample.

    Attributes:
        words: (S,) ``missed``, ``found`` or ``no score``, the last for images of train.
        thresholds: (C,) a score of at least it is a yes; NaN where there is none.
        chosen_on: the split whose F1 the thresholds maximise.
        epoch: of the scores.
    """

    words: tuple[str, ...]
    thresholds: NDArray[np.float64]
    chosen_on: str
    epoch: int


def outcomes(run: Run, epoch: int) -> Outcomes | None:
    """Return which test samples are missed at their class's threshold.

    The threshold of a class is the score with the greatest F1 on validation, or on test where the run kept
    no validation scores.

    Returns:
        None where the epoch stored no test scores or the run no samples.

    Raises:
        RunFormatError: a file is damaged, or scores and samples do not fit.
    """
    table = sample_table(run)
    arrays = run.arrays(epoch)
    samples = run.samples()
    if table is None or samples is None or "test/scores" not in arrays:
        return None
    scores = arrays.get("test/scores").astype(np.float64)
    tested = np.array(table.split) == "test"
    if table.image_index[tested].max(initial=-1) >= len(scores) or scores.shape[1] != len(table.class_names):
        raise RunFormatError(f"the test scores of run {run.run_id} do not fit its samples")
    for split in ("validation", "test"):
        if f"{split}/scores" in arrays and f"{split}/targets" in samples:
            limits = best_f1_thresholds(arrays.get(f"{split}/scores"), samples.get(f"{split}/targets"))
            break
    else:
        return None
    words = np.full(len(table.split), "no score", dtype=object)
    own = scores[table.image_index[tested], table.class_index[tested]]
    limit = limits[table.class_index[tested]]
    words[tested] = np.where(np.isnan(limit), "no score", np.where(own >= limit, "found", "missed"))
    return Outcomes(tuple(words.tolist()), limits, split, epoch)


def best_f1_thresholds(scores: NDArray[np.floating], targets: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return each class's score (C,) from which on a yes gives the greatest F1, ties to the highest.

    Args:
        scores: (N, C).
        targets: (N, C), 0 or 1.

    Returns:
        NaN for a class without a positive.

    Raises:
        ValueError: shapes differ, a score is not finite or a target is not 0 or 1.
    """
    found = []
    falling = np.sort(-scores.astype(np.float64), axis=0)
    for label, curve in enumerate(precision_recall_curves(scores.astype(np.float64), targets)):
        if curve.num_positives == 0:
            found.append(np.nan)
            continue
        # from counts, with one division: equal F1 would differ by rounding, and the tie go the wrong way
        hits = np.rint(curve.recall * curve.num_positives)
        said = np.searchsorted(falling[:, label], -curve.thresholds, side="right")
        f1 = 2 * hits / (said + curve.num_positives)
        found.append(float(curve.thresholds[np.argmax(f1)]))
    return np.array(found)


@dataclass(frozen=True)
class Neighbour:
    """A sample near another one in feature space; ``cosine`` of the two features."""

    sample: int
    cosine: float


def nearest_samples(
    run: Run, epoch: int, space: str, sample: int, *, among: Sequence[int] | None = None, number: int = 8
) -> list[Neighbour]:
    """Return the nearest other samples in feature space, nearest first, ties by number.

    Args:
        run, epoch, space: whose features.
        sample: its row in the table of samples.
        among: rows that may be neighbours; None takes all.
        number: at most so many.

    Returns:
        By falling cosine of the features as they are; a feature of zero has cosine 0 to every other.

    Raises:
        RunFormatError: the epoch stored no samples of the space, or has no such sample.
    """
    features = sample_features(run, epoch, space).astype(np.float64)
    if not 0 <= sample < len(features):
        raise RunFormatError(f"run {run.run_id} has no sample {sample}")
    lengths = np.linalg.norm(features, axis=1)
    unit = features / np.where(lengths > 0, lengths, 1.0)[:, None]
    cosines = unit @ unit[sample]
    rows = np.arange(len(features)) if among is None else np.asarray(among, dtype=np.int64)
    rows = rows[rows != sample]
    order = rows[np.lexsort((rows, -cosines[rows]))][:number]
    return [Neighbour(int(row), float(cosines[row])) for row in order]


def _class_placement(
    table: SampleTable,
    rows: NDArray[np.int64],
    nearest: NDArray[np.int64],
    label: int,
    num_pairs: int,
    all_pairs_share: float,
) -> ClassPlacement:
    own = table.class_index[rows] == label
    others = nearest[own & (nearest != label)]
    counts = np.bincount(others, minlength=len(table.class_names))
    return ClassPlacement(
        class_index=label,
        name=table.class_names[label],
        bucket=table.buckets[label],
        class_count=table.class_counts[label],
        num_samples=int(own.sum()),
        num_misplaced=len(others),
        most_often=table.class_names[int(np.argmax(counts))] if len(others) else None,
        num_pairs=num_pairs,
        all_pairs_share=all_pairs_share,
    )
