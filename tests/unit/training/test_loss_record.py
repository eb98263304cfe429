"""Losses are read every few steps, and the step that failed is named all the same."""

import math

import pytest
import torch

from mlcnc.errors import NonFiniteLossError
from mlcnc.methods.method import Losses
from mlcnc.training.loss_record import CHECK_EVERY, LossRecord


def losses(total, **terms):
    return Losses(torch.tensor(total), {name: torch.tensor(value) for name, value in terms.items()})


def test_means_weigh_steps_by_their_images():
    record = LossRecord(0)
    for step in range(2 * CHECK_EVERY + 3):
        record.add(losses(2.0 * step, hit=float(step)), num_images=1 + step % 3)
    weights = [1 + step % 3 for step in range(2 * CHECK_EVERY + 3)]
    mean = sum(step * weight for step, weight in enumerate(weights)) / sum(weights)
    assert record.means() == {"loss": pytest.approx(2 * mean), "hit": pytest.approx(mean)}


def test_nothing_is_read_between_the_checks():
    """On the meta device reading a value raises: only the check does."""
    record = LossRecord(0)
    meta = Losses(torch.zeros((), device="meta"), {})
    for _ in range(CHECK_EVERY - 1):
        record.add(meta, 1)
    with pytest.raises((NotImplementedError, RuntimeError)):
        record.add(meta, 1)


def run_with_infinity_from(step):
    record = LossRecord(7)
    for number in range(21):
        wrong = math.inf if number >= step else 0.5
        record.add(losses(wrong, miss=0.1, hit=wrong), 4)
    record.means()


@pytest.mark.parametrize("step", [0, 5, CHECK_EVERY - 1, CHECK_EVERY, 20])
def test_the_failing_term_epoch_and_step_are_named(step):
    with pytest.raises(NonFiniteLossError, match=f"the hit loss became inf in epoch 8, batch {step + 1};"):
        run_with_infinity_from(step)


def test_a_term_that_comes_later_is_the_mean_over_all_images():
    record = LossRecord(0)
    record.add(losses(1.0, one=1.0), 2)
    record.add(losses(3.0, one=1.0, two=2.0), 2)
    assert record.means() == {"loss": 2.0, "one": 1.0, "two": 1.0}
