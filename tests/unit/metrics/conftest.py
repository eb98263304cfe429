"""Arrays of either kind, and a small case with everything in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

AS_ARRAY = {"numpy": np.asarray, "torch": torch.tensor}


@pytest.fixture(params=AS_ARRAY)
def as_array(request):
    """Turn nested lists or arrays into NumPy arrays or torch tensors."""
    return AS_ARRAY[request.param]


@pytest.fixture
def case():
    """Return class-wise features (37, 5, 11), targets with every class present, and a classifier."""
    rng = np.random.default_rng(11)
    targets = (rng.random((37, 5)) < 0.45).astype(np.uint8)
    for label in range(5):
        targets[label] = 0
        targets[label, label] = 1
    features = rng.normal(size=(37, 5, 11)) + 1.5 * rng.normal(size=(1, 5, 11)) + targets[:, :, None] * 0.8
    return features, targets, rng.normal(size=(5, 55))
