"""The null of random directions is that of a slow simulation and of the closed forms there are."""

import numpy as np
import pytest

from mlcnc.metrics.geometry import gram_distance
from mlcnc.metrics.random_directions import random_directions


@pytest.mark.parametrize(("number", "dim"), [(4, 3), (5, 40), (12, 5)])
@pytest.mark.parametrize("centred", [True, False])
def test_it_is_what_a_simulation_in_the_whole_space_gives(number, dim, centred):
    rng = np.random.default_rng(7)
    draws = []
    for _ in range(1500):
        vectors = rng.normal(size=(number, dim))
        vectors = [vector / np.sqrt(sum(vector**2)) for vector in vectors]
        centre = sum(vectors) / number if centred else np.zeros(dim)
        measured = [(vector - centre) / np.linalg.norm(vector - centre) for vector in vectors]
        angles = [
            np.degrees(np.arccos(np.clip(measured[i] @ measured[j], -1, 1)))
            for i in range(number)
            for j in range(i)
        ]
        gram = gram_distance(np.array(vectors), centring="class" if centred else "none")
        draws.append((min(angles), np.mean(angles), np.std(angles), gram))
    *bands, pairs = random_directions(number, dim, centred=centred, gram_centred=centred)
    assert pairs.sum() == pytest.approx(number * (number - 1) / 2)
    for band, column in zip(bands, np.transpose(draws), strict=True):
        error = np.std(column) * np.sqrt(1 / 200 + 1 / 1500)
        assert band.mean == pytest.approx(column.mean(), abs=4 * error)
        inside = np.mean((column >= band.low) & (column <= band.high))
        assert inside == pytest.approx(0.95, abs=0.05)


def test_the_gram_distance_is_centred_where_the_angles_are_not_unless_asked_otherwise():
    found = random_directions(5, 40, centred=False)
    assert found.gram == random_directions(5, 40).gram
    assert found.gram != random_directions(5, 40, centred=False, gram_centred=False).gram


def test_uncentred_cosines_have_the_variance_of_uniform_vectors():
    found = random_directions(40, 400, centred=False)
    # of angles near 90 degrees
    assert found.mean.mean == pytest.approx(90.0, abs=0.1)
    middles = np.arange(1.5, 180, 3)
    assert found.pairs @ middles / found.pairs.sum() == pytest.approx(90.0, abs=0.2)
    assert np.radians(found.spread.mean) == pytest.approx(1 / np.sqrt(400), rel=0.02)


def test_two_directions_centred_are_an_etf():
    found = random_directions(2, 8)
    assert found.smallest == pytest.approx((180.0, 180.0, 180.0))
    # of unequal norms it is not one, but unit vectors have equal norms about their mean
    assert found.gram == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


@pytest.mark.parametrize(("number", "dim"), [(1, 8), (3, 0)])
def test_fewer_than_two_classes_are_refused(number, dim):
    with pytest.raises(ValueError, match="num_classes must be at least 2"):
        random_directions(number, dim)
