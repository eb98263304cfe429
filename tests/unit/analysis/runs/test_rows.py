"""A real run as records that agree with what it logged."""

from dataclasses import replace

import numpy as np
import pytest

from mlcnc.analysis.curves.curve import curve
from mlcnc.analysis.geometry.angles import class_mean_angles, closest_pairs
from mlcnc.analysis.geometry.variability import class_variability
from mlcnc.analysis.runs.rows import nearest_array_epoch, run_row
from mlcnc.metrics import pairwise_angles
from mlcnc.store import RunStore


def test_a_real_run_becomes_records_that_agree_with_it(trained):
    run = RunStore(trained).open("tiny")
    found = run_row(run)
    lines = run.metrics()
    best = max(range(3), key=lambda epoch: lines[epoch]["validation/map_total"])
    assert found.epoch == best
    assert found.chosen_on == "validation"
    assert found.map_percent["tail"] == lines[best]["test/map_tail"]
    assert run_row(run, "last").epoch == 2
    assert curve(run, "lr").values.tolist() == [line["lr"] for line in lines]
    record = class_mean_angles(run, 2, split="train", space="mu", centring="class")
    assert record.summary.minimum == pytest.approx(lines[2]["train.mu/angle_min_class"], abs=1e-3)
    assert record.gram == pytest.approx(lines[2]["train.mu/nc2_gram"], abs=1e-5)
    assert record.class_counts == tuple(sorted(run.info.class_counts, reverse=True))
    means = run.arrays(2).get("train.mu/class_means").astype(float)
    direct = pairwise_angles(means, centring="class")
    one, two = (record.class_names.index(name) for name in ("person", "cow"))
    assert record.angles[one, two] == pytest.approx(direct[14, 9])
    pairs = closest_pairs(record, 3)
    assert pairs[0].angle == pytest.approx(record.summary.minimum)
    variability = class_variability(run, 2, split="test", space="f")
    assert variability.total == pytest.approx(lines[2]["test.f/nc1_trace"], rel=1e-4)
    assert variability.sample_counts.min() >= 60


def test_nearest_stored_epoch(trained):
    run = RunStore(trained).open("tiny")
    assert nearest_array_epoch(run, None) == 2
    assert nearest_array_epoch(run, 1) == 1
    assert nearest_array_epoch(run, 50) == 2


def test_classes_are_ranked_against_chance_not_by_raw_nc1(trained):
    from mlcnc.analysis.geometry.variability import class_variability, variability_sentence

    record = class_variability(RunStore(trained).open("tiny"), 2, split="train", space="f")
    relative = record.nc1 / record.query_only
    tightest = record.class_names[int(np.nanargmin(relative))]
    assert f"tightest {tightest} (" in variability_sentence(record)
    assert "where the class query alone gives" in variability_sentence(record)
    loose = [name for name, share in zip(record.class_names, relative, strict=True) if share >= 1]
    assert (f"no tighter than that: {', '.join(loose)};" in variability_sentence(record)) == bool(loose)
    lean = replace(record, query_only=None)
    tightest = lean.class_names[int(np.nanargmin(lean.nc1 / lean.shuffled))]
    assert f"against labels shuffled, tightest {tightest} (" in variability_sentence(lean)
