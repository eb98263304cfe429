"""``mlcnc layout``: places the sampled features of a run in two dimensions, once, for the feature map."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc import stopping
from mlcnc.cli_runs import add_runs_folder
from mlcnc.errors import ConfigError
from mlcnc.store import Run, RunStore

METRIC = "cosine"
MIN_DIST = 0.1
REGULARISATION = 0.01
WINDOW = 3


def add_layout(commands: Any) -> None:
    """Add ``mlcnc layout``."""
    parser = commands.add_parser(
        "layout",
        help="compute the UMAP that the feature map shows",
        description="Place the sampled features of a run in two dimensions, aligned over its stored epochs, "
        "and keep the coordinates in the run folder. PCA needs no command: the dashboard computes it.",
        allow_abbrev=False,
    )
    parser.add_argument("run_ids", nargs="+", metavar="RUN", help="ids of runs with stored samples")
    parser.add_argument(
        "--space",
        help="features to place, a space of the run that stored samples "
        "[mu, else its last class-wise space, else its first with one feature an image]",
    )
    parser.add_argument("--method", default="umap", help="umap, the only one that is stored [umap]")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same layout [0]")
    parser.add_argument(
        "--neighbours", type=int, default=15, help="n_neighbors of UMAP: small keeps detail, large shape [15]"
    )
    add_runs_folder(parser)
    parser.set_defaults(command=_layout)


def _layout(options: argparse.Namespace) -> int:
    stopping.listen()
    from mlcnc.analysis.layouts import aligned_frames, layout_name, median_step
    from mlcnc.store import StoredLayout, write_layout

    if options.method != "umap":
        raise ConfigError(
            f"--method must be umap, got {options.method!r}; PCA is computed by the dashboard itself"
        )
    store = RunStore(options.runs)
    # everything is checked before anything is computed
    runs: list[Run] = [store.open(run_id) for run_id in options.run_ids]
    settings = {"neighbours": options.neighbours, "seed": options.seed}
    inputs = [aligned_frames(run, options.space, **settings) for run in runs]
    _say("loading UMAP, which compiles itself for half a minute the first time")
    for number, (run, (space, epochs, frames)) in enumerate(zip(runs, inputs, strict=True), start=1):
        size = f"{len(epochs)} epochs of {frames[0].shape[0]} samples in {frames[0].shape[1]} dimensions"
        _say(f"{number}/{len(runs)} {run.run_id}: {size} ...")
        started = time.perf_counter()
        coordinates, versions = aligned_umap(frames, **settings)
        stopping.raise_if_asked()
        layout = StoredLayout(
            coordinates=coordinates,
            epochs=tuple(epochs),
            method="umap",
            space=space,
            seed=options.seed,
            parameters={
                "n_neighbors": options.neighbours,
                "min_dist": MIN_DIST,
                "metric": METRIC,
                "alignment_regularisation": REGULARISATION,
                "alignment_window_size": WINDOW,
            },
            versions=versions,
        )
        path = write_layout(options.runs, run.run_id, layout_name("umap", space), layout)
        step = median_step(coordinates)
        moved = "" if np.isnan(step) else f", the median point moves {step:.2f} of the radius a step"
        seconds = time.perf_counter() - started
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB in {seconds:.0f} s{moved}", flush=True)
    return 0


def aligned_umap(
    frames: Sequence[NDArray[np.float32]], *, neighbours: int, seed: int
) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Return one layout an epoch, aligned so that points do not jump, and the versions that computed it.

    ``AlignedUMAP`` optimises all epochs together and pulls the same sample of neighbouring epochs together.
    The alternative, fitting the last epoch and starting each earlier one from the next, was measured on a
    recorded run (400 samples, 6 epochs, mu): there the median point moved 0.58 of the picture's radius an
    epoch, here 0.06, at the same trustworthiness over 10 neighbours (0.992 and 0.989; in f 0.84, 0.27,
    0.961, 0.955). It takes about 10 s instead of 3 s a run. A stronger regularisation than the library's
    0.01 gains little stillness (0.03 at 0.1) and loses trustworthiness, above all in f (0.941).

    Args:
        frames: E arrays (S, d), the same samples in the same order.
        neighbours: ``n_neighbors``.
        seed: fixes the result on one machine and one set of versions.

    Returns:
        Coordinates (E, S, 2) float32, centred on the last epoch; versions by library.
    """
    with warnings.catch_warnings():
        # numba's and UMAP's remarks on threads and sparse graphs are not for the user of this command
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
    return coordinates, {"umap-learn": str(umap.__version__), "numba": str(numba.__version__)}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
