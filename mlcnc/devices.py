"""Which devices this machine computes on, found without loading torch, and where their locks lie."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from mlcnc.errors import LaunchError
from mlcnc.files.locking import try_lock
from mlcnc.named_paths import path_in_variable

LANE = re.compile(r"cpu|mps|network|auto|slurm|(GPU|MIG)-[A-Za-z0-9/-]{1,80}")
"""What a job is queued for: a kind of device, one GPU by its driver's name for it, any device, or Slurm."""

NETWORK = "network"
"""The lane of downloads, which need no device and keep none from others."""


# not that of TMPDIR, which differs between logins and jobs of one user: two folders would lock nothing
_TEMPORARY = Path("/tmp")


@dataclass(frozen=True)
class Device:
    """One device that a job can be given.

    Attributes:
        name: ``cuda:0``, ``mps`` or ``cpu``, as this process calls it.
        lane: as every process calls it, see ``LANE``.
        label: for people, e.g. the GPU's product name.
        total_bytes, free_bytes: of its memory; None where unknown.
        why: the sentence that says why it is, or is not, the one that auto takes.
    """

    name: str
    lane: str
    label: str
    total_bytes: int | None
    free_bytes: int | None
    why: str


class GpuUse(NamedTuple):
    """What a GPU is doing: busy percent, bytes in use and in all, of everyone together."""

    percent: float | None
    used_bytes: int
    total_bytes: int


def devices() -> list[Device]:
    """Return the devices, the one that auto takes first."""
    import psutil

    memory = psutil.virtual_memory()
    gpus, without = _gpus()
    found = [
        Device(
            f"cuda:{number}",
            lane,
            label,
            None if use is None else use.total_bytes,
            None if use is None else use.total_bytes - use.used_bytes,
            "another NVIDIA GPU; auto takes it while the first is busy"
            if number
            else "auto takes the first NVIDIA GPU",
        )
        for number, (lane, label, use) in enumerate(gpus)
    ]
    machine = int(memory.total), int(memory.available)
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        found.append(Device("mps", "mps", "Apple GPU", *machine, f"auto takes the Apple GPU, as {without}"))
    better = {"": f"auto takes the CPU, as {without}", "mps": "auto takes the Apple GPU instead"}
    why = better.get(found[0].name if found else "", "auto takes a GPU instead")
    cores = os.cpu_count() or 1
    return [*found, Device("cpu", "cpu", f"CPU, {cores} core{'s' if cores != 1 else ''}", *machine, why)]


def first_of_kind(device: str) -> str:
    """Return the device that a setting means: ``cuda`` is the first of them."""
    return "cuda:0" if device == "cuda" else device


def chosen_device(name: str) -> Device:
    """Return the device for ``auto``, ``cuda`` (the first of them) or a name.

    Raises:
        LaunchError: there is no such device here; the message lists those there are.
    """
    name = first_of_kind(name)
    known = {device.name: device for device in devices()}
    if name != "auto" and name not in known:
        raise LaunchError(f"device {name!r} is not on this machine; use auto or one of {', '.join(known)}")
    return known[name] if name != "auto" else next(iter(known.values()))


def lanes_of(lane: str) -> list[str]:
    """Return the lane; of ``auto`` those of which it takes any: all GPUs, else the Apple GPU, else the CPU."""
    if lane != "auto":
        return [lane]
    found = devices()
    gpus = [device.lane for device in found if device.name.startswith("cuda")]
    return gpus or [found[0].lane]


def gpu_use(lane: str) -> GpuUse | None:
    """Return what the GPU of a lane is doing; None where the lane is none or the driver does not say."""
    with _driver() as driver:
        if driver is not None and _is_gpu(lane):
            return _use(driver, _handle(driver, lane))
    return None


def device_lock(lane: str) -> Path:
    """Return the lock file of a device, in the folder of this user's locks on this machine, made if missing.

    Raises:
        LaunchError: the folder belongs to someone else, is a link or others may write it.
    """
    if not hasattr(os, "getuid"):  # Windows
        raise LaunchError("jobs need file locks, which this system does not have; use: mlcnc train")
    given = path_in_variable("MLCNC_LOCKS")
    folder = given if given else _TEMPORARY / f"mlcnc-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=bool(given), exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise LaunchError(f"the folder of device locks {folder} cannot be made: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise LaunchError(
            f"the folder of device locks {folder} must be a folder of your own that no one else may write; "
            "remove it or set MLCNC_LOCKS to another folder"
        )
    return folder / f"device-{lane.replace('/', '-')}.lock"


