import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mlcnc.etf import optimal_angle_degrees, simplex_etf
from mlcnc.metrics import (
    ClassStatisticsAccumulator,
    angle_summary,
    average_precision,
    average_precision_bounds,
    gram_distance,
    mean_average_precision,
    measure_split,
    nc1_per_class,
    nc1_trace,
    pairwise_angles,
)
from mlcnc.metrics.geometry import cosine_std_floor, gram_distance_floor


def features(seed=0, images=53, classes=7, dim=5):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(images, classes, dim)) + 3 * rng.normal(size=(1, classes, dim))
    targets = (rng.random((images, classes)) < 0.3).astype(np.uint8)
    targets[:, 2] = 0
    return values, targets


def loop_statistics(values, targets):
    """Mean, count and scatter of each class's positives, straight from the definition."""
    result = []
    for label in range(values.shape[1]):
        rows = values[targets[:, label] > 0, label]
        if len(rows) == 0:
            result.append((np.full(values.shape[2], np.nan), 0, 0.0))
            continue
        mean = rows.mean(axis=0)
        result.append((mean, len(rows), sum(float(np.dot(row - mean, row - mean)) for row in rows)))
    return result


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 53), max_size=6), seed=st.integers(0, 50))
def test_statistics_equal_the_loop_under_any_batch_split(kind, cuts, seed):
    values, targets = features(seed)
    accumulator = ClassStatisticsAccumulator(7, 5)
    edges = [0, *sorted(cuts), 53]
    for first, last in itertools.pairwise(edges):
        part, labels = values[first:last], targets[first:last]
        if kind == "torch":
            part, labels = torch.from_numpy(part), torch.from_numpy(labels)
        accumulator.update(part, labels)
    statistics = accumulator.compute()
    for label, (mean, count, scatter) in enumerate(loop_statistics(values, targets)):
        assert statistics.class_counts[label] == count
        np.testing.assert_allclose(statistics.class_means[label], mean, rtol=1e-12)
        np.testing.assert_allclose(statistics.within_scatter[label], scatter, rtol=1e-10, atol=1e-12)


def test_merging_shards_equals_one_pass():
    values, targets = features()
    whole, first, second, empty = (ClassStatisticsAccumulator(7, 5) for _ in range(4))
    whole.update(values, targets)
    first.update(values[:11], targets[:11])
    second.update(values[11:], targets[11:])
    empty.merge(second)
    empty.merge(first)
    np.testing.assert_allclose(empty.compute().class_means, whole.compute().class_means, rtol=1e-12)
    np.testing.assert_allclose(empty.compute().within_scatter, whole.compute().within_scatter, rtol=1e-10)


def test_collapsed_float32_features_keep_their_digits():
    """With a spread of 1e-7 of the norm, E|x|^2 - |m|^2 in float32 has no digit left."""
    rng = np.random.default_rng(1)
    base = rng.normal(size=128)
    values = (base + 1e-4 * rng.normal(size=(400, 1, 128))).astype(np.float32)
    accumulator = ClassStatisticsAccumulator(1, 128)
    for first in range(0, 400, 50):
        accumulator.update(torch.from_numpy(values[first : first + 50]), torch.ones(50, 1))
    exact = values[:, 0].astype(np.float64)
    expected = ((exact - exact.mean(axis=0)) ** 2).sum()
    np.testing.assert_allclose(accumulator.compute().within_scatter[0], expected, rtol=1e-9)


def test_nc1_equals_the_loop_and_leaves_empty_classes_out():
    values, targets = features()
    present = [item for item in loop_statistics(values, targets) if item[1]]
    centre = np.mean([mean for mean, _, _ in present], axis=0)
    variances = [scatter / count for _, count, scatter in present]
    distances = [float(np.dot(mean - centre, mean - centre)) for mean, _, _ in present]
    accumulator = ClassStatisticsAccumulator(7, 5)
    accumulator.update(values, targets)
    statistics = accumulator.compute()
    actual = nc1_trace(statistics.class_means, statistics.variances)
    assert actual == pytest.approx(np.mean(variances) / np.mean(distances), rel=1e-12)
    per_class = nc1_per_class(statistics.class_means, statistics.variances)
    assert np.isnan(per_class[2])
    np.testing.assert_allclose(per_class[[0, 1, 3, 4, 5, 6]], np.array(variances) / distances, rtol=1e-12)


@given(seed=st.integers(0, 30), scale=st.floats(0.01, 100), shift=st.floats(-5, 5))
def test_nc1_and_centred_angles_ignore_rotation_scale_and_translation(seed, scale, shift):
    values, targets = features(seed, dim=5)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    results = []
    for part in (values, scale * values @ rotation + shift):
        accumulator = ClassStatisticsAccumulator(7, 5)
        accumulator.update(part, targets)
        statistics = accumulator.compute()
        angles = pairwise_angles(statistics.class_means, centring="class")
        results.append(
            [nc1_trace(statistics.class_means, statistics.variances), *angles[np.triu_indices(7, 1)]]
        )
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


