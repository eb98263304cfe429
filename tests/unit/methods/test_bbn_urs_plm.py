"""What BBN, URS and PLM do with their branches, streams and state, beside their losses."""

from contextlib import closing

import numpy as np
import pytest
import torch

from mlcnc.data.loader import Batch
from mlcnc.errors import ConfigError
from mlcnc.losses.bilateral_mixing import mixing_weight
from mlcnc.methods.method import Moment, TrainingStatistics, build_method
from mlcnc.methods.settings import BBNSettings, PLMSettings, URSSettings
from mlcnc.models import build_backbone
from mlcnc.models.two_classifiers import logit_of_mean_probability
from mlcnc.store import RunStore
from mlcnc.training import train
from mlcnc.training.build import build
from tests.processes.small_training import small_config, use_few_images

COUNTS = np.array([31, 12, 7, 3])
STATISTICS = TrainingStatistics(tuple("abcd"), COUNTS, np.diag(COUNTS), 37, (3, 16, 16))
QUIET = {"say": lambda text: None, "show_progress": False}
MODELS = {"pictures": {}, "maps": {"frozen": "all", "trained_blocks": 1, "cached_draws": 0}}


def built(settings, statistics=STATISTICS):
    torch.manual_seed(0)
    return build_method(settings, build_backbone("small"), statistics, seed=0)


def batch(seed=0, number=5):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(number, 3, 16, 16, generator=generator)
    return Batch(images, (torch.rand(number, 4, generator=generator) < 0.4).float(), np.arange(number))


def without_gradient(method, epoch, num_epochs=4):
    method.zero_grad()
    method.train().loss([batch(), batch(1)], Moment(epoch, 0, num_epochs)).total.backward()
    return {name for name, part in method.named_parameters() if part.grad is None}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["bbn", "urs", "plm"])
def test_a_whole_run_is_trained_measured_and_observed(tmp_path, monkeypatch, kind, model):
    use_few_images(monkeypatch)
    monkeypatch.setenv("MLCNC_CACHE", str(tmp_path / "cache"))
    config = small_config(method={"kind": kind}, model=MODELS[model], training={"lr": 0.01})
    train(config, runs_root=tmp_path, run_id="run", **QUIET)
    run = RunStore(tmp_path).open("run")
    lines, info = run.metrics(), run.info
    assert np.isfinite([line["train/loss"] for line in lines]).all()
    dims = {"bbn": {"z": 128}, "urs": {"uniform": 64, "rebalanced": 64}, "plm": {"z": 64}}[kind]
    assert {space.name: (space.kind, space.dim) for space in info.spaces} == {
        name: ("image", dim) for name, dim in dims.items()
    }
    for name in dims:
        assert np.isfinite(lines[-1][f"test.{name}/nc3_contrast_cosine"])
    assert np.isfinite(lines[-1]["classifier/etf_drift"])
    assert run.arrays(3).get("classifier/weight").shape == (5, sum(dims.values()))
    if kind == "bbn":
        assert [line["mixing_weight"] for line in lines] == [mixing_weight(epoch, 4) for epoch in range(4)]


@pytest.mark.parametrize("kind", ["bbn", "urs"])
def test_copies_of_the_backbone_train_at_its_rate(monkeypatch, kind):
    use_few_images(monkeypatch)
    training = {"backbone_lr_factor": 0.1, "lr": 0.01, "schedule": "step"}
    with closing(build(small_config(method={"kind": kind}, training=training))) as experiment:
        own = {id(part) for part in experiment.method.network.branches.parameters()}
        groups = experiment.optimiser.param_groups
        rates = {id(part): group["lr"] for group in groups for part in group["params"]}
        assert rates.keys() == {id(part) for part in experiment.method.parameters() if part.requires_grad}
    for part, rate in rates.items():
        assert rate == pytest.approx(0.001 if part in own else 0.01)


# ---- BBN ----------------------------------------------------------------------------------------------------


