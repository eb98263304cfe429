"""Exact collapse, one present class, equal features: every metric a number or NaN with a reason, never a warning."""

import tracemalloc
import warnings

import numpy as np
import pytest

from mlcnc.metrics import ClassStatisticsAccumulator, cdnv, measure_split, nc1_per_class, nc1_trace, tag_average
from mlcnc.metrics.catalogue import reason_undefined
from mlcnc.metrics.measurement import classifier_metrics, concatenated_metrics, duality_metrics
from tests.reference import collapse as reference

NUMBER, DIM = 24, 6
KINDS = ("spread", "collapsed", "equal", "zero", "one present", "none present", "two equal means", "one image",
         "no image")  # fmt: skip


def made(kind, classes):
    rng = np.random.default_rng(classes)
    targets = np.eye(classes)[np.arange(NUMBER) % classes]
    features = rng.normal(size=(NUMBER, classes, DIM))
    if kind == "collapsed":
        features[:] = features[0] + 1e3 * rng.normal(size=DIM)
    elif kind in ("equal", "zero"):
        features[:] = np.pi if kind == "equal" else 0.0
    elif kind == "one present":
        targets[:, 1:] = 0
    elif kind == "none present":
        targets[:] = 0
    elif kind == "two equal means":
        features[:] = features[0]
        features[:, 0] = features[:, -1]
    keep = {"one image": 1, "no image": 0}.get(kind, NUMBER)
    return features[:keep], targets[:keep]


def statistics_of(features, targets):
    accumulator = ClassStatisticsAccumulator(targets.shape[1], features.shape[-1])
    accumulator.update(features, targets)
    return accumulator.compute()


@pytest.mark.parametrize("classes", [1, 2, 3, 5])
@pytest.mark.parametrize("wise", [True, False], ids=["class-wise", "image-wise"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_stored_metric_is_a_number_or_nan_with_a_reason(kind, wise, classes):
    features, targets = made(kind, classes)
    rng = np.random.default_rng(0)
    features = features if wise else features.sum(axis=1)
    groups = {"head": [0], "medium": [1][: classes - 1], "tail": list(range(2, classes))}
    scores, weight = rng.normal(size=targets.shape), rng.normal(size=(classes, DIM))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, arrays = measure_split(
            "test", targets=targets, groups=groups, scores=scores, spaces={"f": features}
        )
        statistics = statistics_of(features, targets)
        for softmax in (False, True):
            found |= classifier_metrics("test", f"z{int(softmax)}", weight, statistics, softmax=softmax)
        if wise:
            whole = statistics_of(features.reshape(len(features), classes * DIM), targets)
            wide = rng.normal(size=(classes, classes * DIM))
            found |= concatenated_metrics("test", wide, whole, statistics)
            used = np.nan_to_num(statistics.class_means)
            found |= duality_metrics("test", weight, statistics, statistics, class_means_used=used)
    assert not any(np.isinf(array).any() for array in arrays.values() if array.dtype.kind == "f")
    present = int(statistics.present.sum())
    for name, value in found.items():
        assert np.isfinite(value) or reason_undefined(name, value, statistics), name
        if present < 2 and name.rpartition("/")[2].startswith(("nc1_", "cdnv_m", "nc2_", "angle_", "cos_")):
            assert np.isnan(value) or name.endswith("_rank"), name
        if present >= 2 and kind == "collapsed" and wise and name in ("test.f/nc1_trace", "test.f/cdnv_max"):
            assert value == 0.0, name
        if not name.endswith(("energy_gap", "cdnv_mean", "cdnv_max")):
            assert not np.isinf(value), name


def test_equal_features_have_no_scatter_and_coincident_means():
    """Their mean is off by rounding; an NC1 made of it would be 0, 1 or infinite by chance."""
    for offset in (0.1, np.pi, 1e6 / 3, 1e-30 / 7):
        features = np.full((1001, DIM), offset)
        targets = np.eye(3)[np.arange(1001) % 3]
        found = statistics_of(features, targets)
        np.testing.assert_array_equal(found.within_scatter, 0.0)
        assert np.isnan(cdnv(found.class_means, found.variances).mean)
        assert np.isnan(nc1_trace(found.class_means, found.variances))
        assert np.isnan(nc1_per_class(found.class_means, found.variances)).all()


def test_features_beyond_float32_are_refused_before_they_overflow(as_array):
    features, targets = made("spread", 3)
    features[2, 1, 3] = -1e39
    with pytest.raises(ValueError, match=r"class_features must be at most 3\.4e\+38 in size, got 1\.0e\+39"):
        ClassStatisticsAccumulator(3, DIM).update(as_array(features), as_array(targets))


def slow_tag_average(features, targets):
    """Return ratio, residual of pairs and of all sets from the table of all means of sets."""
    ratio, residual = reference.tag_average(features, targets)
    sets, members = np.unique(targets, axis=0, return_inverse=True)
    means = np.array([features[members.ravel() == index].mean(axis=0) for index in range(len(sets))])
    single = {int(tags.argmax()): mean for tags, mean in zip(sets, means, strict=True) if tags.sum() == 1}
    gaps = []
    for tags, mean in zip(sets, means, strict=True):
        labels = np.flatnonzero(tags)
        if len(labels) > 1 and all(label in single for label in labels):
            total = sum(single[label] for label in labels)
            gap = mean - (mean @ total) / (total @ total) * total
            gaps.append((gap @ gap) / (mean @ mean))
    return ratio, residual, np.mean(gaps)


@pytest.mark.parametrize("seed", range(3))
def test_multi_label_collapse_is_that_of_the_table_of_all_sets(seed, as_array):
    rng = np.random.default_rng(seed)
    targets = (rng.random((300, 7)) < 0.25).astype(np.uint8)
    targets[:5] = np.eye(7, dtype=np.uint8)[:5]
    features = rng.normal(size=(300, 11)) + targets @ rng.normal(size=(7, 11))
    found = tag_average(as_array(features), as_array(targets))
    slow = slow_tag_average(features, targets)
    np.testing.assert_allclose((found.ratio, found.residual, found.residual_all), slow, rtol=1e-10)
    assert found.pairs == tuple(sorted(found.pairs))
    assert found.single_counts.tolist() == [int((targets[targets.sum(axis=1) == 1, c]).sum()) for c in range(7)]


def test_multi_label_collapse_takes_the_memory_of_one_mean_a_class():
    rng = np.random.default_rng(0)
    classes, dim, number = 50, 1000, 2500
    targets = (rng.random((number, classes)) < 0.06).astype(np.uint8)
    targets[:classes] = np.eye(classes, dtype=np.uint8)
    features = rng.normal(size=(number, dim)).astype(np.float32)
    tracemalloc.start()
    found = tag_average(features, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.num_usable_sets > 1500  # of which one table of means would take 12 MB and more
    assert peak < 8 * (2 * classes * dim + 8 * 2**17)


def test_rows_of_one_class_each_have_no_negatives_and_that_is_the_reason():
    accumulator = ClassStatisticsAccumulator(3, DIM)
    accumulator.update_rows(np.random.default_rng(0).normal(size=(12, DIM)), np.arange(12) % 3)
    for metric in ("nc1_trace_negatives", "nc1_trace_query_only", "angle_min_all"):
        assert "features of negatives" in reason_undefined(f"train.f/{metric}", np.nan, accumulator.compute())
