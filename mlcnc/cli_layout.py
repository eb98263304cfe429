"""``mlcnc layout``: places the sampled features of a run in two dimensions, once, for the feature map."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np

from mlcnc import stopping
from mlcnc.cli_runs import add_runs_folder
from mlcnc.errors import ConfigError, counted
from mlcnc.store import Run, RunStore
from mlcnc.written_numbers import whole


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
    parser.add_argument("--seed", type=whole, default=0, help="the same seed gives the same layout [0]")
    parser.add_argument(
        "--neighbours", type=whole, default=15, help="n_neighbors of UMAP: small keeps detail, large shape [15]"
    )
    add_runs_folder(parser)
    parser.set_defaults(command=_layout)


def _layout(options: argparse.Namespace) -> int:
    stopping.listen()
    from mlcnc.analysis.samples.aligned_umap import aligned_frames, aligned_umap, median_step
    from mlcnc.analysis.samples.layouts import layout_name
    from mlcnc.store import write_layout

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
        size = f"{frames[0].shape[0]} samples in {frames[0].shape[1]} dimensions"
        _say(f"{number}/{len(runs)} {run.run_id}: {counted(len(epochs), 'epoch')} of {size} ...")
        started = time.perf_counter()
        layout = aligned_umap(frames, epochs, space=space, **settings)
        stopping.raise_if_asked()
        path = write_layout(options.runs, run.run_id, layout_name("umap", space), layout)
        step = median_step(layout.coordinates)
        moved = "" if np.isnan(step) else f", the median point moves {step:.2f} of the radius a step"
        seconds = time.perf_counter() - started
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB in {seconds:.0f} s{moved}", flush=True)
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
