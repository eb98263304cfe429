"""The table of a race, from runs written by hand."""

import math

import numpy as np
import pytest

from mlcnc.analysis.comparison.bench import (
    Entry,
    best_rate,
    entries,
    next_rate,
    require_settings,
    table,
    tried_rates,
)
from mlcnc.analysis.comparison.bench_plan import planned_runs, run_seconds, seconds_left
from mlcnc.config import override
from mlcnc.errors import ConfigError
from mlcnc.metrics import average_precision, bootstrap_difference, mean_average_precision
from mlcnc.presets import bench_config
from mlcnc.store import RunStore, RunWriter
from mlcnc.store.schema import RunFailure

RNG = np.random.default_rng(8)
TARGETS = (RNG.random((60, 3)) < 0.4).astype(np.uint8)
NOISE = RNG.normal(size=(60, 3))
RACE = [Entry("ERM", "erm"), Entry("DB", "db"), Entry("MLC-NC", "mlc_nc")]


def written(root, run_id, strength, validation, state="finished"):
    """Write a run whose scores tell the labels so strongly, and return its test mAP by bucket."""
    scores = (NOISE + strength * TARGETS).astype(np.float16)
    run = RunWriter.create(root, run_id, class_names=["a", "b", "c"], class_counts=[200, 50, 5], num_epochs=2)
    with run:
        run.log_samples({"test/targets": TARGETS})
        values = mean_average_precision(average_precision(scores.astype(float), TARGETS), run.info.groups)
        metrics = {f"test/{name}": value for name, value in values.items()}
        for epoch, share in enumerate((0.5, 1.0)):
            logged = {name: share * value for name, value in metrics.items()}
            run.log_epoch(
                epoch,
                {
                    **logged,
                    "validation/map_total": share * validation,
                    "seconds_train": 3.0,
                    "peak_memory_mb": 700.0,
                },
                {"test/scores": scores},
            )
        if state != "finished":
            run.finish(state)
    return values


@pytest.fixture
def race(tmp_path):
    """Return the store of a race of three methods at three rates and two seeds, one of them unfinished."""
    for entry, strengths in zip(RACE[:2], ((1.0, 1.2), (2.0, 2.4)), strict=True):
        written(tmp_path, entry.run_id("toy", 0.001, 0), 0.1, 40.0)
        written(tmp_path, entry.run_id("toy", 0.004, 0), strengths[0], 45.0)
        written(tmp_path, entry.run_id("toy", 0.004, 1), strengths[1], 30.0)
        written(tmp_path, entry.run_id("toy", 0.016, 0), 0.1, 44.0)
    written(tmp_path, RACE[2].run_id("toy", 0.001, 0), 3.0, 50.0)
    return RunStore(tmp_path)


def test_the_rate_is_that_of_the_best_validation_and_the_values_are_of_the_last_epoch(race):
    tree = table(race, "toy", RACE, (0.001, 0.004, 0.016), (0, 1), num_resamples=50)
    assert [method["name"] for method in tree["methods"]] == ["ERM", "DB"]
    erm = tree["methods"][0]
    assert erm["rate"] == 0.004
    assert erm["validation"] == {"0.001": 40.0, "0.004": 45.0, "0.016": 44.0}
    scores = (NOISE + 1.2 * TARGETS).astype(np.float16).astype(float)
    expected = mean_average_precision(average_precision(scores, TARGETS), {})["map_total"]
    assert erm["runs"][1]["seed"] == 1
    assert erm["runs"][1]["total"] == pytest.approx(expected, abs=0.006)
    assert (erm["seconds"], erm["memory_mb"]) == (6.0, 700.0)


def test_differences_are_of_means_and_paired(race):
    tree = table(race, "toy", RACE, (0.001, 0.004, 0.016), (0, 1), num_resamples=200)
    erm, db = tree["methods"]
    assert erm["minus"] == {}
    assert db["minus"].keys() == {"ERM"}
    value, low, high = db["minus"]["ERM"]["total"]
    means = [np.mean([run["total"] for run in method["runs"]]) for method in (db, erm)]
    assert value == pytest.approx(means[0] - means[1], abs=0.02)
    assert 0 < low < value < high
    one = table(race, "toy", RACE, (0.004,), (0,), num_resamples=200)["methods"][1]["minus"]["ERM"]["total"]
    pair = [(NOISE + s * TARGETS).astype(np.float16).astype(float) for s in (2.0, 1.0)]
    expected = bootstrap_difference(*pair, TARGETS, {}, num_resamples=200)["map_total"]
    assert one == pytest.approx([expected.value, expected.low, expected.high], abs=0.006)


def test_a_method_with_an_unfinished_run_is_left_out(race, tmp_path):
    for rate in (0.004, 0.016, 0.00025):
        written(tmp_path, RACE[2].run_id("toy", rate, 0), 3.0, 20.0)
    written(tmp_path, RACE[2].run_id("toy", 0.001, 1), 3.0, 20.0, state="stopped")
    tree = table(race, "toy", RACE, (0.001, 0.004, 0.016), (0, 1), num_resamples=20)
    assert [method["name"] for method in tree["methods"]] == ["ERM", "DB"]


