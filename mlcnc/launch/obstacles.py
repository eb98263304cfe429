"""What would make a job fail at once, said before it is queued, and how a run is resumed."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlcnc.config import DataConfig, ExperimentConfig, ModelConfig, parse
from mlcnc.data import DatasetFacts, dataset_facts, samplers
from mlcnc.errors import (
    ConfigError,
    DataError,
    LaunchError,
    StoreError,
    UnknownDatasetError,
    nearest,
)
from mlcnc.glove import read_glove
from mlcnc.launch.devices import chosen_device
from mlcnc.launch.job import Job
from mlcnc.launch.locks import device_lock
from mlcnc.launch.request import WRITES_RUN, JobRequest, request_of
from mlcnc.named_paths import named_path, path_in_variable
from mlcnc.store import Run, require_free_space, require_runs_folder

_CHECKPOINTS = ("checkpoints/last.pt", "checkpoints/previous.pt")


def obstacles(config: ExperimentConfig, runs_root: str | Path, device: str = "auto") -> tuple[str, ...]:
    """Return one sentence for every reason for which a run of these settings would fail at once.

    Args:
        config: of the run.
        runs_root: where its folder will be.
        device: ``auto``, ``cpu``, ``mps`` or ``cuda:N``; with auto the config's own device counts.

    Returns:
        Empty where nothing is known to be wrong. Whether the memory suffices is not known before.
    """
    found = [
        *_of_folder(runs_root),
        *_of_device(config, device),
        *_of_sampler(config.data),
        *_of_backbone(config.model),
    ]
    try:
        facts = dataset_facts(config.data.dataset)
    except UnknownDatasetError as error:
        return (*found, str(error))
    found += _of_photographs(config.data, facts)
    return (*found, *_of_settings(config, facts), *_of_embedding(config, facts))


def check_run(kind: str, run: Run) -> None:
    """Raise LaunchError or ConfigError where a job of this kind cannot work on the run."""
    state, name = run.status.state, run.run_id
    if state == "running" and kind in ("resume", "evaluate"):
        later = "stop it before it is resumed"
        if kind == "evaluate":
            later = "evaluate it when it has ended, or stop it first"
        raise LaunchError(f"run {name} is still being written; {later}")
    if kind == "resume" and state == "finished":
        raise LaunchError(f"run {name} is complete: there is nothing to go on with")
    if kind == "resume" and not parse(run.info.config).training.checkpoint:
        raise ConfigError(f"run {name} was trained with training.checkpoint off, so that it cannot be resumed")
    if kind == "evaluate" and not any((run.folder / part).is_file() for part in _CHECKPOINTS):
        raise LaunchError(
            f"run {name} has no checkpoint that could be evaluated: recorded runs carry none, and "
            "training.checkpoint off writes none; train it anew"
        )


def with_device_of_run(request: JobRequest, run: Run) -> tuple[JobRequest, str]:
    """Return the request on the device that its run names, where the request leaves it open.

    A device that is not on this machine stays open; the second value says so, else it is empty.
    """
    if request.kind == "layout" or request.device != "auto":
        return request, ""
    named = parse(run.info.config).training.device
    device = "cuda:0" if named == "cuda" else named
    if not _is_here(device):
        return request, f"on any device, as {device}, which the run names, is not on this machine"
    return request.model_copy(update={"device": device}), ""


def resumed_request(
    run_id: str, runs_root: Path, jobs: Sequence[Job], given: Mapping[str, Any]
) -> tuple[JobRequest, str, bool]:
    """Return how a run is resumed, the sentence on what is not as before, and whether its device is gone.

    Args:
        run_id: the run.
        runs_root: its runs folder.
        jobs: all jobs, newest first.
        given: device, max_minutes and max_megabytes; None takes that of the run's last job.

    Raises:
        LaunchError: a value is not usable, or the run is already larger than ``max_megabytes``.
    """
    size, asked = folder_bytes(runs_root / run_id), dict(given)
    if (most := asked["max_megabytes"]) is not None and size > most * 1e6:
        raise LaunchError(
            f"max_megabytes must be above the {size / 1e6:.1f} MB that run {run_id} has already, got {most:g}"
        )
    notes, is_gone = [], False
    last = next((job for job in jobs if job.run_id == run_id and job.request.kind in WRITES_RUN), None)
    if last is not None:
        before = last.request
        if asked["device"] is None:
            device = before.wanted_device()
            if is_gone := not _is_here(device):
                notes.append(f"resumed on any device, as {device} is not on this machine")
            asked["device"] = "auto" if is_gone else device
        asked["max_minutes"] = before.max_minutes if asked["max_minutes"] is None else asked["max_minutes"]
        if most is None and (limit := before.max_megabytes) is not None:
            # measured as when the job was stopped by it, with what it printed
            if size + folder_bytes(last.log) <= limit * 1e6:
                asked["max_megabytes"] = limit
            else:
                notes.append(f"resumed without its limit of {limit:g} MB, which run {run_id} has reached")
    asked |= {"device": asked["device"] or "auto", "after": None if last is None else last.request.after}
    return request_of({"kind": "resume", "run_id": run_id, **asked}), "; ".join(notes), is_gone


def folder_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder; 0 where there is none."""
    total = 0
    for place in [path, *path.rglob("*")]:
        try:
            total += 0 if place.is_dir() and not place.is_symlink() else place.lstat().st_size
        except OSError:
            continue
    return total


