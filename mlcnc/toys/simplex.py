"""How far apart K unit vectors can be, and how far apart random ones are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlcnc.etf import optimal_angle_degrees
from mlcnc.metrics import AngleSummary, angle_summary, pairwise_angles
from mlcnc.toys.unconstrained_features import Floats


@dataclass(frozen=True)
class SimplexAngles:
    """The angle of a simplex ETF against the number of vectors.

    Attributes:
        numbers: (n,) vectors K.
        angles: (n,) arccos(-1/(K-1)) in degrees.
    """

    numbers: tuple[int, ...]
    angles: tuple[float, ...]

    def angle_of(self, number: int) -> float:
        """Return the angle for one of the numbers."""
        return self.angles[self.numbers.index(number)]


def simplex_angles(numbers: Sequence[int]) -> SimplexAngles:
    """Return the ETF angle for each number of vectors; each at least 2."""
    return SimplexAngles(tuple(numbers), tuple(optimal_angle_degrees(number) for number in numbers))


@dataclass(frozen=True)
class RandomVectors:
    """Random unit vectors in the K - 1 dimensions a simplex ETF needs.

    Attributes:
        pairs: (K (K-1) / 2,) their angles in degrees.
        summary: mean, extremes and spread of these.
        optimum: of a simplex ETF of as many vectors.
    """

    pairs: Floats
    summary: AngleSummary
    optimum: float


def random_vectors(number: int, *, seed: int = 0) -> RandomVectors:
    """Return the angles of ``number`` uniformly random directions in ``number - 1`` dimensions."""
    rows = np.random.default_rng(seed).standard_normal((number, number - 1))
    angles = pairwise_angles(rows, centring="none")
    return RandomVectors(
        pairs=angles[np.triu_indices(number, k=1)],
        summary=angle_summary(angles),
        optimum=optimal_angle_degrees(number),
    )
