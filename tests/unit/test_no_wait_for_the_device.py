"""Nothing in a step of MLC-NC waits for the device: on ``meta``, reading a value on the host raises."""

from functools import partial

import pytest
import torch

from mlcnc.class_means import ClassMeans
from mlcnc.losses import MLCNCLoss, binary_cross_entropy_loss, two_way_loss
from mlcnc.models import MLCNCHead

B, C, D, P, CH = 6, 5, 12, 3, 12
ALL = partial(two_way_loss, two_way_mean="all")


@pytest.mark.parametrize(
    ("settings", "normalisation", "classification"),
    [
        ({}, "image", two_way_loss),
        ({"classifier": "linear", "embedding_trainable": True}, "pair", ALL),
        ({"attention": "cosine", "classifier": "init_only"}, "image", binary_cross_entropy_loss),
        ({"attention": "cosine", "input_map": "none", "projection_dim": None}, "pair", two_way_loss),
    ],
)
@pytest.mark.parametrize("warmup", [False, True])
def test_a_step_runs_without_values(settings, normalisation, classification, warmup):
    settings = {"embedding_dim": D, "num_heads": 2, "projection_dim": P} | settings
    head = MLCNCHead(CH, C, **settings).to("meta")
    means = ClassMeans(C, head.projected_dim).to("meta")
    loss = MLCNCLoss(classification, "last", calibration_normalisation=normalisation)
    feature_map = torch.empty(B, CH, 2, 3, device="meta", requires_grad=True)
    targets = torch.empty(B, C, device="meta")
    for published in (None, means.means):
        output = head(feature_map)
        parts = loss(output, targets, class_means=published, seen=means.seen, warmup=warmup)
        parts.total.backward()
        means.update(output.projected_features, targets)
    assert ("calibration" in parts.terms) == (not warmup)
    assert means.published is None


def test_reading_a_value_there_raises():
    value = torch.ones(3, device="meta")
    for read in (lambda: bool(value.any()), value.nonzero, lambda: value[value > 0], lambda: value[0].item()):
        with pytest.raises((NotImplementedError, RuntimeError)):
            read()
