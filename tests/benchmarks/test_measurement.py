"""What measuring and logging cost beyond the forward passes of the measurement, on the default run."""

from __future__ import annotations

import statistics

from mlcnc.config import ExperimentConfig, override
from mlcnc.store import RunStore
from mlcnc.training import train


def test_measurement_and_logging_share(tmp_path, say):
    config = override(ExperimentConfig(), {"training": {"epochs": 7, "warmup_epochs": 1, "arrays_every": 5}})
    train(config, runs_root=tmp_path, run_id="timed", say=lambda text: None, show_progress=False)
    lines = RunStore(tmp_path).open("timed").metrics()[1:]
    beyond = [
        (line["seconds"] - line["seconds_train"] - line["seconds_forward"]) / line["seconds"] for line in lines
    ]
    whole = [1 - line["seconds_train"] / line["seconds"] for line in lines]
    say(
        f"measuring and logging beyond the forward passes: {100 * statistics.mean(beyond):.1f} % of an epoch "
        f"(at most 10); with the forward passes over train, validation and test: "
        f"{100 * statistics.mean(whole):.1f} %"
    )
    assert statistics.mean(beyond) <= 0.10
