"""The sampled image-label pairs of a run in two dimensions, over its stored epochs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry.angles import bucket_of
from mlcnc.analysis.images.pictures import SPLITS
from mlcnc.errors import RunFormatError, counted
from mlcnc.store import Run

METHODS = ("pca", "umap")


@dataclass(frozen=True)
class SampleTable:
    """The image-label pairs whose features a run keeps at every stored epoch.

    Attributes:
        image_index: (S,) index of the image in its split.
        class_index: (S,) the class whose feature was taken; the image has it.
        split: (S,) ``train`` or ``test``.
        class_names, class_counts, buckets: of the C classes.
    """

    image_index: NDArray[np.int64]
    class_index: NDArray[np.int64]
    split: tuple[str, ...]
    class_names: tuple[str, ...]
    class_counts: tuple[int, ...]
    buckets: tuple[str, ...]

    def of_split(self, split: str) -> NDArray[np.int64]:
        """Return the samples of one split, rising."""
        return np.flatnonzero(np.array(self.split) == split)

    def name(self, sample: int) -> str:
        """Return the class name of a sample."""
        return self.class_names[int(self.class_index[sample])]


@dataclass(frozen=True)
class Layout:
    """Two coordinates of every sample at every epoch, and how they came about.

    Attributes:
        method: ``pca`` or ``umap``.
        space: of the features.
        coordinates: (E, S, 2) float32.
        epochs: (E,) from 0.
        words: method and parameters in one line, for the chart.
        explained: share of the variance of the last epoch along each axis; None for UMAP.
    """

    method: str
    space: str
    coordinates: NDArray[np.float32]
    epochs: tuple[int, ...]
    words: str
    explained: tuple[float, float] | None = None

    def at(self, epoch: int) -> NDArray[np.float32]:
        """Return the (S, 2) coordinates of the epoch nearest to ``epoch``, the later of two equal ones."""
        nearest = min(self.epochs, key=lambda other: (abs(other - epoch), -other))
        return self.coordinates[self.epochs.index(nearest)]


MOST_LOOKED_AT = 400
"""Points of a class among which its densest place is looked for."""


def densest_place(points: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the point that lies in the thick of points (n, 2), and two fifths of the others, nearest first.

    It is the one that has these nearest, the first of equal ones: the mean of two clusters lies between them,
    where there may be points of others. Of many points an even part is looked at, for all pairs of them are
    measured in every frame of a film.

    Returns:
        (k,) rows, the point itself first; n has to be at least 1.

    Example:
        >>> densest_place(np.array([[0.0, 0], [5, 0], [5, 1], [5, 2], [0, 9]])).tolist()
        [2, 1, 3]
    """
    looked_at = np.linspace(0, len(points) - 1, min(len(points), MOST_LOOKED_AT)).astype(np.int64)
    points = points[looked_at]
    distances = ((points[:, None] - points[None]).astype(np.float64) ** 2).sum(axis=-1)
    # itself first, even where another one lies on it
    np.fill_diagonal(distances, -1.0)
    number = -(-2 * (len(points) - 1) // 5)
    order = np.argsort(distances, axis=1, kind="stable")[:, : number + 1]
    return looked_at[order[int(np.argmin(np.take_along_axis(distances, order[:, -1:], axis=1)))]]


def sample_table(run: Run) -> SampleTable | None:
    """Return the sampled pairs of a run, or None where it kept none.

    Raises:
        RunFormatError: the file of samples is damaged or names classes the run does not have.
    """
    samples = run.samples()
    names = ("samples/image_index", "samples/class_index", "samples/split")
    if samples is None or any(name not in samples for name in names):
        return None
    image_index, class_index, codes = (samples.get(name).astype(np.int64) for name in names)
    number = len(run.info.class_names)
    fits = len(image_index) == len(class_index) == len(codes)
    if not fits or ((class_index < 0) | (class_index >= number)).any() or ((codes < 0) | (codes > 1)).any():
        raise RunFormatError(f"samples.safetensors of run {run.run_id} does not fit its classes and splits")
    if len(codes) == 0:
        return None
    buckets = bucket_of(run)
    return SampleTable(
        image_index=image_index,
        class_index=class_index,
        split=tuple(SPLITS[code] for code in codes),
        class_names=tuple(run.info.class_names),
        class_counts=tuple(run.info.class_counts),
        buckets=tuple(buckets.get(index, "medium") for index in range(number)),
    )


def sample_spaces(run: Run) -> list[str]:
    """Return the spaces of the run whose samples some epoch stored, in the order of the run.

    Raises:
        RunFormatError: a file is damaged.
    """
    stored = [run.arrays(epoch) for epoch in run.array_epochs()]
    return [space.name for space in run.spaces if any(f"samples/{space.name}" in arrays for arrays in stored)]


def first_space(run: Run) -> str | None:
    """Return the space that is placed where none is asked for, None where the run stored no samples.

    It is the one nearest to the classifier: ``mu``, else the last class-wise space, else the first image-wise.

    Raises:
        RunFormatError: a file is damaged.
    """
    names = sample_spaces(run)
    if "mu" in names:
        return "mu"
    class_wise = [space.name for space in run.spaces if space.kind == "class" and space.name in names]
    return class_wise[-1] if class_wise else next(iter(names), None)


def sample_epochs(run: Run, space: str) -> list[int]:
    """Return the epochs that stored the samples' features of a space."""
    return run.array_epochs(f"samples/{space}")


def sample_features(run: Run, epoch: int, space: str) -> NDArray[np.float32]:
    """Return the samples' features (S, d) of one epoch.

    Raises:
        RunFormatError: the epoch stored none, or the file is damaged.
    """
    arrays = run.arrays(epoch)
    if f"samples/{space}" not in arrays:
        raise RunFormatError(f"epoch {epoch + 1} of run {run.run_id} stored no samples of {space}")
    features = arrays.get(f"samples/{space}").astype(np.float32)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise RunFormatError(f"samples of {space} in epoch {epoch + 1} of run {run.run_id} are not finite rows")
    return features


def pca_layout(run: Run, space: str) -> Layout | None:
    """Return the samples along the two directions of greatest variance of the last stored epoch.

    The same mean and directions serve every epoch, so that an axis means the same throughout.

    Args:
        run: of which.
        space: of the features.

    Returns:
        Coordinates in the unit of the features; None where the run stored no samples.

    Raises:
        RunFormatError: a file is damaged.
    """
    epochs = sample_epochs(run, space)
    table = sample_table(run)
    if not epochs or table is None:
        return None
    frames = [sample_features(run, epoch, space) for epoch in epochs]
    if any(len(frame) != len(table.split) for frame in frames):
        raise RunFormatError(f"the epochs of run {run.run_id} hold other numbers of samples than its table")
    mean, axes, explained = principal_axes(frames[-1])
    coordinates = np.stack([(frame - mean) @ axes.T for frame in frames]).astype(np.float32)
    return Layout(
        method="pca",
        space=space,
        coordinates=coordinates,
        epochs=tuple(epochs),
        words=f"PCA fitted on epoch {epochs[-1] + 1}; its two axes hold {100 * sum(explained):.0f} % "
        "of the variance there",
        explained=explained,
    )


def principal_axes(
    features: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    """Return mean (d,), the two unit directions (2, d) of greatest variance and their shares of variance.

    Each direction is turned so that its largest entry is positive. Missing directions (one sample, d = 1
    or no variance) are zero with share 0.
    """
    rows = features.astype(np.float64)
    mean = rows.mean(axis=0)
    _, values, directions = np.linalg.svd(rows - mean, full_matrices=False)
    axes = np.zeros((2, rows.shape[1]))
    shares = np.zeros(2)
    total = float((values**2).sum())
    # rounding alone leaves singular values of this size
    floor = np.finfo(np.float32).eps * np.abs(rows).max(initial=0.0) * np.sqrt(rows.size)
    for index in range(min(2, len(values))):
        if values[index] > floor:
            largest = np.argmax(np.abs(directions[index]))
            axes[index] = directions[index] * np.sign(directions[index][largest])
            shares[index] = values[index] ** 2 / total
    return mean, axes, (float(shares[0]), float(shares[1]))


def umap_layout(run: Run, space: str) -> Layout | None:
    """Return the stored UMAP of a space, or None where ``mlcnc layout`` has not made one.

    Raises:
        RunFormatError: the file is damaged, or was made for other samples than the run's.
    """
    stored = run.layout(layout_name("umap", space))
    table = sample_table(run)
    if stored is None or table is None:
        return None
    if stored.coordinates.shape[1] != len(table.split):
        raise RunFormatError(
            f"the UMAP of run {run.run_id} holds {stored.coordinates.shape[1]} points for {len(table.split)} "
            f"samples; make it anew: {layout_command(run, space)}"
        )
    neighbours = stored.parameters.get("n_neighbors", "?")
    return Layout(
        method="umap",
        space=space,
        coordinates=stored.coordinates,
        epochs=stored.epochs,
        words=f"UMAP aligned over {counted(len(stored.epochs), 'epoch')}, n_neighbors {neighbours}, "
        f"{stored.parameters.get('metric', '?')} distance, seed {stored.seed}",
    )


def layout_name(method: str, space: str) -> str:
    """Return the name of a stored layout."""
    return f"{method}-{space}"


def layout_command(run: Run, space: str) -> str:
    """Return the command that makes the UMAP of a run and space."""
    folder = run.folder.parent
    place = "" if folder.name == "runs" else f" --runs {folder}"
    return f"mlcnc layout {run.run_id} --space {space}{place}"
