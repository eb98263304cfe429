"""Class means in a plane: an exact ETF lies on the ring, whatever way it is turned."""

import numpy as np
import pytest

from mlcnc.analysis.geometry.class_ring import class_ring
from mlcnc.etf import simplex_etf
from mlcnc.store import RunStore, RunWriter

COUNTS = [5, 90, 40, 2, 70]


def written(root, **means):
    names = ["a", "b", "c", "d", "e"]
    run = RunWriter.create(root, "run", class_names=names, class_counts=COUNTS, num_epochs=1)
    arrays = {}
    for split, rows in means.items():
        seen = np.isfinite(rows).all(axis=1)
        arrays[f"{split}.f/class_means"] = rows.astype(np.float32)
        arrays[f"{split}.f/class_counts"] = np.where(seen, 7, 0)
        arrays[f"{split}.f/within_scatter"] = np.where(seen, 1.0, np.nan).astype(np.float32)
    run.log_epoch(0, {"train/loss": 1.0}, arrays)
    run.finish()
    return RunStore(root).open("run")


def test_an_etf_lies_on_its_ring_by_falling_count(tmp_path):
    etf = np.asarray(simplex_etf(5, 11, seed=3))
    etf = etf if len(etf) == 5 else etf.T
    found = class_ring(written(tmp_path, train=3 * etf + 2, test=etf), 0, "f")
    assert found.class_names == ("b", "e", "c", "a", "d")
    for points in found.points.values():
        np.testing.assert_allclose(points, found.ideal, atol=1e-5)


def test_test_features_are_turned_with_those_of_training_and_a_class_unseen_there_has_no_place(tmp_path):
    etf = np.asarray(simplex_etf(5, 11, seed=3))
    etf = etf if len(etf) == 5 else etf.T
    other = np.roll(etf, 1, axis=0)
    other[3] = np.nan
    found = class_ring(written(tmp_path, train=etf, test=other), 0, "f")
    np.testing.assert_allclose(found.points["train"], found.ideal, atol=1e-5)
    assert np.isnan(found.points["test"][found.class_names.index("d")]).all()
    far = np.linalg.norm(found.points["test"] - found.ideal, axis=1)
    assert np.nanmin(far) > 0.1


@pytest.mark.parametrize(
    "means", [{"validation": np.eye(5)}, {"train": np.eye(5)[:, :2] * [[1], [1], [np.nan], [np.nan], [np.nan]]}]
)
def test_fewer_than_three_classes_are_no_ring(tmp_path, means):
    assert class_ring(written(tmp_path, **means), 0, "f") is None
