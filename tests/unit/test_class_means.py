import copy

import pytest
import torch
from torch.testing import assert_close

from mlcnc.class_means import ClassMeans


def test_means_of_an_epoch_are_published_at_its_end_only():
    means = ClassMeans(3, 2)
    features = torch.tensor([[[1.0, 0], [5, 5], [9, 9]], [[3.0, 2], [7, 7], [9, 9]]])
    targets = torch.tensor([[1, 0, 0], [1, 1, 0]])
    means.update(features, targets)
    assert not means.seen.any()
    assert means.published is None
    means.end_epoch()
    assert means.published is means.means
    assert means.seen.tolist() == [True, True, False]
    assert_close(means.means, torch.tensor([[2.0, 1], [7, 7], [0, 0]]))


def test_an_absent_class_keeps_its_mean_and_an_epoch_starts_anew():
    means = ClassMeans(2, 1)
    means.update(torch.tensor([[[1.0], [4.0]]]), torch.tensor([[1, 1]]))
    means.end_epoch()
    means.update(torch.tensor([[[3.0], [9.0]]]), torch.tensor([[1, 0]]))
    means.end_epoch()
    assert means.means.flatten().tolist() == [3.0, 4.0]


def test_cumulative_means_run_over_all_epochs_and_travel_in_the_state():
    means = ClassMeans(1, 1, mode="cumulative")
    for value in (1.0, 3.0):
        means.update(torch.tensor([[[value]]]), torch.ones(1, 1))
        means.end_epoch()
    assert means.means.item() == 2.0
    copy = ClassMeans(1, 1, mode="cumulative")
    copy.load_state_dict(means.state_dict())
    copy.update(torch.tensor([[[8.0]]]), torch.ones(1, 1))
    copy.end_epoch()
    assert copy.means.item() == 4.0


@pytest.mark.parametrize("mode", ["per_epoch", "cumulative"])
def test_whether_a_mean_is_published_travels_in_the_state_of_whatever_holds_it(mode):
    def holder():
        return torch.nn.ModuleDict({"inner": ClassMeans(2, 1, mode=mode)})

    old, new = holder(), holder()
    new.load_state_dict(old.state_dict())
    assert new["inner"].published is None
    old["inner"].update(torch.ones(1, 2, 1), torch.tensor([[1, 0]]))
    old["inner"].end_epoch()
    new.load_state_dict(old.state_dict())
    assert torch.equal(new["inner"].published, old["inner"].means)
    assert torch.equal(copy.deepcopy(new)["inner"].published, old["inner"].means)
    new.load_state_dict(holder().state_dict())
    assert new["inner"].published is None


@pytest.mark.parametrize("mode", ["per_epoch", "cumulative"])
def test_means_of_several_processes_are_those_of_one(mode):
    torch.manual_seed(2)
    one, *parts = (ClassMeans(4, 3, mode=mode) for _ in range(3))
    for _ in range(3):
        features, targets = torch.randn(10, 4, 3), (torch.rand(10, 4) < 0.3).float()
        one.update(features, targets)
        for part, rows in zip(parts, torch.arange(10).split(7), strict=True):
            part.update(features[rows], targets[rows])
        sums, counts = (sum(getattr(part, name) for part in parts) for name in ("sums", "counts"))
        for part in parts:
            answers = iter((sums, counts))
            part.end_epoch(lambda _, answers=answers: next(answers))
        one.end_epoch()
        for part in parts:
            assert_close(part.means, one.means)
            assert torch.equal(part.seen, one.seen)


def test_sums_keep_their_precision_inside_autocast():
    torch.manual_seed(0)
    features, targets = torch.randn(16, 3, 5), torch.ones(16, 3)
    inside, outside = ClassMeans(3, 5), ClassMeans(3, 5)
    with torch.autocast("cpu", torch.bfloat16):
        inside.update(features, targets)
    outside.update(features, targets)
    assert torch.equal(inside.sums, outside.sums)


def test_means_do_not_depend_on_how_an_epoch_is_cut_into_batches():
    torch.manual_seed(1)
    features, targets = torch.randn(23, 5, 3), (torch.rand(23, 5) < 0.4).float()
    whole, parts = ClassMeans(5, 3), ClassMeans(5, 3)
    whole.update(features, targets)
    for chunk in torch.arange(23).split(7):
        parts.update(features[chunk], targets[chunk])
    whole.end_epoch(), parts.end_epoch()
    assert_close(parts.means, whole.means)
    expected = torch.stack([features[targets[:, c] == 1, c].mean(dim=0) for c in range(5)])
    assert_close(whole.means, expected)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="mode must be"):
        ClassMeans(3, 2, mode="odd")
    with pytest.raises(ValueError, match=r"projected_features must have shape \(B, 3, 2\)"):
        ClassMeans(3, 2).update(torch.zeros(4, 3, 5), torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"targets must have shape \(4, 3\) like projected_features"):
        ClassMeans(3, 2).update(torch.zeros(4, 3, 2), torch.zeros(4, 2))
