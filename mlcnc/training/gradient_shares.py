"""Which loss trains: the share of each term in the gradient of a method's own parameters."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from mlcnc.data.loader import Batch
from mlcnc.methods.method import Method, Moment
from mlcnc.models.backbone import Backbone


def gradient_shares(
    method: Method, batches: Sequence[Batch], moment: Moment, fabric: Fabric
) -> dict[str, float]:
    """Return the gradient norm of every weighted loss term, and its share in the sum of these norms.

    Gradients are those of the parameters that are trained beside the backbone, of one batch a stream, in
    training mode. A copy of the method is asked, which shares frozen parameters alone, and random numbers of
    the CPU and of CUDA are given back, so that training goes on as if nothing had happened. A term is weighted
    by the derivative of the total with respect to it.

    Args:
        method: as it stands.
        batches: one a stream.
        moment: of the batch.
        fabric: its precision is that of training.

    Returns:
        ``gradient/TERM`` and ``gradient_share/TERM``; empty where fewer than two terms are trained, or the
        total is not made of them.
    """
    frozen = {id(each): each for each in method.parameters() if not each.requires_grad}
    asked = copy.deepcopy(method, frozen)
    own = _beside_the_backbone(asked)
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices), fabric.autocast():
        losses = asked.loss(batches, moment)
    terms = {name: term for name, term in losses.terms.items() if term.requires_grad}
    if len(terms) < 2 or not own:
        return {}
    weights = torch.autograd.grad(losses.total, list(terms.values()), retain_graph=True, allow_unused=True)
    norms = {}
    for (name, term), weight in zip(terms.items(), weights, strict=True):
        if weight is not None:
            found = torch.autograd.grad(term, own, retain_graph=True, allow_unused=True)
            norms[name] = float(weight.abs()) * _norm(found)
    total = math.fsum(norms.values())
    if len(norms) < 2 or not total > 0:
        return {}
    shares = {f"gradient_share/{name}": norm / total for name, norm in norms.items()}
    return {**{f"gradient/{name}": norm for name, norm in norms.items()}, **shares}


def _beside_the_backbone(method: Method) -> list[nn.Parameter]:
    pretrained = [part for part in method.modules() if isinstance(part, Backbone)]
    apart = {id(each) for part in (*pretrained, *method.backbone_copies) for each in part.parameters()}
    return [each for each in method.parameters() if each.requires_grad and id(each) not in apart]


def _norm(gradients: Sequence[Tensor | None]) -> float:
    squares = [float(each.double().square().sum()) for each in gradients if each is not None]
    return math.sqrt(math.fsum(squares))
