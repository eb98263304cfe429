"""What a job is asked to do, and the exact command that does it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mlcnc.config import ExperimentConfig, nested, override
from mlcnc.data import is_on_disk
from mlcnc.devices import first_of_kind
from mlcnc.errors import ConfigError, LaunchError, explained
from mlcnc.named_paths import named_path, path_in_variable
from mlcnc.presets import preset
from mlcnc.setting_texts import NO_VALUE, arguments_of, given_values
from mlcnc.slurm_request import SlurmRequest
from mlcnc.store.schema import RUN_ID, SPACE_NAME

Kind = Literal["train", "resume", "layout", "evaluate", "gallery", "glove", "data"]
NEEDS_RUN = frozenset({"resume", "layout", "evaluate"})
WRITES_RUN = frozenset({"train", "resume"})
DOWNLOADS = frozenset({"glove", "data"})
"""They need the network and no device."""

_DEVICE = "training.device"
_GLOVE = "method.glove_path"
_ROOT = "data.root"
_WEIGHTS = "model.weights_file"


class JobRequest(BaseModel):
    """One job as asked for; nothing but these fields reaches a process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    run_id: str | None = Field(None, description="the run to make or to work on; train: None names it")
    preset: str = Field("pictogram-lt", description="train: the settings to begin with")
    settings: dict[str, Any] = Field(default_factory=dict, description="train: nested changes to the preset")
    space: str | None = Field(
        None,
        pattern=SPACE_NAME.pattern,
        description="layout: features to place; None takes the run's own default",
    )
    neighbours: int = Field(15, ge=2, le=1000, description="layout: n_neighbors of UMAP")
    seed: int = Field(0, ge=0, description="layout: the same seed gives the same layout")
    only: str = Field("", max_length=64, description="gallery: only runs whose id contains this")
    out: str | None = Field(None, max_length=4096, description="glove, data: the folder to fill")
    dataset: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", description="data: the data set to download"
    )
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|mps|cuda:\d{1,2})$", description="auto, cpu, mps or cuda:N"
    )
    max_minutes: float | None = Field(None, gt=0, allow_inf_nan=False, description="end the job after this")
    max_megabytes: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="end the job when its run is larger"
    )
    after: str | None = Field(None, max_length=120, description="label of a group of jobs")
    slurm: SlurmRequest | None = Field(None, description="what Slurm is asked for; None is this machine")
    gpus: int = Field(1, ge=1, description="that it takes, all or none; as many as its training has devices")

    @field_validator("run_id")
    @classmethod
    def _is_run_id(cls, value: str | None) -> str | None:
        if value is not None and not RUN_ID.fullmatch(value):
            raise ValueError(
                f"must be 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit, got {value!r}"
            )
        return value

    @field_validator("only", "out")
    @classmethod
    def _is_one_argument(cls, value: str | None) -> str | None:
        if value is not None and ("\0" in value or value.startswith("-")):
            raise ValueError(f"must not begin with - nor hold a zero byte, got {value!r}")
        return value

    @model_validator(mode="after")
    def _fits_its_kind(self) -> JobRequest:
        if self.kind in NEEDS_RUN and self.run_id is None:
            raise ValueError(f"a job of kind {self.kind} needs the run_id of a run")
        if self.kind == "glove" and self.out is None:
            raise ValueError("a job of kind glove needs out, the folder in which the vectors are put")
        if self.kind == "data" and (self.out is None or self.dataset is None):
            raise ValueError("a job of kind data needs dataset, and out, the folder of data sets")
        if self.settings and self.kind != "train":
            raise ValueError(f"settings belong to train, a job of kind {self.kind} takes none")
        return self

    def config(self) -> ExperimentConfig:
        """Return the whole config of a training job.

        Raises:
            ConfigError: an unknown preset or setting, or a bad value.
        """
        return override(preset(self.preset), self.settings)

    def as_kept(self) -> JobRequest:
        """Return the request with values as the config has them, and paths that mean the same everywhere.

        Raises:
            ConfigError: as for :meth:`config`.
        """
        request = self
        if self.out is not None:
            request = self.model_copy(update={"out": str(named_path(self.out).absolute())})
        if self.kind != "train":
            return request
        config = request.config()
        values = given_values(request.settings, config.model_dump())
        name = values.get("name")
        if isinstance(name, str) and name.lower() in NO_VALUE:
            raise ConfigError(
                f"the setting name must not be {name!r}, which means no name on a command line; "
                "choose another or leave it out"
            )
        # those of who asks: the worker may have been started where variables name other places
        has_vectors = not config.method.needs_glove or getattr(config.method, "glove_path", None)
        if not has_vectors and (path := path_in_variable("MLCNC_GLOVE")):
            values[_GLOVE] = str(path)
        has_photographs = not is_on_disk(config.data.dataset) or config.data.root
        if not has_photographs and (path := path_in_variable("MLCNC_DATA")):
            values[_ROOT] = str(path)
        for name in (_GLOVE, _ROOT, _WEIGHTS):
            if (given := values.get(name)) is not None and "://" not in given:
                values[name] = str(named_path(given).absolute())
        settings = nested({tuple(name.split(".")): value for name, value in values.items()})
        return request.model_copy(update={"settings": settings})

    def wanted_device(self) -> str:
        """Return the device asked for; where it is auto, the one that the settings name or the kind needs."""
        if self.kind == "layout":
            return "cpu"  # UMAP computes there, whatever else there is
        if self.kind != "train" or self.device != "auto":
            return self.device
        return first_of_kind(self.config().training.device)


