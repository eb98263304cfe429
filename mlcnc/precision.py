"""What keeps losses, logits and class means exact in mixed precision, and makes it quick on any processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

_ATEN = torch.ops.aten
_PRODUCTS = {
    _ATEN.convolution.default, _ATEN.convolution_backward.default,
    _ATEN.mm.default, _ATEN.addmm.default, _ATEN.bmm.default, _ATEN.baddbmm.default,
}  # fmt: skip


class RoundedProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """A context in which products of bfloat16 are taken in float32, forward and backward, and then rounded.

    The numbers that are multiplied are the same, a product of two of them is exact in float32 but for overflow
    and underflow, and sums are taken in float32 as a processor with bfloat16 takes them: what differs is the
    order of a sum. It is for processors that would emulate these products, many times slower.

    Of its thread only, and not within ``torch.inference_mode``. What ``torch.compile`` made runs uncompiled,
    and the backward pass of ``scaled_dot_product_attention`` stays emulated.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch

    def __torch_dispatch__(
        self, op: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if op not in _PRODUCTS or {arg.dtype for arg in args if isinstance(arg, Tensor)} != {torch.bfloat16}:
            return op(*args, **(kwargs or {}))
        wide = tree_map_only(Tensor, Tensor.float, args)
        return tree_map_only(Tensor, Tensor.bfloat16, op(*wide, **(kwargs or {})))


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return float64 as it is and everything else as float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def without_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which matrix products on the tensor's device keep their dtype.

    Inside autocast a product of float32 cosines would be taken in bfloat16, with two to three digits.
    """
    kind = tensor.device.type
    inside = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if inside else nullcontext()
