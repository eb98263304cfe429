"""The toy of step 6: the hand-written alignment loss, and what each kind of label embedding leads to."""

import numpy as np
import pytest
import torch

from mlcnc.losses.feature_alignment import EPSILON, MIN_ARGUMENT, feature_alignment_loss
from mlcnc.toys import alignment
from mlcnc.toys.alignment import alignment_loss
from mlcnc.toys.label_embeddings import KINDS, RELATED, RELATED_DEGREES, correlated_embedding, embedding_end
from tests.reference.finite_differences import finite_difference


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    features, embedding = rng.normal(size=(5, 3, 7)), rng.normal(size=(3, 7))
    targets = rng.random((5, 3)) < 0.5
    features[0, 0], targets[0, 0] = -3 * embedding[0] + 1e-3, True  # where the logarithm is bounded
    features[1, 1], targets[1, 1] = 2 * embedding[1] + 1e-3, False
    return features, embedding, targets


def test_loss_and_gradients_are_those_of_the_trained_loss(problem):
    features, embedding, targets = problem
    loss, for_features, for_embedding = alignment_loss(features, embedding, targets)
    tensors = [torch.tensor(array, requires_grad=True) for array in (features, embedding)]
    expected = feature_alignment_loss(*tensors, torch.tensor(targets, dtype=torch.float64))
    expected.backward()
    assert loss == pytest.approx(expected.item())
    np.testing.assert_allclose(for_features, tensors[0].grad.numpy(), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(for_embedding, tensors[1].grad.numpy(), rtol=1e-6, atol=1e-9)
    assert (alignment.EPSILON, alignment.MIN_ARGUMENT) == (EPSILON, MIN_ARGUMENT)


def test_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(1)
    features, embedding, targets = rng.normal(size=(4, 3, 5)), rng.normal(size=(3, 5)), rng.random((4, 3)) < 0.5
    _, for_features, for_embedding = alignment_loss(features, embedding, targets)
    expected = finite_difference(lambda point: alignment_loss(point, embedding, targets)[0], features)
    np.testing.assert_allclose(for_features, expected, atol=1e-7)
    expected = finite_difference(lambda point: alignment_loss(features, point, targets)[0], embedding)
    np.testing.assert_allclose(for_embedding, expected, atol=1e-7)


def test_loss_is_zero_at_its_optimum_and_needs_two_classes():
    etf = correlated_embedding(3, 3, [], 0.0)
    aligned = np.stack([etf, etf])  # class c's feature of both images along l_c
    assert alignment_loss(aligned, etf, np.ones((2, 3), bool))[0] == pytest.approx(0, abs=2e-6)
    rolled = np.stack([np.roll(etf, 1, axis=0)] * 2)  # cosine -1/(C-1) with l_c
    assert alignment_loss(rolled, etf, np.zeros((2, 3), bool))[0] == pytest.approx(0, abs=2e-6)
    with pytest.raises(ValueError, match="at least 2 classes"):
        alignment_loss(np.ones((2, 1, 3)), np.ones((1, 3)), np.ones((2, 1), bool))
    with pytest.raises(ValueError, match="label_embedding must have shape"):
        alignment_loss(np.ones((2, 2, 3)), np.ones((2, 4)), np.ones((2, 2), bool))


def test_correlated_embedding_has_the_pairs_it_should():
    rows = correlated_embedding(10, 10, RELATED, RELATED_DEGREES)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    angles = np.degrees(np.arccos(np.clip(rows @ rows.T, -1, 1)))
    for pair in RELATED:
        assert angles[pair] == pytest.approx(27)
    upper = np.sort(angles[np.triu_indices(10, k=1)])
    assert upper[2] > 90, "all other pairs stay far apart"
    with pytest.raises(ValueError, match="two pairs"):
        correlated_embedding(4, 4, [(0, 1), (1, 2)], 27.0)


@pytest.mark.parametrize("ratio", [1, 10, 100])
def test_under_alignment_features_copy_the_angles_of_their_embedding(ratio):
    ends = {kind: embedding_end(kind, "alignment", ratio) for kind in KINDS}
    for end in ends.values():
        assert end.copied < 0.2
    assert ends["etf"].features.minimum == pytest.approx(ends["etf"].optimum, abs=0.1)
    assert ends["correlated"].features.minimum == pytest.approx(27, abs=0.1)
    assert ends["correlated"].correlation > 0.999
    assert np.isnan(ends["etf"].correlation)
    # nothing in this loss pushes the embeddings of two classes apart
    assert ends["trainable"].features.std > 10
    assert ends["trainable"].moved > 0.9
    assert ends["etf"].moved == ends["correlated"].moved == pytest.approx(1)


@pytest.mark.parametrize("ratio", [1, 10, 100])
def test_under_softmax_a_fixed_correlated_classifier_leaves_features_apart(ratio):
    etf, correlated = (embedding_end(kind, "softmax", ratio) for kind in ("etf", "correlated"))
    assert etf.features.minimum == pytest.approx(etf.optimum, abs=0.01)
    assert correlated.related_embedding == pytest.approx(27)
    assert correlated.related_features > 80
    assert correlated.class_counts == (2 * ratio,) * 5 + (2,) * 5


def test_under_softmax_imbalance_harms_a_trained_classifier_only():
    balanced, steep = (embedding_end("trainable", "softmax", ratio) for ratio in (1, 100))
    assert balanced.features.minimum == pytest.approx(balanced.optimum, abs=0.01)
    assert steep.features.minimum < 5
    assert min(steep.features.closest_pair) >= 5, "two rare classes fall together"


def test_longer_fixed_vectors_do_not_pull_the_features_together():
    long = embedding_end("correlated", "softmax", 10, length=3.0)
    assert long.related_features > embedding_end("correlated", "softmax", 10).related_features
    assert long.embedding_angles[RELATED[0]] == pytest.approx(27)


def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match="kind must be one of"):
        embedding_end("glove", "softmax", 1)
    with pytest.raises(ValueError, match="ratio must be"):
        embedding_end("etf", "alignment", 0)
