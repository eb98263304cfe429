"""A loss whose gradient is known in closed form, for the price of its forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, known: tuple[Tensor, Tensor]) -> Tensor:
        value, gradient = known
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            raise RuntimeError("this loss has no second derivative; call backward without create_graph")
        (gradient,) = ctx.saved_tensors
        return gradient * upstream, None


def with_gradient(logits: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """Return the value, which passes the gradient on to the logits.

    Args:
        logits: (B, C) float.
        value: scalar, computed of them without a graph.
        gradient: (B, C), of the value with respect to them.

    A second derivative is refused.
    """
    result: Tensor = _KnownGradient.apply(logits, (value, gradient))  # type: ignore[no-untyped-call]  # in torch
    return result
