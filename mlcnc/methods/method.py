"""What every method on the bench offers to trainer and measurement, and what it gets from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlcnc.data.loader import Batch
from mlcnc.errors import ConfigError
from mlcnc.methods.settings import LossSettings, MethodSettings
from mlcnc.metrics import ClassStatistics, gram_distance, minority_collapse
from mlcnc.metrics.measurement import classifier_metrics
from mlcnc.models.backbone import Backbone
from mlcnc.models.parameter_groups import parameter_groups


class Output(NamedTuple):
    """What a method says of a batch of images.

    Attributes:
        logits: (B, C) raw scores.
        class_spaces: by name, features of every image for every class, (B, C, dim).
        image_spaces: by name, one feature of every image, (B, dim).
        attention: (B, C, h, w), rows over the map sum to 1, or None.
        label_embeddings: by class-wise space, the vectors (C, dim) to which its features are drawn.
    """

    logits: Tensor
    class_spaces: Mapping[str, Tensor] = {}
    image_spaces: Mapping[str, Tensor] = {}
    attention: Tensor | None = None
    label_embeddings: Mapping[str, Tensor] = {}


class Losses(NamedTuple):
    """What a step goes down, and the unweighted terms in it by name."""

    total: Tensor
    terms: Mapping[str, Tensor]


class Moment(NamedTuple):
    """When a batch is seen: epoch and step within it, both from 0, and of how many epochs."""

    epoch: int
    step: int
    num_epochs: int


@dataclass(frozen=True)
class TrainingStatistics:
    """What is known of the training set before any resampling.

    Attributes:
        class_names: C names.
        class_counts: (C,) images a class, n_c.
        co_occurrence: (C, C) images having both classes.
        num_images: N.
        input_shape: of what a batch holds of one image: (3, H, W), or that of its map where maps are cached.
    """

    class_names: Sequence[str]
    class_counts: NDArray[np.int64]
    co_occurrence: NDArray[np.int64]
    num_images: int
    input_shape: tuple[int, ...]

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)


@dataclass(frozen=True)
class Measured:
    """What the measurement pass found, from which a method makes observations of its own.

    Attributes:
        statistics: by split (``train``, ``test``) and space.
        groups: class indices of ``head``, ``medium`` and ``tail``.
        with_arrays: whether arrays are stored at this epoch.
    """

    statistics: Mapping[str, Mapping[str, ClassStatistics]]
    groups: Mapping[str, Sequence[int]]
    with_arrays: bool


@dataclass
class Observations:
    """Metrics and arrays of a method's own, under their final names."""

    metrics: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


