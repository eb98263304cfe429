"""Intervals of mAP and of its differences, from stored scores."""

import pytest

from mlcnc.store import RunStore


def test_intervals_come_from_the_stored_scores(trained, tmp_path):
    from mlcnc.analysis.comparison.intervals import difference_sentence, map_difference, map_intervals

    run = RunStore(trained).open("tiny")
    found = map_intervals(run, 2, num_resamples=50)
    for name in ("map_total", "map_head", "map_tail"):
        assert found[name].value == pytest.approx(run.metrics()[2][f"test/{name}"], abs=0.1)
        assert found[name].low < found[name].value < found[name].high
    same = map_difference((run, 2), (run, 2), num_resamples=20)["map_total"]
    assert same.low == same.high == 0.0
    assert "could explain it" in difference_sentence("total mAP", "a", "b", same)
    other = map_difference((run, 2), (run, 0), num_resamples=50)["map_total"]
    expected = found["map_total"].value - map_intervals(run, 0, num_resamples=1)["map_total"].value
    assert other.value == pytest.approx(expected)
    assert map_intervals(run, 7) is None
    assert map_difference((run, 2), (run, 7)) is None
