"""Runs with too few classes for an angle or a nearest mean: one class, or none with a feature."""

import math

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlcnc.analysis.geometry.angles import class_mean_angles, closest_pairs, geometry_sentence
from mlcnc.analysis.geometry.vector_angles import gram_angles
from mlcnc.analysis.samples.placement import placement
from mlcnc.store import RunStore
from tests.app.conftest import write_run


def test_one_class_has_no_angle_and_no_optimum(tmp_path):
    write_run(tmp_path, "alone", classes=["person"]).finish()
    run = RunStore(tmp_path).open("alone")
    records = [
        class_mean_angles(run, 2, split="test", space="f", centring="class"),
        gram_angles(run, 2, "label embedding"),
    ]
    for record in records:
        assert math.isnan(record.optimum)
        assert closest_pairs(record) == []
        assert geometry_sentence(record).startswith("Fewer than two classes have a class mean")
    assert placement(run, 2, split="test", space="f").misplaced.sum() == 0


@pytest.mark.parametrize("space", ["f", "mu"])
def test_where_no_class_has_a_mean_nothing_is_placed(tmp_path, space):
    write_run(tmp_path, "empty").finish()
    run = RunStore(tmp_path).open("empty")
    assert placement(run, 2, split="test", space=space) is not None
    path = run.folder / "epochs" / "0002.safetensors"
    arrays = load_file(path)
    name = f"test.{space}/class_counts"
    save_file(arrays | {name: np.zeros_like(arrays[name])}, path)
    assert placement(run, 2, split="test", space=space) is None