def test_of_equal_rates_the_lower_one_is_taken_and_one_without_a_value_never():
    assert best_rate({0.004: 41.0, 0.001: 41.0}) == 0.001
    assert best_rate({0.001: math.nan, 0.004: 1.0}) == 0.004


def test_rates_go_on_beyond_the_best_one_and_a_diverged_run_is_the_worst(tmp_path):
    store, entry, rates = RunStore(tmp_path), RACE[0], (0.001, 0.004)
    assert tried_rates(store, "toy", entry, rates, 0) == ({}, 0.001)
    for rate, validation in ((0.001, 40.0), (0.004, 45.0)):
        written(tmp_path, entry.run_id("toy", rate, 0), 1.0, validation)
    assert tried_rates(store, "toy", entry, rates, 0) == ({0.001: 40.0, 0.004: 45.0}, 0.016)
    written(tmp_path, entry.run_id("toy", 0.016, 0), 1.0, 46.0)
    assert tried_rates(store, "toy", entry, rates, 0)[1] == 0.064
    last = RunWriter.create(
        tmp_path, entry.run_id("toy", 0.064, 0), class_names=["a"], class_counts=[2], num_epochs=2
    )
    last.log_epoch(0, {"validation/map_total": 99.0})
    last.finish("failed", RunFailure(type="NonFiniteLossError", message="the bce loss became nan"))
    scores, left = tried_rates(store, "toy", entry, rates, 0)
    assert left is None
    assert list(scores) == [0.001, 0.004, 0.016, 0.064]
    assert math.isnan(scores[0.064])
    # a failure of another kind is to be trained again
    other = RunWriter.create(
        tmp_path, RACE[1].run_id("toy", 0.001, 0), class_names=["a"], class_counts=[2], num_epochs=2
    )
    other.finish("failed", RunFailure(type="OSError", message="disk"))
    assert tried_rates(store, "toy", RACE[1], rates, 0) == ({}, 0.001)


def test_rates_stay_within_reason():
    assert next_rate({1.0: 10.0, 8.0: 20.0}) is None
    assert next_rate({0.001: 10.0}) is None
    assert next_rate({0.004: 9.0, 0.016: 8.0}) == 0.001


def test_a_run_of_other_settings_is_refused(tmp_path):
    config = override(bench_config("pictogram-lt", "erm"), {"training": {"lr": 0.004}})
    writer = RunWriter.create(
        tmp_path,
        "mine",
        class_names=["a"],
        class_counts=[2],
        config=config.model_dump(mode="json"),
        num_epochs=2,
    )
    writer.finish()
    run = RunStore(tmp_path).open("mine")
    require_settings(run, config)
    require_settings(run, override(config, {"training": {"num_threads": 7}, "data": {"num_workers": 1}}))
    for changes, words in (
        ({"training": {"epochs": 5}}, "training.epochs 40, not 5"),
        ({"training": {"seed": 3}}, "training.seed 0, not 3"),
        ({"method": {"neck_dim": 64}}, "method.neck_dim None, not 64"),
    ):
        with pytest.raises(
            ConfigError, match=f"mine was trained with {words}; delete it, or take another folder"
        ):
            require_settings(run, override(config, changes))


def test_every_method_races_and_unknown_ones_are_refused():
    every = entries()
    assert len({entry.name for entry in every}) == len(every)
    assert len({entry.run_id("toy", 0.001, 0) for entry in every}) == len(every)
    assert [entry.name for entry in entries(["erm"])] == ["ERM"]
    with pytest.raises(ConfigError, match=r"--methods must be of .*mlc_nc.*, got 'erm2'"):
        entries(["erm2"])


def test_the_plan_holds_what_is_trained_and_what_will_be(race):
    erm, _, mlc_nc = RACE
    plan = planned_runs(race, "toy", erm, (0.001, 0.004, 0.016), (0, 1, 2))
    assert [(each.rate, each.seed) for each in plan] == [
        (0.001, 0),
        (0.004, 0),
        (0.016, 0),
        (0.004, 1),
        (0.004, 2),
    ]
    # of two rates the higher one was the better, so that a third is tried
    plan = planned_runs(race, "toy", erm, (0.001, 0.004), (0, 1))
    assert [(each.rate, each.seed) for each in plan] == [(0.001, 0), (0.004, 0), (0.016, 0), (0.004, 1)]
    plan = planned_runs(race, "toy", mlc_nc, (0.001, 0.004), (0, 1))
    assert [(each.rate, each.seed) for each in plan] == [(0.001, 0), (0.004, 0), (None, 1)]
    assert run_seconds(race.open(mlc_nc.run_id("toy", 0.001, 0))) == 6.0


def test_the_time_of_a_method_without_runs_is_the_mean_of_the_others():
    erm, db, mlc_nc = RACE
    assert seconds_left([erm, db, mlc_nc, mlc_nc], {"erm": [1.0, 3.0], "db": [10.0]}) == 24.0
    assert seconds_left([], {"erm": [1.0]}) == 0.0
