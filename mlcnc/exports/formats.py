"""One function a format; each writes one run into a folder that it makes, and touches no other file."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from mlcnc.errors import ConfigError
from mlcnc.exports.logged_run import LoggedRun, logged_run
from mlcnc.exports.spreadsheet import csv_bytes
from mlcnc.store import Run


def export_run(run: Run, to: str, folder: Path) -> Path:
    """Write what a run logged for another tool; nothing is sent anywhere.

    Args:
        run: with at least one logged epoch.
        to: one of ``FORMATS``.
        folder: below which a folder of the run's id is made; it is made too where it is missing.

    Returns:
        The folder that was written.

    Raises:
        ConfigError: the run logged nothing, its folder is there already, a package is missing, or the
            folder cannot be written.
        StoreError: the run cannot be read.
    """
    package, write, _ = FORMATS[to]
    if package and find_spec(package) is None:
        raise ConfigError(f"--to {to} needs the package {package}; get it with: pip install mlcnc[{to}]")
    logged = logged_run(run)
    if not logged.scalars:
        raise ConfigError(f"run {run.run_id} logged no epoch yet, so there is nothing to export")
    place = folder / run.run_id
    try:
        place.mkdir(parents=True)
        write(logged, place.absolute())
    except FileExistsError:
        raise ConfigError(f"{place} is there already; name another folder, or delete it first") from None
    except OSError as error:
        raise ConfigError(f"{place} cannot be written: {error.strerror or error}") from None
    return place


def _json(run: LoggedRun, folder: Path) -> None:
    tree = {
        "run_id": run.run_id,
        "name": run.name,
        "created_at": run.created_at,
        "state": run.state,
        "tags": run.tags,
        "settings": run.settings,
        "epochs": [{"epoch": epoch, **values} for epoch, values in run.scalars.items()],
    }
    (folder / "run.json").write_text(json.dumps(tree, indent=1, ensure_ascii=False), encoding="utf-8")


def _csv(run: LoggedRun, folder: Path) -> None:
    names = run.metric_names
    metrics = [[epoch, *(values.get(name) for name in names)] for epoch, values in run.scalars.items()]
    (folder / "metrics.csv").write_bytes(csv_bytes([["epoch", *names], *metrics]))
    settings = [[name, _text(value)] for name, value in run.settings.items()]
    (folder / "settings.csv").write_bytes(csv_bytes([["setting", "value"], *settings]))


def _tensorboard(run: LoggedRun, folder: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    try:
        for epoch, values in run.scalars.items():
            summary = Summary(value=[Summary.Value(tag=name, simple_value=v) for name, v in values.items()])
            writer.add_event(Event(wall_time=run.written_at(epoch), step=epoch, summary=summary))
    finally:
        writer.close()


def _wandb(run: LoggedRun, folder: Path) -> None:
    import wandb

    settings = wandb.Settings(
        mode="offline",
        console="off",
        silent=True,
        disable_git=True,
        save_code=False,
        x_disable_stats=True,
        x_disable_meta=True,
    )
    written = wandb.init(
        project="mlcnc",
        dir=str(folder),
        id=re.sub(r"[^A-Za-z0-9_-]", "-", run.run_id)[:60] + f"-{uuid.uuid4().hex[:6]}",
        name=run.name,
        tags=[tag[:64] for tag in run.tags],
        config=run.settings,
        settings=settings,
    )
    try:
        for epoch, values in run.scalars.items():
            written.log({"epoch": epoch, **values}, step=epoch)
    finally:
        written.finish()
        wandb.teardown()  # only then its own process has written the end of the file


def _mlflow(run: LoggedRun, folder: Path) -> None:
    # its file store is kept for reading; a run folder needs no database
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "mlruns").as_uri())
    experiment = client.create_experiment("mlcnc")
    start = round(1000 * run.written_at(-1))
    written = client.create_run(experiment, start_time=start, run_name=run.name)
    params = [Param(name, _text(value)[:6000]) for name, value in run.settings.items()]
    tags = [RunTag("run_id", run.run_id), RunTag("tags", ", ".join(run.tags))]
    for first in range(0, len(params), 100):
        client.log_batch(written.info.run_id, params=params[first : first + 100])
    client.log_batch(written.info.run_id, tags=tags)
    end = start
    for epoch, values in run.scalars.items():
        end = round(1000 * run.written_at(epoch))
        metrics = [Metric(name, value, end, epoch) for name, value in values.items()]
        for first in range(0, len(metrics), 1000):
            client.log_batch(written.info.run_id, metrics=metrics[first : first + 1000])
    client.set_terminated(written.info.run_id, _MLFLOW_STATES.get(run.state, "FAILED"), end)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_MLFLOW_STATES = {"finished": "FINISHED", "running": "RUNNING", "stopped": "KILLED"}

FORMATS: dict[str, tuple[str, Callable[[LoggedRun, Path], None], str]] = {
    "json": ("", _json, "run.json"),
    "csv": ("", _csv, "metrics.csv and settings.csv, for Excel too"),
    "tensorboard": ("tensorboard", _tensorboard, "look at it with: tensorboard --logdir {folder}"),
    "wandb": ("wandb", _wandb, "send it with: wandb sync {folder}/wandb/offline-run-*"),
    "mlflow": ("mlflow", _mlflow, "look at it with: mlflow ui --backend-store-uri {folder}/mlruns"),
}
"""By name: the package it needs, what writes it, and what to do with the folder."""