def test_the_second_branch_of_bbn_is_trained_from_the_second_epoch_on():
    method = built(BBNSettings())
    assert without_gradient(method, 0) == {
        f"network.branches.second.{name}" for name, _ in method.network.branches.second.named_parameters()
    }
    assert not without_gradient(method, 1)
    norm = method.network.branches.second.layers[1][2]
    assert int(norm.num_batches_tracked) == 2  # it is fed in the first epoch too


def test_each_branch_of_bbn_reads_its_own_stream():
    method = built(BBNSettings()).eval()
    with torch.no_grad():
        method.network.branches.second.layers[1][0].weight.neg_()
    one, other = batch(), batch(1)
    moment = Moment(2, 0, 4)  # alpha 0.75
    network = method.network
    first = network.branches.first(network.branches.trunk(one.images)).mean(dim=(2, 3))
    second = network.branches.second(network.branches.trunk(other.images)).mean(dim=(2, 3))
    logits = network.classifier(torch.cat([1.5 * first, 0.5 * second], dim=1))
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    expected = 0.75 * entropy(logits, one.targets) + 0.25 * entropy(logits, other.targets)
    torch.testing.assert_close(method.loss([one, other], moment).total, expected)
    output = method(one.images)
    second = network.branches.second(network.branches.trunk(one.images)).mean(dim=(2, 3))
    torch.testing.assert_close(output.image_spaces["z"], torch.cat([first, second], dim=1))
    torch.testing.assert_close(output.logits, network.classifier(output.image_spaces["z"]))


# ---- URS ----------------------------------------------------------------------------------------------------


def test_both_branches_of_urs_see_every_image():
    method = built(URSSettings(consistency_weight=0.3)).eval()
    uniform, rebalanced = batch(), batch(1)
    found = method.loss([uniform, rebalanced], Moment(0, 0, 4))
    (u, u_hat), (r_hat, r) = (
        tuple(output.logits for output in method.network(each.images)) for each in (uniform, rebalanced)
    )
    consistency = (u - u_hat).square().mean() + (r - r_hat).square().mean()
    assert float(consistency.detach()) > 0
    torch.testing.assert_close(found.terms["consistency"], consistency)
    ratio = torch.as_tensor(COUNTS / 37).float()
    for name, logits, labels in (("uniform", u, uniform.targets), ("rebalanced", r, rebalanced.targets)):
        omega = torch.where(labels > 0, (1 - ratio).exp(), ratio.exp())
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, omega)
        torch.testing.assert_close(found.terms[name], entropy)
    torch.testing.assert_close(
        found.total, found.terms["uniform"] + found.terms["rebalanced"] + 0.3 * consistency
    )
    probabilities = (method.network(uniform.images)[0].logits.sigmoid() + u_hat.sigmoid()) / 2
    torch.testing.assert_close(method(uniform.images).logits.sigmoid(), probabilities)


def test_parts_of_urs_can_be_switched_off():
    method = built(URSSettings(consistency_weight=0, compensation=False, class_weights=False))
    found = method.loss([batch(), batch(1)], Moment(0, 0, 4))
    assert found.terms.keys() == {"uniform", "rebalanced"}
    assert method.class_weights is None
    assert not any(part.requires_grad for part in method.compensation)
    assert without_gradient(method, 0) == {f"compensation.{number}" for number in range(4)}


def test_the_compensation_is_learned_without_weight_decay():
    method = built(URSSettings(compensation=True))
    spared = {id(part) for group in method.parameter_groups(0.1)[1:] for part in group["params"]}
    assert method.parameter_groups(0.1)[1]["weight_decay"] == 0
    assert {id(part) for part in method.compensation} <= spared
    assert not without_gradient(method, 0)
    assert all(float(part.grad.abs().max()) > 0 for part in method.compensation)


