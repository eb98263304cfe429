"""Where all classes are equally frequent and images have one label, weights of classes change nothing."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from mlcnc.config import ExperimentConfig, override
from mlcnc.data.protocol import ArraySplit, MultiLabelDataset
from mlcnc.store import RunStore
from mlcnc.training import build, train

EACH = {"train": (0, 50), "validation": (50, 60), "test": (60, 140)}
"""Which of the images of every digit a split has."""

METHODS = {
    "ERM": {"kind": "erm"},
    "RW": {"kind": "rw"},
    # without the tolerance towards negatives, which is no matter of balance
    "DB": {"kind": "db", "classification": {"negative_scale": 1.0, "shift_scale": 0.0}},
    "Focal": {"kind": "focal"},
    "CB-Focal": {"kind": "cb_focal"},
}


def even_digits(name, request=None):
    """Return handwritten digits, as many of each, one an image, in place of the data set asked for."""
    bundle, rng = load_digits(), np.random.default_rng(5)
    of_digit = [rng.permutation(np.flatnonzero(bundle.target == digit)) for digit in range(10)]

    def split(name):
        rows = np.concatenate([found[slice(*EACH[name])] for found in of_digit])
        grey = np.kron(15.9 * bundle.images[rows], np.ones((4, 4)))  # (N, 32, 32)
        grey = (grey + rng.normal(0, 20, grey.shape)).clip(0, 255).astype(np.uint8)
        targets = np.eye(10, dtype=np.uint8)[bundle.target[rows]]
        return ArraySplit(name, np.repeat(grey[..., None], 3, axis=3), targets)

    names = tuple(str(digit) for digit in range(10))
    return MultiLabelDataset(name, names, split("train"), split("validation"), split("test"), (1000, 1))


@pytest.mark.slow
def test_weighted_losses_end_within_the_spread_of_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "build_dataset", even_digits)
    quick = {"epochs": 4, "measure_every": 4, "batch_size": 32, "num_threads": 1, "device": "cpu"}
    scores = {}
    for name, method in METHODS.items():
        for seed in range(3):
            config = override(ExperimentConfig(), {"method": method, "training": quick | {"seed": seed}})
            run_id = f"{method['kind']}-{seed}"
            train(config, runs_root=tmp_path, run_id=run_id, say=lambda text: None, show_progress=False)
            last = RunStore(tmp_path).open(run_id).metrics()[-1]
            scores.setdefault(name, []).append(last["test/map_total"])
    for weighted, plain in (("RW", "ERM"), ("DB", "ERM"), ("CB-Focal", "Focal")):
        apart = np.mean(scores[weighted]) - np.mean(scores[plain])
        assert abs(apart) <= np.ptp(scores[plain]), scores
    assert min(map(min, scores.values())) > 15.0, scores  # chance is 10
