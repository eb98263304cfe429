"""The toy of step 5: closed forms where they exist, gradients against finite differences."""

import numpy as np
import pytest

from mlcnc.toys.several_labels import between_centres, pick_all_labels, several_labels
from mlcnc.toys.unconstrained_features import softmax_cross_entropy
from tests.reference.finite_differences import finite_difference


def test_pick_all_labels_is_the_sum_of_cross_entropies_and_its_gradients_fit():
    rng = np.random.default_rng(0)
    features, weight = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
    targets = (rng.random((7, 5)) < 0.4).astype(float)
    targets[:, 0] = 1
    loss, for_features, for_weight = pick_all_labels(features, targets, weight)
    slow = 0.0
    for i in range(7):
        logits = [float(features[i] @ weight[k]) for k in range(5)]
        for k in range(5):
            if targets[i, k]:
                slow -= logits[k] - np.log(sum(np.exp(logits)))
    assert loss == pytest.approx(slow / 7)
    expected = finite_difference(lambda rows: pick_all_labels(rows, targets, weight)[0], features)
    np.testing.assert_allclose(for_features / 7, expected, atol=1e-8)
    expected = finite_difference(lambda rows: pick_all_labels(features, targets, rows)[0], weight)
    np.testing.assert_allclose(for_weight, expected, atol=1e-8)


def test_pick_all_labels_with_one_label_each_is_softmax_cross_entropy():
    rng = np.random.default_rng(1)
    features, weight, labels = rng.normal(size=(11, 3)), rng.normal(size=(5, 3)), rng.integers(0, 5, 11)
    several = pick_all_labels(features, np.eye(5)[labels], weight)
    single = softmax_cross_entropy(features, labels, weight)
    for ours, theirs in zip(several, single, strict=True):
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("number", [3, 5])
def test_with_equal_counts_every_pair_lies_half_way_on_the_average(number):
    end = several_labels([10] * number)
    assert end.variance < 1e-10
    # the centres form a simplex ETF, so half of its angle is half way
    half = np.degrees(np.arccos(-1 / (number - 1))) / 2
    for first in range(number):
        for second in range(first + 1, number):
            found = between_centres(end, first, second)
            assert found.apart == pytest.approx(end.optimum, abs=1e-3)
            assert found.to_first == pytest.approx(half, abs=1e-3)
            assert found.to_second == pytest.approx(half, abs=1e-3)
            assert found.to_average == pytest.approx(0, abs=1e-3)
            assert found.outside < 1e-9
            assert found.classifier_ratio == pytest.approx(1, abs=1e-6)
    # the loss of a feature with two labels cannot fall below 2 log 2
    share = 3 * number * (number - 1) / 2 / (10 * number + 3 * number * (number - 1) / 2)
    assert end.loss > share * 2 * np.log(2)


def test_many_images_of_one_label_push_the_pair_towards_the_rarer_one():
    angles = [between_centres(several_labels([n, 10, 10, 10, 10]), 0, 2) for n in (10, 50, 200)]
    assert angles[0].to_first < angles[1].to_first < angles[2].to_first
    assert angles[0].to_second > angles[1].to_second > angles[2].to_second
    assert [item.classifier_ratio > 1 for item in angles] == [False, True, True]
    assert max(item.outside for item in angles) < 1e-9, "still a weighted average of the two centres"
    untouched = between_centres(several_labels([200, 10, 10, 10, 10]), 1, 2)
    assert untouched.to_first == pytest.approx(untouched.to_second, abs=0.01)


def test_the_plane_keeps_lengths_and_angles_of_what_lies_in_it():
    end = several_labels([40, 10, 10])
    found = between_centres(end, 0, 1)
    lengths = [
        np.linalg.norm(end.mean_of(0)),
        np.linalg.norm(end.mean_of(1)),
        np.linalg.norm(end.mean_of(0, 1)),
    ]
    drawn = [*found.centres[:2], found.feature]
    np.testing.assert_allclose([np.linalg.norm(row) for row in drawn], lengths, rtol=1e-6)
    flat = np.degrees(np.arccos(drawn[0] @ drawn[2] / lengths[0] / lengths[2]))
    assert flat == pytest.approx(found.to_first, abs=1e-4)
    assert found.centres[0][0] < 0 < found.centres[1][0], "the first class is on the left"


@pytest.mark.parametrize(("counts", "pairs"), [([5, 5], 1), ([5, 0, 5], 1), ([5, 5, 5], 0)])
def test_impossible_counts_are_refused(counts, pairs):
    with pytest.raises(ValueError, match="at least"):
        several_labels(counts, pairs)


def test_one_class_is_no_pair():
    with pytest.raises(ValueError, match="two different classes"):
        between_centres(several_labels([2, 2, 2], steps=1), 1, 1)
