"""The lines of a log: one an epoch, with the time that is left counted from where this process began."""

import math

from mlcnc.training import progress as module
from mlcnc.training.progress import EpochLines, ProgressBar, progress_of

METRICS = {
    "train/loss": 2.34567,
    "validation/map_total": 45.64,
    "test/map_total": math.nan,
    "train.f/nc1_trace": 1.0249,
    "train.mu/nc1_trace": 0.0234,
    "train.mu/nc1_trace_shuffled": 9.0,
    "test.mu/nc1_trace": 9.0,
    "train.concat/nc1_trace": 0.5,
    "images_per_second": 612.4,
}
WORDS = (
    "loss 2.346, validation mAP 45.6, test mAP nan, NC1 of train f 1.025, mu 0.023, concat 0.500, 612 images/s"
)


def test_a_line_an_epoch_counts_from_where_the_process_began(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    said = []
    with progress_of(20, 40, visible=False, say=said.append) as lines:
        assert isinstance(lines, EpochLines)
        clock[0] += 7.0
        lines.on_epoch(20, {}, METRICS)
        clock[0] = 240.0
        lines.on_epoch(39, {}, {})
    assert said == [f"epoch 21/40: {WORDS}, 2:13 left", "epoch 40/40: "]


def test_a_line_names_the_spaces_that_were_measured():
    said = []
    lines = EpochLines(0, 2, said.append)
    lines.on_epoch(1, {}, {"train/loss": 0.5, "images_per_second": 10.0, "train.z/nc1_trace": 2.0})
    lines.on_epoch(1, {}, {"train/loss": 0.5, "images_per_second": 10.0})
    assert said == [
        "epoch 2/2: loss 0.500, NC1 of train z 2.000, 10 images/s",
        "epoch 2/2: loss 0.500, 10 images/s",
    ]


def test_without_a_listener_there_is_a_bar(capsys):
    with progress_of(0, 2, visible=False, say=None) as bar:
        assert isinstance(bar, ProgressBar)
        bar.on_epoch(0, {"value": 45.0}, METRICS)
    with progress_of(0, 2, visible=True, say=None) as bar:
        bar.on_epoch(0, {"value": 45.0}, METRICS)
    assert "best validation mAP 45.0" in capsys.readouterr().err
