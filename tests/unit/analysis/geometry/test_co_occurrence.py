"""Shared training images, and how often a tail class has head company."""

import numpy as np
import pytest

from mlcnc.analysis.geometry.co_occurrence import co_occurrence, head_company_sentence
from mlcnc.store import RunStore, RunWriter

NAMES = ["Run 1", "Run 2", "Run 3"]


def counted(root, images, **settings):
    """Write a run over training images given as sets of class indices."""
    targets = np.zeros((len(images), 5), int)
    for row, labels in zip(targets, images, strict=True):
        row[list(labels)] = 1
    with RunWriter.create(
        root,
        "counted",
        class_names=list("abcde"),
        class_counts=targets.sum(axis=0).tolist(),
        co_occurrence=targets.T @ targets,
        group_thresholds=(6, 3),
        **settings,
    ) as run:
        run.log_epoch(0, {"train/loss": 1.0})
    return RunStore(root).open("counted"), targets


def test_co_occurrence_bounds_how_often_a_tail_class_has_head_company(tmp_path):
    # classes by count: c and a head, b medium, d tail, e without an image
    images = [{2}] * 4 + [{2, 0}] * 3 + [{0}] * 3 + [{1}] * 3 + [{1, 2}] + [{3, 2}, {3, 0}]
    run, targets = counted(tmp_path, images)
    found = co_occurrence(run)
    assert found.class_names == ("c", "a", "b", "d", "e")
    assert found.buckets == ("head", "head", "medium", "tail", "tail")
    for i, one in enumerate(found.class_names):
        for j, other in enumerate(found.class_names):
            has, both = targets[:, "abcde".index(one)] == 1, targets[:, "abcde".index(other)] == 1
            if i == j or not has.any():
                assert np.isnan(found.shares[i, j])
            else:
                assert found.shares[i, j] == pytest.approx(both[has].mean())
    (only,) = found.tail
    assert (only.name, only.count, only.together) == ("d", 2, 1)
    # in truth both images of d have a head class: between the bounds
    assert (only.at_least, only.at_most) == (0.5, 1.0)
    assert "at least 1 (50 %)" in head_company_sentence(found.tail)
    assert "1 of its 2 images have c too" in head_company_sentence(found.tail)


def test_co_occurrence_is_none_where_it_was_not_stored(tmp_path):
    with RunWriter.create(tmp_path, "bare", class_names=["a", "b"], class_counts=[9, 2]) as run:
        run.log_epoch(0, {"train/loss": 0.5})
    assert co_occurrence(RunStore(tmp_path).open("bare")) is None
