"""What random directions give: the null of every angle and of the Gram distance."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics.geometry import angle_summary, angles_of, gram_distance, pairwise_cosines

DRAWS = 200
FEWEST_DRAWS = 10
MOST_WORK = 2e8
"""Multiplications of all draws; of many classes, where draws differ little, there are fewer draws."""

BIN_DEGREES = 3


class Band(NamedTuple):
    """Mean, and the ends between which 95 % of draws lie."""

    mean: float
    low: float
    high: float


class RandomDirections(NamedTuple):
    """Statistics of as many random directions as there are classes.

    Attributes:
        smallest, mean, spread: of the angles of pairs: their smallest, mean and standard deviation, degrees.
        gram: Gram distance to a simplex ETF.
        pairs: mean number of pairs with an angle in each bin of three degrees, (60,).
    """

    smallest: Band
    mean: Band
    spread: Band
    gram: Band
    pairs: NDArray[np.float64]


@lru_cache(maxsize=256)
def random_directions(
    num_classes: int, dim: int, *, centred: bool = True, gram_centred: bool = True
) -> RandomDirections:
    r"""Return what independent uniform unit vectors give in place of class means.

    Args:
        num_classes: C, at least 2.
        dim: d of the space.
        centred: measure angles from the mean of the vectors, as centring ``class`` does; else from the origin.
        gram_centred: the same of the Gram distance.

    Raises:
        ValueError: fewer than two classes, or no dimension.

    Formula: of $u_1,\dots,u_C$ uniform on the unit sphere of $R^d$, over 200 draws of one seed, fewer of more
        than 80 classes; uncentred cosines have mean 0 and variance $1/d$.
    Source: ours; the closed forms are those of uniform vectors on a sphere.
    """
    if num_classes < 2 or dim < 1:
        raise ValueError(
            f"num_classes must be at least 2 and dim at least 1, got {num_classes} classes in {dim} dimensions"
        )
    rng = np.random.default_rng(0)
    found, pairs = [], np.zeros(180 // BIN_DEGREES)
    above = np.triu_indices(num_classes, k=1)
    draws = int(np.clip(MOST_WORK / (num_classes**2 * min(num_classes, dim)), FEWEST_DRAWS, DRAWS))
    for _ in range(draws):
        vectors = _gaussian_vectors(rng, num_classes, dim)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # (C, d)
        measured = vectors - vectors.mean(axis=0) if centred else vectors
        matrix = angles_of(pairwise_cosines(measured))
        pairs += np.histogram(matrix[above], bins=len(pairs), range=(0.0, 180.0))[0]
        angles = angle_summary(matrix)
        distance = gram_distance(vectors, centring="class" if gram_centred else "none")
        found.append((angles.minimum, angles.mean, angles.std, distance))
    smallest, mean, spread, gram = (_band(values) for values in np.transpose(found))
    return RandomDirections(smallest, mean, spread, gram, pairs / draws)


def _gaussian_vectors(rng: np.random.Generator, number: int, dim: int) -> NDArray[np.float64]:
    """Return ``number`` Gaussian vectors of R^dim in axes turned to fit them, (number, min(number, dim)).

    The first lies on the first axis, the second in the plane of the first two, and so on (Bartlett's
    decomposition), so that a wide space costs no more than a narrow one.
    """
    rank = min(number, dim)
    vectors = np.tril(rng.standard_normal((number, rank)), -1)
    np.fill_diagonal(vectors, np.sqrt(rng.chisquare(dim - np.arange(rank))))
    return vectors


def _band(values: NDArray[np.float64]) -> Band:
    low, high = np.quantile(values, [0.025, 0.975])
    return Band(float(values.mean()), float(low), float(high))