class Method(nn.Module):
    """Network, loss and state of one paper; its ``state_dict`` is what a checkpoint holds of it.

    The trainer calls ``begin_epoch``, then ``loss`` once a step, then ``end_epoch``; measurement calls
    ``forward`` in eval mode and ``observe``. Nothing here may wait for the device within a step.

    Args:
        settings: of the method.

    Attributes:
        whole: takes what the network made of a batch's images (b, ...), and returns that of the whole batch
            (B, ...), with gradients. Where several processes train together each has a part of the images and
            the targets of all, so that a loss of gathered logits is that of one process.
    """

    unsampled: frozenset[str] = frozenset()
    """Spaces of which no single features are stored, because another space shows the same."""

    def __init__(self, settings: MethodSettings) -> None:
        super().__init__()
        self.settings = settings
        self.whole: Callable[[Tensor], Tensor] = _as_it_is

    @property
    def backbone_copies(self) -> Sequence[nn.Module]:
        """Modules beside the backbone that began as copies of its blocks and train at its rate."""
        return ()

    @property
    def averaged(self) -> nn.Module:
        """The part whose moving average is measured where one is kept."""
        return self

    def forward(self, images: Tensor) -> Output:
        """Return what the method says of normalised images (B, 3, H, W)."""
        raise NotImplementedError

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the loss of one batch a stream, in the order of ``settings.streams``."""
        raise NotImplementedError

    def begin_epoch(self, epoch: int) -> None:
        """Prepare an epoch, e.g. a stage with frozen parts."""

    def end_epoch(self) -> None:
        """Finish an epoch, e.g. publish class means (Eq. 8), of which every process saw the whole batches."""

    def observe(self, measured: Measured) -> Observations:
        """Return metrics and arrays of the method's own; none by default."""
        return Observations()

    def scalars(self) -> Mapping[str, Tensor]:
        """Return learned numbers that are logged every epoch, by metric name, e.g. ``logit_scale``."""
        return {}

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return optimiser groups: no decay on biases and norms."""
        return parameter_groups(self, weight_decay)


def _as_it_is(rows: Tensor) -> Tensor:
    return rows


class ClassificationLoss(nn.Module):
    """A loss of logits (B, C) and targets (B, C) with its settings, and what it wants of the training set.

    Args:
        settings: of the loss.
        statistics: of the training set.

    Raises:
        ConfigError: it takes class counts and a class has no training image.
    """

    def __init__(self, settings: LossSettings, statistics: TrainingStatistics) -> None:
        super().__init__()
        self.name = settings.kind
        self.function = partial(named(settings.function), **settings.model_dump(exclude={"kind"}))
        if settings.statistics:
            require_every_class(f"the {settings.title} loss", statistics)
        tensors = {name: torch.as_tensor(getattr(statistics, name)) for name in settings.statistics}
        if settings.prepare is not None:
            prepared = named(settings.prepare)(**tensors)
            tensors = {name: tensor.to(torch.get_default_dtype()) for name, tensor in prepared.items()}
        for name, tensor in tensors.items():
            # known from the data set: nothing for a checkpoint
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        loss: Tensor = self.function(logits, targets, **dict(self.named_buffers()))
        return loss


def require_every_class(who: str, statistics: TrainingStatistics) -> None:
    """Check that every class has a training image.

    Args:
        who: needs that, e.g. ``the LDAM loss``.
        statistics: of the training set.

    Raises:
        ConfigError: one has none.
    """
    if (missing := np.flatnonzero(statistics.class_counts < 1)).size:
        names = ", ".join(statistics.class_names[c] for c in missing[:3])
        raise ConfigError(
            f"{who} needs a training image of every class, and {names} has none; take another loss or data set"
        )


def classifier_observations(
    weight: NDArray[np.floating[Any]], measured: Measured, space: str | None = None
) -> Observations:
    """Return how far the rows of a classifier are from an ETF, and from each other in every group.

    Args:
        weight: (C, dim).
        measured: gives the groups.
        space: that the rows are read with, (B, dim); with one, also NC3 against its class means in every split.
    """
    found = Observations({"classifier/etf_drift": gram_distance(weight, centring="none")})
    for group, members in measured.groups.items():
        angles = minority_collapse(weight, members)
        found.metrics[f"classifier/angle_mean_{group}"] = angles.angle_mean
        found.metrics[f"classifier/angle_min_{group}"] = angles.angle_min
    if measured.with_arrays:
        found.arrays |= {"classifier/gram": weight @ weight.T, "classifier/weight": weight}
    if space is not None:
        for split, statistics in measured.statistics.items():
            found.metrics.update(classifier_metrics(split, space, weight, statistics[space]))
    return found


def named(path: str) -> Any:
    """Return what ``module:name`` names.

    Raises:
        ImportError, AttributeError: there is no such thing.
    """
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def build_method(
    settings: MethodSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
) -> Method:
    """Return the method of these settings on a backbone.

    Its weights are drawn from torch's current random state.

    Args:
        settings: of the method.
        backbone: gives maps (B, out_channels, h, w).
        statistics: of the training set.
        seed: of everything that is not drawn from torch's random state, e.g. the orientation of an ETF.
    """
    method: Method = named(settings.implementation)(settings, backbone, statistics, seed=seed)
    return method
