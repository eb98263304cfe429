"""Which parameters the optimiser decays."""

from __future__ import annotations

from typing import Any

from torch import nn


def parameter_groups(
    module: nn.Module, weight_decay: float, spared: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Return optimiser groups: no decay on biases, on parameters of one dimension, and where told.

    Args:
        module: whose parameters.
        weight_decay: of the others.
        spared: names, or ends of names, of further parameters without decay.
    """
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        (kept if parameter.ndim < 2 or name.endswith(("bias", *spared)) else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
