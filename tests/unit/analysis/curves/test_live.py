"""A run while it is written: curves so far, progress, time left, all from numbers set by hand."""

import json
import math

import pytest

from mlcnc.analysis.curves.live import (
    MAX_POINTS,
    MAX_TERMS,
    collapse_sentence,
    eta_seconds,
    live_curves,
    log_tail,
    progress,
    seconds_between,
)
from mlcnc.store import RunStatus, RunStore, RunWriter, Space


def written(root, seconds=(), nc1=None, run_id="live", spaces=None, method=None, lines=None, **more):
    """Write a run with one epoch for every number of seconds, or with these lines."""
    run = RunWriter.create(
        root,
        run_id,
        class_names=["a", "b", "c"],
        class_counts=[9, 4, 2],
        config={"method": {"kind": "mlc_nc", "embedding_dim": 8}},
        method=method,
        spaces=spaces,
        num_epochs=10,
    )
    for epoch, line in enumerate(lines or ()):
        run.log_epoch(epoch, line)
    for epoch, value in enumerate(seconds):
        line = {"seconds": value, "seconds_train": value / 4, "train/loss": 5.0 - epoch} | more
        if nc1 is not None:
            line |= {"test.f/nc1_trace": nc1[epoch], "test.f/nc1_trace_shuffled": 91.0}
        run.log_epoch(epoch, line)
    run._closed.set()
    return RunStore(root).open(run_id)


def test_pace_is_the_median_of_the_last_five_epochs(tmp_path):
    curves = live_curves(written(tmp_path, [900.0, 50.0, 3.0, 2.0, 400.0, 1.0, 4.0]))
    assert curves.epoch_seconds == 3.0
    assert curves.train_share == pytest.approx(0.25)
    assert curves.num_logged == 7


def test_epochs_that_measure_count_by_how_many_there_are(tmp_path):
    plain = {"seconds": 2.0, "seconds_train": 2.0}
    measured = {"seconds": 7.0, "seconds_train": 2.0, "test/map_total": 3.0}
    curves = live_curves(written(tmp_path, lines=[measured, *[plain] * 4, measured, *[plain] * 4]))
    assert curves.epoch_seconds == pytest.approx(0.8 * 2 + 0.2 * 7)
    assert curves.train_share == pytest.approx(2 / 3)


def test_time_left_counts_the_part_of_the_epoch_that_is_done(tmp_path):
    curves = live_curves(written(tmp_path, [4.0, 4.0]))
    status = RunStatus(state="running", num_epochs=10, epoch=1)
    assert progress(curves, status).eta_seconds == pytest.approx(8 * 4.0)
    # half the batches are a half of the quarter that training takes of an epoch
    half = progress(curves, status.model_copy(update={"batch": 5, "num_batches": 10}))
    assert half.eta_seconds == pytest.approx((8 - 0.125) * 4.0)
    assert half.share == pytest.approx(2.125 / 10)
    assert (half.batch, half.num_batches) == (5, 10)


def test_epochs_that_are_trained_again_are_not_done_yet(tmp_path):
    with RunWriter.create(tmp_path, "live", class_names=["a"], class_counts=[9], num_epochs=10) as run:
        for epoch in range(4):
            run.log_epoch(epoch, {"seconds": 4.0})
    again = RunWriter.reopen(tmp_path, "live", keep_epochs=2, keep_later=True)
    again.log_batch(5, 10)
    read = RunStore(tmp_path).open("live")
    again._update()
    found = progress(live_curves(read), read.status)
    assert (found.num_logged, found.share, found.eta_seconds) == (2, pytest.approx(0.25), 30.0)
    again.log_epoch(2, {"seconds": 4.0})
    found = progress(live_curves(read), read.status)
    assert (found.num_logged, found.share) == (3, pytest.approx(0.3))
    again.finish("stopped")
    assert progress(live_curves(read), read.status).num_logged == 4


def test_odd_times_keep_the_share_within_its_bounds(tmp_path):
    curves = live_curves(written(tmp_path, [-4.0], seconds_train=8.0))
    status = RunStatus(state="running", num_epochs=10, epoch=None, batch=5, num_batches=10)
    assert progress(curves, status).share == 0.0


