"""Every registered loss of logits against the binary cross-entropy, forward and backward, one thread."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlcnc.methods.method import ClassificationLoss, TrainingStatistics
from mlcnc.methods.settings import LOSSES
from tests.benchmarks.alternation import alternate, steady  # noqa: F401  # a fixture, found by its name

BATCH, CLASSES, CALLS, ROUNDS = 64, 80, 20, 60
MOST = 3.0
"""Times the cross-entropy, of any loss."""


def statistics_of(num_images, rng):
    """Return those of labels as long-tailed as COCO-LT's."""
    shares = np.geomspace(0.5, 0.004, CLASSES)
    targets = (rng.random((num_images, CLASSES)) < shares).astype(np.int64)
    targets[0] = 1  # every class has an image
    return TrainingStatistics(
        [str(c) for c in range(CLASSES)], targets.sum(axis=0), targets.T @ targets, num_images, (3, 64, 64)
    ), targets


@pytest.mark.usefixtures("steady")
def test_losses_against_the_cross_entropy(say):
    statistics, labels = statistics_of(1909, np.random.default_rng(0))
    targets = torch.as_tensor(labels[:BATCH], dtype=torch.float32)
    torch.manual_seed(0)
    logits = torch.randn(BATCH, CLASSES, requires_grad=True)

    def work(kind):
        loss = ClassificationLoss(LOSSES[kind](), statistics)

        def calls():
            for _ in range(CALLS):
                logits.grad = None
                loss(logits, targets).backward()

        return calls

    kinds = list(LOSSES)
    times = dict(zip(kinds, alternate([work(kind) for kind in kinds], ROUNDS), strict=True))
    ratios = {kind: times[kind].over(times["bce"]) for kind in kinds}
    micro = {kind: min(times[kind].processor) / CALLS * 1e6 for kind in kinds}
    say(
        f"losses, forward and backward, ({BATCH}, {CLASSES}), one thread, us (times BCE, at most {MOST}): "
        + ", ".join(f"{kind} {micro[kind]:.0f} ({ratios[kind]:.2f})" for kind in kinds)
    )
    assert {kind: ratio for kind, ratio in ratios.items() if ratio > MOST} == {}
