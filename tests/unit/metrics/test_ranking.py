"""Ranking metrics against scikit-learn and loops, on NumPy arrays and torch tensors."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
)

from mlcnc.metrics import (
    average_precision,
    bootstrap_difference,
    bootstrap_draws,
    bootstrap_map,
    bootstrap_mean_differences,
    f1_scores,
    global_map,
    mean_average_precision,
    precision_recall_curves,
)
from mlcnc.metrics.bootstrap import _weighted_average_precision
from tests.reference import ranking as reference

GROUPS = {"head": [0, 1], "tail": [2, 3, 4]}


def made(seed, images=61, classes=5, ties=True):
    rng = np.random.default_rng(seed)
    targets = (rng.random((images, classes)) < 0.25).astype(int)
    targets[0], targets[1] = 1, 0
    scores = rng.normal(size=targets.shape) + targets
    return np.round(scores, 1) if ties else scores, targets


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), ties=st.booleans())
def test_average_precision_on_both_kinds_of_array(dtype, seed, ties):
    scores, targets = made(seed, ties=ties)
    scores = (10 * scores).astype(dtype)
    expected = [average_precision_score(targets[:, c], scores[:, c]) for c in range(5)]
    np.testing.assert_allclose(average_precision(scores, targets), expected, rtol=1e-12)
    np.testing.assert_allclose(
        average_precision(torch.tensor(scores), torch.tensor(targets)), expected, rtol=1e-12
    )
    np.testing.assert_allclose(average_precision(torch.tensor(scores), targets), expected, rtol=1e-12)
    loop = [reference.average_precision(scores[:, c], targets[:, c]) for c in range(5)]
    np.testing.assert_allclose(loop, expected, rtol=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_global_map_leaves_out_images_without_a_label(seed):
    scores, targets = made(seed)
    has = targets.sum(axis=1) > 0
    expected = np.mean([average_precision_score(targets[i], scores[i]) for i in np.flatnonzero(has)])
    assert global_map(scores, targets) == pytest.approx(100 * expected, rel=1e-12)
    assert global_map(torch.tensor(scores), torch.tensor(targets)) == pytest.approx(100 * expected, rel=1e-12)
    assert np.isnan(global_map(scores, 0 * targets))


@pytest.mark.parametrize("threshold", [0.0, 0.7, np.array([0.1, 5.0, 0.3, -0.2, 0.0])])
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_f1_is_scikit_learns(threshold, seed):
    scores, targets = made(seed)
    predicted = (scores > threshold).astype(int)
    found = f1_scores(scores, targets, threshold=threshold)
    for kind, theirs in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        for average in ("micro", "macro"):
            expected = theirs(targets, predicted, average=average, zero_division=0)
            assert found[f"{kind}_{average}"] == pytest.approx(100 * expected, rel=1e-12, abs=1e-12)
    without = np.concatenate([targets, 0 * targets[:, :1]], axis=1)
    more = f1_scores(np.concatenate([scores, scores[:, :1] - 99], axis=1), without)
    assert more["f1_macro"] == pytest.approx(f1_scores(scores, targets)["f1_macro"])
    assert np.isnan(f1_scores(scores, 0 * targets)["f1_micro"])


@given(seed=st.integers(0, 10**6))
def test_curves_are_scikit_learns_and_their_area_is_average_precision(seed):
    scores, targets = made(seed)
    curves = precision_recall_curves(torch.tensor(scores), torch.tensor(targets))
    np.testing.assert_allclose([curve.area for curve in curves], average_precision(scores, targets), rtol=1e-12)
    for label, curve in enumerate(curves):
        precision, recall, thresholds = precision_recall_curve(targets[:, label], scores[:, label])
        np.testing.assert_allclose(curve.precision[::-1], precision[:-1], rtol=1e-12)
        np.testing.assert_allclose(curve.recall[::-1], recall[:-1], rtol=1e-12)
        np.testing.assert_allclose(curve.thresholds[::-1], thresholds)
    empty = precision_recall_curves(scores, 0 * targets)[0]
    assert empty.num_positives == 0
    assert np.isnan(empty.recall).all()
    assert np.isnan(empty.area)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_a_resample_is_average_precision_of_the_drawn_rows(seed):
    scores, targets = made(seed)
    drawn = np.random.default_rng(seed).integers(0, 61, size=(3, 61))
    weights = np.stack([np.bincount(rows, minlength=61) for rows in drawn], axis=1).astype(np.float32)
    for label in range(5):
        found = _weighted_average_precision(scores[:, label], targets[:, label] > 0, weights)
        expected = average_precision(
            np.stack([scores[rows, label] for rows in drawn], axis=1),
            np.stack([targets[rows, label] for rows in drawn], axis=1),
        )
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_intervals():
    scores, targets = made(3, images=400, ties=False)
    found = bootstrap_map(scores, targets, GROUPS, num_resamples=300)
    values = mean_average_precision(average_precision(scores, targets), GROUPS)
    for name, interval in found.items():
        assert interval.value == pytest.approx(values[name])
        assert interval.low < interval.value < interval.high
        assert interval.num_resamples == 300
    again = bootstrap_map(torch.tensor(scores), torch.tensor(targets), GROUPS, num_resamples=300)
    assert again == found
    wider = bootstrap_map(scores, targets, GROUPS, num_resamples=300, confidence=0.99)["map_total"]
    assert wider.high - wider.low > found["map_total"].high - found["map_total"].low
    assert bootstrap_map(scores, targets, GROUPS, num_resamples=300, seed=1) != found


def test_the_paired_difference_is_narrower_than_two_intervals_and_nil_against_itself():
    scores, targets = made(5, images=400, ties=False)
    better = scores + 0.4 * targets
    same = bootstrap_difference(scores, scores, targets, GROUPS, num_resamples=200)["map_total"]
    assert same.value == same.low == same.high == 0.0
    assert same.share_above_zero == 0.0
    paired = bootstrap_difference(better, scores, targets, GROUPS, num_resamples=200)["map_total"]
    assert paired.low > 0
    assert paired.share_above_zero == 1.0
    single = bootstrap_map(scores, targets, GROUPS, num_resamples=200)["map_total"]
    assert paired.high - paired.low < single.high - single.low


def test_mean_differences_are_those_of_pairs_and_of_means():
    scores, targets = made(6, images=150)
    other, third = scores + 0.3 * targets, scores - 0.2 * targets
    pair = bootstrap_difference(other, scores, targets, GROUPS, num_resamples=120)
    found = bootstrap_mean_differences(
        {"a": [other, other], "b": [other, third], "r": [scores]}, "r", targets, GROUPS, num_resamples=120
    )
    assert found.keys() == {"a", "b"}
    assert found["a"] == pair
    maps = [mean_average_precision(average_precision(each, targets), GROUPS) for each in (other, third, scores)]
    ours, theirs = (bootstrap_draws(each, targets, GROUPS, num_resamples=120) for each in (other, scores))
    for name, interval in pair.items():
        low, high = np.quantile(ours[name] - theirs[name], [0.025, 0.975])
        assert interval.high - interval.low == pytest.approx(high - low), (
            "a run has the same draws in all pairs"
        )
    for name, interval in found["b"].items():
        first, second, reference = (values[name] for values in maps)
        assert interval.value == pytest.approx((first + second) / 2 - reference)
        assert interval.low < interval.value < interval.high
    with pytest.raises(ValueError, match="reference must be one of a, r, got 'x'"):
        bootstrap_mean_differences({"a": [other], "r": [scores]}, "x", targets, GROUPS)


def test_the_interval_covers_what_it_claims():
    """Of 120 test sets from one source, about 95 % of the intervals hold the value of a huge one."""
    truth = mean_average_precision(average_precision(*made(0, images=40_000, ties=False)), {})["map_total"]
    held = 0
    for seed in range(1, 121):
        scores, targets = made(seed, images=300, ties=False)
        interval = bootstrap_map(scores, targets, {}, num_resamples=150, seed=seed)["map_total"]
        held += interval.low <= truth <= interval.high
    assert 102 <= held <= 120


def test_classes_without_positives_and_single_images():
    scores, targets = made(1)
    targets[:, 4] = 0
    found = bootstrap_map(scores, targets, {"tail": [4]}, num_resamples=20)
    assert np.isnan(found["map_tail"].value)
    assert found["map_tail"].num_resamples == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert average_precision(np.array([[0.3]]), np.array([[1]])).tolist() == [1.0]
        assert np.isnan(average_precision(np.zeros((0, 3)), np.zeros((0, 3)))).all()


BAD = [
    (np.zeros((3, 2)), np.zeros((3, 4)), "targets must have shape"),
    (np.zeros(3), np.zeros(3), "scores must have shape"),
    (np.array([[np.inf]]), np.array([[1]]), "scores must be finite"),
    (np.zeros((2, 1)), np.array([[2], [0]]), "targets must be 0 or 1, got 2"),
]


@pytest.mark.parametrize(("scores", "targets", "words"), BAD)
def test_bad_input_is_refused(scores, targets, words):
    for call in (average_precision, f1_scores, global_map, precision_recall_curves):
        with pytest.raises(ValueError, match=words):
            call(scores, targets)
    with pytest.raises(ValueError, match=words):
        bootstrap_map(scores, targets, {})


def test_bad_settings_are_refused():
    scores, targets = made(0)
    for settings_, words in (({"num_resamples": 0}, "num_resamples"), ({"confidence": 1.0}, "confidence")):
        with pytest.raises(ValueError, match=words):
            bootstrap_map(scores, targets, {}, **settings_)
    with pytest.raises(ValueError, match="second_scores"):
        bootstrap_difference(scores, scores[:5], targets, {})
    with pytest.raises(ValueError, match="threshold"):
        f1_scores(scores, targets, threshold=np.zeros(2))
