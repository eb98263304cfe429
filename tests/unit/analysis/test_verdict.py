"""One rule says collapsed, partly or not, and calls noise noise and an ETF an ETF."""

import math

import numpy as np
import pytest

from mlcnc.analysis.verdict import (
    Verdicts,
    alignment_verdict,
    carry_over_sentence,
    geometry_verdict,
    variability_verdict,
    verdicts_of,
    way_sentence,
)
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


def test_the_null_of_the_alignment_is_the_nearest_thing_that_no_training_gives():
    found = alignment_verdict(0.8, others=0.3, without=0.6)
    assert found.share == pytest.approx(0.5)
    assert found.words == "partly aligned"
    assert found.text == (
        "cosine with the own label embedding 0.80; null: 0.60 (other embeddings 0.30, images without the class "
        "0.60); aligned: 1"
    )
    assert alignment_verdict(0.8, others=0.7).words == "not aligned"
    # below a random direction nothing is a null
    assert alignment_verdict(0.9, others=-0.05, without=-0.001).share == pytest.approx(0.1)
    assert "-0.00" not in alignment_verdict(0.9, without=-0.001).text
    # label embeddings that lie on each other, or a query that alone aligns
    assert alignment_verdict(1.0, others=1.0, without=0.0).label == "not"
    assert alignment_verdict(1.0, others=0.0, without=1.0).label == "not"


def test_without_a_value_there_is_no_verdict():
    assert variability_verdict(math.nan, query_only=1.0) is None
    assert variability_verdict(1.0) is None
    assert geometry_verdict(math.nan, NULL) is None
    assert alignment_verdict(math.nan) is None


def test_what_the_query_alone_collapses_is_no_collapse():
    assert variability_verdict(0.0, query_only=0.0, shuffled=90.0).label == "not"
    assert variability_verdict(0.01, query_only=0.01, shuffled=90.0).label == "not"


def test_two_class_means_have_no_geometry():
    assert geometry_verdict(0.0, random_directions(2, 9)) is None


def test_logged_values_are_judged_in_their_own_dimension():
    logged = {"test.f/nc1_trace": 0.01, "test.f/nc1_trace_query_only": 4.0, "test.f/nc2_gram": 0.24}
    found = verdicts_of(logged | {"test.f/num_classes": 20.0}, "test.f", 300)
    assert found.variability.words == "collapsed"
    # as far from an ETF as 20 random directions of 300 dimensions, and nearer than those of 20
    assert found.geometry.words == "not collapsed"
    assert verdicts_of(logged | {"test.f/num_classes": 20.0}, "test.f", 20).geometry.words == "partly collapsed"
    assert found.alignment is None
    assert verdicts_of({"train.f/alignment_positive": 0.95}, "train.f", 300).alignment.words == "aligned"
    near = {"train.f/alignment_positive": 0.95, "train.f/alignment_negative": 0.93}
    assert verdicts_of(near, "train.f", 300).alignment.words == "not aligned"
    far = {"train.f/alignment_positive": 0.95, "train.f/alignment_positive_others": 0.93}
    assert verdicts_of(far, "train.f", 300).alignment.words == "not aligned"
    assert verdicts_of({}, "train.f", None) == (None, None, None)


@pytest.mark.parametrize(
    ("nc1", "written"), [(0.0, "NC1 0:"), (4e-9, "under 0.001"), (0.0123, "0.012"), (12345.0, "12,345")]
)
def test_numbers_are_written_for_people(nc1, written):
    assert written in variability_verdict(nc1, query_only=5.0).text


def test_how_far_from_collapse_a_run_is_is_one_sentence_of_shares_of_the_way():
    test = Verdicts(variability_verdict(0.25, query_only=4.0), None, alignment_verdict(0.95))
    train = Verdicts(variability_verdict(0.02, query_only=4.0), None, alignment_verdict(-0.3))
    assert way_sentence(test, train, when="epoch 7", space="f") == (
        "Partly collapsed at epoch 7: of the way from the null to the optimum, test features f have come 75% in "
        "variability (train 97%); 95% in alignment (train 0%)."
    )
    unaligned = Verdicts(variability_verdict(0.02, query_only=4.0), None, alignment_verdict(0.04))
    assert way_sentence(unaligned, train, when="epoch 7", space="f").startswith("Collapsed at epoch 7")
    assert way_sentence(Verdicts(None, None, alignment_verdict(0.9)), train, when="epoch 7", space="f") == ""
    nothing = Verdicts(None, None, None)
    assert way_sentence(nothing, train, when="epoch 7", space="f") == ""


def test_an_alignment_of_training_images_alone_is_said_not_to_carry_over():
    train, test = alignment_verdict(0.95), alignment_verdict(0.3)
    said = carry_over_sentence(train, test)
    assert said.startswith("Training features are aligned, but test features are not aligned: ")
    assert "does not carry over" in said
    assert carry_over_sentence(train, train) == ""
    assert carry_over_sentence(test, test) == carry_over_sentence(train, None) == ""
    assert carry_over_sentence(None, test) == ""
