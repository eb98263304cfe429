"""What of a backbone is frozen: gradients, modes and buffers after a step; a cut gives the whole again."""

import copy

import pytest
import torch

from mlcnc.errors import ConfigError
from mlcnc.models import build_backbone, cut
from mlcnc.models.backbone import Backbone

MOBILE = "timm/mobilenetv3_small_050"
VIT = "timm/vit_tiny_patch16_224"


def built(name, *, size=32, **named):
    torch.manual_seed(0)
    backbone = build_backbone(name, image_size=size if name.startswith("timm/") else None, **named)
    with torch.no_grad():  # timm begins some scales at 0, which hides what is after them
        for parameter in backbone.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return backbone


def images(size=32):
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))


def moved(backbone):
    """Return names of parameters and of buffers that a step of training changes."""
    before = copy.deepcopy(backbone.state_dict())
    backbone.train()
    backbone(images()).square().mean().backward()
    torch.optim.SGD([value for value in backbone.parameters() if value.requires_grad], lr=1.0).step()
    changed = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    parameters = {name for name, _ in backbone.named_parameters()}
    return changed & parameters, changed - parameters


def starts(names, beginnings):
    return all(name.startswith(beginnings) for name in names)


def test_nothing_frozen_moves_everything():
    backbone = built("resnet18")
    parameters, buffers = moved(backbone)
    assert parameters == dict(backbone.named_parameters()).keys()
    assert buffers == dict(backbone.named_buffers()).keys()


def test_stem_and_norms_is_the_rule_of_db():
    backbone = built("resnet18", frozen="stem_and_norms")
    parameters, buffers = moved(backbone)
    later = tuple(f"layers.{stage}." for stage in (5, 6, 7))
    assert parameters == {name for name, _ in backbone.named_parameters() if name.startswith(later)}
    assert any(".bn1.weight" in name for name in parameters)  # scale and shift of later norms train
    assert buffers == set()
    still = {name for name, module in backbone.named_modules() if not module.training}
    assert "layers.4.0.conv1" in still
    assert "layers.7.0.bn1" in still
    assert "layers.7.0.conv1" not in still


@pytest.mark.parametrize(
    ("name", "trained", "beginnings"),
    [
        ("small", 1, ("layers.8.", "layers.10.")),
        ("resnet18", 3, ("layers.7.", "layers.6.1.")),
        (
            "efficientnet_lite0",
            2,
            ("layers.network.conv_head", "layers.network.bn2", "layers.network.blocks.6."),
        ),
        (MOBILE, 1, ("layers.network.blocks.5.",)),
        (VIT, 2, ("layers.network.blocks.10.", "layers.network.blocks.11.", "layers.network.norm.")),
    ],
)
def test_all_frozen_trains_the_last_blocks_alone(name, trained, beginnings):
    backbone = built(name, frozen="all", trained_blocks=trained)
    parameters, buffers = moved(backbone)
    assert parameters == {key for key, _ in backbone.named_parameters() if key.startswith(beginnings)}
    assert buffers == {key for key, _ in backbone.named_buffers() if key.startswith(beginnings)}
    assert all(any(key.startswith(beginning) for key in parameters) for beginning in beginnings)


def test_all_frozen_moves_nothing_whatever_mode_is_set():
    backbone = built(MOBILE, frozen="all")
    before = copy.deepcopy(backbone.state_dict())
    backbone.train()
    assert not any(module.training for module in backbone.layers.modules())
    assert not backbone(images()).requires_grad
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_a_copy_is_frozen_like_the_original():
    backbone = copy.deepcopy(built("resnet18", frozen="all", trained_blocks=1))
    parameters, buffers = moved(backbone)
    assert starts(parameters | buffers, "layers.7.1.")
    frozen_part, trained_part = cut(backbone)
    assert torch.equal(trained_part(frozen_part(images())), backbone(images()))


