"""Curves of a run, their optimum and the band over seeds."""

import numpy as np
import pytest

from mlcnc.analysis.curves.curve import Curve, band, metric_optimum
from mlcnc.store import RunStore


def test_band_uses_common_epochs_only():
    one = Curve("a", np.array([1, 2, 3]), np.array([1.0, 2, 3]))
    two = Curve("b", np.array([2, 3, 4]), np.array([4.0, 7, 9]))
    found = band([one, two])
    assert found.epochs.tolist() == [2, 3]
    assert found.mean.tolist() == [3.0, 5.0]
    assert (found.low.tolist(), found.high.tolist()) == ([2.0, 3.0], [4.0, 7.0])


@pytest.mark.parametrize(
    ("metric", "optimum"),
    [
        ("test.f/angle_min_class", 93.017),
        ("test.mu/angle_std_none", 0.0),
        ("test/map_total", None),
        ("train.f/nc1_trace", None),
    ],
)
def test_optimum_of_a_metric(trained, metric, optimum):
    found = metric_optimum(RunStore(trained).open("tiny"), metric)
    assert found == (None if optimum is None else pytest.approx(optimum, abs=1e-3))


def test_the_line_of_a_curve_is_the_floor_where_no_etf_fits(trained):
    from mlcnc.analysis.curves.curve import metric_definition, metric_label, metric_optimum
    from mlcnc.metrics import gram_distance_floor

    run = RunStore(trained).open("tiny")  # 20 classes, f in 24 dimensions, mu in 7
    assert metric_optimum(run, "test.f/nc2_gram") == 0.0
    assert metric_optimum(run, "test.mu/nc2_gram") == gram_distance_floor(20, 7)
    assert metric_optimum(run, "test.mu/angle_min_class") == pytest.approx(93.017, abs=1e-3)
    assert metric_optimum(run, "test/map_total") is None
    assert metric_optimum(run, "test.mu/angle_mean_class") is None
    assert metric_optimum(run, "test.mu/angle_mean_none") is not None
    assert metric_label("test.f/angle_min_none") == "smallest angle of class means, uncentred (°), test f"
    assert metric_label("train/loss") == "train/loss"
    assert metric_definition("train/loss") == "train/loss: as logged."
    assert metric_definition("test.f/nc1_trace").endswith(
        "NC1, trace ratio; test features f, classes weighed by class, centring class."
    )
