"""``torchrun -m tests.processes.shared_steps FOLDER EPOCHS``: what several processes find, as one file of JSON.

Of every case the losses of each step, and how far what they measured together is from what one process measures
of the same weights.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from tests.processes.small_training import glove_file, small_config, use_few_images

LONG = 7
"""Epochs of the first case, and of all between four processes: of 8, 8 and 7 images, 21 steps."""

SHORT = 4
"""Epochs of the other cases: two of MLC-NC's are warm-up, the second half of LDAM's and OLTR's is another stage."""

CASES = {
    "mlc_nc": {"method": {"label_embedding": "trainable"}, "training": {"ema_decay": 0.9}},
    "mlc_nc, cosine, linear, pairs": {
        "method": {"attention": "cosine", "classifier": "linear", "calibration_normalisation": "pair", "warmup_epochs": 0}
    },
    "two-way, neck, accumulated": {
        "method": {"kind": "erm", "neck_dim": 9, "classification": {"kind": "two_way"}},
        "training": {"accumulation": 2},
    },
    "ldam": {"method": {"kind": "ldam", "deferred_from": 0.5}},
    "oltr": {"method": {"kind": "oltr", "first_stage": 0.5, "feature_dim": 9}},
    "ml_gcn": {"method": {"kind": "ml_gcn", "graph_dim": 11}},
    "bbn": {"method": {"kind": "bbn"}},
    "urs": {"method": {"kind": "urs", "compensation": True}},
    "plm": {"method": {"kind": "plm", "neck_dim": 7, "ratio_rate": 0.5, "initial_ratio": "half"}},
    "mfm": {"method": {"kind": "mfm"}},
    "batch norms of their own": {"method": {"kind": "erm"}, "training": {"sync_batchnorm": False, "ema_decay": 0.9}},
    "maps": {"model": {"frozen": "all", "trained_blocks": 1, "cached_draws": 1}},
}  # fmt: skip


def epochs_of(case: str, least: int) -> int:
    """Return how long a case is trained where others are trained ``least`` epochs."""
    return max(least, LONG if case == next(iter(CASES)) else SHORT)


def config_of(case: str, folder: Path, epochs: int):
    """Return the settings of a case; vectors are written into the folder where it needs some."""
    changes = json.loads(json.dumps(CASES[case]))
    if changes.get("method", {}).get("kind") == "ml_gcn":
        changes["method"]["glove_path"] = str(glove_file(folder))
    changes["training"] = {"sync_batchnorm": True, "epochs": epochs} | changes.get("training", {})
    return small_config(**changes)


def steps_of(config, ranks=None):
    """Train all epochs and return the losses of every step, what the end measures, and the experiment."""
    from mlcnc.training import epoch
    from mlcnc.training.build import build
    from mlcnc.training.loss_record import LossRecord

    steps = []

    class Recorded(LossRecord):
        def add(self, losses, num_images):
            super().add(losses, num_images)
            self.check()
            steps.append(self.latest)

    epoch.LossRecord = Recorded
    try:
        experiment = build(config, ranks=ranks)
        for number in range(config.training.epochs):
            epoch.train_epoch(experiment, number, lambda progress: None)
    finally:
        epoch.LossRecord = LossRecord
    return steps, experiment


def measured(experiment):
    """Return metrics and arrays of the weights."""
    from mlcnc.training.measurement import measure
    from mlcnc.training.sample_choice import choose_samples

    return measure(
        experiment.method,
        experiment.step,
        experiment.images,
        choose_samples(experiment.dataset, experiment.images.train, 40, 3, 0),
        ranks=experiment.ranks,
        groups=experiment.dataset.groups,
        average=experiment.average,
        with_arrays=True,
    )


def differences(experiment, config):
    """Return by name how far metrics and arrays are from those that this process alone finds; in others nothing."""
    import numpy as np

    from mlcnc.training.build import build

    found = measured(experiment)
    if not experiment.ranks.is_first:
        return {}
    alone = build(config)
    alone.method.load_state_dict(experiment.method.state_dict())
    if alone.average is not None:
        alone.average.load_state_dict(experiment.average.state_dict())
    far = {}
    for some, others in zip(found, measured(alone), strict=True):
        assert some.keys() == others.keys()
        for name in some:
            if name.startswith("seconds"):
                continue
            one, other = np.asarray(some[name], np.float64), np.asarray(others[name], np.float64)
            assert one.shape == other.shape, name
            assert (np.isnan(one) == np.isnan(other)).all(), name
            far[name] = float(np.nan_to_num(abs(one - other) / np.maximum(abs(other), 1)).max(initial=0.0))
    return far


def main(folder: Path, least: int) -> None:
    """Run all cases and write ``folder/WORLD_SIZE.json``."""
    from mlcnc.training import measurement
    from mlcnc.training.ranks import start_ranks

    use_few_images()
    measurement.BATCH_SIZE = 5
    found = {}
    with start_ranks(small_config().training, "steps") as ranks:
        for case in CASES:
            config = config_of(case, folder, epochs_of(case, least))
            steps, experiment = steps_of(config, ranks)
            far = differences(experiment, config)
            found[case] = {"steps": steps, "far": far, "equal": agreed(experiment)}
        number = ranks.share.number
        if ranks.is_first:
            (folder / f"{number}.json").write_text(json.dumps(found))


def agreed(experiment) -> bool:
    """Return whether all processes hold the same weights and statistics."""
    values = [float(value.double().sum()) for value in experiment.method.state_dict().values()]
    everyone = experiment.ranks.gathered(values)
    return all(
        math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)
        for own in everyone
        for a, b in zip(own, everyone[0], strict=True)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
