"""The null of a curve is that of the run's own classes and dimension, and of no other metric."""

import numpy as np
import pytest

from mlcnc.analysis.curves.nulls import random_null, shared_null
from mlcnc.analysis.user_files.feature_file import read_features
from mlcnc.analysis.user_files.features import analyse_features, write_feature_run
from mlcnc.metrics.random_directions import random_directions
from mlcnc.store import RunStore


@pytest.fixture
def runs(tmp_path):
    rng = np.random.default_rng(0)
    for run_id, dim in (("a", 7), ("b", 7), ("wide", 30)):
        np.savez(tmp_path / "f.npz", features=rng.normal(size=(40, dim)), targets=np.arange(40) % 5)
        file = read_features(tmp_path / "f.npz")
        report = analyse_features(file, {"head": [0, 1], "medium": [2], "tail": [3, 4]})
        write_feature_run(report, file, tmp_path / "runs", run_id=run_id, source="f", thresholds=(9, 3))
    return {run.run_id: run for run in RunStore(tmp_path / "runs").scan()}


def test_every_angle_has_the_statistic_and_the_centring_of_its_name(runs):
    run, null, raw = runs["a"], random_directions(5, 7), random_directions(5, 7, centred=False)
    expected = {
        "angle_min_class": null.smallest, "angle_mean_class": null.mean, "angle_std_class": null.spread,
        "angle_min_none": raw.smallest, "angle_std_none": raw.spread, "nc2_gram": null.gram,
        "angle_min_sample": None, "angle_min_tail_class": None, "nc1_trace": None, "map_total": None,
    }  # fmt: skip
    assert {name: random_null(run, f"test.z/{name}") for name in expected} == expected
    assert random_null(run, "train.z/nc2_gram") is None
    assert random_null(run, "test.f/nc2_gram") is None


def test_runs_share_a_null_where_classes_and_dimension_are_the_same(runs):
    name = "test.z/angle_min_class"
    assert shared_null([runs["a"], runs["b"]], name) == random_directions(5, 7).smallest
    assert shared_null(runs.values(), name) is None
    assert shared_null([], name) is None