def request_of(tree: Any) -> JobRequest:
    """Return the checked request of a nested mapping, e.g. of job.json.

    Raises:
        LaunchError: a field is unknown or has a bad value; named in the message.
    """
    try:
        return JobRequest.model_validate(tree)
    except ValidationError as error:
        told = (explained(item, ".".join(map(str, item["loc"]))) for item in error.errors())
        raise LaunchError("; ".join(told)) from None


def argv_of(request: JobRequest, run_id: str | None, runs_root: str | Path) -> list[str]:
    """Return the exact command of a job as a list of arguments; no shell reads it.

    With auto the command leaves the device open: the job sees the one GPU that it was given, or none.

    Args:
        request: what to do.
        run_id: the run to make or to work on.
        runs_root: the runs folder.

    Raises:
        ConfigError: the settings of a training job are not usable.
    """
    start = [sys.executable, "-m", "mlcnc"]
    end = ["--runs", str(Path(runs_root).absolute())]
    match request.kind:
        case "train":
            named = [] if run_id is None else ["--run-id", run_id]
            device = request.wanted_device()
            values = given_values(request.settings, request.config().model_dump())
            if device != "auto":
                # the number reaches the process as the one GPU that it can see
                values[_DEVICE] = device.partition(":")[0]
            settings = arguments_of(values)
            return [*start, "train", "--preset", request.preset, *settings, *named, "--quiet", *end]
        case "resume":
            return [*start, "train", "--resume", str(run_id), "--quiet", *end]
        case "layout":
            space = [] if request.space is None else ["--space", request.space]
            how = ["--neighbours", str(request.neighbours), "--seed", str(request.seed)]
            return [*start, "layout", str(run_id), *space, *how, *end]
        case "evaluate":
            return [*start, "evaluate", str(run_id), *end]
        case "gallery":
            chosen = ["--only", request.only] if request.only else []
            return [*start, "record-gallery", *chosen, *end]
        case "glove":
            return [*start, "glove", "--out", str(request.out)]
        case "data":
            return [*start, "data", "prepare", str(request.dataset), "--root", str(request.out), "--download"]


def command_line(argv: list[str]) -> str:
    """Return a command as a person types it: quoted, ``mlcnc`` in place of the interpreter's path.

    Example:
        >>> command_line(["/usr/bin/python3", "-m", "mlcnc", "evaluate", "my run"])
        "mlcnc evaluate 'my run'"
    """
    words = ["mlcnc", *argv[3:]] if argv[1:3] == ["-m", "mlcnc"] else argv
    return shlex.join(words)
