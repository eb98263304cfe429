"""Which devices this machine computes on, found without importing torch here."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mlcnc.errors import LaunchError, StoreError
from mlcnc.launch.locks import lock_folder
from mlcnc.launch.processes import boot_id
from mlcnc.store.files import write_json

_PROBE = """
import json, torch
found = {"cuda": [], "mps": bool(torch.backends.mps.is_available()), "why": ""}
try:
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(index)
            found["cuda"].append([about.name, int(about.total_memory)])
    elif torch.version.cuda is None:
        found["why"] = "this torch is built without CUDA"
    else:
        found["why"] = "torch finds no NVIDIA GPU"
except Exception as error:
    found["why"] = f"CUDA does not start: {error}"
print(json.dumps(found))
"""
_PROBE_SECONDS = 120
_AGAIN_SECONDS = 60.0
_FREE_SECONDS = 5.0
_NOTHING_KNOWN: dict[str, Any] = {"cuda": [], "mps": False, "why": "torch could not be asked"}
_unknown = {"until": 0.0}
_free: dict[str, Any] = {"at": -_FREE_SECONDS, "bytes": {}}


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
    facts = _facts()
    gpus = [(f"cuda:{index}", str(name), int(total)) for index, (name, total) in enumerate(facts["cuda"])]
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
    """
    if name == "cpu":
        return "cpu", "the CPU was asked for"
    facts = _facts()
    known = _names(facts)
    if name == "auto":
        return known[0], _why(known[0], facts)
    if name not in known:
        raise LaunchError(f"device {name!r} is not on this machine; use auto or one of {', '.join(known)}")
    return name, f"{name} was asked for"


def lanes_for(name: str) -> list[str]:
    """Return the devices that a job may be given, best first; auto may take any GPU.

    Raises:
        LaunchError: the folder of device locks cannot be used.
    """
    if name != "auto":
        return [name]
    known = _names(_facts())
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
    """Return the name under which all processes of this machine lock the device."""
    return f"cuda-{gpu_key(device)}" if device.startswith("cuda") else device


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


def _facts() -> dict[str, Any]:
    key = [_torch_version(), boot_id(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), sys.executable]
    path = lock_folder() / "devices.json"
    known = _read_facts(path, key)
    if known is not None:
        return known
    if time.monotonic() < _unknown["until"]:
        return _NOTHING_KNOWN
    probed = _probe()
    if probed is None:
        # asked again later: a machine short of memory or time for a moment is no machine without a GPU
        _unknown["until"] = time.monotonic() + _AGAIN_SECONDS
        return _NOTHING_KNOWN
    with contextlib.suppress(StoreError):
        write_json(path, {"key": key, "facts": probed})
    return probed


def _read_facts(path: Path, key: list[str]) -> dict[str, Any] | None:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        facts: dict[str, Any] = tree["facts"]
        pairs = [(str(name), int(total)) for name, total in facts["cuda"]]
        return {"cuda": pairs, "mps": bool(facts["mps"]), "why": facts["why"]} if tree["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _probe() -> dict[str, Any] | None:
    environment = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        facts: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return facts
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
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
