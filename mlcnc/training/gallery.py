"""The recorded runs that come with the project, and the one command that makes them again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlcnc.config import ExperimentConfig, override
from mlcnc.errors import ConfigError
from mlcnc.presets import ALIGNED, bench_config, digits_lt, erm, pictogram_lt
from mlcnc.store import RunStore
from mlcnc.training.trainer import train

WIDTH = {"embedding_dim": 300, "num_heads": 10}
"""Of every pictogram-lt run: GloVe's dimension, so that the three embeddings differ in kind only."""

FULL = {"arrays_every": 8, "measure_every": 1, "num_sample_pairs": 400, "num_probes": 36}
SLIM = {"arrays_every": 0, "measure_every": 1}


FILM = {
    "arrays_every": 20, "class_arrays": True, "measure_every": 1, "measure_untrained": True,
    "num_sample_pairs": 400, "num_probes": 36,
}  # fmt: skip
"""Of a run on photographs: class means at every epoch, and everything else at three."""


def gallery() -> Iterator[tuple[str, ExperimentConfig]]:
    """Yield id and config of every recorded run; seed 0 with arrays, other seeds without."""
    for kind in ("etf", "trainable", "glove"):
        for seed in (0, 1, 2):
            yield f"pictogram-{kind}-s{seed}", _config(pictogram_lt(), seed, {"label_embedding": kind, **WIDTH})
    block = {**WIDTH, "classifier": "block_aligned"}
    yield "pictogram-etf-block-s0", _config(pictogram_lt(), 0, block)
    for kind in ("etf", "trainable"):
        yield f"digits-{kind}-s0", _config(digits_lt(), 0, {"label_embedding": kind})
    for seed in (0, 1, 2):
        yield f"pictogram-erm-s{seed}", _config(erm(), seed, {})
    for name, changes in (("", {}), ("aligned-", ALIGNED)):
        bench = override(bench_config("voc07-lt", "mlc_nc"), changes)
        yield f"voc07-etf-{name}s0", override(bench, {"training": {"checkpoint": False, **FILM}})


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
        glove_path: word vectors of the VOC names, 300 numbers each; they are not stored in a run.
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


def _config(base: ExperimentConfig, seed: int, method: dict[str, Any]) -> ExperimentConfig:
    training = {"seed": seed, "checkpoint": False, **(FULL if seed == 0 else SLIM)}
    return override(base, {"method": method, "training": training})
