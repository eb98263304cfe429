"""Which loss trains: gradients of single terms, and that asking for them changes nothing."""

import copy

import pytest
import torch

from mlcnc.config import override
from mlcnc.methods.method import Moment
from mlcnc.models.backbone import Backbone
from mlcnc.store import RunStore
from mlcnc.training import train
from mlcnc.training.build import build
from mlcnc.training.gradient_shares import gradient_shares
from tests.processes.small_training import small_config, use_few_images

METHOD = {"embedding_dim": 20, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 0, "alignment_weight": 3.0}


@pytest.fixture
def asked(monkeypatch):
    """Return an experiment whose class means are there, a batch, and what is said of it."""
    use_few_images(monkeypatch)
    experiment = build(override(small_config(), {"method": METHOD}))
    method = experiment.method.train()
    (batch, *_) = list(experiment.loaders[0].epoch(0))
    method.loss([batch], Moment(0, 0, 4))
    method.end_epoch()
    return experiment, [batch], Moment(1, 0, 4)


def test_norms_are_those_of_each_weighted_term_alone(asked):
    experiment, batches, moment = asked
    torch.manual_seed(5)
    found = gradient_shares(experiment.method, batches, moment, experiment.fabric)
    shares = {name: value for name, value in found.items() if name.startswith("gradient_share/")}
    assert sum(shares.values()) == pytest.approx(1.0)
    weights = {"alignment": 3.0, "calibration": 0.2, "two_way": 1.0}
    assert {name.rpartition("/")[2] for name in shares} == set(weights)
    for term, weight in weights.items():
        method = copy.deepcopy(experiment.method)
        torch.manual_seed(5)
        (weight * method.loss(batches, moment).terms[term]).backward()
        backbone = {id(p) for part in method.modules() if isinstance(part, Backbone) for p in part.parameters()}
        own = [p.grad for p in method.parameters() if p.grad is not None and id(p) not in backbone]
        norm = torch.cat([grad.flatten() for grad in own]).norm()
        assert found[f"gradient/{term}"] == pytest.approx(float(norm), rel=1e-5)


def test_asking_changes_no_state_no_gradient_and_no_random_number(asked):
    experiment, batches, moment = asked
    method = experiment.method
    before = {name: value.clone() for name, value in method.state_dict().items()}
    state = torch.get_rng_state()
    gradient_shares(method, batches, moment, experiment.fabric)
    assert torch.equal(torch.get_rng_state(), state)
    after = method.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(parameter.grad is None for parameter in method.parameters())


def test_epochs_after_one_that_asked_train_as_if_it_had_not(monkeypatch, tmp_path):
    use_few_images(monkeypatch)
    lines = []
    for every in (1, 4):
        training = {"measure_every": every, "arrays_every": 0}
        config = small_config(method={"warmup_epochs": 0}, training=training)
        train(config, runs_root=tmp_path, run_id=f"every-{every}", say=lambda text: None, show_progress=False)
        lines.append(RunStore(tmp_path).open(f"every-{every}").metrics())
    asked = [[("gradient_share/alignment" in line) for line in of] for of in lines]
    assert asked == [[True, True, True, True], [True, False, False, True]]
    for line, other in zip(*lines, strict=True):
        trained = [name for name in line if name.startswith("train/") or name == "logit_scale"]
        assert len(trained) > 3
        assert [line[name] for name in trained] == [other[name] for name in trained]
    assert lines[0][-1]["test/map_total"] == lines[1][-1]["test/map_total"]


def test_a_method_of_one_loss_says_nothing(monkeypatch):
    use_few_images(monkeypatch)
    experiment = build(small_config(method={"kind": "erm"}))
    (batch, *_) = list(experiment.loaders[0].epoch(0))
    assert gradient_shares(experiment.method, [batch], Moment(0, 0, 4), experiment.fabric) == {}
