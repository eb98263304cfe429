"""What a process reads, draws and refuses where several share every batch; how one computes in half precision."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from mlcnc.config import ExperimentConfig, override
from mlcnc.data import ArraySplit
from mlcnc.data.augmentation import LightAugmentation
from mlcnc.data.loader import ImageLoader, Share
from mlcnc.data.protocol import Normalisation
from mlcnc.errors import ConfigError
from mlcnc.methods.method import Moment
from mlcnc.training.build import build
from mlcnc.training.epoch import train_epoch
from mlcnc.training.map_loader import MapLoader
from mlcnc.training.ranks import STARTED_HERE, _started_by, start_ranks
from mlcnc.training.shared_layers import WholeDropout, share_layers
from tests.processes.small_training import small_config, use_few_images

CPU = torch.device("cpu")
RNG = np.random.default_rng(3)
SPLIT = ArraySplit(
    "train", RNG.integers(0, 256, (31, 9, 8, 3), dtype=np.uint8), (RNG.random((31, 5)) < 0.4).astype(np.uint8)
)
MAPS = [RNG.standard_normal((31, 4, 3, 2)).astype(np.float16) for _ in range(3)]


def order(epoch):
    return np.random.default_rng(epoch).permutation(31)[:23]


def image_loader(share, workers=0):
    return ImageLoader(
        SPLIT, order, batch_size=8, augmentation=LightAugmentation(flip=True, shift=2, jitter=0.2),
        normalisation=Normalisation((0.4, 0.5, 0.6), (0.2, 0.3, 0.2)), device=CPU, num_workers=workers, share=share,
    )  # fmt: skip


@pytest.mark.parametrize("number", [2, 3, 7])
@pytest.mark.parametrize("kind", ["images", "images, workers", "maps"])
def test_the_parts_of_all_processes_are_the_batch_of_one(kind, number):
    def loader(share):
        if kind == "maps":
            return MapLoader(SPLIT, MAPS, order, batch_size=8, seed=5, device=CPU, share=share)
        return image_loader(share, 1 if kind == "images, workers" else 0)

    wholes = list(loader(Share()).epoch(4))
    parts = [list(loader(Share(rank, number)).epoch(4)) for rank in range(number)]
    assert [len(batch.targets) for batch in wholes] == [8, 8, 7]
    for whole, *each in zip(wholes, *parts, strict=True):
        assert torch.equal(torch.cat([part.images for part in each]), whole.images)
        assert max(len(part.images) for part in each) - min(len(part.images) for part in each) <= 1
        for part in each:
            assert torch.equal(part.targets, whole.targets)
            assert np.array_equal(part.indices, whole.indices)


@pytest.mark.parametrize("number", [1, 2, 3, 5, 11])
@pytest.mark.parametrize("num_images", [0, 1, 5, 6, 31, 64, 127])
def test_every_measured_batch_is_one_of_one_process_and_read_once(num_images, number):
    size = 5
    whole = np.array_split(np.arange(num_images), max(1, -(-num_images // size)))
    found = []
    for rank in range(number):
        rows = Share(rank, number).of_batches(num_images, size)
        # as a loader cuts them again
        found += [part.tolist() for part in np.array_split(rows, max(1, -(-len(rows) // size))) if len(part)]
    assert sorted(found) == [part.tolist() for part in whole if len(part)]


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_parts_of_dropout_are_those_of_one_process_bit_for_bit(p):
    rows = torch.randn(7, 3, 5)
    torch.manual_seed(4)
    expected = nn.Dropout(p)(rows)
    after = torch.get_rng_state()
    parts = []
    for rank in range(3):
        layer, share = WholeDropout(p), Share(rank, 3)
        layer.ranks = SimpleNamespace(share=share, size=7)
        torch.manual_seed(4)
        parts.append(layer(rows[share.of(7)]))
        assert torch.equal(torch.get_rng_state(), after)
        assert torch.equal(layer.eval()(rows), rows)
    assert torch.equal(torch.cat(parts), expected)


def test_of_rows_that_are_no_images_no_part_is_taken():
    layer = WholeDropout(0.5)
    layer.ranks = SimpleNamespace(share=Share(0, 3), size=3)
    assert layer(torch.ones(1, 5)).shape == (1, 5)
    with pytest.raises(RuntimeError):
        layer(torch.ones(4, 5))  # four positions of the one image, which would have one mask


OF_SLURM = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_STEP_ID": "4294967290"}


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2"}, (2, 2, "started by srun")),
        (
            {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"},
            (3, 1, STARTED_HERE),
        ),  # the shell of salloc
        ({}, (3, 1, STARTED_HERE)),  # a batch script
    ],
)
def test_who_is_alone_in_its_step_of_slurm_waits_for_nobody(monkeypatch, step, found):
    for name, value in (OF_SLURM | step).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    assert _started_by(3)[:3] == found


class DropPath(nn.Module):
    drop_prob = 0.2


class PatchDropout(nn.Module):
    prob = 0.3


class Attention(nn.Module):
    """As timm's, which reads the rate of its dropout and does not call it."""

    def __init__(self):
        super().__init__()
        self.attn_drop, self.fused_attn = nn.Dropout(0.1), True


