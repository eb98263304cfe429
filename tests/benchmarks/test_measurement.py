"""What measuring and logging cost beyond the forward passes of the measurement, on the default run."""

from __future__ import annotations

import time

from mlcnc.config import ExperimentConfig, override
from mlcnc.store import RunStore
from mlcnc.training import train, trainer


def test_measurement_and_logging_share(tmp_path, say, monkeypatch):
    config = override(ExperimentConfig(), {"training": {"epochs": 7, "warmup_epochs": 1, "arrays_every": 5}})
    real, whole = trainer.one_epoch, []

    def timed(*arguments):
        started = time.perf_counter()
        real(*arguments)
        whole.append(time.perf_counter() - started)

    monkeypatch.setattr(trainer, "one_epoch", timed)
    train(config, runs_root=tmp_path, run_id="timed", say=lambda text: None, show_progress=False)
    lines = RunStore(tmp_path).open("timed").metrics()[1:]
    training = sum(line["seconds_train"] for line in lines)
    forward = sum(line["seconds_forward"] for line in lines)
    total = sum(whole[1:])
    beyond = (total - training - forward) / total
    say(
        f"measuring, logging and checkpoints beyond the forward passes: {100 * beyond:.1f} % of an epoch "
        f"(at most 10); with the forward passes over train, validation and test: "
        f"{100 * (1 - training / total):.1f} %"
    )
    assert beyond <= 0.10