def lock_devices(lane: str, number: int) -> dict[str, int] | None:
    """Lock so many devices, that of the lane among them, in the order of their names: all or none.

    Args:
        lane: of a device.
        number: of devices; above 1 the others are GPUs too.

    Returns:
        By lane the descriptor of its lock, which goes with whoever is given it; None where too few are free.

    Raises:
        LaunchError: as for :func:`device_lock`.
        OSError: a lock cannot be opened, or its disk knows no locks.
    """
    held: dict[str, int] = {}
    try:
        lanes = sorted(lanes_of("auto")) if number > 1 else [lane]
        for place, other in enumerate(lanes):
            if len(held) + len(lanes) - place < number:
                break
            has_room = len(held) + (lane not in held) < number
            if (other == lane or has_room) and (lock := try_lock(device_lock(other))) is not None:
                held[other] = lock
        if lane in held and len(held) == number:
            given, held = held, {}
            return given
        return None
    finally:
        for lock in held.values():
            os.close(lock)


def environment_of(*lanes: str) -> dict[str, str]:
    """Return the variables that let a job see the devices of its lanes, one or several GPUs, and no other."""
    kind = "cuda" if _is_gpu(lanes[0]) else lanes[0]
    told = {} if kind == NETWORK else {"MLCNC_DEVICE": kind}
    visible = ",".join(lanes) if kind == "cuda" else ""
    return {**told, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible}


def num_gpus_of(device: str, devices: int) -> int:
    """Return how many GPUs a training on so many devices takes; 1 also where it takes none.

    Args:
        device: ``auto``, ``cuda`` or the name of one.
        devices: ``training.devices``.

    Raises:
        LaunchError: there are not so many, or another than the first is named.
    """
    if devices == 1 or not _is_gpu(chosen_device(device).lane):
        return 1
    if device not in ("auto", "cuda", "cuda:0"):
        raise LaunchError(f"device must be auto where training.devices is {devices}, got {device!r}")
    if devices > (most := len(lanes_of("auto"))):
        raise LaunchError(
            f"training.devices must be at most {most}, the GPUs of this machine, got {devices}; a run that "
            "began on more goes on with: mlcnc train --resume RUN --training.devices NUMBER"
        )
    return devices


def _is_gpu(lane: str) -> bool:
    return lane.startswith(("GPU-", "MIG-"))


def _gpus() -> tuple[list[tuple[str, str, GpuUse | None]], str]:
    """Return lane, label and use of the GPUs for torch, as CUDA numbers them, and why there is none."""
    needed = cuda_of_torch()
    if needed is None:
        return [], "this torch is built without CUDA"
    with _driver() as driver:
        if driver is None:
            return [], "the driver of NVIDIA GPUs is not there"
        known = driver.nvmlSystemGetCudaDriverVersion() // 1000
        if known < needed:
            return [], f"the NVIDIA driver is for CUDA {known}, and this torch needs {needed}"
        handles = [driver.nvmlDeviceGetHandleByIndex(n) for n in range(driver.nvmlDeviceGetCount())]
        found = []
        for handle in _visible(driver, handles):
            name = driver.nvmlDeviceGetName(handle)
            found.append((str(driver.nvmlDeviceGetUUID(handle)), str(name), _use(driver, handle)))
        return [gpu for gpu in found if LANE.fullmatch(gpu[0])], "no NVIDIA GPU is visible"
    return [], "the driver of NVIDIA GPUs does not answer"


def _visible(driver: Any, handles: list[Any]) -> Iterator[Any]:
    """Yield those of the GPUs that CUDA_VISIBLE_DEVICES names; as for CUDA, the list ends at an unknown one."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        yield from handles
        return
    for part in map(str.strip, named.split(",")):
        if part.isdecimal() and int(part) < len(handles):
            yield handles[int(part)]
        elif _is_gpu(part):
            begins = [h for h in handles if str(driver.nvmlDeviceGetUUID(h)).startswith(part)]
            yield begins[0] if begins else _handle(driver, part)
        else:
            return


def _handle(driver: Any, lane: str) -> Any:
    return driver.nvmlDeviceGetHandleByUUID(lane)


def _use(driver: Any, handle: Any) -> GpuUse | None:
    try:
        memory = driver.nvmlDeviceGetMemoryInfo(handle)
    except driver.NVMLError:
        return None
    percent = None
    with contextlib.suppress(driver.NVMLError):  # a part of a GPU does not say it
        percent = float(driver.nvmlDeviceGetUtilizationRates(handle).gpu)
    return GpuUse(percent, int(memory.used), int(memory.total))


@contextlib.contextmanager
def _driver() -> Iterator[Any]:
    """Give the library of the NVIDIA driver, None where there is none; its errors end the block quietly."""
    library = _library()
    if library is None:
        yield None
        return
    with contextlib.suppress(library.NVMLError):
        yield library


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        # not installed, no driver, or one that does not fit: each is a machine without NVIDIA GPUs
        return None
    return pynvml


@lru_cache(maxsize=1)
def cuda_of_torch() -> int | None:
    """Return the version of CUDA that the installed torch is built for, 12 or so; None without."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    try:
        text = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    version = re.search(r"^cuda\b.*=\s*['\"](\d+)", text, re.MULTILINE)
    return None if version is None else int(version[1])
