"""The recorded runs that come with the project, and the one command that makes them again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlcnc.config import ExperimentConfig, at_rate, override
from mlcnc.errors import ConfigError
from mlcnc.presets import ALIGNED, ALIGNED_SCENES, RACED, bench_config, digits_lt
from mlcnc.store import RunStore
from mlcnc.training.trainer import train

KINDS = ("etf", "trainable", "glove")

WIDTH = {"embedding_dim": 300, "num_heads": 10}
"""Of MLC-NC but on digits-lt: GloVe's dimension, so that the three embeddings differ in kind only."""

FILM = {
    "arrays_every": 40, "class_arrays": True, "measure_every": 1, "measure_untrained": True,
    "num_sample_pairs": 400, "num_probes": 36,
}  # fmt: skip
"""Of a first seed: class means at every epoch, and everything else at the first and last."""

SMALL = {"arrays_every": 0, "class_arrays": True, "measure_every": 10, "measure_untrained": True}
"""Of other seeds: class means at some epochs and of the untrained network, and no features."""

ENDS = {**SMALL, "measure_every": 40}
"""Of methods with wide pooled features, and of later seeds: the untrained network, first and last epoch."""

SCORED = {**ENDS, "arrays_every": 40, "num_sample_pairs": 60, "num_probes": 12}
"""The same of their first seed, with scores of the test images and a few features."""

_SECOND = {**FILM, "measure_every": 2}
_TENTH = {**SCORED, "measure_every": 10}

ON_PHOTOGRAPHS = {
    "etf": (_SECOND, SMALL, SMALL, SMALL, SMALL),
    "etf-aligned": (FILM, SMALL, SMALL, SMALL, SMALL),
    "trainable": (_SECOND, SMALL, SMALL, ENDS, ENDS),
    "trainable-aligned": (_SECOND, SMALL, SMALL, ENDS, ENDS),
    "glove": (_TENTH, ENDS, ENDS, ENDS, ENDS),
    "glove-aligned": (_TENTH, ENDS, ENDS, ENDS, ENDS),
}
"""What is measured on photographs of each seed, at the weight of the paper and where features align."""

BESIDE = ("erm", "db_focal", "asl", "mfm")
"""Methods on photographs beside MLC-NC, each at the rate, and the decay with it, of its race."""


def gallery() -> Iterator[tuple[str, ExperimentConfig]]:
    """Yield id and config of every recorded run; the first seed with arrays, others with class means alone."""
    yield from _scenes()
    sparse = {"measure_every": 4, "num_sample_pairs": 200, "num_probes": 12}
    yield "digits-etf-s0", _measured(digits_lt(), 0, {**FILM, **sparse})
    yield "balanced-etf-terminal-s0", _terminal_phase()
    yield from _photographs()


def _scenes() -> Iterator[tuple[str, ExperimentConfig]]:
    """Yield the runs on pictogram-lt, the set that has pictures, where features align with their embedding."""
    film = {**FILM, "arrays_every": 60, "measure_every": 4, "num_pictures": 2000}
    aligned = override(bench_config("pictogram-lt", "mlc_nc"), ALIGNED_SCENES)
    for kind in KINDS:
        for seed in range(3):
            config = override(aligned, {"method": {"label_embedding": kind, **WIDTH}})
            yield f"pictogram-{kind}-s{seed}", _measured(config, seed, SMALL if seed else film)
    longer = {"epochs": ALIGNED_SCENES["training"]["epochs"], "lr": RACED["pictogram-lt"]["erm"].rate}
    config = override(bench_config("pictogram-lt", "erm"), {"training": longer})
    for seed in range(3):
        yield f"pictogram-erm-s{seed}", _measured(config, seed, SMALL if seed else film)


def _terminal_phase() -> ExperimentConfig:
    """Return the run that is trained until it collapses: balanced scenes, a constant rate, 400 epochs."""
    changes = {
        "data": {"dataset": "pictogram-balanced"},
        "method": {"alignment_weight": 50.0, **WIDTH},
        "training": {"epochs": 400, "schedule": "step"},
    }
    film = {**FILM, "arrays_every": 200, "measure_every": 20, "num_pictures": 2000}
    return _measured(override(bench_config("pictogram-lt", "mlc_nc"), changes), 0, film)


def _photographs() -> Iterator[tuple[str, ExperimentConfig]]:
    """Yield the runs on voc07-lt; those of MLC-NC are what ``mlcnc reproduce`` trains, measured here."""
    for name, seeds in ON_PHOTOGRAPHS.items():
        kind, _, aligned = name.partition("-")
        config = override(bench_config("voc07-lt", "mlc_nc"), ALIGNED if aligned else {})
        config = override(config, {"method": {"label_embedding": kind, **WIDTH}})
        for seed, measured in enumerate(seeds):
            yield f"voc07-{name}-s{seed}", _measured(config, seed, measured)
    for method in BESIDE:
        config = at_rate(bench_config("voc07-lt", method), RACED["voc07-lt"][method].rate)
        config = override(config, {"training": {"precision": "float32"}})
        for seed in range(3):
            yield f"voc07-{method.replace('_', '-')}-s{seed}", _measured(config, seed, ENDS if seed else SCORED)


def _measured(config: ExperimentConfig, seed: int, measured: dict[str, Any]) -> ExperimentConfig:
    """Return the settings with what is measured, in 16 bits where the recipe names no precision."""
    asked = config.training.precision
    precision = "bfloat16" if asked == "auto" else asked
    training = {"seed": seed, "checkpoint": False, "precision": precision, **measured}
    return override(config, {"training": training})


def record_gallery(
    runs_root: str | Path,
    *,
    glove_path: str | None,
    only: str = "",
    dry_run: bool = False,
    say: Callable[[str], None] = print,
    show_progress: bool = True,
    epoch_lines: bool = False,
) -> None:
    """Train every recorded run that is missing or incomplete under ``runs_root``.

    Args:
        runs_root: where they go, usually ``runs``.
        glove_path: word vectors of the names of the classes, 300 numbers each; they are not stored in a run.
        only: record only ids that contain this.
        dry_run: print ids and stop.
        say, show_progress, epoch_lines: as for :func:`mlcnc.training.trainer.train`.

    Raises:
        ConfigError: GloVe runs are due and no file is named.
    """
    store = RunStore(runs_root)
    for run_id, config in gallery():
        if only not in run_id:
            continue
        if dry_run:
            say(run_id)
            continue
        if run_id in store.run_ids():
            run = store.open(run_id)
            if run.status.state == "finished":
                say(f"{run_id} is recorded already")
                continue
            store.delete(run_id)
        if getattr(config.method, "label_embedding", "") == "glove" and not glove_path:
            raise ConfigError("the gallery's GloVe runs need --glove PATH or the MLCNC_GLOVE variable")
        _train_with(config, glove_path, store.root, run_id, say, show_progress, epoch_lines)


def _train_with(
    config: ExperimentConfig,
    glove_path: str | None,
    root: Path,
    run_id: str,
    say: Callable[[str], None],
    show_progress: bool,
    epoch_lines: bool,
) -> None:
    # by variable, not by config: a recorded run must not carry a path of somebody's machine
    if glove_path:
        os.environ["MLCNC_GLOVE"] = glove_path
    train(
        config,
        runs_root=root,
        run_id=run_id,
        say=say,
        show_progress=show_progress,
        epoch_lines=epoch_lines,
    )
    shutil.rmtree(root / run_id / "checkpoints", ignore_errors=True)
