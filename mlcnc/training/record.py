"""What a run says of itself before its first epoch and after its last one."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from mlcnc.config import ExperimentConfig
from mlcnc.data import MultiLabelDataset
from mlcnc.errors import counted, number_or_dash
from mlcnc.store import RunStore, RunWriter, Space
from mlcnc.training.device import device_name

SELECTION_METRIC = "validation/map_total"


def create_writer(
    config: ExperimentConfig,
    dataset: MultiLabelDataset,
    spaces: Sequence[Space],
    device: torch.device,
    runs_root: str | Path,
    run_id: str,
    commit: str | None,
) -> RunWriter:
    """Return the writer of a new run with everything that is known before the first epoch."""
    return RunWriter.create(
        runs_root,
        run_id,
        class_names=dataset.class_names,
        class_counts=dataset.class_counts.tolist(),
        groups=dataset.groups,
        config=config.model_dump(),
        method=config.method.kind,
        spaces=spaces,
        name=config.name or run_id,
        seed=config.training.seed,
        group_thresholds=dataset.group_thresholds,
        co_occurrence=dataset.co_occurrence,
        num_train=len(dataset.train),
        num_validation=0 if dataset.validation is None else len(dataset.validation),
        num_test=len(dataset.test),
        num_epochs=config.training.epochs,
        device=device_name(device),
        versions={"mlcnc": version("mlcnc"), "torch": str(torch.__version__)},
        git_commit=commit,
    )


def git_commit() -> str | None:
    """Return the commit of the checkout this code lies in, or None."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def closing_sentence(store: RunStore, run_id: str) -> str:
    """Return in one sentence the test mAP of the epoch chosen on validation, else of the last one."""
    run = store.open(run_id)
    best = run.best_epoch(SELECTION_METRIC)
    lines = {int(line["epoch"]): line for line in run.metrics()}
    tested = [epoch for epoch, line in lines.items() if "test/map_total" in line]
    if best is None and not tested:
        return f"run {run_id}: {counted(len(lines), 'epoch')} logged, none measured"
    epoch = tested[-1] if best is None else best
    parts = " / ".join(
        f"{group} {number_or_dash(lines[epoch][f'test/map_{group}'])}"
        for group in ("total", "head", "medium", "tail")
    )
    if best is None:
        return f"run {run_id}: last measured epoch {epoch + 1} of {len(lines)}, no validation, test mAP {parts}"
    measured = sum(SELECTION_METRIC in line for line in lines.values())
    return (
        f"run {run_id}: best epoch on validation {best + 1} of {len(lines)} ({measured} measured), "
        f"test mAP {parts}"
    )
