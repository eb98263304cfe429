"""Which device a run uses, and the sentence that says why."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext

import torch

from mlcnc.errors import ConfigError, counted
from mlcnc.training.rounded_products import RoundedProducts

DEVICE_VARIABLE = "MLCNC_DEVICE"
"""Goes before the config where it is set, as for a job, which must not leave the device it was given."""


def select_device(name: str) -> tuple[torch.device, str]:
    """Return the device for ``auto``, ``cuda``, ``mps`` or ``cpu``, and a sentence for the user.

    Args:
        name: ``training.device`` of the config; the variable MLCNC_DEVICE goes before it.

    Raises:
        ConfigError: the named device is not available here.
    """
    given = os.environ.get(DEVICE_VARIABLE)
    origin = DEVICE_VARIABLE if given else "training.device"
    name = given or name
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        chosen = next(kind for kind, here in available.items() if here)
        missing = [kind.upper() for kind, here in available.items() if not here]
        reason = f"first available of CUDA, MPS, CPU; missing: {', '.join(missing) or 'none'}"
    elif not available.get(name, False):
        known = ", ".join(kind for kind, here in available.items() if here)
        raise ConfigError(f"{origin}: {name!r} is not available here; use one of {known}")
    else:
        chosen, reason = name, f"given to this job by {origin}" if given else "asked for"
    return torch.device(chosen), f"device {device_name(torch.device(chosen))} ({reason})"


def device_name(device: torch.device) -> str:
    """Return what a person calls the device, e.g. the GPU's product name."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    if device.type == "cpu":
        return f"cpu, {counted(torch.get_num_threads(), 'thread')}"
    return device.type


def is_emulated(precision: str, device: torch.device) -> bool:
    """Return whether the device makes up for products of this precision by others, many times slower.

    On a processor with AVX2 alone a 3 x 3 convolution in bfloat16 took 23 times as long as in float32.
    """
    return precision == "bfloat16" and device.type == "cpu" and not has_bfloat16()


def has_bfloat16() -> bool:
    """Return whether torch has quick products of bfloat16 on this processor, which are those of oneDNN."""
    onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # untyped in torch
    return bool(onednn and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def products_of(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a run is trained and measured: rounded products where they are emulated."""
    return RoundedProducts() if is_emulated(precision, device) else nullcontext()


def peak_memory_mb(device: torch.device) -> float:
    """Return the most memory in MB that the process has held so far: of the GPU where it trains on one.

    On a CPU it is resident memory, pages of files that are mapped included; NaN where the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return float("nan")
    # macOS counts bytes, Linux kilobytes
    return getrusage(RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
