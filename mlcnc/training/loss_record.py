"""The losses of an epoch, read from the device every few steps and not at every one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mlcnc.errors import NonFiniteLossError
from mlcnc.methods.method import Losses

CHECK_EVERY = 16
"""Steps after which the terms are brought to the host and checked: what waits for the device, seldom."""


class LossRecord:
    """Sums the terms of an epoch's steps, each weighed by its images.

    Args:
        epoch: from 0, for messages.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.num_images = 0
        self.latest: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._first = 0
        self._waiting: list[Tensor] = []
        self._names: tuple[str, ...] = ()
        self._sizes: list[int] = []

    def add(self, losses: Losses, num_images: int) -> None:
        """Keep the losses of the next step, on the device but for every so many steps.

        Raises:
            NonFiniteLossError: a term of one of the last steps is NaN or infinite.
        """
        if "loss" in losses.terms:
            raise ValueError("a term must not be called loss, which is the total")
        names = ("loss", *losses.terms)
        if names != self._names:
            self.check()
            self._names = names
        values = [losses.total, *losses.terms.values()]
        self._waiting.append(torch.stack([value.detach().float() for value in values]))  # (T,)
        self._sizes.append(num_images)
        if len(self._waiting) >= CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """Bring what waits to the host and add it up.

        Raises:
            NonFiniteLossError: naming the first step with a term that is not finite, and that term.
        """
        if not self._waiting:
            return
        rows = torch.stack(self._waiting).double().cpu().tolist()  # steps of T values
        for step, (row, size) in enumerate(zip(rows, self._sizes, strict=True), start=self._first):
            # the total last: a term that is not finite makes it so
            for name, value in [*zip(self._names[1:], row[1:], strict=True), ("loss", row[0])]:
                if not math.isfinite(value):
                    raise NonFiniteLossError(name, self.epoch, step, value)
                self._sums[name] = self._sums.get(name, 0.0) + value * size
            self.num_images += size
        self.latest = dict(zip(self._names, rows[-1], strict=True))
        self._first += len(rows)
        self._waiting, self._sizes = [], []

    def means(self) -> dict[str, float]:
        """Return the mean over the epoch's images of the total (``loss``) and of every term.

        In steps without a term it counts as 0.

        Raises:
            NonFiniteLossError: as for :meth:`check`.
        """
        self.check()
        return {name: total / self.num_images for name, total in sorted(self._sums.items(), key=_total_first)}


def _total_first(item: tuple[str, float]) -> bool:
    return item[0] != "loss"
