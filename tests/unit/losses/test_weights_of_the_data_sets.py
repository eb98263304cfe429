"""What the weighted losses make of the published training sets: closed forms, and ranges recorded elsewhere."""

import numpy as np
import pytest
import torch

from mlcnc.data.label_lists import read_lines, read_table, targets_of
from mlcnc.losses.class_balanced_focal import inverse_effective_numbers
from mlcnc.losses.class_weighted import inverse_frequency_weights
from mlcnc.losses.distribution_balanced import absence_log_odds, rebalanced_weights
from mlcnc.losses.multi_focal import head_to_tail_weights
from tests.conftest import shared_data

SIZES = {"voc-lt": (1142, 20), "coco-lt": (1909, 80)}
DB = {"voc-lt": (0.3, 5.0), "coco-lt": (0.2, 2.0)}
"""mu and lambda."""


def carried(name):
    """Return the label matrix of the project's own list."""
    return read_table(f"{name}/train.txt", len(read_lines(f"{name}/classes.txt"))).targets


def shared_labels(name):
    """Return the label matrix of the shared data."""
    lines = (shared_data(name) / "train_labels.txt").read_text().splitlines()
    return targets_of([[int(label) for label in line.split()[1:]] for line in lines], SIZES[name][1])


@pytest.fixture(
    params=[(source, name) for source in (carried, shared_labels) for name in SIZES],
    ids=lambda param: f"{param[0].__name__}-{param[1]}",
)
def labels(request):
    source, name = request.param
    targets = source(name)
    assert targets.shape == SIZES[name]
    return name, targets.astype(np.float64)


def test_db_weights_equal_the_closed_form(labels):
    name, targets = labels
    counts, (midpoint, _) = targets.sum(axis=0), DB[name]
    ratio = (1 / counts) / (targets @ (1 / counts))[:, None]  # (N, C)
    expected = 0.1 + 1 / (1 + np.exp(-10 * (ratio - midpoint)))
    found = rebalanced_weights(torch.tensor(targets), torch.tensor(1 / counts), 0.1, 10.0, midpoint).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    single = torch.tensor(targets, dtype=torch.float32), torch.tensor(1 / counts, dtype=torch.float32)
    np.testing.assert_allclose(rebalanced_weights(*single, 0.1, 10.0, midpoint), expected, rtol=1e-5)
    # absent rare classes saturate; an image of one label has r = 1 for it
    assert found.max() == pytest.approx(1.1, abs=1e-12)
    assert found.min() > 0.1
    if name == "voc-lt":
        assert round(ratio.max()) == 194
    alone = targets.sum(axis=1) == 1
    np.testing.assert_allclose(
        found[alone][targets[alone] > 0], 0.1 + 1 / (1 + np.exp(-10 * (1 - midpoint))), rtol=1e-12
    )


def test_weights_lie_in_their_recorded_ranges(labels):
    name, targets = labels
    counts, num_images = torch.tensor(targets.sum(axis=0)), torch.tensor(len(targets))

    def ends(weights, digits):
        return round(float(weights.min()), digits), round(float(weights.max()), digits)

    of = {"voc-lt": ((1.21, 16.90), (-0.007, 0.057)), "coco-lt": ((1.30, 17.84), (-0.009, 0.144))}[name]
    assert ends(inverse_frequency_weights(counts, num_images, 0.5), 2) == of[0]
    assert ends(0.05 / DB[name][1] * absence_log_odds(counts, num_images), 3) == of[1]
    assert ends(head_to_tail_weights(counts), 2) == (1.0, 1.84)
    if name == "voc-lt":
        assert ends(inverse_effective_numbers(counts, 0.9), 3) == (0.100, 0.291)
