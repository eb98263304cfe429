"""The records a run folder holds, and how those of older versions are brought up to date."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeGuard, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlcnc.errors import RunFormatError, RunNotFoundError

SCHEMA_VERSION = 6
SPACE_NAME = re.compile(r"^[a-z][a-z0-9_]{0,31}$")
OF_SPACE = re.compile(r"(?:train|validation|test)\.([a-z][a-z0-9_]{0,31})/")
"""Metrics and arrays of a space: split, space and what is measured."""

RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
ARRAY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]*(/[A-Za-z0-9_][A-Za-z0-9_.]*)*")

MOST_COUNT = 2**53
"""Beyond it a float, and so JavaScript, cannot hold every integer."""

MOST_EPOCH = 999_999_999
"""The last one whose file of arrays is found by its name."""

Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]
Name = Annotated[str, Field(max_length=1000)]

State = Literal["queued", "running", "finished", "stopped", "failed", "lost"]
FINAL_STATES = frozenset({"finished", "stopped", "failed"})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


R = TypeVar("R", bound=_Record)


class GroupThresholds(_Record):
    """A class is head from ``head_min`` training images on and tail below ``tail_max``."""

    head_min: int = 100
    tail_max: int = 20


class Space(_Record):
    """A space of features that a run measures.

    Attributes:
        kind: ``class``: every image has one feature for every class; ``image``: one feature, which stands for
            all of its classes.
        dim: numbers of a feature, None where nobody said.
    """

    name: Annotated[str, Field(pattern=SPACE_NAME.pattern)]
    kind: Literal["class", "image"] = "class"
    dim: Count | None = None


class RunInfo(_Record):
    """What is known when a run is created (run.json)."""

    schema_version: int = SCHEMA_VERSION
    run_id: Name
    name: Name
    created_at: Name = Field(description="UTC, ISO 8601")
    config: dict[str, Any] = Field(default_factory=dict)
    method: Name | None = Field(None, description="kind of the method; None in a run of another loop")
    spaces: list[Space] | None = Field(None, max_length=32, description="None: those that the metrics name")
    seed: Count | None = None
    class_names: list[Name]
    class_counts: list[Count]
    groups: dict[Name, list[Count]]
    group_thresholds: GroupThresholds = GroupThresholds()
    co_occurrence: list[list[Count]] | None = None
    num_train: Count | None = None
    num_validation: Count | None = None
    num_test: Count | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    device: Name = "unknown"
    git_commit: Name | None = None


class RunFailure(_Record):
    """Why a run failed."""

    type: str
    message: str
    epoch: int | None = None
    batch: int | None = None


class RunStatus(_Record):
    """Where a run stands (status.json); times are UTC, ISO 8601."""

    schema_version: int = SCHEMA_VERSION
    state: State
    epoch: Count | None = Field(None, description="last logged epoch, from 0")
    num_epochs: Count | None = None
    batch: Count | None = Field(None, description="batches done of the epoch under way, as of the heartbeat")
    num_batches: Count | None = Field(None, description="batches of the epoch under way")
    started_at: str | None = None
    finished_at: str | None = None
    heartbeat_at: str | None = None
    pid: int | None = Field(None, ge=1, le=2**31 - 1)
    process_start_time: float | None = Field(
        None, description="tells a reused pid apart; on Linux it moves with the clock, see process_start_ticks"
    )
    process_start_ticks: int | None = Field(None, description="since the machine started; Linux only")
    boot_id: str | None = Field(None, description="tells one start of a machine from the next; Linux only")
    host: str | None = Field(None, description="name of the machine")
    pid_namespace: int | None = Field(None, description="of the container that gave the pid; Linux only")
    device: str | None = None
    images_per_second: float | None = None
    error: RunFailure | None = None


def _from_version_0(tree: dict[str, Any]) -> dict[str, Any]:
    # version 0, before the first release, named the groups' lists "splits" and had no thresholds
    moved = dict(tree)
    if "splits" in moved:
        moved["groups"] = moved.pop("splits")
    return {**moved, "schema_version": 1}


VERSION_1 = {
    "data": {"dataset", "flip", "image_size", "jitter", "num_samples", "sampler", "seed", "shift"},
    "model": {
        "attention", "attention_temperature", "backbone", "classifier", "dropout", "embedding_dim",
        "glove_path", "label_embedding", "logit_scale", "num_heads", "projection_dim", "query_norm", "weights",
    },
    "loss": {
        "alignment_weight", "calibration_normalisation", "calibration_weight", "class_means",
        "contrast_temperature", "positive_temperature", "two_way_temperature",
    },
    "training": {
        "arrays_every", "batch_size", "checkpoint", "clip_norm", "device", "ema_decay", "epochs", "lr",
        "lr_rise", "mixed_precision", "num_pictures", "num_probes", "num_sample_pairs", "num_threads",
        "optimiser", "seed", "warmup_epochs", "weight_decay",
    },
}  # fmt: skip
"""The sections of a config of version 1 and their settings, all of them ever; by others its runs are known."""


def _from_version_1(tree: dict[str, Any]) -> dict[str, Any]:
    # version 1 knew one method: the sections model and loss are its settings, and its spaces had fixed names
    # method and spaces meant nothing in it, so there they are another loop's
    moved = {name: value for name, value in tree.items() if name not in ("method", "spaces")}
    moved["schema_version"] = 2
    config = tree.get("config")
    if not _is_of_version_1(config):
        return moved
    data, model, loss, training = (dict(config[section]) for section in VERSION_1)
    backbone = {name: model.pop(name) for name in ("backbone", "weights") if name in model}
    two_way_temperature = loss.pop("two_way_temperature", 4.0)
    warmup = {"warmup_epochs": training.pop("warmup_epochs")} if "warmup_epochs" in training else {}
    if data.get("sampler") == "class_aware":
        data["sampler"] = None  # what the method draws from anyway
    moved["config"] = {
        **{name: value for name, value in config.items() if name not in ("model", "loss")},
        "data": {**data, "num_workers": None},
        "model": backbone,
        "method": {
            **model,
            **loss,
            **warmup,
            "kind": "mlc_nc",
            "input_map": "linear",
            "classification": {
                "kind": "two_way",
                "two_way_temperature": two_way_temperature,
                "two_way_mean": "present",
            },
        },
        # what there was no choice of
        "training": {
            **training,
            "accumulation": 1,
            "momentum": 0.9,
            "schedule": "one_cycle",
            "lr_drops": [],
            "lr_drop_factor": 0.1,
            "lr_warmup_updates": 0,
            "measure_every": 1,
            "num_measured_train": 5000,
        },
    }
    d, p, names = model.get("embedding_dim"), model.get("projection_dim"), tree.get("class_names")
    f, mu = _count(d), _count(d if p is None else p)
    moved["method"] = "mlc_nc"
    moved["spaces"] = [{"name": "f", "dim": f}, {"name": "mu", "dim": mu}]
    if mu is not None and isinstance(names, list) and model.get("classifier") != "linear":
        moved["spaces"].append({"name": "concat", "kind": "image", "dim": _count(mu * len(names))})
    return moved


LATER_SETTINGS: dict[int, dict[str, dict[str, Any]]] = {
    3: {
        "data": {
            "root": None, "annotations": None, "difficult": True, "test_images": "all", "damaged": "stop",
            "augmentation": None, "test_mirror": False,
        },
        "model": {
            "stage": None, "weights_file": None, "frozen": "nothing", "trained_blocks": 0, "cache_maps": True,
            "cached_draws": 2,
        },
        "training": {"backbone_lr_factor": 1.0},
    },
    4: {"erm": {"neck_dim": None, "neck_dropout": 0.5}, "training": {"nesterov": False}},
    5: {"training": {"devices": 1, "sync_batchnorm": False, "precision": "auto", "compile": False}},
    6: {
        "mlc_nc": {"objectness": 0.0, "queries": "label_embedding"},
        "training": {"class_arrays": False, "measure_untrained": False},
    },
}  # fmt: skip
"""By version, settings that came with it, and what runs before it did; by section, or kind of method."""


def _with_later_settings(version: int, tree: dict[str, Any]) -> dict[str, Any]:
    config = tree.get("config")
    if isinstance(config, dict) and all(
        isinstance(config.get(name), dict) for name in ("data", "model", "method", "training")
    ):
        config = dict(config)
        for name, settings in LATER_SETTINGS[version].items():
            section = name if name in config else "method"
            if section == name or config["method"].get("kind") == name:
                config[section] = {**settings, **config[section]}
        tree = {**tree, "config": config}
    return {**tree, "schema_version": version}


def _from_version_4(tree: dict[str, Any]) -> dict[str, Any]:
    moved = _with_later_settings(5, tree)
    config = moved.get("config")
    training = config.get("training") if isinstance(config, dict) else None
    # without the settings of this version it is another loop's
    if (
        isinstance(config, dict)
        and isinstance(training, dict)
        and {"devices", "mixed_precision"} <= set(training)
    ):
        # version 4 could only choose whether CUDA takes bfloat16
        kept = {name: value for name, value in training.items() if name != "mixed_precision"}
        kept["precision"] = "auto" if training["mixed_precision"] else "float32"
        moved["config"] = {**config, "training": kept}
    return moved


def _is_of_version_1(config: Any) -> TypeGuard[dict[str, Any]]:
    if not isinstance(config, dict):
        return False
    for section, names in VERSION_1.items():
        settings = config.get(section)
        if not isinstance(settings, dict) or not settings.keys() <= names:
            return False
    return config["model"].get("label_embedding") in ("etf", "trainable", "glove")


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= MOST_COUNT else None


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    0: _from_version_0,
    1: _from_version_1,
    2: partial(_with_later_settings, 3),
    3: partial(_with_later_settings, 4),
    4: _from_version_4,
    5: partial(_with_later_settings, 6),
}
"""From a schema version to the function that returns the next version's tree of run.json."""


