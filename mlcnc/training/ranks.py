"""The processes that train one run together, and all that they say to each other; nothing else knows of them.

Lightning Fabric starts them, or finds those that torchrun or srun started. Each has a part of the images of
every batch and the targets of all. What the network makes of them is gathered, with gradients, and every
process computes the loss of the whole batch: terms that look at several images are those of one process.
"""

from __future__ import annotations

import inspect
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import _get_default_store

from mlcnc import stopping
from mlcnc.config import TrainingConfig
from mlcnc.data.loader import Share
from mlcnc.errors import ConfigError, MlcncError, ProcessLostError
from mlcnc.training.device import is_emulated, select_device
from mlcnc.training.shared_layers import share_layers

Value = TypeVar("Value")


class Sums(Protocol):
    """What adds up over processes."""

    def all_reduce(self, group: Any = None) -> None:
        """Take in what the accumulators of the other processes have seen."""


GRACE_SECONDS = 10.0
"""After another process ended, for this one to notice by itself and to leave in order."""

STARTED_HERE = "started here"

_WHY = "mlcnc/why"
_SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in inspect.signature(nn.parallel.DistributedDataParallel).parameters
)
"""What torch calls it by version."""


class Ranks:
    """The processes of a run, a context manager around all that they do together; of one process nothing of it.

    Args:
        fabric: of this process, launched.
        note: on device and processes, a sentence.
        run_id: of the run.
        runs_root: its folder.
        started_here: by the first of them, and not by torchrun or srun.
        children: processes that this one started.

    Attributes:
        share: which part of every batch this process has.
        size: images of the batch under way, those of the other processes included.
    """

    def __init__(
        self,
        fabric: Fabric,
        note: str,
        run_id: str = "",
        runs_root: str | Path = "runs",
        started_here: bool = False,
        children: Sequence[subprocess.Popen[bytes]] = (),
    ) -> None:
        self.fabric = fabric
        self.note = note
        self.run_id = run_id
        self.runs_root = runs_root
        self.share = Share(fabric.global_rank, fabric.world_size)
        self.size = 0
        self._children = children
        # the first one started the others; whoever started the first may end
        self._parent = os.getppid() if started_here and not self.is_first else None
        self._ended = threading.Event()
        self._host: Any = None
        if self.share.number > 1:
            # what lies in memory of the host goes another way than tensors of GPUs
            self._host = distributed.new_group(backend="gloo") if fabric.device.type == "cuda" else None
            threading.Thread(target=self._watch, name="mlcnc-ranks", daemon=True).start()

    def __deepcopy__(self, memo: object) -> Self:
        return self  # layers know it, and are copied

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.share.rank == 0

    @contextmanager
    def of_first(self, make: Callable[[], AbstractContextManager[Value]]) -> Iterator[Value | None]:
        """Give what only the first process has, e.g. the writer; in others nothing is made."""
        if not self.is_first:
            yield None
            return
        with make() as value:
            yield value

    def first_only(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """Return who hears sentences: nobody in other processes than the first."""
        return say if self.is_first else lambda text: None

    def prepare(self, method: nn.Module, sync_batchnorm: bool) -> None:
        """Let a method's loss, dropout and, if wanted, batch norms see whole batches.

        Raises:
            ConfigError: it has layers that cannot.
        """
        if self.share.number > 1:
            method.whole = self.whole  # type: ignore[assignment]  # a function, no module
            share_layers(method, self, sync_batchnorm)

    def whole(self, rows: Tensor) -> Tensor:
        """Return what all processes have of the batch under way (B, ...), of what this one has (b, ...).

        Every process computes the same loss of it, and the mean of their gradients is taken. So the gradient
        of a row goes back to its process alone, times the number of processes.
        """
        gathered: Tensor = _Whole.apply(rows, self.share, self.size)  # type: ignore[no-untyped-call]  # in torch
        return gathered

    @torch.no_grad()
    def unite_norms(self, *modules: nn.Module) -> None:
        """Let the running statistics of batch norms be the means of what every process has seen."""
        for module in (layer for part in modules for layer in part.modules()):
            if (
                self.share.number > 1
                and isinstance(module, nn.modules.batchnorm._BatchNorm)
                and module.training
            ):
                for statistic in (module.running_mean, module.running_var):
                    if statistic is not None:
                        distributed.all_reduce(statistic)
                        statistic /= self.share.number

    def gathered(self, value: Value) -> list[Value]:
        """Return in the first process the values of all, in their order; in others nothing."""
        if self.share.number == 1:
            return [value]
        values: list[Any] = [None] * self.share.number
        distributed.gather_object(value, values if self.is_first else None, group=self._host)
        return values if self.is_first else []

    def from_first(self, value: Value) -> Value:
        """Return in every process the value that the first one has."""
        box = [value]
        if self.share.number > 1:
            distributed.broadcast_object_list(box, group=self._host)
        return box[0]

    def add_up(self, sums: Sums) -> None:
        """Let an accumulator, which every process has, be that of all that they have seen."""
        if self.share.number > 1:
            sums.all_reduce(self._host)

    # ---- the end ---------------------------------------------------------------------------------------------

    @contextmanager
    def together(self) -> Iterator[None]:
        """Say in one sentence that another process is gone, where talking to it fails.

        Raises:
            ProcessLostError: in the process that speaks of it.
            SystemExit: in the others.
        """
        try:
            yield
        except RuntimeError as error:
            if self.share.number == 1 or not _is_of_the_connection(error):
                raise
            stopping.raise_if_asked()  # then they all were
            deadline = time.monotonic() + 2.0  # connections close before a process has ended
            while not self._misses_one() and time.monotonic() < deadline:
                time.sleep(0.02)
            if self.is_first or self._lost_parent():
                raise ProcessLostError(self._sentence()) from error
            raise SystemExit(1) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.share.number == 1:
            return
        if error is None:
            with self.together():
                self.fabric.barrier()
            # the group stays until Python ends: were DDP the last to hold it, torch could wait for itself
            self._ended.set()
            return
        self._ended.set()
        for child in self._children:
            child.kill()  # it waits for this process, and writes nothing
        if not self.is_first and isinstance(error, KeyboardInterrupt):
            raise SystemExit(stopping.EXIT_STATUS)
        if not self.is_first and isinstance(error, MlcncError) and not isinstance(error, ProcessLostError):
            with suppress(RuntimeError):
                _get_default_store().set(_WHY, f"process {self.share.rank + 1} ended: {error}")
                raise SystemExit(1) from None

    def _watch(self) -> None:
        """End this process where another one on this machine is gone and it does not notice, as in a kernel."""
        while not self._ended.wait(1.0):
            if not self._misses_one():
                continue
            if self._ended.wait(GRACE_SECONDS):
                return
            print(f"mlcnc: {self._sentence()}", file=sys.stderr, flush=True)
            for child in self._children:
                child.kill()
            os._exit(1)

    def _misses_one(self) -> bool:
        return self._lost_parent() or any(child.poll() is not None for child in self._children)

    def _lost_parent(self) -> bool:
        return self._parent is not None and os.getppid() != self._parent

    def _sentence(self) -> str:
        why = f"one of its {self.share.number} processes is gone"
        for number, child in enumerate(self._children, start=2):
            if (status := child.poll()) is not None:
                how = signal.Signals(-status).name if status < 0 else f"status {status}"
                why = f"process {number} of {self.share.number} ended ({how})"
        with suppress(RuntimeError):
            if self.is_first and (store := _get_default_store()).check([_WHY]):
                why = store.get(_WHY).decode()
        command = shlex.join(["mlcnc", "train", "--resume", self.run_id, "--runs", str(self.runs_root)])
        return f"{why}; the epochs before are kept, go on with: {command}"


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, share: Share, size: int) -> Tensor:
        ctx.part, ctx.number = share.of(size), share.number
        parts = [Share(rank, share.number).of(size) for rank in range(share.number)]
        sizes = [part.stop - part.start for part in parts]
        padded = rows.new_zeros(sizes[0], *rows.shape[1:])
        padded[: len(rows)] = rows
        received = [torch.empty_like(padded) for _ in parts]
        distributed.all_gather(received, padded)
        return torch.cat([part[:size] for part, size in zip(received, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        return upstream[ctx.part] * ctx.number, None, None


def start_ranks(training: TrainingConfig, run_id: str, runs_root: str | Path = "runs") -> Ranks:
    """Start the processes of a run, or find those that torchrun or srun started, and return them.

    Args:
        training: says how many, unless somebody else started them.
        run_id: of the run; that of the first process counts.
        runs_root: its folder.

    Raises:
        ConfigError: this machine has not so many devices.
    """
    local, nodes, who, environment = _started_by(training.devices)
    if local * nodes == 1:
        return alone(training, run_id)
    device, note = _device(training)
    if device.type == "mps" or (device.type == "cuda" and local > torch.cuda.device_count()):
        most = torch.cuda.device_count() if device.type == "cuda" else 1
        raise ConfigError(
            f"training.devices must be at most {most}, the {device.type} devices of this machine, got {local}; "
            "give another number, also with --resume"
        )
    # e.g. MLC-NC's warm-up has parameters without a gradient; buffers that differ are united after an epoch
    settings: dict[str, Any] = {"find_unused_parameters": True, _SYNC_BUFFERS: False}
    strategy = _Strategy(**settings)
    fabric = _fabric(training, device, devices=local, num_nodes=nodes, strategy=strategy, plugins=environment())
    if training.num_threads is None and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // local))
    try:
        fabric.launch()
    except BaseException as error:
        for child in _children_of(strategy):
            child.kill()  # they would look for this one for half an hour
        if not isinstance(error, RuntimeError):
            raise
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"the {local * nodes} processes of this run do not find each other: {reason}"
        ) from error
    note = f"{note}, {fabric.world_size} processes ({who}), each with a part of every batch"
    named, children = fabric.broadcast(run_id), _children_of(strategy)
    return Ranks(fabric, note, named, runs_root, who == STARTED_HERE, children)


def _children_of(strategy: DDPStrategy) -> Sequence[subprocess.Popen[bytes]]:
    launcher = strategy.launcher
    return launcher.procs if isinstance(launcher, _Launcher) else []


def alone(training: TrainingConfig, run_id: str = "") -> Ranks:
    """Return this process as the only one."""
    device, note = _device(training)
    # named, for Fabric would take any script of Slurm for one of several processes
    return Ranks(_fabric(training, device, devices=1, plugins=LightningEnvironment()), note, run_id)


def _device(training: TrainingConfig) -> tuple[torch.device, str]:
    device, note = select_device(training.device)
    if is_emulated(training.precision, device):
        note += "; this processor has no products of bfloat16, they are taken in float32 and rounded"
        note += ", which training.compile cannot make quicker" if training.compile else ""
    return device, note


def _fabric(training: TrainingConfig, device: torch.device, **settings: Any) -> Fabric:
    if training.num_threads is not None:
        torch.set_num_threads(training.num_threads)
    half = training.precision == "bfloat16" or (training.precision == "auto" and device.type == "cuda")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # where Slurm is installed Fabric advises srun, also to who trains on one device of his own machine
        warnings.filterwarnings("ignore", "The `srun` command is available")
        precision: Any = "bf16-mixed" if half else "32-true"
        return Fabric(accelerator=device.type, precision=precision, **settings)


def _started_by(devices: int) -> tuple[int, int, str, type[ClusterEnvironment]]:
    """Return processes a machine, machines, who starts them, and where Fabric reads which of them this is."""
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local, "started by torchrun", TorchElasticEnvironment
    # a batch script and the shell of salloc have the number of their job's tasks too, and are none of them
    if (tasks := int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))) > 1:
        nodes = int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(tasks // nodes))  # without it Fabric refuses
        return tasks // nodes, nodes, "started by srun", SLURMEnvironment
    return devices, 1, STARTED_HERE, LightningEnvironment


class _Launcher(_SubprocessScriptLauncher):
    """Fabric's launcher without its observer, which kills all processes before one can say what happened."""

    def launch(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Start the other processes, unless somebody else does, and call the function."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
        return function(*args, **kwargs)


class _Strategy(DDPStrategy):
    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = _Launcher(self.cluster_environment, self.num_processes, self.num_nodes)


def _is_of_the_connection(error: RuntimeError) -> bool:
    words = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
    return isinstance(error, distributed.DistError) or any(word in str(error) for word in words)
