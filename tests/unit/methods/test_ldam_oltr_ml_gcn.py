"""What LDAM, OLTR and ML-GCN do over the epochs of a run: weights, stages, samplers, files of vectors."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mlcnc.config import override
from mlcnc.data.samplers import build_sampler
from mlcnc.errors import ConfigError
from mlcnc.losses import ldam_loss
from mlcnc.methods.method import Moment, TrainingStatistics, build_method
from mlcnc.methods.settings import METHODS, LDAMSettings, MLGCNSettings, OLTRSettings, method_settings
from mlcnc.models.backbone import Backbone
from mlcnc.store import RunStore
from mlcnc.training import train
from mlcnc.training.build import build, sampler_of
from mlcnc.training.evaluation import evaluate
from tests.processes.small_training import few_images, glove_file, small_config, use_few_images

QUIET = {"say": lambda text: None, "show_progress": False}


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.delenv("MLCNC_GLOVE", raising=False)
    use_few_images(monkeypatch)


def begun(**method):
    """Return an experiment and its first batch."""
    experiment = build(small_config(method=method))
    experiment.step.train()
    return experiment, next(experiment.loaders[0].epoch(0))


@pytest.mark.parametrize("method", [{"kind": "ldam"}, {"kind": "oltr"}, {"kind": "ml_gcn"}])
def test_under_autocast_only_the_backbone_is_in_half_precision(method, tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_GLOVE", str(glove_file(tmp_path)))
    experiment, batch = begun(**method)
    own = experiment.method
    for epoch in (0, 3):
        with torch.autocast("cpu", torch.bfloat16):
            assert own.network.backbone(batch.images).dtype == torch.bfloat16
            losses, output = own.loss([batch], Moment(epoch, 0, 4)), own(batch.images)
        losses.total.backward()
        assert {part.dtype for part in (losses.total, *losses.terms.values())} == {torch.float32}
        assert {part.dtype for part in (output.logits, *output.image_spaces.values())} == {torch.float32}
        assert all(
            parameter.grad.isfinite().all() for parameter in own.parameters() if parameter.grad is not None
        )
        own.end_epoch()


# ---- LDAM ---------------------------------------------------------------------------------------------------


def test_ldam_weighs_classes_in_the_last_epochs_only():
    experiment, batch = begun(kind="ldam", deferred_from=0.8, deferred_beta=0.9)
    method = experiment.method.eval()
    logits, counts = method(batch.images).logits, torch.as_tensor(few_images("few").class_counts)
    weights = (1 - 0.9) / (1 - 0.9 ** counts.double())
    plain = ldam_loss(logits, batch.targets, class_counts=counts, scale=30.0)
    weighed = ldam_loss(
        logits, batch.targets, class_counts=counts, scale=30.0, class_weights=weights / weights.mean()
    )
    found = {epoch: method.loss([batch], Moment(epoch, 0, 10)).total for epoch in (0, 7, 8, 9)}
    assert [torch.equal(found[epoch], plain) for epoch in found] == [True, True, False, False]
    assert_close(found[8], weighed)
    assert torch.equal(found[8], found[9])


def test_ldam_tells_its_deferred_weights_in_the_name_of_a_run_and_when_they_would_never_come():
    settings = LDAMSettings(deferred_from=0.8)
    assert settings.name_parts() == ["ldam", "drw"]
    assert LDAMSettings().name_parts() == ["ldam"]
    assert [settings.first_deferred(number) for number in (200, 40, 5)] == [160, 32, 4]
    assert LDAMSettings().first_deferred(7) == 7
    with pytest.raises(
        ConfigError,
        match=r"deferred_from must leave an epoch of training.epochs = 2 to re-weighted classes, got 0.8",
    ):
        small_config(method={"kind": "ldam", "deferred_from": 0.8}, training={"epochs": 2})


def test_ldam_without_class_bias_and_logits_without_margins():
    method = begun(kind="ldam", class_bias=False)[0].method.eval()
    assert method.network.classifier.bias is None
    output = method(torch.randn(3, 3, 32, 32))
    cosines = torch.cosine_similarity(
        output.image_spaces["z"][:, None], method.network.classifier.weight[None], dim=2
    )
    assert_close(output.logits, 30 * cosines)


@pytest.mark.parametrize("kind", ["erm", "mlc_nc"])
def test_the_ldam_loss_goes_with_other_methods(kind):
    method = {"kind": kind, "classification": {"kind": "ldam", "max_margin": 0.4}}
    if kind == "mlc_nc":
        method |= {"embedding_dim": 20, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 0}
    experiment, batch = begun(**method)
    losses = experiment.method.eval().loss([batch], Moment(0, 0, 4))
    logits, counts = experiment.method(batch.images).logits, torch.as_tensor(few_images("few").class_counts)
    expected = ldam_loss(logits, batch.targets, class_counts=counts, max_margin=0.4)
    assert_close(losses.terms["ldam"], expected)


def test_a_class_without_images_is_told():
    statistics = TrainingStatistics(("a", "b"), np.array([3, 0]), np.diag([3, 0]), 3, (4, 2, 2))
    with pytest.raises(ConfigError, match="LDAM needs a training image of every class, and b has none"):
        build_method(LDAMSettings(), Backbone(nn.Identity(), 4), statistics, seed=0)


# ---- OLTR ---------------------------------------------------------------------------------------------------


def test_oltr_draws_uniformly_first_and_by_class_then():
    config = small_config(method={"kind": "oltr"}, training={"epochs": 9})
    assert [sampler_of(config, 0, epoch) for epoch in range(9)] == ["uniform"] * 3 + ["class_aware"] * 6
    assert [OLTRSettings().first_stage_epochs(number) for number in (40, 90)] == [13, 30]
    experiment = build(config)
    targets = experiment.dataset.train.targets
    for epoch, name in ((2, "uniform"), (3, "class_aware")):
        rows = np.concatenate([batch.indices for batch in experiment.loaders[0].epoch(epoch)])
        assert rows.tolist() == build_sampler(name, targets, 23, 0).indices(epoch).tolist()
    named = override(config, {"data": {"sampler": "uniform"}})
    assert sampler_of(named, 0, 8) == "uniform"
    with pytest.raises(
        ConfigError, match=r"first_stage must leave an epoch of training.epochs = 1 to either stage, got 0.33"
    ):
        small_config(method={"kind": "oltr"}, training={"epochs": 1})
    with pytest.raises(ConfigError, match=r"training.epochs = 4 to either stage, got 0.9, which is 4"):
        small_config(method={"kind": "oltr", "first_stage": 0.9})


def test_centroids_start_as_the_class_means_of_the_last_epoch_of_the_first_stage():
    experiment, _ = begun(kind="oltr")
    method = experiment.method.eval()
    sums, counts = 0.0, 0.0
    for batch in experiment.loaders[0].epoch(0):
        losses = method.loss([batch], Moment(0, 0, 4))
        assert losses.terms.keys() == {"bce"}
        with torch.no_grad():
            sums = sums + batch.targets.T @ method(batch.images).image_spaces["z"]
        counts = counts + batch.targets.sum(dim=0)
    assert not method.centroids.any()
    method.end_epoch()
    assert_close(method.centroids.detach(), sums / counts[:, None])
    assert not method.second_stage
    before = method.centroids.detach().clone()
    losses = method.loss([batch], Moment(1, 0, 4))
    assert losses.terms.keys() == {"bce", "centroid"}
    assert_close(losses.total, losses.terms["bce"] + 0.01 * losses.terms["centroid"])
    losses.total.backward()
    assert method.centroids.grad.any()
    assert method.network.attention.back.weight.grad.any()
    method.end_epoch()
    assert method.second_stage
    assert torch.equal(method.centroids.detach(), before)


def test_the_classification_loss_moves_no_centroid():
    experiment, batch = begun(kind="oltr", centroid_weight=0.0)
    losses = experiment.method.loss([batch], Moment(3, 0, 4))
    assert losses.terms.keys() == {"bce"}
    losses.total.backward()
    assert experiment.method.centroids.grad is None


def test_only_centroids_biases_and_norms_do_not_decay():
    method = begun(kind="oltr")[0].method
    decayed, spared = (group["params"] for group in method.parameter_groups(0.1))
    assert any(parameter is method.centroids for parameter in spared)
    assert any(parameter is method.network.classifier.weight for parameter in decayed)


def test_a_loaded_method_knows_its_stage():
    first, second = (begun(kind="oltr")[0].method for _ in range(2))
    first.has_memory = True
    first.end_epoch()
    second.load_state_dict(first.state_dict())
    assert second.has_memory


def test_oltr_on_cached_maps_and_with_trained_blocks(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_CACHE", str(tmp_path / "cache"))
    for number, blocks in enumerate((0, 1)):
        config = small_config(
            method={"kind": "oltr", "first_stage": 0.5},
            model={"frozen": "all", "trained_blocks": blocks},
            training={"epochs": 2},
        )
        train(config, runs_root=tmp_path, run_id=f"blocks-{number}", **QUIET)
        line = RunStore(tmp_path).open(f"blocks-{number}").metrics()[-1]
        assert np.isfinite(line["train/centroid"])


def test_both_spaces_are_measured_in_either_stage_and_evaluate_finds_the_stage(tmp_path):
    config = small_config(method={"kind": "oltr", "first_stage": 0.5})
    train(config, runs_root=tmp_path, run_id="one", **QUIET)
    run = RunStore(tmp_path).open("one")
    assert [(space.name, space.kind) for space in run.spaces] == [("z", "image"), ("meta", "image")]
    lines = run.metrics()
    assert ["train.z/nc3_cosine" in line for line in lines] == [True, True, False, False]
    assert ["train.meta/nc3_cosine" in line for line in lines] == [False, False, True, True]
    assert all("test.meta/nc1_trace" in line for line in lines)
    measured, epoch = evaluate("one", runs_root=tmp_path, say=lambda text: None)
    assert epoch == 3
    assert measured["test/map_total"] == lines[-1]["test/map_total"]


# ---- ML-GCN -------------------------------------------------------------------------------------------------


def test_ml_gcn_without_vectors_says_what_to_do():
    with pytest.raises(
        ConfigError, match=r"method.kind is ml_gcn but no file of vectors is named; give --glove"
    ):
        build(small_config(method={"kind": "ml_gcn"}))


def test_ml_gcn_takes_the_dimension_of_the_file_and_the_graph_of_the_training_set(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_GLOVE", str(glove_file(tmp_path, dim=9)))
    experiment, batch = begun(kind="ml_gcn", edge_threshold=0.2)
    graph = experiment.method.network.graph
    assert graph.first.shape == (9, 1024)
    assert graph.second.shape == (1024, experiment.method.network.backbone.out_channels)
    dataset = few_images("few")
    shares = dataset.co_occurrence / dataset.class_counts[:, None]
    edges = (shares >= 0.2) & ~np.eye(5, dtype=bool)
    assert 0 < edges.sum() < 20
    # the transpose: row i of A holds the classes from which an edge comes to i
    assert ((graph.adjacency.numpy() > 0) == (edges.T | np.eye(5, dtype=bool))).all()
    experiment.method.loss([batch], Moment(0, 0, 4)).total.backward()
    assert graph.first.grad.any()


def test_names_of_runs_tell_the_loss():
    assert MLGCNSettings().name_parts() == ["ml-gcn"]
    assert MLGCNSettings(classification="two_way").name_parts() == ["ml-gcn", "two-way"]
    assert OLTRSettings(classification="two_way").name_parts() == ["oltr", "two-way"]


@pytest.mark.parametrize(
    "kind", [kind for kind, method in METHODS.items() if "classification" in method.model_fields]
)
def test_a_run_is_named_after_its_loss_where_that_is_unusual(kind):
    own = method_settings(kind).name_parts()
    other = "asl" if kind != "asl" else "bce"
    assert method_settings({"kind": kind, "classification": other}).name_parts() == [*own, other]