@pytest.mark.parametrize(("classes", "dim"), [(3, 2), (20, 20), (20, 128), (80, 79)])
def test_an_etf_is_recognised(classes, dim):
    means = 3.0 * simplex_etf(classes, dim, seed=2)
    for centring in ("none", "class"):
        summary = angle_summary(pairwise_angles(means, centring=centring))
        assert summary.mean == pytest.approx(optimal_angle_degrees(classes), abs=1e-8)
        assert summary.std < 1e-7
    assert gram_distance(means) < 1e-12
    assert gram_distance(means + 7.0) < 1e-11


def test_the_mean_centred_angle_says_nothing_about_means_of_equal_norm():
    rng = np.random.default_rng(3)
    half = rng.normal(size=(10, 64))
    means = np.concatenate([half, -half])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    summary = angle_summary(pairwise_angles(means, centring="class"))
    cosines = np.cos(np.radians(pairwise_angles(means, centring="class")))[np.triu_indices(20, 1)]
    assert cosines.mean() == pytest.approx(-1 / 19, abs=1e-12)
    assert summary.std > 10
    assert summary.maximum == pytest.approx(180)


@pytest.mark.parametrize(("classes", "floor"), [(80, 0.9968), (200, 1.1687), (20, 0.0)])
def test_gram_floor(classes, floor):
    assert (cosine_std_floor(classes, 20) > 0) == (floor > 0)
    assert gram_distance_floor(classes, 20) == pytest.approx(floor, abs=1e-4)


def test_undefined_is_nan_and_never_zero():
    lonely = np.array([[1.0, 2.0], [np.nan, np.nan]])
    assert np.isnan(nc1_trace(lonely, np.array([0.5, np.nan])))
    assert np.isnan(gram_distance(lonely))
    summary = angle_summary(pairwise_angles(lonely, centring="none"))
    assert np.isnan(summary.mean)
    assert summary.closest_pair is None
    same = np.ones((2, 2))
    assert nc1_trace(same, np.array([0.5, 0.5])) == np.inf
    assert np.isnan(gram_distance(same))
    with pytest.raises(ValueError, match="centring must be"):
        pairwise_angles(same, centring="odd")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), ties=st.booleans())
def test_average_precision_is_scikit_learns(seed, ties):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(61, 5))
    scores = np.round(scores, 1) if ties else scores
    targets = (rng.random((61, 5)) < 0.2).astype(int)
    targets[0] = 1
    expected = [average_precision_score(targets[:, c], scores[:, c]) for c in range(5)]
    np.testing.assert_allclose(average_precision(scores, targets), expected, rtol=1e-12)
    np.testing.assert_array_equal(
        average_precision(np.exp(scores) * 2, targets), average_precision(scores, targets)
    )


@given(seed=st.integers(0, 99))
def test_bounds_hold_the_exact_value_after_rounding(seed):
    rng = np.random.default_rng(seed)
    scores, targets = rng.normal(size=(83, 3)).astype(np.float32), rng.random((83, 3)) < 0.3
    low, high = average_precision_bounds(np.round(scores, 1), targets)
    exact = average_precision(scores, targets)
    assert (low <= exact + 1e-12).all()
    assert (exact <= high + 1e-12).all()
    low, high = average_precision_bounds(scores, targets)
    np.testing.assert_allclose(low, high)


def test_a_class_without_a_positive_leaves_the_mean():
    precisions = average_precision(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[1, 0], [0, 0]]))
    assert np.isnan(precisions[1])
    values = mean_average_precision(precisions, {"head": [0], "tail": [1]})
    assert values["map_total"] == values["map_head"] == 100.0
    assert np.isnan(values["map_tail"])


@pytest.mark.parametrize(
    ("scores", "targets", "words"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), "targets must have shape"),
        (np.array([[np.nan]]), np.array([[1]]), "must be finite"),
    ],
)
def test_bad_scores_are_refused(scores, targets, words):
    with pytest.raises(ValueError, match=words):
        average_precision(scores, targets)


def test_measuring_takes_features_of_any_loop():
    values, targets = features()
    scores = values.sum(axis=2)
    metrics, arrays = measure_split(
        "test", targets=targets, groups={"head": [0, 1, 2], "medium": [], "tail": [3, 4, 5, 6]},
        scores=scores, spaces={"f": values},
    )  # fmt: skip
    defined = [c for c in range(7) if c != 2]
    expected = np.mean([average_precision_score(targets[:, c], scores[:, c]) for c in defined])
    assert metrics["test/map_total"] == pytest.approx(100 * expected)
    assert np.isnan(metrics["test/map_medium"])
    assert arrays["test.f/class_counts"].tolist() == targets.sum(axis=0).tolist()
    assert arrays["test/scores"].dtype == np.float16


@pytest.mark.parametrize(("classes", "floor"), [(80, 0.1945), (200, 0.2126), (10, 0.0)])
def test_cosine_floor_is_reached_by_the_best_frames_only(classes, floor):
    """The published floors at p = 20; random directions stay above them."""
    assert cosine_std_floor(classes, 20) == pytest.approx(floor, abs=1e-4)
    rows = np.random.default_rng(0).normal(size=(classes, 20))
    cosines = np.corrcoef(rows)[np.triu_indices(classes, 1)]
    assert cosines.std() > cosine_std_floor(classes, 20)
