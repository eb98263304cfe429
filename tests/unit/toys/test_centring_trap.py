"""Class means of a known geometry under every centring."""

import numpy as np
import pytest

from mlcnc.toys.centring import GEOMETRIES, centring_trap


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_equal_norms_fix_the_mean_cosine_whatever_the_geometry(geometry):
    trap = centring_trap(geometry)
    centred = trap.reading("class")
    assert np.cos(np.radians(centred.pairs)).mean() == pytest.approx(-1 / 19, abs=1e-8)
    assert centred.norm_spread < 1e-4
    assert centred.summary.mean == pytest.approx(trap.optimum, abs=2)


def test_minimum_and_spread_tell_the_geometries_apart():
    random, groups, frame = (centring_trap(geometry).reading("class").summary for geometry in GEOMETRIES)
    assert frame.minimum == pytest.approx(93.017, abs=0.01)
    assert frame.std < 1e-5
    assert 50 < random.minimum < 70
    assert groups.minimum < 10
    assert groups.std > 70 > random.std > 5


def test_a_shared_direction_lowers_uncentred_angles_and_centring_takes_it_out():
    near, far = (centring_trap("random", shared=length) for length in (0.0, 3.0))
    np.testing.assert_allclose(near.reading("class").pairs, far.reading("class").pairs, rtol=1e-9)
    assert near.reading("none").summary.mean == pytest.approx(93, abs=1)
    assert far.reading("none").summary.mean < 30


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_unequal_norms_pull_the_mean_angle_down(geometry):
    means = [centring_trap(geometry, norm_spread=spread).reading("class").summary.mean for spread in (0, 1, 2)]
    assert means[0] > means[1] > means[2]
    assert means[2] < 75


def test_frequent_classes_rule_the_centre_of_samples():
    trap = centring_trap("simplex ETF")
    assert trap.class_counts[0] == 500
    assert trap.class_counts[-1] == 4
    assert trap.reading("sample").summary.mean < trap.optimum - 3


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="geometry must be one of"):
        centring_trap("spiral")
    with pytest.raises(ValueError, match="dim must be at least num_classes"):
        centring_trap("random", dim=5)
