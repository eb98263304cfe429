"""What must hold for any batch: permutation, scale, rotation, split, bounds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mlcnc.etf import simplex_etf
from mlcnc.losses import collapse_calibration_loss, feature_alignment_loss, two_way_loss

EXACT = {"rtol": 1e-9, "atol": 1e-11}
sizes = st.tuples(st.integers(1, 7), st.integers(2, 6), st.integers(1, 5), st.integers(0, 10_000))
unhurried = settings(deadline=None, max_examples=40)


def batch_of(size):
    num_images, num_classes, extra, seed = size
    dim = num_classes + extra
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return {
        "features": normal(num_images, num_classes, dim),
        "labels": torch.as_tensor(simplex_etf(num_classes, dim, seed=seed)),
        "means": normal(num_classes, dim),
        "logits": 4 * normal(num_images, num_classes),
        "targets": (torch.rand(num_images, num_classes, generator=generator) < 0.4).double(),
        "generator": generator,
    }


def losses_of(batch):
    targets = batch["targets"]
    return torch.stack(
        [
            feature_alignment_loss(batch["features"], batch["labels"], targets),
            collapse_calibration_loss(batch["features"], batch["means"], targets),
            two_way_loss(batch["logits"], targets),
        ]
    )


@unhurried
@given(sizes)
def test_order_of_classes_and_of_images_does_not_matter(size):
    batch = batch_of(size)
    classes = torch.randperm(size[1], generator=batch["generator"])
    images = torch.randperm(size[0], generator=batch["generator"])
    turned = {name: batch[name][images][:, classes] for name in ("features", "logits", "targets")}
    turned |= {name: batch[name][classes] for name in ("labels", "means")}
    assert_close(losses_of(turned), losses_of(batch), **EXACT)


@unhurried
@given(sizes, st.floats(1e-3, 1e3))
def test_cosine_losses_do_not_see_scale_nor_a_common_rotation(size, scale):
    batch = batch_of(size)
    dim = batch["features"].shape[2]
    rotation, _ = torch.linalg.qr(torch.randn(dim, dim, generator=batch["generator"], dtype=torch.float64))
    turned = dict(batch)
    for name in ("features", "labels", "means"):
        turned[name] = scale * batch[name] @ rotation
    assert_close(losses_of(turned), losses_of(batch), **EXACT)


@unhurried
@given(sizes, sizes)
def test_alignment_and_calibration_are_means_over_images(one, other):
    one = batch_of(one)
    other = batch_of((other[0], *one["targets"].shape[1:], 1, other[3]))
    dim = one["features"].shape[2]
    features = torch.randn(len(other["targets"]), len(one["labels"]), dim, dtype=torch.float64)
    parts = [(one["features"], one["targets"]), (features, other["targets"])]
    for loss in (
        lambda f, y: feature_alignment_loss(f, one["labels"], y),
        lambda f, y: collapse_calibration_loss(f, one["means"], y),
    ):
        whole = loss(torch.cat([f for f, _ in parts]), torch.cat([y for _, y in parts]))
        split = sum(loss(f, y) * len(y) for f, y in parts) / sum(len(y) for _, y in parts)
        assert_close(whole, split, **EXACT)


@unhurried
@given(sizes)
def test_losses_stay_within_their_bounds(size):
    alignment, calibration, two_way = losses_of(batch_of(size))
    num_classes = size[1]
    assert -1e-6 <= float(alignment) <= 7.91
    # each pair lies between the best and the worst cosine: (s_own, s_other) = (1, -1) and (-1, 1)
    lowest = np.log1p((num_classes - 1) * np.exp(-4.0))
    highest = np.log1p((num_classes - 1) * np.exp(4.0))
    pairs = float(batch_of(size)["targets"].sum()) / size[0]
    assert pairs * lowest - 1e-9 <= float(calibration) <= pairs * highest + 1e-9
    assert float(two_way) >= 0.0


@unhurried
@given(sizes, st.floats(0.1, 5.0))
def test_two_way_falls_when_positives_rise_and_negatives_sink(size, step):
    batch = batch_of(size)
    better = batch["logits"] + step * (2 * batch["targets"] - 1)
    assert float(two_way_loss(better, batch["targets"])) <= float(
        two_way_loss(batch["logits"], batch["targets"])
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-9, 1.0, 1e4, 1e18])
def test_every_size_of_features_gives_finite_losses_and_gradients(dtype, size):
    generator = torch.Generator().manual_seed(1)
    features = (size * torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)).to(dtype)
    features.requires_grad_()
    rows = torch.randn(4, 5, generator=generator, dtype=torch.float64).to(dtype)
    targets = (torch.rand(3, 4, generator=generator) < 0.5).to(dtype)
    total = feature_alignment_loss(features, rows, targets)
    total = total + collapse_calibration_loss(features, rows, targets)
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(features.grad).all()
    if size < 1e-8:
        assert float(features.grad.abs().max()) < 1e6