def _is_here(device: str) -> bool:
    try:
        return bool(chosen_device(device))
    except LaunchError:
        return False


def _of_folder(runs_root: str | Path) -> list[str]:
    try:
        require_runs_folder(runs_root)
        require_free_space(runs_root)
    except StoreError as error:
        return [str(error)]
    return []


def _of_device(config: ExperimentConfig, device: str) -> list[str]:
    named = config.training.device if device == "auto" else device
    try:
        device_lock(chosen_device("cuda:0" if named == "cuda" else named).lane)
    except LaunchError as error:
        return [str(error)]
    return []


def _of_sampler(data: DataConfig) -> list[str]:
    known = samplers.SAMPLERS
    if data.sampler is None or data.sampler in known:
        return []
    hint = nearest(data.sampler, known)
    return [f"data.sampler must be none or one of {', '.join(known)}, got {data.sampler!r}{hint}"]


def _of_photographs(data: DataConfig, facts: DatasetFacts) -> list[str]:
    if facts.root is None:
        return []
    try:
        facts.root(None if data.root is None else named_path(data.root))
    except DataError as error:
        return [str(error)]
    except (OSError, ValueError):
        return [f"data.root must be a folder that can be read, got {data.root!r}"]
    return []


def _of_settings(config: ExperimentConfig, facts: DatasetFacts) -> list[str]:
    found = []
    size = config.data.image_size
    if size is not None and facts.image_sizes and size not in facts.image_sizes:
        sizes = ", ".join(str(size) for size in facts.image_sizes)
        found.append(f"data.image_size of {config.data.dataset} must be one of {sizes}, got {size}")
    drawn = config.data.num_samples or facts.num_train
    if 0 < drawn < config.training.batch_size:
        found.append(
            f"training.batch_size {config.training.batch_size} is larger than the {drawn} images of an epoch; "
            f"choose at most {drawn}"
        )
    if (problem := config.problem_with_batches(drawn)) is not None:
        found.append(problem)
    return found


def _of_backbone(model: ModelConfig) -> list[str]:
    """Return what is known to be wrong with the backbone without torch."""
    found, name, several = [], model.backbone, model.backbone.startswith(("timm/", "efficientnet_"))
    if name == "small" and (model.weights != "none" or model.weights_file is not None):
        setting = "weights" if model.weights_file is None else "weights_file"
        found.append(f"model.{setting}: the small backbone has no pre-trained weights; use none")
    elif (place := model.weights_file) is not None and "://" not in place:
        path = named_path(place)
        if not os.path.isfile(path):
            found.append(
                f"the weights file {path} is not there; name a file or an address in model.weights_file"
            )
    if several and importlib.util.find_spec("timm") is None:
        found.append(
            f"model.backbone {name} needs the package timm, which is not installed: pip install mlcnc[photos]"
        )
    if model.stage is not None and not several:
        found.append(f"model.stage must be none for {name}, which has one map, got {model.stage}")
    if model.trained_blocks and model.frozen != "all":
        found.append(
            f"model.trained_blocks must be 0 where model.frozen is {model.frozen}, got {model.trained_blocks}"
        )
    return found


def _of_embedding(config: ExperimentConfig, facts: DatasetFacts) -> list[str]:
    """Return what is wrong with the label vectors of a method that has some."""
    settings, num_classes = config.method.model_dump(), len(facts.class_names)
    kind, dim = settings.get("label_embedding"), settings.get("embedding_dim")
    if (problem := config.method.problem_with_classes(num_classes)) is not None:
        return [f"method.{problem}"]
    if not config.method.needs_glove:
        return []
    given = settings.get("glove_path")
    named = named_path(given) if given else path_in_variable("MLCNC_GLOVE")
    if named is None:
        reason = f"method.kind is {config.method.kind}" if kind is None else f"method.label_embedding is {kind}"
        return [
            f"{reason} but no file of vectors is named; set method.glove_path or the MLCNC_GLOVE variable, or "
            "download one with: mlcnc glove --out FOLDER"
        ]
    if not facts.class_names:
        return []  # of a data set whose classes are known when it is read
    path = str(named)
    try:
        found = os.stat(path)
        width = _checked_width(
            path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns), facts.class_names
        )
    except OSError as error:
        return [f"the GloVe file {path} cannot be read: {error.strerror}"]
    except DataError as error:
        return [str(error)]
    if dim is not None and width != dim:
        return [
            f"method.embedding_dim must be {width}, the dimension of {path}, got {dim}; "
            "method.num_heads must divide it"
        ]
    return []


@functools.lru_cache(maxsize=32)
def _checked_width(path: str, identity: tuple[int, ...], class_names: tuple[str, ...]) -> int:
    return int(read_glove(path, class_names).shape[1])
