"""Products of bfloat16 on a processor that has none, at about the time of those of float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
