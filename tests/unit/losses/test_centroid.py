"""The centroid loss of OLTR."""

import re

import pytest
import torch
from torch.testing import assert_close

from mlcnc.losses import centroid_loss
from tests.reference import margins_and_memories as loops

B, C, D = 7, 5, 3


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(8)
    targets = (torch.rand(B, C, generator=generator) < 0.4).double()
    targets[0], targets[1], targets[:, 2] = 0, 1, 0  # no label, all labels, a class that is never there
    features = torch.randn(B, D, generator=generator, dtype=torch.float64)
    return features, torch.randn(C, D, generator=generator, dtype=torch.float64), targets


@pytest.mark.parametrize(("margin", "weight"), [(10.0, 0.01), (10.0, 3.0), (1.0, 3.0), (0.0, 1.0)])
def test_it_equals_the_loop(batch, margin, weight):
    expected = loops.centroid(*(part.numpy() for part in batch), margin, weight)
    found = centroid_loss(*batch, repel_margin=margin, repel_weight=weight)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_on_one_label_an_image_it_is_the_original_for_any_number_of_images(batch):
    features, centroids, _ = batch
    labels = torch.tensor([4, 4, 0, 1, 3, 0, 4])
    gaps = torch.cdist(features, centroids).square()
    own = gaps[torch.arange(B), labels]
    repelled = (gaps.sum() - own.sum()) / (B * C)
    expected = own.sum() / (2 * B) + 0.01 * (10 - repelled).clamp(min=0)
    assert_close(centroid_loss(features, centroids, torch.nn.functional.one_hot(labels, C)), expected)


def test_gradients_of_features_and_of_the_repelled_centroids(batch):
    features, centroids, targets = batch

    def far(c):
        return centroid_loss(features, c, torch.zeros_like(targets), repel_weight=2.0)

    assert torch.autograd.gradcheck(
        lambda v: centroid_loss(v, centroids, targets, repel_weight=2.0), (features.clone().requires_grad_(),)
    )
    assert torch.autograd.gradcheck(far, (centroids.clone().requires_grad_(),))


def test_centroids_are_attracted_by_the_centre_loss_rule(batch):
    features, centroids, targets = batch
    moving = centroids.clone().requires_grad_()
    centroid_loss(features, moving, targets, repel_weight=0.0).backward()
    expected = loops.centre_rule(features.numpy(), centroids.numpy(), targets.numpy())
    assert_close(moving.grad, torch.as_tensor(expected))
    assert not moving.grad[2].any()


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_without_positive_or_negative_pairs_one_term_is_left(batch, fill):
    features, centroids, targets = batch
    filled = torch.full_like(targets, fill)
    moving = features.clone().requires_grad_()
    value = centroid_loss(moving, centroids, filled)
    value.backward()
    expected = loops.centroid(features.numpy(), centroids.numpy(), filled.numpy(), 10.0, 0.01)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-12)
    assert torch.isfinite(moving.grad).all()


def test_an_empty_batch_gives_a_zero_with_a_gradient():
    features, centroids = torch.zeros(0, D, requires_grad=True), torch.ones(C, D, requires_grad=True)
    value = centroid_loss(features, centroids, torch.zeros(0, C))
    value.backward()
    assert float(value.detach()) == 0.0
    assert features.grad.shape == (0, D)
    assert not centroids.grad.any()


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_features_far_away_have_a_finite_value_and_gradient(batch, size):
    features = torch.full((B, D), size, requires_grad=True)
    value = centroid_loss(features, batch[1].float(), batch[2])
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(features.grad).all()
    assert features.grad.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_a_float32_loss_inside_autocast_too(batch, dtype):
    features, centroids, targets = (part.to(dtype) for part in batch)
    outside = centroid_loss(features.float(), centroids.float(), targets.float())
    with torch.autocast("cpu", torch.bfloat16):
        inside = centroid_loss(features, centroids, targets)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, outside)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, torch.zeros(B, C, D), "image_features must have shape (B, D)"),
        (0, torch.zeros(B, D, dtype=torch.int64), "image_features must be floating point"),
        (1, torch.zeros(C, D + 1), "centroids must have shape (C, 3) like image_features"),
        (1, torch.zeros(C, D, dtype=torch.int64), "centroids must be floating point"),
        (2, torch.zeros(B, C + 1), "targets must have shape (7, 5) like centroids"),
        (2, torch.full((B, C), 2.0), "targets must be 0 or 1, got 2"),
    ],
)
def test_what_the_docstring_does_not_allow_is_refused(batch, place, value, words):
    given = list(batch)
    given[place] = value
    with pytest.raises(ValueError, match=re.escape(words)):
        centroid_loss(*given)


def test_numbers_out_of_range_are_refused(batch):
    with pytest.raises(ValueError, match="repel_margin must be at least 0, got -1"):
        centroid_loss(*batch, repel_margin=-1)
    with pytest.raises(ValueError, match="repel_weight must be finite, got nan"):
        centroid_loss(*batch, repel_weight=float("nan"))
