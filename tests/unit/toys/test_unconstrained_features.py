"""The unconstrained-features model against loops, closed forms and what the theory says of it."""

import numpy as np
import pytest

from mlcnc.etf import optimal_angle_degrees, simplex_etf
from mlcnc.metrics import angle_summary, gram_distance, nc1_trace, pairwise_angles
from mlcnc.toys.collapse import collapse_course
from mlcnc.toys.imbalance import imbalanced_end
from mlcnc.toys.simplex import random_vectors, simplex_angles
from mlcnc.toys.unconstrained_features import (
    angle_course,
    polygon_plane,
    softmax_cross_entropy,
    unconstrained_features,
)


def slow_loss(features, labels, weight):
    total = 0.0
    for row, label in zip(features, labels, strict=True):
        scores = [float(row @ w) for w in weight]
        total -= np.log(np.exp(scores[label]) / sum(np.exp(score) for score in scores))
    return total / len(labels)


def test_cross_entropy_and_its_gradients_agree_with_a_loop():
    rng = np.random.default_rng(3)
    features, weight = rng.normal(size=(7, 4)), rng.normal(size=(3, 4))
    labels = np.array([0, 2, 1, 1, 0, 2, 2])
    loss, for_features, for_weight = softmax_cross_entropy(features, labels, weight)
    assert loss == pytest.approx(slow_loss(features, labels, weight), rel=1e-12)
    for array, gradient, scale in ((features, for_features, 7), (weight, for_weight, 1)):
        for index in np.ndindex(*array.shape):
            kept, array[index] = array[index], array[index] + 1e-5
            above = slow_loss(features, labels, weight)
            array[index] = kept - 1e-5
            below = slow_loss(features, labels, weight)
            array[index] = kept
            assert gradient[index] == pytest.approx(scale * (above - below) / 2e-5, abs=1e-8)


