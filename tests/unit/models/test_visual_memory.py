"""Cosine classifier, modulated attention, and the memory of OLTR."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mlcnc.models.architectures import build_backbone
from mlcnc.models.backbone import Backbone, cut, map_size
from mlcnc.models.cosine_classifier import CosineClassifier
from mlcnc.models.modulated_attention import ModulatedAttention
from mlcnc.models.visual_memory import MemoryNetwork, meta_embedding
from tests.reference import margins_and_memories as loops

B, C, D = 7, 5, 3


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(5)


@pytest.mark.parametrize("squashed", [False, True])
def test_cosines_do_not_see_the_length_of_class_vectors(squashed):
    classifier = CosineClassifier(D, C, scale=30.0, squashed=squashed).double()
    features = torch.randn(B, D, dtype=torch.float64)
    before = classifier(features)
    with torch.no_grad():
        classifier.weight *= torch.rand(C, 1) + 0.5
    assert_close(classifier(features), before)
    longer = classifier(1e9 * features)
    assert_close(longer, 30 * torch.cosine_similarity(features[:, None], classifier.weight[None], dim=2))
    assert torch.allclose(longer, before) != squashed  # a squashed feature keeps what its length says
    with torch.no_grad():
        classifier.bias += 0.5
    assert_close(classifier(features), before + 15)


def test_features_without_a_direction_leave_the_bias_alone():
    classifier = CosineClassifier(D, C, scale=16.0, squashed=True)
    zero = torch.zeros(2, D, requires_grad=True)
    logits = classifier(zero)
    logits.sum().backward()
    assert not logits.any()
    assert torch.isfinite(zero.grad).all()
    with pytest.raises(ValueError, match=re.escape("features must have shape (B, 3), got (2, 4)")):
        classifier(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="scale must be a finite number above 0, got 0"):
        CosineClassifier(D, C, scale=0.0)


@pytest.mark.parametrize("size", [(2, 5), (3, 1), (1, 1)])
def test_modulated_attention_equals_the_loop_and_begins_as_the_identity(size):
    attention = ModulatedAttention(6, size).double()
    maps = torch.randn(B, 6, *size, dtype=torch.float64)
    assert torch.equal(attention(maps), maps)
    nn.init.normal_(attention.back.weight)
    weights = {"spatial": attention.spatial.weight, "spatial_bias": attention.spatial.bias}
    for name in ("theta", "phi", "g"):
        layer = getattr(attention, name)
        weights |= {name: layer.weight.flatten(1), f"{name}_bias": nn.init.normal_(layer.bias)}
    weights["back"] = attention.back.weight.flatten(1)
    weights = {name: value.detach().numpy() for name, value in weights.items()}
    expected = np.stack([loops.modulated(one.numpy(), weights) for one in maps])
    assert_close(attention(maps).detach(), torch.as_tensor(expected))
    with pytest.raises(ValueError, match="feature_map must have shape"):
        attention(torch.zeros(B, 6, 4, 4, dtype=torch.float64))


def test_the_meta_embedding_equals_the_loop_and_its_gradient_is_that_of_the_formula():
    direct, selector = torch.randn(2, B, D, dtype=torch.float64)
    plain, centroids = torch.randn(B, C, dtype=torch.float64), torch.randn(C, D, dtype=torch.float64)
    found = meta_embedding(direct, plain.softmax(dim=1), selector, centroids)
    expected = [
        loops.meta_embedding(*(part.numpy() for part in row), centroids.numpy())
        for row in zip(direct, plain, selector, strict=True)
    ]
    assert_close(found, torch.as_tensor(np.stack(expected)))
    inputs = [part.clone().requires_grad_() for part in (direct, plain, selector)]
    assert torch.autograd.gradcheck(lambda v, p, e: meta_embedding(v, p.softmax(dim=1), e, centroids), inputs)
    moving = centroids.clone().requires_grad_()
    meta_embedding(inputs[0], inputs[1].softmax(dim=1), inputs[2], moving).sum().backward()
    assert moving.grad is None


def test_a_feature_on_a_centroid_stays_finite():
    direct = torch.zeros(1, D, requires_grad=True)
    found = meta_embedding(direct, torch.full((1, C), 1 / C), torch.ones(1, D), torch.zeros(C, D))
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(direct.grad).all()


def test_the_first_stage_is_the_plain_classifier_and_the_second_begins_from_its_features():
    network = MemoryNetwork(Backbone(nn.Identity(), 6), (2, 5), C, feature_dim=D)
    maps, centroids = torch.randn(B, 6, 2, 5), torch.randn(C, D)
    first, second = (network(maps, centroids, stage) for stage in (False, True))
    assert_close(first.direct, network.direct(maps.mean(dim=(2, 3))))
    assert_close(first.logits, network.plain(first.direct))
    assert torch.equal(second.direct, first.direct)  # the attention begins as the identity
    assert_close(second.logits, network.classifier(second.meta))


def test_the_size_of_the_map_is_that_of_what_a_batch_holds():
    backbone = build_backbone("small", weights="none").train()
    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    size = map_size(backbone, (3, 96, 64))
    with torch.no_grad():
        assert size == tuple(backbone(torch.zeros(2, 3, 96, 64)).shape[2:])
    assert backbone.training
    assert map_size(Backbone(nn.Identity(), 12), (12, 7, 5)) == (7, 5)
    again = build_backbone("small", weights="none").train()
    again.load_state_dict(state)
    map_size(again, (3, 64, 64))
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())


def test_the_size_of_the_map_after_a_frozen_part():
    whole = build_backbone("small", weights="none").freeze("all", trained_blocks=1)
    frozen, rest = cut(whole)
    kept = frozen(torch.zeros(1, 3, 64, 64)).shape[1:]
    assert map_size(rest, kept) == map_size(whole, (3, 64, 64))