def parse_info(tree: Any) -> RunInfo:
    """Return the record of a run.json tree of this or an older version.

    Raises:
        RunFormatError: a newer version, or a field is missing or of the wrong type.
    """
    if not isinstance(tree, dict):
        raise RunFormatError("run.json must hold an object")
    version = tree.get("schema_version", 0)
    if not isinstance(version, int) or not 0 <= version <= SCHEMA_VERSION:
        raise RunFormatError(
            f"run.json has schema version {version!r:.40}, this mlcnc reads up to {SCHEMA_VERSION}; "
            "upgrade mlcnc to open the run"
        )
    for step in range(version, SCHEMA_VERSION):
        tree = MIGRATIONS[step](tree)
    info = _validated(RunInfo, tree, "run.json")
    num_classes = len(info.class_names)
    indices = [index for members in info.groups.values() for index in members]
    if len(info.class_counts) != num_classes or any(not 0 <= i < num_classes for i in indices):
        raise RunFormatError(
            f"run.json names {num_classes} classes, but class_counts or groups do not fit them"
        )
    if info.spaces is not None and len({space.name for space in info.spaces}) != len(info.spaces):
        raise RunFormatError("run.json, field spaces: a name occurs twice")
    if len(set(info.class_names)) != num_classes:
        raise RunFormatError(
            "run.json, field class_names: a name occurs twice, so classes cannot be told apart"
        )
    if len(set(indices)) != len(indices):
        raise RunFormatError("run.json, field groups: a class stands in them twice")
    table = info.co_occurrence
    if table is not None and [len(row) for row in table] != [num_classes] * num_classes:
        raise RunFormatError(f"run.json, field co_occurrence: {num_classes} rows of {num_classes} are needed")
    return info


def parse_status(tree: Any) -> RunStatus:
    """Return the record of a status.json tree.

    Raises:
        RunFormatError: a field is missing or of the wrong type.
    """
    if not isinstance(tree, dict):
        raise RunFormatError("status.json must hold an object")
    return _validated(RunStatus, tree, "status.json")


def _validated(record: type[R], tree: dict[str, Any], file: str) -> R:
    try:
        return record.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RunFormatError(f"{file}, field {field:.100}: {first['msg']}") from None


def checked_run_id(run_id: str) -> str:
    """Return ``run_id`` where it is one.

    Raises:
        RunNotFoundError: it holds anything but a-z, 0-9, _ and -, so it could leave the runs folder.
    """
    if not RUN_ID.fullmatch(run_id):
        advice = "; name its folder alone, and the folder above by --runs" if "/" in run_id else ""
        raise RunNotFoundError(
            "run_id must be 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit, got "
            f"{run_id!r:.200}{advice}"
        )
    return run_id