def test_steps_and_statistics_are_those_of_a_loop():
    counts, dim, rate, decay = [3, 1, 2], 4, 0.3, 0.07
    run = unconstrained_features(
        counts, dim=dim, feature_decay=decay, classifier_decay=2 * decay, learning_rate=rate, steps=5, seed=8
    )
    rng = np.random.default_rng(8)
    features, weight = rng.standard_normal((6, dim)), rng.standard_normal((3, dim))
    labels = np.array([0, 0, 0, 1, 2, 2])
    for _ in range(5):
        _, for_features, for_weight = softmax_cross_entropy(features, labels, weight)
        features, weight = (
            features - rate * (for_features + decay * features),
            weight - rate * (for_weight + 2 * decay * weight),
        )
    assert run.steps.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(run.features[-1], features, rtol=1e-6)
    np.testing.assert_allclose(run.classifier[-1], weight, rtol=1e-12)
    for c in range(3):
        rows = features[labels == c]
        np.testing.assert_allclose(run.class_means[-1][c], rows.mean(axis=0), rtol=1e-12)
        spread = ((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean()
        assert run.variances[-1][c] == pytest.approx(spread, abs=1e-12)
    assert run.accuracy[-1] == np.mean((features @ weight.T).argmax(axis=1) == labels)
    assert run.feature_norms[-1] == pytest.approx(np.linalg.norm(features, axis=1).mean())
    assert run.nc1[-1] == nc1_trace(run.class_means[-1], run.variances[-1])


@pytest.mark.parametrize("number", [3, 10])
def test_balanced_classes_end_at_the_minimum_known_in_closed_form(number):
    decay = 0.02
    run = unconstrained_features(
        [4] * number, dim=number, feature_decay=decay, classifier_decay=decay, learning_rate=1.0, steps=3000
    )
    assert gram_distance(run.class_means[-1]) < 1e-3
    assert gram_distance(run.classifier[-1], centring="none") < 1e-3
    assert run.duality[-1] < 1e-6
    assert run.nc1[-1] < 1e-12
    # with features b u_c and rows a u_c the loss hangs on s = a b alone, and C a^2 = b^2
    scale = np.linspace(0.01, 40, 400_000)
    gap = number / (number - 1) * scale
    objective = np.log1p((number - 1) * np.exp(-gap)) + scale * decay * np.sqrt(number)
    best = scale[objective.argmin()]
    assert run.feature_norms[-1] == pytest.approx((best * np.sqrt(number)) ** 0.5, rel=1e-3)
    rows = np.linalg.norm(run.classifier[-1], axis=1)
    assert rows == pytest.approx((best / np.sqrt(number)) ** 0.5, rel=2e-3)


def test_a_fixed_classifier_never_moves_and_draws_the_class_means_to_itself():
    frame = 1.5 * simplex_etf(5, 6, seed=2)
    run = unconstrained_features([40, 40, 2, 2, 2], dim=6, classifier=frame, learning_rate=1.0, steps=1500)
    assert run.classifier_fixed
    assert (run.classifier == frame).all()
    assert angle_course(run).minimum[-1] == pytest.approx(optimal_angle_degrees(5), abs=0.1)


def test_kept_moments_are_dense_at_the_start_and_hold_both_ends():
    run = unconstrained_features([2, 2], dim=2, steps=500, num_frames=12, kept_per_class=1)
    assert run.steps[0] == 0
    assert run.steps[-1] == 500
    assert len(run.steps) <= 13
    assert (np.diff(run.steps, 2)[3:] >= 0).all()
    assert run.labels.tolist() == [0, 1]
    assert run.features.shape == (len(run.steps), 2, 2)
    assert run.frame_at(0) == 0
    assert run.frame_at(10**6) == len(run.steps) - 1
    assert run.steps[run.frame_at(100)] <= 100 < run.steps[run.frame_at(100) + 1]


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    one, two, other = (unconstrained_features([3, 3], dim=3, steps=20, seed=seed) for seed in (1, 1, 2))
    assert (one.features == two.features).all()
    assert (one.features != other.features).any()


@pytest.mark.parametrize(
    ("counts", "settings", "said"),
    [
        ([3], {}, "at least two counts"),
        ([3, 0], {}, "at least 1"),
        ([3, 3], {"classifier": np.eye(3)}, "classifier must have shape"),
    ],
)
def test_impossible_settings_are_refused(counts, settings, said):
    with pytest.raises(ValueError, match=said):
        unconstrained_features(counts, dim=2, steps=1, **settings)


@pytest.mark.parametrize("number", [3, 5, 8])
def test_an_etf_is_a_regular_polygon_in_its_plane(number):
    plane = polygon_plane(3 * simplex_etf(number, 9, seed=number) + 1)
    np.testing.assert_allclose(plane.T @ plane, np.eye(2), atol=1e-12)
    corners = 3 * simplex_etf(number, 9, seed=number) @ plane
    radius = np.linalg.norm(corners, axis=1)
    np.testing.assert_allclose(radius, radius[0])
    turns = np.unwrap(np.arctan2(corners[:, 1], corners[:, 0]))
    np.testing.assert_allclose(np.abs(np.diff(turns)), 2 * np.pi / number)


def test_step_2_variability_collapses_with_weight_decay_only():
    decayed, free = collapse_course(), collapse_course(decay=0.0)
    for course in (decayed, free):
        after = course.frame_at(course.first_perfect)
        assert (course.accuracy[after:] == 1).all()
        assert course.first_perfect < 50
        assert 0.3 < course.nc1[after] < 2
    assert decayed.nc1[-1] < 1e-9
    assert free.nc1[-1] > 0.1
    assert free.feature_norms[-1] > 1.5 * free.feature_norms[0]
    assert free.feature_norms[-1] > free.feature_norms[-2]
    late = decayed.feature_norms[decayed.frame_at(1000) :]
    assert np.ptp(late) < 0.01


def test_step_3_the_smallest_angle_tells_and_the_mean_does_not():
    course = collapse_course()
    angles = course.angles
    assert abs(angles.mean[0] - course.optimum) < 1
    assert angles.minimum[0] < course.optimum - 20
    assert angles.std[0] > 15
    assert angles.minimum[-1] == pytest.approx(course.optimum, abs=0.1)
    assert angles.std[-1] < 0.1
    assert course.duality[0] > 1
    assert course.duality[-1] < 1e-6
    np.testing.assert_allclose(course.scaled_rows[-1], course.scaled_means[-1], atol=1e-4)
    radius = np.linalg.norm(course.means[-1], axis=1)
    np.testing.assert_allclose(radius, radius[0], rtol=1e-3)


def test_step_4_rare_classes_fall_together_and_frequent_ones_move_apart():
    even, half, full = (imbalanced_end(ratio) for ratio in (1, 50, 100))
    for subject in ("classifier", "class means"):
        assert even[subject].rare == pytest.approx(even[subject].optimum, abs=0.1)
        assert even[subject].frequent == pytest.approx(even[subject].optimum, abs=0.1)
    assert full["classifier"].rare < 1
    assert full["classifier"].frequent == pytest.approx(102.6, abs=0.5)
    assert half["classifier"].rare == pytest.approx(65.1, abs=1)
    assert half["classifier"].optimum - half["classifier"].mean < 6
    assert half["classifier"].minimum == pytest.approx(half["classifier"].rare, abs=1)
    assert max(end["classifier"].nc1 for end in (even, half, full)) < 1e-20
    weak = imbalanced_end(100, decay=0.005)["classifier"]
    assert full["classifier"].rare < weak.rare < 75
    assert weak.frequent > weak.optimum
    pairs = [full["classifier"].angles[i, j] for i in range(5) for j in range(5, 10)]
    assert full["classifier"].mixed == pytest.approx(np.mean(pairs))
    with pytest.raises(ValueError, match="ratio must be at least 1"):
        imbalanced_end(0)


def test_step_1_angles_of_frames_and_of_random_vectors():
    best = simplex_angles([2, 3, 4, 20, 80])
    assert [round(angle, 2) for angle in best.angles] == [180.0, 120.0, 109.47, 93.02, 90.73]
    assert best.angle_of(4) == best.angles[2]
    vectors = random_vectors(20)
    assert len(vectors.pairs) == 190
    assert abs(vectors.summary.mean - vectors.optimum) < 5
    assert vectors.summary.minimum < vectors.optimum - 30
    assert vectors.summary == angle_summary(
        pairwise_angles(np.random.default_rng(0).standard_normal((20, 19)), centring="none")
    )