class BatchNormAct2d(nn.BatchNorm2d):
    pass


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        *((layer, "drops at random") for layer in (DropPath(), PatchDropout(), Attention())),
        (nn.MultiheadAttention(4, 2, dropout=0.1), "drops at random"),
        (nn.LSTM(3, 3, num_layers=2, dropout=0.1), "drops at random"),
        (BatchNormAct2d(3), "sync_batchnorm false"),
    ],
)
def test_layers_that_would_do_something_else_are_refused_by_name(layer, words):
    ranks = SimpleNamespace(fabric=SimpleNamespace(device=CPU))
    network = nn.ModuleDict({"stem": nn.Sequential(nn.Conv2d(3, 3, 1), layer)})
    with pytest.raises(ConfigError, match=rf"stem\.1 \({type(layer).__name__}\).*{words}"):
        share_layers(network, ranks, sync_batchnorm=True)
    share_layers(
        nn.Sequential(copy.deepcopy(layer)) if words.startswith("sync") else nn.Identity(), ranks, False
    )


def test_more_devices_than_a_batch_has_images_are_refused():
    config = override(ExperimentConfig(), {"training": {"batch_size": 6}})
    assert config.problem_with_batches(40, 5) is None
    assert "at least 6 images with these settings on 6 devices, got 6" in config.problem_with_batches(40, 6)
    # a batch norm after the pool needs two images, of each device or of all
    neck = override(config, {"method": {"kind": "erm", "neck_dim": 4}})
    assert neck.problem_with_batches(12, 3) is None
    assert "at least 8 images" in neck.problem_with_batches(12, 4)
    assert override(neck, {"training": {"sync_batchnorm": True}}).problem_with_batches(12, 4) is None


def test_more_devices_than_the_machine_has_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    training = override(ExperimentConfig(), {"training": {"devices": 3, "device": "cuda"}}).training
    with pytest.raises(ConfigError, match=r"training\.devices must be at most 2, the cuda devices"):
        start_ranks(training, "run")


def test_in_bfloat16_the_backbone_is_half_and_the_losses_are_not(monkeypatch):
    use_few_images(monkeypatch)
    losses = {}
    for precision in ("float32", "bfloat16"):
        experiment = build(
            small_config(training={"precision": precision}, method={"dropout": 0.0, "warmup_epochs": 0})
        )
        kinds = []
        experiment.method.network.backbone.register_forward_hook(
            lambda *call, kinds=kinds: kinds.append(call[2].dtype)
        )
        losses[precision] = train_epoch(experiment, 0, lambda progress: None)["train/loss"]
        assert set(kinds) == {getattr(torch, precision)}
        batch = next(experiment.loaders[0].epoch(1))
        with experiment.fabric.autocast():
            found = experiment.step.loss([batch], Moment(1, 0, 4))
        assert {value.dtype for value in (found.total, *found.terms.values())} == {torch.float32}
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiled_it_trains_the_same(monkeypatch):
    use_few_images(monkeypatch)
    losses, names = [], []
    for compiled in (False, True):
        experiment = build(small_config(training={"compile": compiled, "ema_decay": 0.9}))
        losses.append(
            [train_epoch(experiment, epoch, lambda progress: None)["train/loss"] for epoch in range(3)]
        )
        names.append(list(experiment.method.state_dict()))
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert names[0] == names[1]
