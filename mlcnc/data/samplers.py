"""Which training images an epoch sees, a function of the seed and the epoch's number alone."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import ConfigError, nearest


class Sampler(Protocol):
    """What a class in ``SAMPLERS`` makes, from targets (N, C), images an epoch, and a seed."""

    def __init__(self, targets: NDArray[Any], num_samples: int, seed: int) -> None: ...

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """Return the image indices of an epoch, in order."""


class UniformSampler:
    """Every image equally often: shuffled passes over the training set.

    Args:
        targets: (N, C); only N matters.
        num_samples: images an epoch.
        seed: of the shuffles.
    """

    def __init__(self, targets: NDArray[Any], num_samples: int, seed: int) -> None:
        self.num_images = len(targets)
        self.num_samples = num_samples
        self.seed = seed

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """Return the (num_samples,) image indices of an epoch, in order."""
        rng = np.random.default_rng([self.seed, epoch, 1])
        passes = -(-self.num_samples // self.num_images)
        order = np.concatenate([rng.permutation(self.num_images) for _ in range(passes)])
        return order[: self.num_samples].astype(np.int64)


class ClassAwareSampler:
    """Classes in turn, one image of each: every class is drawn equally often (RS of Shen et al.).

    Args:
        targets: (N, C); classes without an image are left out.
        num_samples: images an epoch.
        seed: of the order of classes and of the images within a class.

    Departures: in the public code the walk through a class goes on over the epochs; here every epoch begins
        anew from seed and number, so that a resumed run needs no state.
    """

    images_a_turn = 1

    def __init__(self, targets: NDArray[Any], num_samples: int, seed: int) -> None:
        self.members = [rows for rows in (np.flatnonzero(column) for column in targets.T) if len(rows)]
        if not self.members:
            raise ValueError("targets must have at least one positive for class-aware sampling")
        self.num_samples = num_samples
        self.seed = seed

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """Return the (num_samples,) image indices of an epoch, in order."""
        rng = np.random.default_rng([self.seed, epoch, 2])
        each = self.images_a_turn
        rounds = -(-self.num_samples // (each * len(self.members)))
        decks = [self._deck(rows, each * rounds, rng).reshape(rounds, each) for rows in self.members]
        turns = [decks[c][turn] for turn in range(rounds) for c in rng.permutation(len(decks))]
        return np.concatenate(turns)[: self.num_samples].astype(np.int64)

    @staticmethod
    def _deck(rows: NDArray[Any], num_draws: int, rng: np.random.Generator) -> NDArray[Any]:
        # without replacement until the class is used up, then shuffled again
        passes = -(-num_draws // len(rows))
        return np.concatenate([rng.permutation(rows) for _ in range(passes)])[:num_draws]


class ClassAwareTriplesSampler(ClassAwareSampler):
    """Classes in turn, three images of each in a row: class-aware sampling as DB has it (Wu et al., ECCV 2020).

    Its epoch is max n_c C / 4 images there; here it is as long as any other's.
    """

    images_a_turn = 3


class ReversedSampler:
    """A class with probability proportional to 1 / n_c, then one of its images: the rarest most often (BBN).

    Args:
        targets: (N, C); classes without an image are left out.
        num_samples: images an epoch.
        seed: of the draws, which are with replacement.

    Source: Zhou et al. (CVPR 2020); an image of several labels is drawn for each of them, which is ours.
    """

    def __init__(self, targets: NDArray[Any], num_samples: int, seed: int) -> None:
        self.members = [rows for rows in (np.flatnonzero(column) for column in targets.T) if len(rows)]
        if not self.members:
            raise ValueError("targets must have at least one positive for reversed sampling")
        self.num_samples = num_samples
        self.seed = seed

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """Return the (num_samples,) image indices of an epoch, in order."""
        rng = np.random.default_rng([self.seed, epoch, 3])
        counts = np.array([len(rows) for rows in self.members])  # (C,)
        shares = 1 / counts
        classes = rng.choice(len(counts), self.num_samples, p=shares / shares.sum())
        places = rng.integers(counts[classes])  # (num_samples,) among the images of the class
        chosen = [self.members[label][place] for label, place in zip(classes, places, strict=True)]
        return np.array(chosen, dtype=np.int64)


SAMPLERS: dict[str, type[Sampler]] = {
    "class_aware": ClassAwareSampler,
    "class_aware_triples": ClassAwareTriplesSampler,
    "reversed": ReversedSampler,
    "uniform": UniformSampler,
}


def require_sampler(name: str) -> None:
    """Check that there is a sampler of that name.

    Raises:
        ConfigError: there is none; the message lists the known ones.
    """
    if name not in SAMPLERS:
        known, hint = ", ".join(SAMPLERS), nearest(name, SAMPLERS)
        raise ConfigError(f"data.sampler must be one of {known}, got {name!r}{hint}")


def build_sampler(name: str, targets: NDArray[Any], num_samples: int, seed: int) -> Sampler:
    """Return the sampler of that name.

    Raises:
        ConfigError: no such sampler; the message lists the known ones.
    """
    require_sampler(name)
    return SAMPLERS[name](targets, num_samples, seed)
