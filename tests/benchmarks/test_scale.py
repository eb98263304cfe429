"""The formulas of docs/scale.md against this code at two points: ``pytest tests/benchmarks/test_scale.py -n0 -s``.

Bytes follow from shapes and are held to a tenth or two. Times are predicted at the second point from what the
first one took, and are printed: a processor is not equally quick at all sizes.
"""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from mlcnc import data
from mlcnc.data import DatasetFacts
from mlcnc.data.protocol import ArraySplit, MultiLabelDataset
from mlcnc.etf import simplex_etf
from mlcnc.losses import collapse_calibration_loss
from mlcnc.metrics import ClassStatistics, SpaceFeatures
from mlcnc.metrics.average_precision import average_precision
from mlcnc.metrics.summary import space_metrics, thorough_metrics
from mlcnc.models import MLCNCHead
from mlcnc.training import train
from tests.benchmarks.cost_model import (
    Scale,
    checkpoint_bytes,
    epoch_file_bytes,
    frame_bytes,
    frame_seconds,
    head_multiply_adds,
    pairs_bytes,
    ranking_bytes,
    saved_bytes_an_image,
    second_pass_bytes,
    size,
)
from tests.conftest import tiny_config

POINTS = {
    "small": Scale(256, 192, 20, 64, labels=2.0, batch=16, pairs=120, probes=5, positions=16, channels=256),
    "large": Scale(512, 768, 200, 208, labels=2.0, batch=16, pairs=120, probes=5, positions=16, channels=256),
}


def noise(at):
    """Return a builder of random scenes: only their numbers matter."""

    def split(name, number, turn):
        rng = np.random.default_rng(turn)
        targets = np.zeros((number, at.classes), dtype=np.uint8)
        targets[np.arange(number), np.arange(number) % at.classes] = 1
        targets[np.arange(number), rng.integers(0, at.classes, number)] = 1
        return ArraySplit(name, rng.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8), targets)

    names = tuple(f"class {number}" for number in range(at.classes))

    def build(request):
        return MultiLabelDataset(
            "noise", names, split("train", at.train, 1), None, split("test", at.test, 2), (10, 4)
        )

    return build, DatasetFacts(names, at.train, 0, at.test, (32,))


def compare(what, at, predicted, measured, tolerance):
    print(
        f"\n{what}, C = {at.classes}: predicted {size(predicted)}, measured {size(measured)}, ratio {measured / predicted:.3f}"
    )
    assert measured == pytest.approx(predicted, rel=tolerance)


@pytest.mark.parametrize("name", POINTS)
def test_files_of_a_run(name, tmp_path):
    at = POINTS[name]
    builder, facts = noise(at)
    data.register_dataset("noise", builder, facts)
    try:
        config = tiny_config(
            {"embedding_dim": at.dim, "num_heads": 8, "projection_dim": at.projected, "warmup_epochs": 0},
            epochs=1,
            batch_size=at.batch,
            num_sample_pairs=at.pairs,
            num_probes=at.probes,
        )
        config = config.model_copy(
            update={
                "data": config.data.model_copy(
                    update={"dataset": "noise", "image_size": 32, "num_samples": at.train}
                )
            }
        )
        train(config, runs_root=tmp_path, run_id="run", say=lambda text: None, show_progress=False)
    finally:
        del data.DATASETS["noise"], data.FACTS["noise"]
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)["method"]
    backbone = sum(part.numel() for key, part in state.items() if key.startswith("network.backbone."))
    here = Scale(
        **{**vars(at), "backbone": backbone, "channels": state["network.head.attention.memory.weight"].shape[1]}
    )
    positions = int((tmp_path / "run" / "epochs" / "0000.safetensors").stat().st_size)
    compare("epoch file", here, epoch_file_bytes(here), positions, 0.05)
    compare(
        "checkpoint",
        here,
        checkpoint_bytes(here),
        (tmp_path / "run" / "checkpoints" / "last.pt").stat().st_size,
        0.05,
    )


