"""What one pass over a split gathers, in parts that several processes can bring together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlcnc.methods.method import Output
from mlcnc.metrics import (
    AlignmentAccumulator,
    ClassStatistics,
    ClassStatisticsAccumulator,
    SpaceFeatures,
    positive_rows,
)
from mlcnc.training.sample_choice import SPLIT_CODES, SampleChoice

if TYPE_CHECKING:
    from mlcnc.training.ranks import Ranks

Value = TypeVar("Value")

FEATURE_BUDGET_BYTES = 512 * 2**20
"""Features of one space and split are kept for the second pass up to this size; of larger ones the positives
up to the same size, and the binary form of NC4 is left out; of still larger ones nothing."""

WIDEST_IN_FLOAT32 = 64
"""Sampled features of at most so many numbers are stored in float32, wider ones in float16."""


@dataclass
class SplitPass:
    """What one pass over a split gathers, by the first row of a batch what is one for every image."""

    accumulators: dict[str, ClassStatisticsAccumulator] = field(default_factory=dict)
    alignments: dict[str, AlignmentAccumulator] = field(default_factory=dict)
    kept: dict[str, dict[int, tuple[Tensor, Tensor]]] = field(default_factory=dict)
    positives: dict[str, dict[int, tuple[Tensor, Tensor, Tensor]]] = field(default_factory=dict)
    score_parts: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    forward_seconds: float = 0.0

    @property
    def scores(self) -> NDArray[np.float32]:
        return np.concatenate(_sorted(self.score_parts))

    def add_up(self, ranks: Ranks) -> None:
        """Let the sums of the first process be those of all; the others need theirs no more."""
        # one that has seen no batch knows no space, but the first one has seen one where there is any
        own = {space: (part.num_classes, part.dim) for space, part in self.accumulators.items()}
        shapes, aligned = ranks.from_first((own, list(self.alignments)))
        for space, shape in shapes.items():
            ranks.add_up(self.accumulators.setdefault(space, ClassStatisticsAccumulator(*shape)))
        for space in aligned:
            ranks.add_up(self.alignments.setdefault(space, AlignmentAccumulator(shapes[space][0])))
        if not ranks.is_first:
            self.accumulators, self.alignments = {}, {}

    def merge(self, other: SplitPass) -> None:
        """Add the rows that another process has seen of the same split; of sums see :meth:`add_up`."""
        for own, more in ((self.kept, other.kept), (self.positives, other.positives)):
            for space, parts in more.items():
                own.setdefault(space, {}).update(parts)  # type: ignore[arg-type]  # alike
        self.score_parts |= other.score_parts

    def statistics(self) -> dict[str, ClassStatistics]:
        return {space: part.compute() for space, part in self.accumulators.items()}

    def keep(self, first: int, space: str, features: Tensor, targets: Tensor, size: tuple[int, int]) -> None:
        """Keep what the second pass needs: everything where it fits, else the positives, else nothing.

        Args:
            first: row of the batch.
            space: of the features.
            features, targets: of the batch.
            size: images of the split, and positives among them.
        """
        if features[0].numel() * size[0] * features.element_size() <= FEATURE_BUDGET_BYTES:
            self.kept.setdefault(space, {})[first] = features.cpu(), targets.cpu()
        elif features.shape[-1] * size[1] * features.element_size() <= FEATURE_BUDGET_BYTES:
            rows, labels, multiplicity = positive_rows(features, targets)
            self.positives.setdefault(space, {})[first] = rows.cpu(), labels.cpu(), multiplicity.cpu()

    def features(self) -> dict[str, SpaceFeatures]:
        """Return the kept features of every space."""
        found = {}
        for space, parts in self.kept.items():
            features, targets = (torch.cat(part) for part in zip(*_sorted(parts), strict=True))
            found[space] = SpaceFeatures.of(features, targets)
        for space, rows in self.positives.items():
            found[space] = SpaceFeatures(*(torch.cat(part) for part in zip(*_sorted(rows), strict=True)))
        return found


def _sorted(parts: Mapping[int, Value]) -> list[Value]:
    return [part for _, part in sorted(parts.items(), key=itemgetter(0))]


class Looks:
    """Sampled features and attention of probe images, gathered as their batches come by."""

    def __init__(self, choice: SampleChoice, split: str, unsampled: frozenset[str]) -> None:
        own = choice.split == SPLIT_CODES[split]
        self.pairs = np.flatnonzero(own)  # (n,) places in the sample
        self.images = choice.image_index[own]
        self.classes = choice.class_index[own]
        self.probes = choice.probes if split == "test" else choice.probes[:0]
        self.unsampled = unsampled
        self.parts: dict[str, list[tuple[NDArray[np.int64], NDArray[Any]]]] = {}
        self.maps: list[tuple[NDArray[np.int64], NDArray[Any]]] = []

    def at(self, output: Output, rows: NDArray[np.int64]) -> None:
        """Keep what is wanted of a batch of these rows, which follow one another."""
        first = rows[0]
        here = np.flatnonzero((self.images >= first) & (self.images < first + len(rows)))
        images, classes = (torch.from_numpy(part[here]) for part in (self.images - first, self.classes))
        images, classes = images.to(output.logits.device), classes.to(output.logits.device)
        for space, features in spaces_in(output).items():
            if space not in self.unsampled:
                chosen = features[images, classes] if features.ndim == 3 else features[images]
                dtype = np.float32 if chosen.shape[1] <= WIDEST_IN_FLOAT32 else np.float16
                values = chosen.float().cpu().numpy().astype(dtype)
                self.parts.setdefault(space, []).append((self.pairs[here], values))
        probes = np.flatnonzero((self.probes >= first) & (self.probes < first + len(rows)))
        if output.attention is not None and len(probes):
            chosen = output.attention[torch.from_numpy(self.probes[probes] - first).to(output.attention.device)]
            self.maps.append((probes, chosen.float().cpu().numpy().astype(np.float16)))

    def merge(self, other: Looks) -> None:
        """Add what another process has looked at."""
        for space, parts in other.parts.items():
            self.parts.setdefault(space, []).extend(parts)
        self.maps.extend(other.maps)

    def features(self) -> dict[str, NDArray[Any]]:
        """Return the sampled features of every space in the order of the sample."""
        return {space: in_order(parts) for space, parts in self.parts.items()}


def in_order(parts: list[tuple[NDArray[np.int64], NDArray[Any]]]) -> NDArray[Any]:
    positions = np.concatenate([where for where, _ in parts])
    values = np.concatenate([part for _, part in parts])
    ordered: NDArray[Any] = values[np.argsort(positions, kind="stable")]
    return ordered


def spaces_in(output: Output) -> dict[str, Tensor]:
    """Return every space of an output by name, class-wise (B, C, dim) or image-wise (B, dim)."""
    return {**output.class_spaces, **output.image_spaces}
