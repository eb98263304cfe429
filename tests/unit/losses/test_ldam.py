"""LDAM in both forms, its margins, and the weights of deferred re-weighting."""

import re

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mlcnc.losses import binary_cross_entropy_loss, effective_number_weights, ldam_loss, ldam_softmax_loss
from mlcnc.losses.ldam import ldam_margins
from tests.reference import margins_and_memories as loops

B, C = 7, 5
COUNTS = torch.tensor([120, 61, 25, 8, 3])
WEIGHTS = torch.tensor([0.3, 0.5, 0.7, 1.5, 2.0], dtype=torch.float64)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(6)
    targets = (torch.rand(B, C, generator=generator) < 0.4).double()
    targets[0], targets[1], targets[:, 2] = 0, 1, 0  # no label, all labels, a class that is never there
    return torch.rand(B, C, generator=generator, dtype=torch.float64) * 2 - 1, targets


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(("largest", "scale"), [(0.5, 30.0), (0.3, 1.0)])
def test_it_equals_the_loop(batch, largest, scale, weights):
    cosines, targets = batch
    of = {"class_counts": COUNTS, "max_margin": largest, "scale": scale}
    expected = loops.ldam(cosines.numpy(), targets.numpy(), COUNTS.tolist(), largest, scale, weights)
    found = ldam_loss(scale * cosines, targets, class_weights=weights, **of)
    assert float(found) == pytest.approx(float(expected), rel=1e-12)
    labels = torch.tensor([0, 3, 4, 4, 2, 1, 0])
    expected = loops.ldam_softmax(cosines.numpy(), labels.tolist(), COUNTS.tolist(), largest, scale)
    assert float(ldam_softmax_loss(scale * cosines, labels, **of)) == pytest.approx(expected, rel=1e-12)


def test_gradients(batch):
    cosines, targets = batch
    logits = (3 * cosines).requires_grad_()
    of = {"class_counts": COUNTS, "scale": 3.0}
    assert torch.autograd.gradcheck(lambda h: ldam_loss(h, targets, class_weights=WEIGHTS, **of), (logits,))
    labels = torch.tensor([0, 3, 4, 4, 2, 1, 0])
    assert torch.autograd.gradcheck(lambda h: ldam_softmax_loss(h, labels, **of), (logits,))


def test_only_positives_have_a_margin_and_the_rarest_class_the_whole():
    zero = torch.zeros(B, C)
    nothing = ldam_loss(zero, zero, class_counts=COUNTS, max_margin=0.5)
    assert_close(nothing, binary_cross_entropy_loss(zero, zero))
    margins = ldam_margins(COUNTS, C, 0.5, scale=30.0)
    assert margins.argmax() == 4
    assert float(margins.max()) == 15.0
    assert_close(margins[0] / margins[4], torch.tensor((3 / 120) ** 0.25, dtype=torch.float64))
    single = torch.zeros(1, C)
    single[0, 4] = 1
    shifted = ldam_loss(torch.zeros(1, C), single, class_counts=COUNTS, max_margin=0.5, scale=2.0)
    assert float(shifted) == pytest.approx((4 * np.log(2) + np.log1p(np.exp(1.0))) / 5, rel=1e-6)


@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_huge_logits_have_a_finite_value_and_gradient(fill, size):
    logits = torch.full((3, C), size, requires_grad=True)
    value = ldam_loss(logits, torch.full((3, C), fill), class_counts=COUNTS, scale=30.0)
    value.backward()
    wrong = (size > 0) != (fill == 1.0)
    assert float(value.detach()) == pytest.approx(1e4 if wrong else 0.0, rel=2e-3)
    assert torch.isfinite(logits.grad).all()
    assert bool(logits.grad.any()) == wrong


def test_an_empty_batch_gives_a_zero_with_a_gradient():
    for loss, targets in (
        (ldam_loss, torch.zeros(0, C)),
        (ldam_softmax_loss, torch.zeros(0, dtype=torch.int64)),
    ):
        logits = torch.zeros(0, C, requires_grad=True)
        value = loss(logits, targets, class_counts=COUNTS)
        value.backward()
        assert float(value.detach()) == 0.0
        assert logits.grad.shape == (0, C)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_gives_a_float32_loss_inside_autocast_too(batch, dtype):
    cosines, targets = batch
    logits = (30 * cosines).to(dtype)
    outside = ldam_loss(logits.float(), targets.float(), class_counts=COUNTS, scale=30.0)
    with torch.autocast("cpu", torch.bfloat16):
        inside = ldam_loss(logits, targets.float(), class_counts=COUNTS, scale=30.0)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, outside)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"logits": torch.zeros(B)}, "logits must have shape (B, C)"),
        ({"logits": torch.zeros(B, C, dtype=torch.int64)}, "logits must be floating point"),
        ({"targets": torch.zeros(B, C + 1)}, "targets must have shape (7, 5) like logits"),
        ({"targets": torch.full((B, C), 0.5)}, "targets must be 0 or 1, got 0.5"),
        ({"class_counts": COUNTS[1:]}, "class_counts must have shape (5) like logits"),
        ({"class_counts": COUNTS - 3}, "class_counts must be at least 1, got 0"),
        ({"max_margin": 0.0}, "max_margin must be above 0, got 0"),
        ({"scale": float("inf")}, "scale must be finite, got inf"),
        ({"class_weights": torch.ones(C + 1)}, "class_weights must have shape (5) like logits"),
        ({"class_weights": -torch.ones(C)}, "class_weights must be at least 0, got -1"),
        ({"class_weights": torch.ones(C) / 0}, "class_weights must be finite, got inf"),
        ({"class_weights": torch.full((C,), torch.nan)}, "class_weights must be finite, got nan"),
    ],
)
def test_what_the_docstring_does_not_allow_is_refused(changes, words):
    given = {"logits": torch.zeros(B, C), "targets": torch.zeros(B, C), "class_counts": COUNTS} | changes
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        ldam_loss(given.pop("logits"), given.pop("targets"), **given)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.zeros(B - 1, dtype=torch.int64), "labels must have shape (7) like logits"),
        (torch.zeros(B), "labels must be whole numbers"),
        (torch.full((B,), C), "labels must be classes from 0 to 4, got 5"),
        (torch.full((B,), -1), "labels must be classes from 0 to 4, got -1"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        ldam_softmax_loss(torch.zeros(B, C), labels, class_counts=COUNTS)


@pytest.mark.parametrize("beta", [0.9, 0.9999])
def test_weights_by_effective_numbers_equal_the_loop(beta):
    counts = np.array([12000, 61, 25, 8, 1])
    np.testing.assert_allclose(
        effective_number_weights(counts, beta), loops.effective_numbers(counts.tolist(), beta), rtol=1e-9
    )
    assert effective_number_weights(counts, beta).sum() == pytest.approx(5)


def test_weights_near_both_ends_of_beta():
    counts = np.array([100, 10, 1])
    np.testing.assert_allclose(effective_number_weights(counts, 1e-12), 1.0, rtol=1e-9)
    inverse = (1 / counts) / (1 / counts).mean()
    np.testing.assert_allclose(effective_number_weights(counts, 1 - 1e-12), inverse, rtol=1e-3)
    for wrong in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"beta must be above 0 and below 1, got"):
            effective_number_weights(counts, wrong)
    with pytest.raises(ValueError, match=r"class_counts must be at least 1, got 0"):
        effective_number_weights(np.array([3, 0]), 0.9)
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"class_counts must be finite, got {wrong}"):
            effective_number_weights(np.array([3, wrong]), 0.9)
