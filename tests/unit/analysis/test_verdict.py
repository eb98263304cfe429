"""One rule says collapsed, partly or not, and calls noise noise and an ETF an ETF."""

import math

import numpy as np
import pytest

from mlcnc.analysis.verdict import alignment_verdict, geometry_verdict, variability_verdict
from mlcnc.etf import simplex_etf
from mlcnc.metrics.geometry import gram_distance
from mlcnc.metrics.random_directions import random_directions

NULL = random_directions(20, 50)


@pytest.mark.parametrize(
    ("within", "label"),
    [(0.0, "collapsed"), (0.08, "collapsed"), (0.081, "partly"), (0.4, "partly"), (0.41, "not"), (0.9, "not")],
)
def test_a_value_is_placed_between_optimum_and_null(within, label):
    nc1 = within / (1 - within)
    found = variability_verdict(nc1, query_only=4.0, shuffled=100.0)  # 0.8 of the variance within classes
    assert found.label == label
    assert found.share == pytest.approx(within / 0.8)
    assert "as many images without the class: 80%" in found.text


def test_shuffled_labels_are_the_null_where_no_other_was_logged():
    found = variability_verdict(0.05, shuffled=100.0)
    assert found.label == "collapsed"
    assert "labels shuffled: 99%" in found.text
    assert variability_verdict(100.0, shuffled=100.0).label == "not"


def test_the_geometry_of_an_etf_is_collapsed_and_that_of_noise_is_not():
    etf = np.asarray(simplex_etf(20, 50))
    etf = etf if etf.shape[0] == 20 else etf.T
    assert geometry_verdict(gram_distance(etf), NULL).label == "collapsed"
    noise = np.random.default_rng(3).normal(size=(20, 50))
    assert geometry_verdict(gram_distance(noise), NULL).label == "not"
    half = geometry_verdict(gram_distance(etf + 0.04 * noise), NULL)
    assert half.label == "partly"


@pytest.mark.parametrize(
    ("cosine", "label"), [(0.95, "collapsed"), (0.6, "partly"), (0.1, "not"), (-0.2, "not")]
)
def test_the_alignment_is_placed_between_one_and_nothing(cosine, label):
    assert alignment_verdict(cosine).label == label


def test_without_a_value_there_is_no_verdict():
    assert variability_verdict(math.nan, query_only=1.0) is None
    assert variability_verdict(1.0) is None
    assert geometry_verdict(math.nan, NULL) is None
    assert alignment_verdict(math.nan) is None