@pytest.mark.parametrize(
    ("name", "trained", "shape"),
    [
        ("small", 1, (32, 8, 8)),
        ("small", 3, (3, 32, 32)),
        ("resnet18", 0, (512, 1, 1)),
        ("resnet18", 2, (256, 2, 2)),
        ("efficientnet_lite0", 1, (320, 1, 1)),
        (MOBILE, 2, (48, 1, 1)),
        ("timm/convnext_atto", 3, (160, 2, 2)),
        ("timm/regnetx_002", 4, (368, 1, 1)),
        (VIT, 2, (192, 5, 1)),
        ("timm/deit_tiny_distilled_patch16_224", 1, (192, 6, 1)),
    ],
)
def test_the_parts_of_a_cut_are_the_whole(name, trained, shape):
    backbone = built(name, frozen="all", trained_blocks=trained).eval()
    frozen_part, trained_part = cut(backbone)
    maps = frozen_part(images())
    assert maps.shape == (3, *shape) == (3, frozen_part.out_channels, *shape[1:])
    assert not maps.requires_grad
    assert torch.equal(trained_part(maps), backbone(images()))
    assert trained_part.out_channels == backbone.out_channels
    assert (frozen_part.mean, frozen_part.size) == (backbone.mean, backbone.size)
    if not trained:
        return

    def gradients(forward):
        backbone.zero_grad()
        forward().square().sum().backward()
        return {key: value.grad.clone() for key, value in backbone.named_parameters() if value.grad is not None}

    twin = copy.deepcopy(backbone.state_dict())
    backbone.train()
    whole = gradients(lambda: backbone(images()))
    backbone.load_state_dict(twin)
    trained_part.train()
    parts = gradients(lambda: trained_part(frozen_part(images())))
    assert (
        whole.keys()
        == parts.keys()
        == {key for key, value in backbone.named_parameters() if value.requires_grad}
    )
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_a_swin_transformer_is_cut_too():
    backbone = built("timm/swin_s3_tiny_224", size=96, frozen="all", trained_blocks=2).eval()
    frozen_part, trained_part = cut(backbone)
    maps = frozen_part(images(96))
    assert maps.shape == (3, 384, 6, 6)
    assert torch.equal(trained_part(maps), backbone(images(96)))


def test_a_network_of_maps_that_ends_in_tokens_is_cut_at_either():
    for trained, shape in ((1, (448, 49, 1)), (2, (448, 7, 7))):
        backbone = built("timm/efficientformer_l1", size=224, frozen="all", trained_blocks=trained).eval()
        frozen_part, trained_part = cut(backbone)
        maps = frozen_part(images(224))
        assert maps.shape == (3, *shape)
        assert torch.equal(trained_part(maps), backbone(images(224)))


def test_what_is_trained_after_a_cut_is_trained_in_the_whole():
    backbone = built("resnet18", frozen="all", trained_blocks=1).eval()
    before = backbone(images())
    _, trained_part = cut(backbone)
    with torch.no_grad():
        next(trained_part.parameters()).add_(1.0)
    assert not torch.equal(backbone(images()), before)


def test_blocks_that_see_more_than_a_map_are_frozen_but_not_cut():
    name = "timm/eva02_tiny_patch14_224"  # its blocks take the rotary embedding beside the tokens
    backbone = built(name, size=28, frozen="all", trained_blocks=2)
    trained = {key for key, value in backbone.named_parameters() if value.requires_grad}
    assert trained
    assert starts(trained, tuple(f"layers.network.{part}." for part in ("blocks.10", "blocks.11", "norm")))
    with pytest.raises(ConfigError, match=r"cannot be cut.*model\.cache_maps false"):
        cut(backbone)
    with pytest.raises(ConfigError, match="the stem of this backbone cannot be told"):
        built(name, size=28, frozen="stem_and_norms")


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"trained_blocks": 1}, "model.trained_blocks must be 0 where model.frozen is nothing, got 1"),
        ({"trained_blocks": 2, "frozen": "stem_and_norms"}, "where model.frozen is stem_and_norms, got 2"),
        ({"trained_blocks": 10, "frozen": "all"}, "at most 9, the blocks of this backbone, got 10"),
    ],
)
def test_freezing_that_does_not_fit_is_one_sentence(named, words):
    with pytest.raises(ConfigError, match=words):
        build_backbone("resnet18", **named)


def test_a_backbone_of_unknown_blocks_is_frozen_whole():
    layers = torch.nn.Conv2d(3, 5, 1)
    with pytest.raises(ConfigError, match="last blocks of this backbone cannot be told"):
        Backbone(layers, 5).freeze("all", 1)
    backbone = Backbone(layers, 5).freeze("all")
    frozen_part, trained_part = cut(backbone)
    assert torch.equal(trained_part(frozen_part(images())), backbone(images()))
    with pytest.raises(ConfigError, match=r"model\.frozen must be all"):
        cut(Backbone(layers, 5))
