"""Logit compensation and consistency of URS."""

from functools import partial

import pytest
import torch

from mlcnc.losses import binary_cross_entropy_loss
from mlcnc.losses.logit_compensation import consistency_loss, frequency_weights, logit_compensation_loss
from tests.reference import two_streams
from tests.unit.losses.test_bbn_and_plm import COUNTS, B, C, labels, normal

WEIGHTS = frequency_weights(COUNTS, 101)
NEUTRAL = torch.tensor([[1.0], [0.0], [1.0], [0.0]], dtype=torch.float64).repeat(1, C)
WEIGHED = pytest.mark.parametrize("weights", [WEIGHTS.double(), None], ids=["weighed", "alike"])


def compensation():
    return NEUTRAL + 0.2 * normal(4, C, seed=9)


@WEIGHED
def test_compensation_equals_the_loop(weights):
    h, y, s = normal(B, C), labels(), compensation()
    found = logit_compensation_loss(h, y, s, weights=weights)
    arrays = (h.numpy(), y.numpy(), COUNTS.numpy(), 101, s.numpy())
    expected = two_streams.compensated(*arrays, weighted=weights is not None)
    assert float(found) == pytest.approx(expected, rel=1e-6 if weights is not None else 1e-12)
    others = normal(B, C, seed=1)
    assert float(consistency_loss(h, others)) == pytest.approx(
        two_streams.consistency(h.numpy(), others.numpy()), rel=1e-12
    )


def test_without_compensation_and_weights_it_is_the_mean_cross_entropy():
    h, y = normal(B, C), labels()
    torch.testing.assert_close(logit_compensation_loss(h, y, NEUTRAL), binary_cross_entropy_loss(h, y))
    assert float(consistency_loss(h, h)) == 0.0


def test_rare_positives_weigh_most():
    positive, negative = WEIGHTS
    assert (positive.diff() > 0).all()  # classes from frequent to rare
    assert (negative.diff() < 0).all()
    assert float((positive * negative).log().sub(1).abs().max()) < 1e-6


@WEIGHED
def test_gradients(weights):
    h, s, others = (part.requires_grad_() for part in (normal(B, C), compensation(), normal(B, C, seed=1)))
    assert torch.autograd.gradcheck(
        lambda a, b: logit_compensation_loss(a, labels(), b, weights=weights), (h, s)
    )
    assert torch.autograd.gradcheck(consistency_loss, (h, others))


@WEIGHED
@pytest.mark.parametrize("fill", [0.0, 1.0, None])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_value_and_gradient_are_finite(weights, fill, size):
    y = labels() if fill is None else torch.full((B, C), fill)
    h = (size * normal(B, C).sign()).float().requires_grad_()
    s = compensation().float().requires_grad_()
    value = logit_compensation_loss(h, y, s, weights=weights)
    value = value + consistency_loss(h, torch.zeros(B, C))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(h.grad).all()
    assert torch.isfinite(s.grad).all()
    if fill is not None:
        unused = s.grad[2:] if fill else s.grad[:2]
        assert float(unused.abs().max()) == 0.0


def test_empty_batches_give_a_zero_with_a_gradient():
    for loss in (
        partial(logit_compensation_loss, targets=torch.zeros(0, C), compensation=NEUTRAL),
        partial(consistency_loss, other_logits=torch.zeros(0, C)),
    ):
        h = torch.zeros(0, C, requires_grad=True)
        value = loss(h)
        value.backward()
        assert float(value.detach()) == 0.0
        assert h.grad.shape == (0, C)


def test_half_precision_and_autocast_give_float32():
    h, y, s = normal(B, C).float(), labels().float(), compensation().float()
    for loss in (
        lambda x: logit_compensation_loss(x, y, s, weights=WEIGHTS),
        lambda x: consistency_loss(x, s[:1].expand(B, C)),
    ):
        with torch.autocast("cpu", torch.bfloat16):
            inside, halved = loss(h), loss(h.bfloat16())
        assert inside.dtype == halved.dtype == torch.float32
        assert torch.equal(inside, loss(h))
        assert float(halved) == pytest.approx(float(inside), rel=1e-2)


def test_values_that_do_not_fit_are_refused_in_a_sentence():
    h, y, s = torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(4, 3)
    for call, words in (
        (lambda: logit_compensation_loss(h, y + 0.5, s), "targets must be 0 or 1, got 0.5"),
        (lambda: logit_compensation_loss(h, y[:1], s), r"targets must have shape \(2, 3\) like logits"),
        (lambda: logit_compensation_loss(h.long(), y, s), "logits must be floating point"),
        (lambda: logit_compensation_loss(h, y, s[:2]), r"compensation must have shape \(4, 3\) like logits"),
        (lambda: logit_compensation_loss(h, y, s.long()), "compensation must be floating point"),
        (lambda: logit_compensation_loss(h, y, s, weights=s[:2] - 2), "weights must be at least 0, got -1"),
        (lambda: logit_compensation_loss(h, y, s, weights=s), r"weights must have shape \(2, 3\) like logits"),
        (lambda: consistency_loss(h, y[:1]), r"other_logits must have shape \(2, 3\) like logits"),
        (lambda: consistency_loss(h, y.long()), "other_logits must be floating point"),
        (lambda: frequency_weights(torch.tensor([3, 0]), 9), "class_counts must be at least 1, got 0"),
        (lambda: frequency_weights(torch.tensor([3, 11]), 9), "at most num_images = 9, got 11"),
        (lambda: frequency_weights(torch.tensor([3, 1]), float("nan")), "at most num_images = nan, got 3"),
        (
            lambda: logit_compensation_loss(h, y, s, weights=s[:2] * torch.nan),
            "weights must be finite, got nan",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            call()
