"""The optimiser of a run and the schedule of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from mlcnc.config import TrainingConfig

WARMUP_START = 1 / 3
"""Share of the learning rate at which the linear warm-up of the step schedule begins, as in DB's trainer."""


def build_optimiser(
    training: TrainingConfig, groups: list[dict[str, Any]], device: torch.device
) -> torch.optim.Optimizer:
    """Return the optimiser of these parameter groups, in its fused form where the device has one."""
    fused = device.type in ("cpu", "cuda")
    if training.optimiser == "sgd":
        return torch.optim.SGD(
            groups, lr=training.lr, momentum=training.momentum, nesterov=training.nesterov, fused=fused
        )
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[training.optimiser](groups, lr=training.lr, fused=fused)


def with_backbone_rate(
    groups: list[dict[str, Any]], backbone: Sequence[nn.Module], lr: float, factor: float
) -> list[dict[str, Any]]:
    """Return parameter groups without frozen parameters, those of the backbone with a rate of their own.

    Args:
        groups: of a method.
        backbone: the backbone and copies of its blocks; part of the method, or not.
        lr: of all others.
        factor: rate of the backbone over that of the others; 1 leaves the groups whole.
    """
    own = set() if factor == 1.0 else {id(each) for part in backbone for each in part.parameters()}
    split = []
    for inside in (False, True):
        for group in groups:
            chosen = [part for part in group["params"] if part.requires_grad and (id(part) in own) == inside]
            if chosen or not inside:
                split.append({**group, "params": chosen, "lr": lr * factor if inside else lr})
    return split


def build_schedule(
    training: TrainingConfig, optimiser: torch.optim.Optimizer, updates_an_epoch: int
) -> LRScheduler:
    """Return the schedule, stepped after every update.

    Args:
        training: of the run.
        optimiser: whose rate it sets.
        updates_an_epoch: of the optimiser.
    """
    total = updates_an_epoch * training.epochs
    if training.schedule == "one_cycle":
        rise = training.lr_rise
        # torch divides by the number of rising updates less one, which is 0 for a rise of one update
        rise = rise * (1 + 1e-9) if rise * total == 1 else rise
        peaks = [float(group["lr"]) for group in optimiser.param_groups]
        # the betas of Adam go down and up with the rate, as in the released code; SGD keeps its momentum
        cycled = training.optimiser != "sgd"
        return OneCycleLR(optimiser, max_lr=peaks, total_steps=total, pct_start=rise, cycle_momentum=cycled)
    drops = [epoch * updates_an_epoch for epoch in training.lr_drops]

    def share(update: int) -> float:
        warmup = training.lr_warmup_updates
        risen = 1.0 if update >= warmup else WARMUP_START + (1 - WARMUP_START) * update / warmup
        if training.schedule == "cosine":
            return risen * (1 + math.cos(math.pi * min(update / total, 1.0))) / 2
        return risen * math.pow(training.lr_drop_factor, sum(update >= drop for drop in drops))

    return LambdaLR(optimiser, share)
