"""Which loss trains, and what a metric is read against, from what a run logged."""

import math

import numpy as np
import pytest

from mlcnc.analysis.curves.curve import curve
from mlcnc.analysis.curves.loss_shares import loss_shares, shares_sentence
from mlcnc.analysis.curves.points import null_sentences
from mlcnc.store import RunStore, RunWriter


@pytest.fixture
def logged(tmp_path):
    """Return what makes a run of lines."""

    def make(run_id, *lines):
        with RunWriter.create(tmp_path, run_id, class_names=["a", "b"], class_counts=[9, 2]) as run:
            for epoch, line in enumerate(lines):
                run.log_epoch(epoch, {"train/loss": 1.0, **line})
        return RunStore(tmp_path).open(run_id)

    return make


def test_shares_are_those_of_measured_epochs_and_a_term_that_was_not_trained_has_none(logged):
    run = logged(
        "run",
        {},
        {"gradient_share/alignment": 0.25, "gradient_share/two_way": 0.75, "gradient/two_way": 8.0},
        {},
        {"gradient_share/alignment": 0.005, "gradient_share/two_way": 0.795, "gradient_share/calibration": 0.2},
    )
    found = loss_shares(run)
    assert found.epochs.tolist() == [2, 4]
    assert {term: values.tolist() for term, values in found.shares.items()} == {
        "alignment": [0.25, 0.005],
        "calibration": [0.0, 0.2],
        "two_way": [0.75, 0.795],
    }
    assert np.allclose(sum(found.shares.values()), 1.0)
    assert shares_sentence(found).startswith(
        "at epoch 4 two way 80 %, calibration 20 %, alignment 0.5 % of the"
    )


def test_a_run_without_shares_says_so(logged):
    assert loss_shares(logged("before", {}, {"train/alignment": 0.1})) is None
    assert loss_shares(logged("undefined", {"gradient_share/a": math.nan})) is None


def test_what_a_metric_is_read_against(logged):
    name = "train.f/nc1_trace"
    null = f"{name}_query_only"
    one = logged("one", {name: 9.0, f"{name}_untrained": 16.0, null: 5.0}, {null: 4.0})
    two = logged("two", {name: 9.0, null: math.nan})
    words = f"{name} of as many images without the class, at the last epoch"
    assert null_sentences([one, two], name) == [f"{words}: 4."]
    three = logged("three", {null: 12.5})
    assert null_sentences([one, three], name) == [f"{words}: 4 to 12.5, by run."]
    assert null_sentences([one], "test/map_total") == null_sentences([two], "train.f/alignment_positive") == []


def test_the_untrained_network_is_epoch_0_of_a_curve(logged):
    name = "train.f/nc1_trace"
    run = logged("run", {name: 9.0, f"{name}_untrained": 16.0}, {name: 8.0})
    found = curve(run, name)
    assert found.epochs.tolist() == [0, 1, 2]
    assert found.values.tolist() == [16.0, 9.0, 8.0]
    assert curve(run, "train/loss").epochs.tolist() == [1, 2]
