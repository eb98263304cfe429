"""The mixing of BBN; mask and ratios of PLM."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from mlcnc.losses import two_way_loss
from mlcnc.losses.bilateral_mixing import bilateral_mixing_loss, mixed_features, mixing_weight
from mlcnc.losses.ideal_ratio import probability_histograms, updated_ratio
from mlcnc.losses.partial_label_masking import keep_probability, partial_label_masking_loss
from tests.reference import two_streams

B, C, D = 7, 5, 3
COUNTS, NUM_IMAGES = torch.tensor([90, 40, 23, 11, 2]), torch.tensor(101)
IDEAL = torch.tensor([0.3, 0.5, 0.2277, 0.4, 0.001], dtype=torch.float64)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(seed=0):
    targets = (torch.rand(B, C, generator=torch.Generator().manual_seed(seed)) < 0.4).double()
    targets[0], targets[1], targets[:, 2] = 0, 1, 0
    return targets


def kept(targets):
    return keep_probability(targets, IDEAL, class_counts=COUNTS, num_images=NUM_IMAGES)


def bbn_loss(logits, targets):
    return bilateral_mixing_loss(logits, targets, targets.flip(0), alpha=0.3)


def plm_loss(logits, targets):
    return partial_label_masking_loss(logits, targets, kept(targets).to(logits.dtype))


LOSSES = pytest.mark.parametrize("loss", [bbn_loss, plm_loss])


# ---- what every loss does -----------------------------------------------------------------------------------


@LOSSES
def test_gradients(loss):
    assert torch.autograd.gradcheck(lambda h: loss(h, labels()), normal(B, C).requires_grad_())


@LOSSES
@pytest.mark.parametrize("fill", [0.0, 1.0, None])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_value_and_gradient_are_finite(loss, fill, size):
    targets = labels() if fill is None else torch.full((B, C), fill)
    logits = (size * normal(B, C).sign()).float().requires_grad_()
    value = loss(logits, targets.float())
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    assert float(logits.grad.abs().max()) <= 1 / (B * C) + 1e-7


@LOSSES
def test_an_empty_batch_gives_a_zero_with_a_gradient(loss):
    logits = torch.zeros(0, C, requires_grad=True)
    value = loss(logits, torch.zeros(0, C))
    value.backward()
    assert float(value.detach()) == 0.0
    assert logits.grad.shape == (0, C)


@LOSSES
def test_half_precision_and_autocast_give_float32(loss):
    logits, targets = normal(B, C).float(), labels().float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(logits, targets)
        halved = loss(logits.bfloat16(), targets)
    assert inside.dtype == halved.dtype == torch.float32
    assert torch.equal(inside, loss(logits, targets))
    assert float(halved) == pytest.approx(float(inside), rel=1e-2)


def test_values_that_do_not_fit_are_refused_in_a_sentence():
    h, y, half = torch.zeros(2, 3), torch.zeros(2, 3), torch.full((2, 3), 0.5)
    counts, ratio = torch.tensor([1, 2, 3]), torch.full((3,), 0.5)
    statistics = {"class_counts": counts, "num_images": torch.tensor(9)}
    nan, bins = float("nan"), torch.zeros(2, 3, 10)
    for call, words in (
        (lambda: mixing_weight(8, 8), "epoch must be at least 0 and below num_epochs = 8, got 8"),
        (lambda: mixed_features(h, y, 1.1), "alpha must be at least 0 and at most 1, got 1.1"),
        (lambda: mixed_features(h, y[:1], 0.5), r"rebalancing must have shape \(2, e\) like conventional"),
        (lambda: mixed_features(h.int(), y, 0.5), "conventional must be floating point"),
        (
            lambda: bilateral_mixing_loss(h, y, y, alpha=-0.1),
            "alpha must be at least 0 and at most 1, got -0.1",
        ),
        (lambda: bilateral_mixing_loss(h, y, y, alpha=nan), "alpha must be finite, got nan"),
        (lambda: bilateral_mixing_loss(h, y, y + 3, alpha=1.0), "rebalancing_targets must be 0 or 1, got 3"),
        (lambda: bilateral_mixing_loss(h, y + 3, y, alpha=0.0), "conventional_targets must be 0 or 1, got 3"),
        (lambda: bilateral_mixing_loss(h, y, y[:1], alpha=1.0), "rebalancing_targets must have shape"),
        (lambda: bilateral_mixing_loss(h, y[:, :2], y, alpha=0.5), r"targets must have shape \(2, 3\)"),
        (lambda: partial_label_masking_loss(h, half, y), "targets must be 0 or 1, got 0.5"),
        (lambda: partial_label_masking_loss(h, y, y - 1), "mask must be at least 0 and at most 1, got -1"),
        (lambda: partial_label_masking_loss(h, y, y * torch.nan), "mask must be finite, got nan"),
        (lambda: partial_label_masking_loss(h, y, y[:1]), r"mask must have shape \(2, 3\) like logits"),
        (lambda: keep_probability(y, ratio - 0.5, **statistics), "ideal_ratio must be above 0 and at most 1"),
        (
            lambda: keep_probability(y, ratio[:2], **statistics),
            r"ideal_ratio must have shape \(3\) like targets, got \(2\)",
        ),
        (
            lambda: keep_probability(y, ratio, class_counts=counts - 1, num_images=torch.tensor(9)),
            "class_counts must be at least 1, got 0",
        ),
        (
            lambda: keep_probability(y, ratio, class_counts=counts, num_images=torch.tensor(2)),
            "num_images must be at least every class count, got 2 and 3",
        ),
        (
            lambda: keep_probability(y, ratio, class_counts=counts, num_images=torch.tensor([9, 9, 9])),
            r"num_images must have shape \(\), got \(3\)",
        ),
        (lambda: keep_probability(y + 2, ratio, **statistics), "targets must be 0 or 1, got 2"),
        (lambda: keep_probability(y, ratio * nan, **statistics), "ideal_ratio must be finite, got nan"),
        (lambda: probability_histograms(half, half), "targets must be 0 or 1"),
        (lambda: probability_histograms(h.int(), y), "probabilities must be floating point"),
        (lambda: probability_histograms(h + 1.5, y), "probabilities must be at least 0 and at most 1, got 1.5"),
        (
            lambda: probability_histograms(h - 0.1, y),
            "probabilities must be at least 0 and at most 1, got -0.1",
        ),
        (lambda: probability_histograms(h * nan, y), "probabilities must be finite, got nan"),
        (lambda: updated_ratio(-ratio, bins, rate=0.1, lowest=0.1), "ideal_ratio must be above 0"),
        (lambda: updated_ratio(ratio, bins - 1, rate=0.1, lowest=0.1), "histograms must be at least 0, got -1"),
        (lambda: updated_ratio(ratio, bins, rate=nan, lowest=0.1), "rate must be finite, got nan"),
        (lambda: updated_ratio(ratio, bins, rate=0.1, lowest=nan), "lowest must be finite, got nan"),
        (
            lambda: updated_ratio(ratio, torch.zeros(2, 3, 9), rate=0.1, lowest=0.1),
            "histograms must have shape",
        ),
        (lambda: updated_ratio(ratio, bins, rate=-1, lowest=0.1), "rate must be at least 0"),
        (lambda: updated_ratio(ratio, bins, rate=0.1, lowest=0), "lowest must be above 0 and at most 1, got 0"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


# ---- BBN ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 3, 7])
def test_mixing_equals_the_loop(epoch):
    f_c, f_r, weight, bias = normal(B, D), normal(B, D, seed=1), normal(C, 2 * D, seed=2), normal(C, seed=3)
    targets, others = labels(), labels(1)
    alpha = mixing_weight(epoch - 1, 7)
    logits = functional.linear(mixed_features(f_c, f_r, alpha), weight, bias)
    found = bilateral_mixing_loss(logits, targets, others, alpha=alpha)
    arrays = (part.numpy() for part in (f_c, f_r, weight, bias, targets, others))
    assert float(found) == pytest.approx(two_streams.bilateral_mixing(*arrays, epoch, 7), rel=1e-12)


def test_alpha_falls_as_a_parabola_and_half_leaves_features_as_they_are():
    alphas = [mixing_weight(epoch, 11) for epoch in range(11)]
    assert alphas[0] == 1.0
    np.testing.assert_allclose(np.diff(alphas, 2), -2 / 121)
    f_c, f_r = normal(B, 2), normal(B, 3)
    assert torch.equal(mixed_features(f_c, f_r, 0.5), torch.cat([f_c, f_r], dim=1))


def test_at_either_end_one_of_the_labels_counts():
    logits, targets, others = normal(B, C), labels(), labels(1)
    for alpha, own in ((1.0, targets), (0.0, others)):
        found = bilateral_mixing_loss(logits, targets, others, alpha=alpha, classification=two_way_loss)
        assert torch.equal(found, two_way_loss(logits, own))


# ---- PLM ----------------------------------------------------------------------------------------------------


def test_probabilities_and_the_masked_loss_equal_the_loops():
    targets, logits = labels(), normal(B, C)
    keep = kept(targets)
    expected = two_streams.keep_probability(targets.numpy(), IDEAL.numpy(), COUNTS.numpy(), 101)
    np.testing.assert_allclose(keep, expected, rtol=1e-12)
    assert 0 < float(keep.min()) < float(keep.max()) == 1.0
    for mask in (keep, torch.bernoulli(keep, generator=torch.Generator().manual_seed(1))):
        found = partial_label_masking_loss(logits, targets, mask)
        arrays = (part.numpy() for part in (logits, targets, mask))
        assert float(found) == pytest.approx(two_streams.masked_cross_entropy(*arrays), rel=1e-12)


def test_the_mask_makes_the_ideal_ratio_of_the_positives():
    """Of a class as in the training set the kept entries have the odds r*/(1 - r) or r (1 - ...) of the rule."""
    ratio = COUNTS / NUM_IMAGES
    positive, negative = kept(torch.ones(1, C))[0], kept(torch.zeros(1, C))[0]
    for c in range(C):
        if ratio[c] > IDEAL[c]:
            assert float(ratio[c] * positive[c]) == pytest.approx(float(IDEAL[c]))
            assert negative[c] == 1
        else:
            assert float(IDEAL[c] * negative[c]) == pytest.approx(float(ratio[c]))
            assert positive[c] == 1


def test_nothing_kept_gives_a_zero_with_a_gradient():
    logits = normal(B, C).requires_grad_()
    value = partial_label_masking_loss(logits, labels(), torch.zeros(B, C))
    value.backward()
    assert float(value.detach()) == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def epoch_of(number=53, seed=4):
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(number, C, generator=generator) < 0.3).double()
    logits = torch.randn(number, C, generator=generator, dtype=torch.float64) + targets * torch.arange(C)
    return logits.sigmoid(), targets


@pytest.mark.parametrize("absent", [False, True])
def test_ratios_move_as_in_the_loop(absent):
    probabilities, targets = epoch_of()
    if absent:
        targets[:, 1], targets[:, 3] = 0, 1
    histograms = sum(
        probability_histograms(p, y) for p, y in zip(probabilities.split(11), targets.split(11), strict=True)
    )
    assert float(histograms.sum()) == targets.numel()
    found = updated_ratio(IDEAL, histograms.double(), rate=0.3, lowest=1e-9)
    expected = two_streams.moved_ratio(IDEAL.numpy(), probabilities.numpy(), targets.numpy(), 0.3)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert float((found / IDEAL).log().abs().max()) > 0.1
    assert_close(updated_ratio(IDEAL, histograms.double(), rate=0.0, lowest=1e-9), IDEAL)


def test_histograms_hold_the_ends_and_go_up_with_what_is_predicted():
    probabilities = torch.tensor([[0.0, 1.0], [0.1, 0.55], [0.999, 0.05]])
    targets = torch.tensor([[0, 1], [1, 0], [0, 0]])
    found = probability_histograms(probabilities, targets)
    assert found.shape == (2, 2, 10)
    assert {tuple(place) for place in found.nonzero().tolist()} == {
        (0, 0, 0), (0, 0, 9), (0, 1, 5), (0, 1, 0), (1, 0, 1), (1, 1, 9)
    }  # fmt: skip


def test_ratios_stay_where_classes_do_not_differ_or_nothing_was_seen():
    probabilities, targets = torch.tensor([[0.72] * C, [0.31] * C]), torch.tensor([[1] * C, [0] * C])
    for histograms in (probability_histograms(probabilities, targets), torch.zeros(2, C, 10)):
        for dtype in (torch.float32, torch.float64):
            found = updated_ratio(IDEAL, histograms.to(dtype), rate=1.0, lowest=1e-4)
            assert torch.equal(found, IDEAL)


def test_ratios_stay_between_their_bounds():
    probabilities, targets = epoch_of()
    histograms, ratio = probability_histograms(probabilities, targets).double(), IDEAL
    for _ in range(200):
        ratio = updated_ratio(ratio, histograms, rate=0.5, lowest=1 / 101)
    assert float(ratio.min()) == 1 / 101
    assert float(ratio.max()) == 1.0
