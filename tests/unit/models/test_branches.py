"""A backbone with two branches: each gives what the backbone gives, and they part when they are trained."""

import copy

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from mlcnc.errors import ConfigError
from mlcnc.models import build_backbone, cut
from mlcnc.models.backbone import Backbone
from mlcnc.models.branches import Branches, pooled
from tests.unit.models.test_freezing import built, images

NAMES = pytest.mark.parametrize(
    ("name", "num_blocks"), [("small", 1), ("resnet18", 2), ("efficientnet_lite0", 2)]
)


def step(branches):
    """Train both branches once on images of their own; return names of what moved."""
    before = copy.deepcopy(branches.state_dict())
    branches.train()
    one, other = images(), images().flip(0) + 1
    loss = pooled(branches.first, branches.trunk(one)).square().mean()
    loss = loss + pooled(branches.second, branches.trunk(other)).mean()
    loss.backward()
    torch.optim.SGD([part for part in branches.parameters() if part.requires_grad], lr=0.1).step()
    return {name for name, value in branches.state_dict().items() if not torch.equal(value, before[name])}


@NAMES
def test_both_branches_begin_as_the_backbone_and_part(name, num_blocks):
    backbone = built(name).eval()
    expected = backbone(images())
    branches = Branches(backbone, num_blocks).eval()
    shared = branches.trunk(images())
    for branch in (branches.first, branches.second):
        assert torch.equal(branch(shared), expected)
        assert torch.equal(pooled(branch, shared), expected.mean(dim=(2, 3)))
    assert branches.out_channels == backbone.out_channels
    own, copies = ({id(part) for part in each.parameters()} for each in (branches.first, branches.second))
    assert own <= {id(part) for part in backbone.parameters()}
    assert not copies & {id(part) for part in backbone.parameters()}
    everything = {id(part) for part in branches.parameters()}
    assert everything == copies | {id(part) for part in backbone.parameters()}
    moved = step(branches)
    # a batch norm's count too, in the trunk and in both branches
    assert moved == branches.state_dict().keys()
    branches.eval()
    shared = branches.trunk(images())
    assert not torch.equal(branches.first(shared), branches.second(shared))


@NAMES
def test_a_state_is_loaded_again(name, num_blocks):
    branches = Branches(built(name), num_blocks)
    step(branches)
    again = Branches(build_backbone(name, image_size=32 if name != "small" else None), num_blocks)
    again.load_state_dict(branches.state_dict())
    shared = again.eval().trunk(images())
    assert torch.equal(again.second(shared), branches.eval().second(branches.trunk(images())))


def test_blocks_that_a_branch_does_not_have_are_the_trunk():
    sizes = [sum(p.numel() for p in Branches(built("small"), n).second.parameters()) for n in (1, 2, 3)]
    assert sizes == sorted(sizes)
    assert sizes[2] == sum(p.numel() for p in built("small").parameters())
    with pytest.raises(ConfigError, match=r"method.branch_blocks must be at most 3, .*, got 4"):
        Branches(built("small"), 4)


def test_of_cached_maps_the_branch_is_all_that_is_trained():
    whole = built("resnet18", frozen="all", trained_blocks=3).eval()
    expected = whole(images())
    frozen, rest = cut(whole)
    branches = Branches(rest, 1).eval()
    maps = frozen(images())
    assert branches.trunk(maps) is maps
    assert torch.equal(branches.first(maps), expected)
    assert torch.equal(branches.second(maps), expected)
    assert {name.split(".")[0] for name in branches.state_dict()} == {"first", "second"}


@pytest.mark.parametrize("name", ["small", "resnet18", "efficientnet_lite0"])
def test_norms_that_stay_still_do_so_in_copies_too(name):
    backbone = built(name, frozen="stem_and_norms")
    fixed = {id(part) for part in backbone.parameters() if not part.requires_grad}
    branches = Branches(backbone, 2)
    branches.train()
    norms = [module for module in branches.modules() if isinstance(module, _BatchNorm)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert branches.second.training
    moved = step(branches)
    assert moved == {n for n, p in branches.named_parameters() if p.requires_grad}
    assert {id(part) for part in branches.parameters() if not part.requires_grad} >= fixed


def test_what_is_frozen_of_a_whole_backbone_stays_still():
    branches = Branches(built("resnet18", frozen="all", trained_blocks=2), 1)
    moved = step(branches)
    assert {name.split(".")[0] for name in moved} == {"trunk", "first", "second"}
    assert all(name.startswith(("trunk.layers.7.", "first.", "second.")) for name in moved), moved
    branches = Branches(built("resnet18", frozen="all", trained_blocks=1), 2)
    assert all("layers.2." in name for name in step(branches)), "of two blocks a branch the last one is trained"


def test_branches_that_could_not_differ_are_refused():
    whole = built("small", frozen="all")
    for backbone in (whole, cut(whole)[1], built("resnet18", frozen="all")):
        with pytest.raises(ConfigError, match=r"set model.trained_blocks at least 1"):
            Branches(backbone, 1)
    with pytest.raises(ConfigError, match=r"last blocks of this backbone cannot be told"):
        Branches(Backbone(torch.nn.Conv2d(3, 5, 1), 5), 1)
