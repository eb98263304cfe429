"""The UMAP of a run's samples, aligned over its stored epochs; UMAP itself is loaded where it computes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.samples.layouts import first_space, sample_epochs, sample_features, sample_table
from mlcnc.errors import ConfigError, RunFormatError, counted
from mlcnc.store import Run, StoredLayout

METRIC = "cosine"
MIN_DIST = 0.1
REGULARISATION = 0.01
WINDOW = 3


def aligned_frames(
    run: Run, space: str | None, *, neighbours: int, seed: int
) -> tuple[str, list[int], list[NDArray[np.float32]]]:
    """Return space, epochs and features that an aligned layout is computed from, everything checked.

    Args:
        run: of which.
        space: of the features; None takes that of :func:`first_space`.
        neighbours, seed: of the layout.

    Raises:
        ConfigError: a parameter is out of range for the run, or the run stored too few samples.
        RunFormatError: a file is damaged.
    """
    known = [item.name for item in run.spaces]
    if space is not None and space not in known:
        raise ConfigError(
            f"--space must be one of {', '.join(known) or 'none'}, the spaces of {run.run_id}, got {space!r}"
        )
    space = space or first_space(run) or "features"
    if not 0 <= seed < 2**32:
        raise ConfigError(f"--seed must be from 0 to 4294967295, got {seed}")
    epochs = sample_epochs(run, space)
    table = sample_table(run)
    if not epochs or table is None:
        raise ConfigError(
            f"run {run.run_id} stored no samples of {space}; train with --training.arrays_every 5 and "
            "--training.num_sample_pairs 400 to keep some"
        )
    number = len(table.split)
    if number < 4:
        raise ConfigError(f"run {run.run_id} has {counted(number, 'sample')}; a layout needs at least 4")
    if not 2 <= neighbours < number:
        raise ConfigError(
            f"--neighbours must be from 2 to {number - 1}, below the {number} samples of run {run.run_id}, "
            f"got {neighbours}"
        )
    frames = [sample_features(run, epoch, space) for epoch in epochs]
    if any(len(frame) != number for frame in frames):
        raise RunFormatError(f"the epochs of run {run.run_id} hold other numbers of samples than its table")
    return space, epochs, frames


def aligned_umap(
    frames: Sequence[NDArray[np.float32]], epochs: Sequence[int], *, space: str, neighbours: int, seed: int
) -> StoredLayout:
    """Return one layout an epoch, aligned so that points do not jump.

    ``AlignedUMAP`` optimises all epochs together and pulls the same sample of neighbouring epochs together.
    The alternative, fitting the last epoch and starting each earlier one from the next, was measured on a
    recorded run (400 samples, 6 epochs, mu): there the median point moved 0.58 of the picture's radius an
    epoch, here 0.06, at the same trustworthiness over 10 neighbours (0.992 and 0.989; in f 0.84, 0.27,
    0.961, 0.955). It takes about 10 s instead of 3 s a run. A stronger regularisation than the library's
    0.01 gains little stillness (0.03 at 0.1) and loses trustworthiness, above all in f (0.941).

    Args:
        frames: E arrays (S, d), the same samples in the same order.
        epochs: E numbers of them, from 0.
        space: of the features.
        neighbours: ``n_neighbors``.
        seed: fixes the result on one machine and one set of versions.

    Returns:
        Coordinates (E, S, 2), centred on the last epoch, with what they were computed by.
    """
    with warnings.catch_warnings():
        # numba's and UMAP's remarks on threads and sparse graphs are not for the user of a command
        warnings.simplefilter("ignore")
        import numba
        import umap

        settings = {
            "n_neighbors": neighbours,
            "min_dist": MIN_DIST,
            "metric": METRIC,
            "random_state": seed,
        }
        if len(frames) == 1:
            placed = [umap.UMAP(n_jobs=1, **settings).fit_transform(frames[0])]
        else:
            same = {index: index for index in range(len(frames[0]))}
            aligned = umap.AlignedUMAP(
                alignment_regularisation=REGULARISATION, alignment_window_size=WINDOW, **settings
            )
            placed = aligned.fit(list(frames), relations=[same] * (len(frames) - 1)).embeddings_
    coordinates = np.stack([np.asarray(frame, dtype=np.float32) for frame in placed])
    coordinates -= coordinates[-1].mean(axis=0)
    return StoredLayout(
        coordinates=coordinates,
        epochs=tuple(epochs),
        method="umap",
        space=space,
        seed=seed,
        parameters={
            "n_neighbors": neighbours,
            "min_dist": MIN_DIST,
            "metric": METRIC,
            "alignment_regularisation": REGULARISATION,
            "alignment_window_size": WINDOW,
        },
        versions={"umap-learn": str(umap.__version__), "numba": str(numba.__version__)},
    )


def median_step(coordinates: NDArray[np.float32]) -> float:
    """Return how far the median point moves from one epoch to the next, in units of the picture's radius.

    Args:
        coordinates: (E, S, 2).

    Returns:
        The mean over steps; the radius is the root mean square distance from the centre of the last epoch.
        NaN for a single epoch or where all points coincide.
    """
    points = coordinates.astype(np.float64)
    radius = float(np.sqrt(((points[-1] - points[-1].mean(axis=0)) ** 2).sum(axis=1).mean()))
    if len(points) < 2 or radius == 0:
        return float("nan")
    return float(np.mean(np.median(np.linalg.norm(np.diff(points, axis=0), axis=2), axis=1))) / radius
