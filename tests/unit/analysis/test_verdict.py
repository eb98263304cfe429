"""One rule says collapsed, partly or not, and calls noise noise and an ETF an ETF."""

import math

import numpy as np
import pytest

from mlcnc.analysis.verdict import alignment_verdict, geometry_verdict, variability_verdict
from mlcnc.etf import simplex_etf
from mlcnc.metrics.geometry import gram_distance


@pytest.mark.parametrize(
    ("nc1", "label"),
    [(0.0, "collapsed"), (0.4, "collapsed"), (0.41, "partly"), (2.0, "partly"), (2.1, "not"), (9.0, "not")],
)
def test_a_value_is_placed_between_optimum_and_null(nc1, label):
    found = variability_verdict(nc1, query_only=4.0, shuffled=100.0)
    assert found.label == label
    assert found.share == pytest.approx(nc1 / 4)
    assert found.null_words == "as many images without the class"


def test_shuffled_labels_are_the_null_where_no_other_was_logged():
    found = variability_verdict(9.0, shuffled=100.0)
    assert (found.label, found.null, found.null_words) == ("collapsed", 100.0, "labels shuffled")


def test_the_geometry_of_an_etf_is_collapsed_and_that_of_noise_is_not():
    etf = np.asarray(simplex_etf(20, 50))
    etf = etf if etf.shape[0] == 20 else etf.T
    assert geometry_verdict(gram_distance(etf), 20, 50).label == "collapsed"
    noise = np.random.default_rng(3).normal(size=(20, 50))
    assert geometry_verdict(gram_distance(noise), 20, 50).label == "not"
    half = geometry_verdict(gram_distance(etf + 0.04 * noise), 20, 50)
    assert half.label == "partly"


@pytest.mark.parametrize(
    ("cosine", "label"), [(0.95, "collapsed"), (0.6, "partly"), (0.1, "not"), (-0.2, "not")]
)
def test_the_alignment_is_placed_between_one_and_nothing(cosine, label):
    assert alignment_verdict(cosine).label == label


def test_without_a_value_there_is_no_verdict():
    assert variability_verdict(math.nan, query_only=1.0) is None
    assert variability_verdict(1.0) is None
    assert geometry_verdict(0.1, 1, 5) is None
    assert alignment_verdict(math.nan) is None
