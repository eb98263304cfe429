"""Sums over batches, shards and processes: what every streaming metric is made of."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape


class SumAccumulator:
    """Named float64 sums on the host that merge by addition.

    Subclasses add to ``_sums`` in ``update``. Addition is the only operation, so any batch split,
    shard order or empty shard gives the same sums up to rounding.
    """

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        self._sums: dict[str, NDArray[np.float64]] = {name: np.zeros(shape) for name, shape in shapes.items()}

    def reset(self) -> None:
        """Forget everything seen so far."""
        for part in self._sums.values():
            part[...] = 0.0

    def merge(self, other: Self) -> None:
        """Add what another accumulator of the same kind and size has seen, e.g. of another shard.

        Raises:
            ValueError: the sizes differ.
        """
        for name, part in self._sums.items():
            require_shape(f"other.{name}", other._sums[name].shape, part.shape, like="this one")
        for name, part in self._sums.items():
            part += other._sums[name]

    def all_reduce(self, group: Any = None) -> None:
        """Add up over all processes of a torch.distributed group (one SUM reduction).

        Every process must call it once, after its last batch, and then holds the total. Use a sampler
        that does not pad: a repeated image counts twice.

        Raises:
            RuntimeError: torch.distributed is not initialised.
        """
        all_reduce_sum(list(self._sums.values()), group)


def all_reduce_sum(arrays: list[NDArray[np.float64]], group: Any = None) -> None:
    """Replace each array, in place, by its sum over the processes of the group; one reduction.

    Raises:
        RuntimeError: torch.distributed is not initialised.
    """
    import torch
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        raise RuntimeError(
            "all_reduce needs torch.distributed: call torch.distributed.init_process_group first, "
            "or leave all_reduce out where one process sees all data"
        )
    # the reduction runs where the backend can reach it: NCCL knows only CUDA memory
    where = "cuda" if distributed.get_backend(group) == "nccl" else "cpu"
    flat = torch.from_numpy(np.concatenate([part.ravel() for part in arrays])).to(where)
    distributed.all_reduce(flat, op=distributed.ReduceOp.SUM, group=group)
    summed = flat.cpu().numpy()
    start = 0
    for part in arrays:
        part[...] = summed[start : start + part.size].reshape(part.shape)
        start += part.size
