"""What can be known of a training run before it is queued: disk, memory, and what keeps it from starting."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from mlcnc.config import ExperimentConfig
from mlcnc.data import DatasetFacts, dataset_facts
from mlcnc.errors import DataError, MlcncError, UnknownDatasetError
from mlcnc.glove import read_glove
from mlcnc.launch.devices import Device, DevicesUnknownError, chosen_device, devices
from mlcnc.launch.memory_size import device_bytes, host_bytes
from mlcnc.launch.network_size import network_size
from mlcnc.launch.run_size import run_bytes
from mlcnc.store import free_bytes

SPARE_BYTES = 50 * 2**20
"""Left free on the disk: what the trainer asks for before it starts."""


@dataclass(frozen=True)
class Estimate:
    """What a run needs and what speaks against it.

    Attributes:
        disk_bytes: of the finished run folder.
        memory_bytes: at the peak, on the device it computes on; None where the device or data set is unknown.
        free_disk_bytes: of the disk that holds the runs folder.
        problems: one sentence each for what would make the run fail.
        notes: one sentence each worth knowing.
    """

    disk_bytes: int
    memory_bytes: int | None
    free_disk_bytes: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def estimate(config: ExperimentConfig, runs_root: str | Path, device: str = "auto") -> Estimate:
    """Return what a run of these settings needs, and every reason for which it would fail at once.

    Args:
        config: of the run.
        runs_root: where its folder will be.
        device: ``auto``, ``cpu``, ``mps`` or ``cuda:N``; with auto the config's own device counts.

    Returns:
        Disk within 30 % and memory within a factor of 1.5 of what runs of the built-in data take on a CPU; for
        a GPU it is the same formula, not compared with one. Disk is 0 and memory None where the data set is
        unknown, memory also where the device is.
    """
    problems: list[str] = []
    notes: list[str] = []
    free = _free_disk(runs_root, problems)
    found = _device(config, device, problems)
    try:
        facts = dataset_facts(config.data.dataset)
    except UnknownDatasetError as error:
        return Estimate(0, None, free, (*problems, str(error)), tuple(notes))
    problems += _setting_problems(config, facts)
    problems += _glove_problems(config, facts)
    network = network_size(config.model, len(facts.class_names), config.data.image_size)
    disk = run_bytes(config, facts, network)
    if disk + SPARE_BYTES > free:
        problems.append(
            f"the run takes about {_mib(disk)} and keeps {_mib(SPARE_BYTES)} free; the disk of {runs_root} "
            f"has {_mib(free)}; store arrays less often (training.arrays_every) or choose another runs folder"
        )
    memory = None
    if found is not None:
        on_gpu = found.name.startswith("cuda")
        memory = device_bytes(config, network) if on_gpu else host_bytes(config, facts, network)
        _judge_memory(memory, found, problems, notes)
    return Estimate(disk, memory, free, tuple(problems), tuple(notes))


def _free_disk(runs_root: str | Path, problems: list[str]) -> int:
    existing = Path(runs_root).absolute()
    # unlike Path.exists it tells of a closed folder as of a missing one
    while not os.path.exists(existing) and existing != existing.parent:
        existing = existing.parent
    if not os.path.isdir(existing) or not os.access(existing, os.W_OK | os.X_OK):
        problems.append(f"the runs folder {runs_root} cannot be written: {existing} is not a writable folder")
    return free_bytes(runs_root)


def _device(config: ExperimentConfig, device: str, problems: list[str]) -> Device | None:
    named = config.training.device if device == "auto" else device
    named = "cuda:0" if named == "cuda" else named
    try:
        name, _ = chosen_device(named)
        return next((one for one in devices() if one.name == name), None)
    except DevicesUnknownError:
        return None  # the job waits until they are known
    except MlcncError as error:
        problems.append(str(error))
        return None


def _setting_problems(config: ExperimentConfig, facts: DatasetFacts) -> list[str]:
    problems = []
    model, num_classes = config.model, len(facts.class_names)
    if config.data.image_size not in facts.image_sizes:
        sizes = ", ".join(str(size) for size in facts.image_sizes)
        problems.append(
            f"data.image_size of {config.data.dataset} must be one of {sizes}, got {config.data.image_size}"
        )
    drawn = config.data.num_samples or facts.num_train
    if config.training.batch_size > drawn:
        problems.append(
            f"training.batch_size {config.training.batch_size} is larger than the {drawn} images of an epoch; "
            f"choose at most {drawn}"
        )
    if model.label_embedding == "etf" and model.embedding_dim < num_classes - 1:
        problems.append(
            f"model.embedding_dim must be at least {num_classes - 1} for an ETF of {num_classes} classes, "
            f"got {model.embedding_dim}"
        )
    if model.backbone == "small" and model.weights != "none":
        problems.append("model.weights: the small backbone has no pre-trained weights; use none")
    return problems


def _glove_problems(config: ExperimentConfig, facts: DatasetFacts) -> list[str]:
    model = config.model
    if model.label_embedding != "glove":
        return []
    path = model.glove_path or os.environ.get("MLCNC_GLOVE")
    if not path:
        return [
            "model.label_embedding is glove but no file of vectors is named; set model.glove_path or the "
            "MLCNC_GLOVE variable, or download one with: mlcnc glove --out FOLDER"
        ]
    try:
        path = str(Path(path).expanduser())
        found = os.stat(path)
        dim = _checked_dim(
            path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns), facts.class_names
        )
    except OSError as error:
        return [f"the GloVe file {path} cannot be read: {error.strerror}"]
    except ValueError:
        return [f"the GloVe file {path!r} cannot be read: this is no path"]
    except DataError as error:
        return [str(error)]
    if dim != model.embedding_dim:
        return [
            f"model.embedding_dim must be {dim}, the dimension of {path}, got {model.embedding_dim}; "
            "model.num_heads must divide it"
        ]
    return []


@functools.lru_cache(maxsize=32)
def _checked_dim(path: str, identity: tuple[int, ...], class_names: tuple[str, ...]) -> int:
    return int(read_glove(path, class_names).shape[1])


def _judge_memory(needed: int, device: Device, problems: list[str], notes: list[str]) -> None:
    if device.total_bytes is not None and needed > device.total_bytes:
        problems.append(
            f"the run takes about {_mib(needed)} of memory, and {device.name} ({device.label}) has "
            f"{_mib(device.total_bytes)}; lower training.batch_size, data.image_size or model.embedding_dim"
        )
    elif device.free_bytes is not None and needed > device.free_bytes:
        notes.append(
            f"It takes about {_mib(needed)} of memory, and {_mib(device.free_bytes)} are free on "
            f"{device.name} now."
        )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