def test_a_run_that_is_over_is_in_no_batch(tmp_path):
    curves = live_curves(written(tmp_path, [4.0] * 10))
    status = RunStatus(state="finished", num_epochs=10).model_copy(update={"batch": 5, "num_batches": 10})
    found = progress(curves, status)
    assert (found.batch, found.share, found.eta_seconds) == (None, 1.0, 0.0)


@pytest.mark.parametrize(
    ("pace", "done", "total", "expected"),
    [
        (None, 0, 10, None),
        (2.0, 3, None, None),
        (2.0, 3, 10, 14.0),
        (2.0, 12, 10, 0.0),
        (1e308, 3, 10, None),
        (math.inf, 3, 10, None),
        (1e200, 3, 10, None),
    ],
)
def test_time_left_is_unknown_without_pace_or_length(pace, done, total, expected):
    assert eta_seconds(pace, done, total) == expected


def test_nothing_logged_gives_empty_curves(tmp_path):
    curves = live_curves(written(tmp_path))
    assert all(panel.epochs == () for panel in curves.panels.values())
    assert all(line == () for panel in curves.panels.values() for line in panel.lines.values())
    assert curves.panels["losses"].lines == curves.panels["nc1"].lines == {}
    assert (curves.epoch_seconds, curves.images_per_second, collapse_sentence(curves)) == (None, None, "")
    found = progress(curves, RunStatus(state="running", num_epochs=10))
    assert (found.share, found.eta_seconds) == (0.0, None)


def test_lines_hold_what_was_logged_and_none_where_nothing_was(tmp_path):
    run = written(tmp_path, [1.0, 1.0], nc1=[math.nan, 2.0], images_per_second=640.0)
    curves = live_curves(run)
    assert curves.panels["losses"].epochs == curves.panels["nc1"].epochs == (1, 2)
    assert curves.panels["losses"].lines == {"total": (5.0, 4.0)}
    assert curves.panels["nc1"].lines["test"] == (None, 2.0)
    assert curves.panels["nc1"].lines["test, tail"] == (None, None)
    assert curves.images_per_second == 640.0
    assert curves.optimal_angle == pytest.approx(120.0)  # three classes


def test_the_parts_of_the_loss_are_those_that_were_logged_in_order(tmp_path):
    first = {"train/loss": 3.0, "train/pull_apart": 1.0, "train.f/nc1_trace": 9.0, "test/map_total": 4.0}
    odd = {"train/total": 7.0, "train/epoch": 7.0, "train/a.b": 7.0}
    curves = live_curves(written(tmp_path, lines=[first, {"train/loss": 2.0, "train/bce": 0.5, **odd}]))
    assert list(curves.panels["losses"].lines.items()) == [
        ("total", (3.0, 2.0)),
        ("pull-apart", (1.0, None)),
        ("bce", (None, 0.5)),
    ]
    many = {f"train/t{number}": 1.0 for number in range(MAX_TERMS + 3)}
    assert (
        len(live_curves(written(tmp_path, lines=[many], run_id="many")).panels["losses"].lines) == MAX_TERMS + 1
    )


@pytest.mark.parametrize(
    ("declared", "logged", "expected"),
    [
        ([("z", "image")], ["z"], ("z", "image")),
        ([("mu", "class"), ("f", "class")], ["mu", "f"], ("f", "class")),
        ([("mu", "class"), ("f", "class")], ["mu"], ("mu", "class")),
        ([("y", "class"), ("x", "class")], [], ("y", "class")),
        ([], [], None),
        (None, ["mu"], ("mu", "class")),
        (None, [], None),
    ],
)
def test_geometry_is_that_of_the_first_space_that_has_it(tmp_path, declared, logged, expected):
    spaces = None if declared is None else [Space(name=name, kind=kind, dim=4) for name, kind in declared]
    measured = {f"test.{name}/nc1_trace": 3.0 for name in logged}
    # the last line need not be of a measured epoch
    curves = live_curves(
        written(tmp_path, lines=[{"train/loss": 1.0} | measured, {"train/loss": 1.0}], spaces=spaces)
    )
    assert (curves.space and (curves.space.name, curves.space.kind)) == expected
    assert (curves.nc1 is not None) == bool(logged)
    if logged:
        assert collapse_sentence(curves).startswith(f"NC1 of test features {expected[0]} is 3 after epoch 1")


