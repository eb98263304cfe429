"""Average precision against scikit-learn's loop, and the bootstrap, at 5,000 images and 80 classes."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from mlcnc.metrics import average_precision, bootstrap_map
from tests.benchmarks.alternation import alternate, steady  # noqa: F401  # a fixture, found by its name
from tests.benchmarks.conftest import seconds


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    targets = (rng.random((5000, 80)) < 0.037).astype(np.uint8)  # 2.9 labels an image, as COCO has
    scores = (rng.normal(size=targets.shape) + targets).astype(np.float32).round(2)  # many ties
    return scores, targets


def test_average_precision_against_the_loop(case, say):
    scores, targets = case

    def loop():
        return [average_precision_score(targets[:, c], scores[:, c]) for c in range(80)]

    ours = seconds(lambda: average_precision(scores, targets), repeats=21)
    theirs = seconds(loop, repeats=5)
    gap = np.abs(average_precision(scores, targets) - loop()).max()
    say(
        f"average precision at 5,000 x 80 with ties: {1e3 * ours:.1f} ms, scikit-learn's loop "
        f"{1e3 * theirs:.0f} ms, ratio {theirs / ours:.0f} (at least 20); greatest difference {gap:.0e}"
    )
    assert gap <= 1e-12
    assert theirs / ours >= 20


@pytest.mark.usefixtures("steady")
def test_tensors_take_as_long_as_arrays(case, say):
    scores, targets = case
    tensors = torch.from_numpy(scores), torch.from_numpy(targets)
    works = [lambda: average_precision(scores, targets), lambda: average_precision(*tensors)]
    numpy_times, torch_times = alternate(works, 15)
    say(
        f"average precision at 5,000 x 80: NumPy {1e3 * min(numpy_times.processor):.1f} ms, torch "
        f"{1e3 * min(torch_times.processor):.1f} ms, ratio {torch_times.over(numpy_times):.2f} (at most 1.5)"
    )
    assert torch_times.over(numpy_times) <= 1.5


def test_a_thousand_resamples(case, say):
    scores, targets = case
    started = time.perf_counter()
    intervals = bootstrap_map(scores, targets, {"tail": range(40, 80)}, num_resamples=1000)
    spent = time.perf_counter() - started
    total = intervals["map_total"]
    say(
        f"1,000 resamples of mAP at 5,000 x 80: {spent:.1f} s (under 10); "
        f"total {total.value:.2f} ({total.low:.2f} to {total.high:.2f})"
    )
    assert spent < 10
