"""Which devices this machine computes on, found without importing torch here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mlcnc.errors import LaunchError, StoreError
from mlcnc.launch.locks import lock_folder
from mlcnc.launch.processes import boot_id
from mlcnc.launch.regular_file import read_end
from mlcnc.store.files import write_json

_UUID = re.compile(r"[A-Za-z0-9-]{8,64}")
_PROBE = """
import json, torch
found = {"cuda": [], "mps": bool(torch.backends.mps.is_available()), "why": ""}
try:
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(index)
            uuid = str(getattr(about, "uuid", ""))
            found["cuda"].append([about.name, int(about.total_memory), uuid])
    elif torch.version.cuda is None:
        found["why"] = "this torch is built without CUDA"
    else:
        found["why"] = "torch finds no NVIDIA GPU"
except Exception as error:
    found["why"] = f"CUDA does not start: {error}"
print(json.dumps(found))
"""
PROBE_SECONDS = 120
AGAIN_SECONDS = 60.0
_FREE_SECONDS = 5.0
_NOTHING_KNOWN: dict[str, Any] = {"cuda": [], "mps": False, "why": "torch could not be asked"}
_unknown = {"until": 0.0}
_answers: dict[tuple[str, ...], dict[str, Any]] = {}
_free: dict[str, Any] = {"at": -_FREE_SECONDS, "bytes": {}}


class DevicesUnknownError(LaunchError):
    """Torch has not said yet which devices this machine has, so that nobody can choose among them."""


@dataclass(frozen=True)
class Device:
    """One device that a job can be given.

    Attributes:
        name: ``cuda:0``, ``mps`` or ``cpu``.
        label: for people, e.g. the GPU's product name.
        total_bytes, free_bytes: of its memory; None where unknown.
        why: the sentence that says why it is, or is not, the one that auto takes.
    """

    name: str
    label: str
    total_bytes: int | None
    free_bytes: int | None
    why: str


def devices() -> list[Device]:
    """Return the devices, the one that auto takes first.

    The first call after a start of the machine asks torch in a process of its own, which takes seconds.

    Raises:
        LaunchError: the folder of device locks cannot be used.
    """
    facts = _asked_facts() or _NOTHING_KNOWN
    gpus = [(f"cuda:{index}", str(name), int(total)) for index, (name, total, _) in enumerate(facts["cuda"])]
    free = _free_gpu_bytes() if gpus else {}
    found = [
        Device(name, label, total, free.get(gpu_key(name)), _why(name, facts)) for name, label, total in gpus
    ]
    total, available = _memory()
    if facts["mps"]:
        found.append(Device("mps", "Apple GPU", total, available, _why("mps", facts)))
    cores = os.cpu_count() or 1
    label = f"CPU, {cores} core{'s' if cores != 1 else ''}"
    found.append(Device("cpu", label, total, available, _why("cpu", facts)))
    return found


def chosen_device(name: str) -> tuple[str, str]:
    """Return the device for ``auto`` or a name, and the sentence that says why.

    Raises:
        LaunchError: there is no such device here; the message lists those there are.
        DevicesUnknownError: torch could not be asked.
    """
    if name == "cpu":
        return "cpu", "the CPU was asked for"
    facts = _asked_facts()
    if facts is None:
        raise DevicesUnknownError(
            "which devices this machine has is not known, as torch could not be asked; try again in a minute, "
            "or choose cpu"
        )
    known = _names(facts)
    if name == "auto":
        return known[0], _why(known[0], facts)
    if name not in known:
        raise LaunchError(f"device {name!r} is not on this machine; use auto or one of {', '.join(known)}")
    return name, f"{name} was asked for"


def gpu_uuid(name: str) -> str:
    """Return the UUID of the GPU that this process calls so; empty where it is none or not known."""
    if not name.startswith("cuda"):
        return ""
    return _uuid_of(name, known_facts() or _NOTHING_KNOWN)


def lanes_with_locks(name: str, uuid: str = "") -> dict[str, str]:
    """Return the devices that a job may be given, best first, each with the name of its lock.

    Auto may take any GPU. Torch is not waited for. Both come from one reading: what another process finds
    out meanwhile must not give a GPU a second lock.

    Args:
        name: as asked for.
        uuid: of the GPU that who asked called so, who may see others than this process; empty if unknown.

    Raises:
        DevicesUnknownError: a GPU may be meant, and torch has not answered yet.
        LaunchError: there is no such device, or the folder of device locks cannot be used.
    """
    if name == "cpu":
        return {name: name}
    facts = known_facts()
    if facts is None:
        raise DevicesUnknownError("waits until torch has said which devices this machine has")
    return {lane: _lock_name(lane, facts) for lane in _lanes(name, uuid, facts)}


def _lanes(name: str, uuid: str, facts: dict[str, Any]) -> list[str]:
    known = _names(facts)
    if name != "auto":
        same = [f"cuda:{index}" for index, gpu in enumerate(facts["cuda"]) if uuid and gpu[2] == uuid]
        if same:
            return same
        if uuid or name not in known:
            raise LaunchError(f"device {name} is not on this machine, or hidden from the supervisor")
        return [name]
    gpus = [device for device in known if device.startswith("cuda")]
    return gpus or known[:1]


def gpu_key(device: str) -> str:
    """Return what the driver calls the GPU of ``cuda:N``: the N-th of those that this process may see."""
    index = int(device.partition(":")[2])
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    return visible[index] if index < len(visible) else str(index)


def visible_gpus(device: str) -> str:
    """Return the value of CUDA_VISIBLE_DEVICES for a job on this device: one GPU or none."""
    return gpu_key(device) if device.startswith("cuda") else ""


def lock_name(device: str) -> str:
    """Return the name under which all processes of this machine lock the device.

    A GPU is named by its UUID: its number, and what CUDA_VISIBLE_DEVICES calls it, differ between processes.

    Raises:
        LaunchError: the folder of device locks cannot be used.
    """
    if not device.startswith("cuda"):
        return device
    return _lock_name(device, known_facts() or _NOTHING_KNOWN)


def _lock_name(device: str, facts: dict[str, Any]) -> str:
    if not device.startswith("cuda"):
        return device
    return f"cuda-{_uuid_of(device, facts) or gpu_key(device)}"


def _uuid_of(device: str, facts: dict[str, Any]) -> str:
    gpus, index = facts["cuda"], int(device.partition(":")[2])
    return str(gpus[index][2]) if index < len(gpus) else ""


def _names(facts: dict[str, Any]) -> list[str]:
    gpus = [f"cuda:{index}" for index in range(len(facts["cuda"]))]
    return [*gpus, *(["mps"] if facts["mps"] else []), "cpu"]


def _why(name: str, facts: dict[str, Any]) -> str:
    if name == "cuda:0":
        return "auto takes the first NVIDIA GPU"
    if name.startswith("cuda"):
        return "another NVIDIA GPU; auto takes it while the first is busy"
    why = str(facts["why"]) or "torch finds no NVIDIA GPU"
    if facts["cuda"]:
        return "auto takes a GPU instead"
    if name == "mps":
        return f"auto takes the Apple GPU, as {why}"
    if facts["mps"]:
        return "auto takes the Apple GPU instead"
    return f"auto takes the CPU, as {why}"


def known_facts() -> dict[str, Any] | None:
    """Return what torch has said about this machine, None where it was not asked since the start.

    Raises:
        LaunchError: the folder of device locks cannot be used.
    """
    path = lock_folder() / "devices.json"
    try:
        tree = json.loads(read_end(path, 100_000)[0])
        if tree["key"] == _key():
            return _checked(tree["facts"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # what this process has heard itself is as good
    return _answers.get((str(path), *_key()))


def remember(answer: str) -> bool:
    """Keep what the program of :func:`probe_argv` printed; return whether it was an answer."""
    try:
        facts = _checked(json.loads(answer.strip().splitlines()[-1]))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return False
    path = lock_folder() / "devices.json"
    _answers[(str(path), *_key())] = facts
    with contextlib.suppress(StoreError):
        write_json(path, {"key": _key(), "facts": facts})
    return True


def probe_argv() -> list[str]:
    """Return the program that asks torch; it prints one line."""
    return [sys.executable, "-P", "-W", "ignore", "-c", _PROBE]


def probe_environment() -> dict[str, str]:
    """Return the environment in which torch numbers the GPUs as the driver does."""
    return {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _asked_facts() -> dict[str, Any] | None:
    facts = known_facts()
    if facts is not None or time.monotonic() < _unknown["until"]:
        return facts
    answer = _probe()
    if answer is None or not remember(answer):
        # asked again later: a machine short of memory or time for a moment is no machine without a GPU
        _unknown["until"] = time.monotonic() + AGAIN_SECONDS
        return None
    return known_facts()


def _key() -> list[str]:
    return [_torch_version(), boot_id(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), sys.executable]


def _checked(facts: dict[str, Any]) -> dict[str, Any]:
    gpus = [
        # a UUID becomes part of a file's name
        (str(name), int(total), uuid if isinstance(uuid, str) and _UUID.fullmatch(uuid) else "")
        for name, total, uuid in facts["cuda"]
    ]
    return {"cuda": gpus, "mps": bool(facts["mps"]), "why": str(facts["why"])}


def _probe() -> str | None:
    try:
        done = subprocess.run(
            probe_argv(),
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
            env=probe_environment(),
            stdin=subprocess.DEVNULL,
        )
        return done.stdout
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "none"


def _memory() -> tuple[int, int]:
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available)


def _free_gpu_bytes() -> dict[str, int]:
    if time.monotonic() - _free["at"] < _FREE_SECONDS:
        return dict(_free["bytes"])
    program = shutil.which("nvidia-smi")
    found: dict[str, int] = {}
    if program is not None:
        try:
            done = subprocess.run(
                [program, "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits"],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
            for line in done.stdout.splitlines():
                index, uuid, free = (part.strip() for part in line.split(","))
                found[index] = found[uuid] = int(float(free) * 2**20)
        except (OSError, subprocess.SubprocessError, ValueError):
            found = {}
    _free.update(at=time.monotonic(), bytes=found)
    return dict(found)