def test_shifts_alone_take_the_loss_of_a_constant_logit_to_nothing():
    """Why the compensation is off by default: it is told the labels that it is to help to predict."""
    method = built(URSSettings(compensation=True))
    with torch.no_grad():
        for part in method.network.parameters():
            part.zero_()
    ones = [batch(), batch(1)]
    plain = float(method.loss(ones, Moment(0, 0, 4)).total.detach())
    optimiser = torch.optim.Adam(method.compensation, lr=0.2)
    for _ in range(400):
        optimiser.zero_grad()
        method.loss(ones, Moment(0, 0, 4)).total.backward()
        optimiser.step()
    assert float(method.loss(ones, Moment(0, 0, 4)).total.detach()) < 0.02 * plain
    assert not built(URSSettings()).compensation[0].requires_grad


@pytest.mark.parametrize("size", [0.1, 30.0, 1e4])
def test_the_logit_of_a_mean_probability_is_exact_and_stable(size):
    logits = torch.tensor([1.0, -2.0, 0.5, -0.3], dtype=torch.float64) * size
    others = torch.tensor([0.7, -1.0, -0.2, 0.4], dtype=torch.float64) * size
    found = logit_of_mean_probability(logits, others)
    assert torch.isfinite(found).all()
    if size < 1:
        torch.testing.assert_close(found, ((logits.sigmoid() + others.sigmoid()) / 2).logit())
    else:
        # of two sure answers that agree the less sure one stays, as half of the chance of the other answer
        expected = torch.tensor([0.7 * size + np.log(2), -size - np.log(2)], dtype=torch.float64)
        torch.testing.assert_close(found[:2], expected, rtol=1e-6, atol=2e-4)
    torch.testing.assert_close(logit_of_mean_probability(-logits, -others), -found)
    torch.testing.assert_close(logit_of_mean_probability(logits, logits), logits)


# ---- PLM ----------------------------------------------------------------------------------------------------


def test_plm_begins_with_all_entries_and_moves_its_ratios_after_an_epoch():
    method = built(PLMSettings(ratio_rate=0.5))
    start = method.ideal_ratio.clone()
    torch.testing.assert_close(start, torch.as_tensor(COUNTS / 37).float())
    one = batch(number=23)
    loss = method.train().loss([one], Moment(0, 0, 4))
    assert method.histograms.sum() == one.targets.numel()
    logits, _ = method.network(one.images)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    torch.testing.assert_close(loss.total, entropy(logits, one.targets))
    method.loss([one], Moment(0, 1, 4))
    method.end_epoch()
    assert float(method.histograms.abs().max()) == 0
    assert float((method.ideal_ratio / start).log().abs().max()) > 0.1
    assert {"ideal_ratio"} == {name for name in method.state_dict() if "network" not in name}


def test_plm_masks_by_the_state_of_torch():
    method = built(PLMSettings(initial_ratio="half"))
    assert torch.equal(method.ideal_ratio, torch.full((4,), 0.5))
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(float(method.loss([batch(number=23)], Moment(0, 0, 4)).total.detach()))
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(("settings", "words"), [(URSSettings(), "URS needs"), (PLMSettings(), "PLM needs")])
def test_a_class_without_an_image_is_refused(settings, words):
    counts = np.array([31, 12, 0, 3])
    with pytest.raises(ConfigError, match=f"{words} a training image of every class, and c has none"):
        built(settings, TrainingStatistics(tuple("abcd"), counts, np.diag(counts), 37, (3, 16, 16)))


@pytest.mark.parametrize("settings", [BBNSettings(), URSSettings(compensation=True), PLMSettings()])
def test_under_autocast_losses_logits_and_features_are_float32(settings):
    method = built(settings).train()
    batches = [batch(), batch(1)][: len(settings.streams)]
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.loss(batches, Moment(1, 0, 4))
        output = method(batches[0].images)
    losses.total.backward()
    kinds = {losses.total.dtype, output.logits.dtype, *(each.dtype for each in output.image_spaces.values())}
    assert kinds == {torch.float32}
    assert torch.isfinite(losses.total)
    assert all(torch.isfinite(part.grad).all() for part in method.parameters())
