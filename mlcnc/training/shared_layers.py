"""Layers that look at whole batches although every process has a part of the images: dropout and batch norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mlcnc.errors import ConfigError

if TYPE_CHECKING:
    from mlcnc.training.ranks import Ranks


def share_layers(network: nn.Module, ranks: Ranks, sync_batchnorm: bool) -> None:
    """Let dropout draw for whole batches and, if wanted, batch norms take their statistics.

    Args:
        network: changed in place, for parts of it may be held elsewhere too; its weights keep their names.
        ranks: know the batch.
        sync_batchnorm: else every process normalises by its own part.

    Raises:
        ConfigError: it has other layers that draw at random, or other batch norms.
    """
    for name, layer in network.named_modules():
        kind: type[nn.Module] | None = None
        if type(layer) is nn.Dropout:
            kind = WholeDropout
        elif _drops(layer):
            raise ConfigError(
                f"{name} ({type(layer).__name__}) drops at random in a way that several processes do not "
                "share; set training.devices 1, or take another model.backbone"
            )
        elif sync_batchnorm and isinstance(layer, _BatchNorm):
            kind = WHOLE_NORMS.get(type(layer))
            if kind is not None and ranks.fabric.device.type == "cuda":
                kind, layer.process_group = nn.SyncBatchNorm, None  # type: ignore[assignment]  # no module
            if kind is None or layer.momentum is None:
                raise ConfigError(
                    f"{name} ({type(layer).__name__}) cannot be synchronised; set training.sync_batchnorm false"
                )
        if kind is not None:
            layer.__class__ = kind
            layer.ranks = ranks


def _drops(layer: nn.Module) -> bool:
    """Return whether a layer draws by itself, in place of a dropout that it holds as a layer."""
    rates = [getattr(layer, "dropout", 0)]  # e.g. of nn.MultiheadAttention and nn.LSTM
    if "Drop" in type(layer).__name__ or "Stochastic" in type(layer).__name__:
        rates += [getattr(layer, name, 0) for name in ("p", "drop_prob", "prob")]
    if getattr(layer, "fused_attn", False):  # timm's hands the rate of its layer to torch
        rates.append(getattr(getattr(layer, "attn_drop", None), "p", 0))
    return any(isinstance(rate, int | float) and rate > 0 for rate in rates)


class WholeDropout(nn.Dropout):
    """Dropout whose mask is the part of this process in that of the whole batch, as one process draws it."""

    ranks: Ranks

    def forward(self, rows: Tensor) -> Tensor:
        """Return the rows (b, ...) of this process, some entries 0 and the others scaled up."""
        if not self.training or self.p in (0.0, 1.0):
            return super().forward(rows)
        size = self.ranks.size
        keep = torch.empty(size, *rows.shape[1:], dtype=rows.dtype, device=rows.device)  # (B, ...)
        keep.bernoulli_(1 - self.p).div_(1 - self.p)
        return rows * keep[self.ranks.share.of(size)].view_as(rows)  # fails where rows are no images


class _WholeNorm(_BatchNorm):
    """Batch norm by mean and variance of the whole batch, on a CPU; torch's own is for GPUs alone."""

    ranks: Ranks

    def forward(self, values: Tensor) -> Tensor:
        """Return normalised values (b, channels, ...)."""
        if not self.training:
            return super().forward(values)
        self._check_input_dim(values)  # type: ignore[no-untyped-call]  # untyped in torch
        axes = [axis for axis in range(values.ndim) if axis != 1]
        wide = values.double()
        number = values.numel() // (values.shape[0] * values.shape[1]) * self.ranks.size  # of values a channel
        mean = _sum(wide.sum(dim=axes)) / number  # (channels,)
        shape = [1, -1] + [1] * (values.ndim - 2)
        centred = wide - mean.view(shape)
        variance = _sum(centred.square().sum(dim=axes)) / number  # (channels,)
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            with torch.no_grad():
                unbiased = variance * (number / max(number - 1, 1))
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked += 1
        normal = (centred * (variance + self.eps).rsqrt().view(shape)).float()
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(values.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; every one of them passes its gradient on to each."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        total = part.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        total = upstream.clone()
        distributed.all_reduce(total)
        return total


def _sum(part: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(part)  # type: ignore[no-untyped-call]  # untyped in torch
    return total


class _WholeNorm1d(_WholeNorm, nn.BatchNorm1d):
    pass


class _WholeNorm2d(_WholeNorm, nn.BatchNorm2d):
    pass


class _WholeNorm3d(_WholeNorm, nn.BatchNorm3d):
    pass


WHOLE_NORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _WholeNorm1d,
    nn.BatchNorm2d: _WholeNorm2d,
    nn.BatchNorm3d: _WholeNorm3d,
}