def test_measured_epochs_survive_thinning(tmp_path):
    lines = [
        {"train/loss": 1.0} | ({"test.f/nc1_trace": 2.0} if epoch % 7 == 0 else {}) for epoch in range(200)
    ]
    curves = live_curves(written(tmp_path, lines=lines))
    assert curves.panels["nc1"].epochs == tuple(range(1, 201, 7))
    assert curves.panels["nc1"].lines["test"] == (2.0,) * 29
    assert len(curves.panels["losses"].epochs) == MAX_POINTS


@pytest.mark.parametrize(
    ("method", "expected"),
    [({"warmup_epochs": 3}, 3), ({"warmup_epochs": 0}, 0), ({}, 0), (None, 0), ({"warmup_epochs": "3"}, 0)],
)
def test_the_end_of_warm_up_is_known_where_the_settings_say_it(tmp_path, method, expected):
    run = written(tmp_path, [1.0])
    tree = json.loads((run.folder / "run.json").read_text())
    tree["config"]["method"] = method
    (run.folder / "run.json").write_text(json.dumps(tree))
    assert live_curves(RunStore(tmp_path).open(run.run_id)).warmup_epochs == expected


def test_many_epochs_are_thinned_with_both_ends_kept(tmp_path):
    curves = live_curves(written(tmp_path, [1.0] * 173))
    shown = curves.panels["losses"]
    assert len(shown.epochs) == MAX_POINTS
    assert (shown.epochs[0], shown.epochs[-1], curves.num_logged) == (1, 173, 173)
    assert list(shown.epochs) == sorted(set(shown.epochs))
    assert shown.lines["total"][-1] == 5.0 - 172


@pytest.mark.parametrize(
    ("nc1", "expected"),
    [
        ([30.0], "NC1 of test features f is 30 after epoch 1; with"),
        ([30.0, 1.5], "NC1 of test features f fell from 30 to 1.5; with labels shuffled it would be 91."),
        ([1.5, 30.0], "rose from 1.5 to 30"),
        ([2.0, 2.0], "is 2 as at the start; with"),
        ([30.0, 1.5, 4.0], "fell from 30 to 4 after a lowest of 1.5 at epoch 2; with labels shuffled"),
        ([3.0, 1.5, 30.0], "rose from 3 to 30 after a lowest of 1.5 at epoch 2"),
        ([2.0, 5.0, 2.0], "is 2 as at the start; with"),
        ([2.0, 0.5, 2.0], "is 2 as at the start after a lowest of 0.5 at epoch 2; with"),
        ([30.0, 1.499, 1.501], "fell from 30 to 1.5; with"),
        ([math.nan, math.nan, 1.5], "is 1.5 after epoch 3; with"),
        ([30.0, *[5.0] * 70, 0.2, *[5.0] * 28], "fell from 30 to 5 after a lowest of 0.2 at epoch 72; with"),
    ],
)
def test_the_sentence_says_which_way_nc1_went(tmp_path, nc1, expected):
    assert expected in collapse_sentence(live_curves(written(tmp_path, [1.0] * len(nc1), nc1=nc1)))


def test_every_line_of_every_chart_is_a_metric_that_real_training_logs(trained):
    curves = live_curves(RunStore(trained).open("tiny"))
    assert list(curves.panels["losses"].lines) == ["total", "alignment", "calibration", "two-way"]
    assert curves.space.name == "f"
    for panel in curves.panels.values():
        for name, values in panel.lines.items():
            assert values[-1] is not None, name


@pytest.mark.parametrize("times", [(None, "2026-01-01"), ("2026-01-01", None), ("soon", "later")])
def test_a_time_that_is_none_gives_no_seconds(times):
    assert seconds_between(*times) is None


def test_the_end_of_a_log_skips_empty_lines():
    assert log_tail("a\n\nb\n   \nc\n", 2) == "b\nc"
    assert log_tail("", 5) == ""