@pytest.mark.parametrize("at", [Scale(0, 5000, 20, 64), Scale(0, 20_000, 200, 256)], ids=["small", "large"])
def test_memory_of_average_precision(at):
    rng = np.random.default_rng(0)
    targets = (rng.random((at.test, at.classes)) < at.labels / at.classes).astype(np.uint8)
    scores = rng.standard_normal((at.test, at.classes)).astype(np.float32)
    tracemalloc.start()
    average_precision(scores, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    compare("average precision", at, ranking_bytes(at), peak, 0.1)


@pytest.mark.parametrize("at", [Scale(0, 0, 350, 192), Scale(0, 0, 700, 256)], ids=["small", "large"])
def test_memory_by_classes(at):
    def peak(what):
        tracemalloc.start()
        what()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    rng = np.random.default_rng(0)
    number, dim = at.classes, at.dim
    means, others = rng.standard_normal((2, number, dim))
    statistics = ClassStatistics(means, np.full(number, 10), np.full(number, 5.0), others, 5000)
    groups = {"head": range(9), "medium": range(9, number // 2), "tail": range(number // 2, number)}
    rows = rng.standard_normal((number, dim)).astype(np.float32)
    features = SpaceFeatures(rows, np.arange(number), np.full(number, 3))
    compare("pairs of classes", at, pairs_bytes(at), peak(lambda: space_metrics("a", statistics, groups)), 0.2)
    compare(
        "second pass", at, second_pass_bytes(at), peak(lambda: thorough_metrics("a", statistics, features)), 0.1
    )
    compare("drawing the ETF", at, frame_bytes(at), peak(lambda: simplex_etf(number, at.widest)), 0.05)


@pytest.mark.parametrize(
    "at", [Scale(0, 0, 30, 64, batch=4), Scale(0, 0, 200, 256, batch=4)], ids=["small", "large"]
)
def test_what_a_step_keeps(at):
    torch.manual_seed(0)
    head = MLCNCHead(at.channels, at.classes, embedding_dim=at.dim, num_heads=8, projection_dim=at.projected)
    owned = {part.untyped_storage().data_ptr() for part in (*head.parameters(), *head.buffers())}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    maps = torch.randn(at.batch, at.channels, 7, 7, requires_grad=True)
    targets = (torch.rand(at.batch, at.classes) < 0.1).float()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = head(maps)
        loss = out.logits.sum() + collapse_calibration_loss(
            out.projected_features, torch.randn(at.classes, at.projected), targets
        )
    assert loss.requires_grad
    compare("kept for backward, an image", at, saved_bytes_an_image(at), sum(kept.values()) / at.batch, 0.15)


def test_time_of_the_head():
    def seconds(at):
        torch.manual_seed(0)
        head = MLCNCHead(
            at.channels, at.classes, embedding_dim=at.dim, num_heads=8, projection_dim=at.projected
        )
        maps, means = torch.randn(at.batch, at.channels, 7, 7), torch.randn(at.classes, at.projected)
        targets = (torch.rand(at.batch, at.classes) < 0.1).float()
        best = float("inf")
        for _ in range(4):
            began = time.perf_counter()
            out = head(maps)
            (out.logits.mean() + collapse_calibration_loss(out.projected_features, means, targets)).backward()
            best = min(best, time.perf_counter() - began)
        return best / at.batch

    small, large = Scale(0, 0, 80, 128), Scale(0, 0, 400, 512)
    first, second = seconds(small), seconds(large)
    predicted = first * head_multiply_adds(large) / head_multiply_adds(small)
    rate = 6 * head_multiply_adds(small) / first
    print(
        f"\nhead and Eq. 9, an image: {1e3 * first:.2f} ms at C = 80 ({rate / 1e9:.0f} GFLOP/s), at C = 400 "
        f"predicted {1e3 * predicted:.2f} ms, measured {1e3 * second:.2f} ms, ratio {second / predicted:.2f}"
    )
    assert 0.3 < second / predicted < 3


def test_time_of_drawing_the_etf():
    at = Scale(0, 0, 800, 256)
    with threadpool_limits(1):  # the formula is of one core
        began = time.process_time()
        simplex_etf(at.classes, at.widest)
        found = time.process_time() - began
    predicted = frame_seconds(at)
    print(f"\ndrawing the ETF, C = 800, one thread: predicted {predicted:.1f} s, measured {found:.1f} s")
    assert 0.3 < found / predicted < 3
