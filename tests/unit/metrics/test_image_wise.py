"""One feature an image: every number equals that of the class-wise code on copies of it for every class."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcnc.metrics import (
    ClassStatisticsAccumulator,
    MultiplicityAccumulator,
    NearestClassAccumulator,
    ProjectedScatterAccumulator,
    SpaceFeatures,
    between_directions,
    centred_class_means,
    contrast_cosines,
    label_shuffle_baseline,
    measure_split,
    pairwise_angles,
    positive_rows,
    self_duality,
)
from mlcnc.metrics.class_statistics import ClassStatistics
from mlcnc.metrics.measurement import classifier_metrics, tag_metrics
from mlcnc.metrics.namespace import check_finite
from mlcnc.metrics.summary import second_pass_bytes
from tests.reference import collapse as reference
from tests.unit.metrics.conftest import AS_ARRAY

GROUPS = {"head": [0, 1], "tail": [2, 3, 4]}


def made(seed=0, images=61, classes=5, dim=11):
    """Return image-wise features that know their labels, targets with an image without any, and logits."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((images, classes)) < 0.4).astype(np.uint8)
    targets[:classes] = np.eye(classes, dtype=np.uint8)
    targets[classes] = 0
    features = rng.normal(size=(images, dim)) + targets @ rng.normal(size=(classes, dim)) + 3.0
    return features, targets, rng.normal(size=(images, classes)) + targets


def copied(features, classes=5):
    return np.repeat(features[:, None], classes, axis=1)  # (N, C, d)


def same(found, expected, but=()):
    assert set(found) - set(but) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-11, err_msg=name)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
@pytest.mark.parametrize("kind", AS_ARRAY)
def test_a_measured_split_is_that_of_copies_for_every_class(kind, seed):
    features, targets, logits = made(seed)
    as_array = AS_ARRAY[kind]
    given = {"targets": as_array(targets), "groups": GROUPS, "scores": as_array(logits)}
    slow, slow_arrays = measure_split("test", spaces={"z": as_array(copied(features))}, **given)
    found, arrays = measure_split("test", spaces={"z": as_array(features)}, **given)
    ncm = {f"test.z/ncm_{name}" for name in ("ratio", "residual", "pairs", "coverage")}
    same(found, slow, but=ncm)
    same(arrays, slow_arrays)
    assert ncm <= set(found)
    assert not any(np.isnan(value) for name, value in found.items() if "debiased" not in name)
    statistics = ClassStatisticsAccumulator(5, 11)
    statistics.update(as_array(features), as_array(targets))
    kept = SpaceFeatures.of(as_array(features), as_array(targets))
    assert kept.image_wise
    spaces, features_of = {"z": statistics.compute()}, {"z": kept}
    again, _ = measure_split("test", spaces=spaces, features=features_of, **given)
    same(again, found)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 61), max_size=5), seed=st.integers(0, 10**6))
@pytest.mark.parametrize("kind", AS_ARRAY)
def test_any_batch_split_and_merging_give_the_same(kind, cuts, seed):
    features, targets, logits = made(seed)
    as_array = AS_ARRAY[kind]
    whole = ClassStatisticsAccumulator(5, 11)
    whole.update(copied(features), targets)
    statistics = whole.compute()
    directions = between_directions(statistics)
    edges = [0, *sorted(cuts), 61]
    shards = [slice(a, b) for a, b in itertools.pairwise(edges)]

    def run(make, *tables):
        total = make()
        for shard in shards:
            part = make()
            part.update(*(as_array(table[shard]) for table in tables))
            total.merge(part)
        slow = make()
        slow.update(copied(features), *tables[1:])
        return total, slow

    total, slow = run(lambda: ClassStatisticsAccumulator(5, 11), features, targets)
    for name in ("class_means", "within_scatter", "negative_means", "class_counts", "overall_mean", "contrast"):
        np.testing.assert_allclose(
            getattr(total.compute(), name), getattr(slow.compute(), name), rtol=1e-10, atol=1e-12
        )
    total, slow = run(lambda: ProjectedScatterAccumulator(statistics, directions), features, targets)
    np.testing.assert_allclose(total.compute(), slow.compute(), rtol=1e-10)
    np.testing.assert_allclose(total.directional_variances(), slow.directional_variances(), rtol=1e-9)
    total, slow = run(lambda: MultiplicityAccumulator(statistics), features, targets)
    np.testing.assert_allclose(total.compute().share, slow.compute().share, rtol=1e-10)
    np.testing.assert_array_equal(total.compute().counts, slow.compute().counts)
    total, slow = run(lambda: NearestClassAccumulator(statistics), features, targets, logits)
    for name in ("identity_per_class", "binary_positive_per_class", "binary_negative_per_class"):
        np.testing.assert_array_equal(getattr(total.compute(), name), getattr(slow.compute(), name))


def test_rows_and_shuffled_labels_are_those_of_copies(as_array):
    features, targets, _ = made()
    found = positive_rows(as_array(features), as_array(targets))
    for part, expected in zip(found, positive_rows(copied(features), targets), strict=True):
        np.testing.assert_array_equal(np.asarray(part), expected)
    drawn = label_shuffle_baseline(as_array(features), as_array(targets), 5, num_shuffles=4, seed=3)
    rows, labels, _ = positive_rows(features, targets)
    same(drawn, label_shuffle_baseline(rows, labels, 5, num_shuffles=4, seed=3))


def test_the_shuffle_baseline_is_the_metric_of_permuted_rows():
    features, targets, _ = made()
    rows, labels, _ = positive_rows(features, targets)
    drawn = label_shuffle_baseline(features, targets, 5, num_shuffles=3, seed=8)
    rng = np.random.default_rng(8)
    for index in range(3):
        shuffled = labels[rng.permutation(len(labels))]
        parts = [rows[shuffled == label] for label in range(5)]
        assert drawn["nc1_pinv"][index] == pytest.approx(reference.nc1_pinv(parts), rel=1e-9)
        assert drawn["nc1_trace"][index] == pytest.approx(reference.nc1_trace(parts), rel=1e-10)
        pairs = [reference.cdnv(parts, i, j) for i, j in itertools.combinations(range(5), 2)]
        assert drawn["cdnv_mean"][index] == pytest.approx(np.mean(pairs), rel=1e-10)


def test_an_image_of_several_labels_is_nearest_to_one_mean_only():
    """Two labels that always come together: no more than half of the rows can be right."""
    targets = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]])
    features = np.array([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1]])
    accumulator = ClassStatisticsAccumulator(3, 2)
    accumulator.update(features, targets)
    nearest = NearestClassAccumulator(accumulator.compute())
    nearest.update(features, targets)
    found = nearest.compute()
    assert found.identity == pytest.approx(4 / 6)  # images over rows
    np.testing.assert_array_equal(found.identity_per_class, [1.0, 0.0, 1.0])


def test_collapsed_image_features_keep_their_digits():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), 40)
    base = 10 * rng.normal(size=(3, 16)) + 100
    features = base[labels] + 1e-6 * rng.normal(size=(120, 16))
    accumulator = ClassStatisticsAccumulator(3, 16)
    for start in range(0, 120, 17):
        accumulator.update(features[start : start + 17], np.eye(3)[labels[start : start + 17]])
    rows = [features[labels == label] for label in range(3)]
    expected = [len(part) * reference.variance(part) for part in rows]
    np.testing.assert_allclose(accumulator.compute().within_scatter, expected, rtol=1e-6)


def test_bad_image_features_name_themselves(as_array):
    features, targets, _ = made()
    good = ClassStatisticsAccumulator(5, 11)
    good.update(features, targets)
    before = good.compute()
    bad = [
        (np.where(features > 5, np.inf, features), targets, "image_features must be finite"),
        (np.where(features > 5, np.nan, features), targets, "image_features must be finite"),
        (features[:, :7], targets, r"image_features must have shape \(B, 11\)"),
        (features, targets[:, :4], r"targets must have shape \(61, 5\) like image_features"),
        (features, 2 * targets, "targets must be 0 or 1, got 2"),
    ]
    for some, labels, words in bad:
        for other in (good, NearestClassAccumulator(before), MultiplicityAccumulator(before)):
            with pytest.raises(ValueError, match=words):
                other.update(as_array(some), as_array(labels))
    np.testing.assert_array_equal(good.compute().class_means, before.class_means)
    with pytest.raises(ValueError, match=r"spaces\['z'\] must have shape"):
        measure_split("test", targets=targets, groups=GROUPS, spaces={"z": features[0]})


def test_huge_finite_features_are_not_taken_for_infinite(as_array):
    for values in (np.full((4, 3), 1e308), np.full((4, 3), 6e4, dtype=np.float16)):
        check_finite(as_array(values), "features")  # their sum overflows
        for bad in ([np.inf, -np.inf, 0.0], [np.nan, 0.0, 0.0]):
            with pytest.raises(ValueError, match="must be finite"):
                check_finite(as_array(np.concatenate([values, np.array([bad], values.dtype)])), "features")


def test_classifier_of_an_image_space_against_loops(as_array):
    features, targets, _ = made()
    weight = np.random.default_rng(2).normal(size=(5, 11))
    accumulator = ClassStatisticsAccumulator(5, 11)
    accumulator.update(as_array(features), as_array(targets))
    statistics = accumulator.compute()
    found = classifier_metrics("test", "z", as_array(weight), statistics)
    means = np.array([reference.mean(features[targets[:, c] > 0]) for c in range(5)])
    loop = reference.self_duality(weight, means - means.mean(axis=0))
    gaps = [means[c] - reference.mean(features[targets[:, c] == 0]) for c in range(5)]
    cosines = [float(w @ g) / np.sqrt(float(w @ w) * float(g @ g)) for w, g in zip(weight, gaps, strict=True)]
    expected = {
        "test.z/nc3_cosine": np.mean(loop["cosines"]),
        "test.z/nc3_frobenius_squared": loop["frobenius_squared"],
        "test.z/nc3_etf_distance": loop["etf"],
        "test.z/nc3_contrast_cosine": np.mean(cosines),
    }
    same(found, expected)
    # a shift of all rows is not taken out: sigmoids see it
    shifted = classifier_metrics("test", "z", weight + 3.0, statistics)
    assert shifted["test.z/nc3_cosine"] != pytest.approx(found["test.z/nc3_cosine"], abs=1e-3)
    without = ClassStatistics(statistics.class_means, statistics.class_counts, statistics.within_scatter)
    assert np.isnan(contrast_cosines(weight, without)).all()
    assert np.isnan(classifier_metrics("test", "z", weight, without)["test.z/nc3_contrast_cosine"])
    dual = weight - weight.mean(axis=0)
    perfect = ClassStatistics(dual, np.full(5, 9), np.zeros(5), -dual, 45)
    assert self_duality(dual, dual).cosine_mean == pytest.approx(1.0)
    assert classifier_metrics("test", "z", dual, perfect)["test.z/nc3_contrast_cosine"] == pytest.approx(1.0)


def test_a_class_on_every_image_has_no_direction_from_the_mean_of_all(as_array):
    features, targets, _ = made()
    targets[:, 2] = 1
    accumulator = ClassStatisticsAccumulator(5, 11)
    accumulator.update(as_array(features), as_array(targets))
    statistics = accumulator.compute()
    means = np.array([reference.mean(features[targets[:, c] > 0]) for c in range(5)]) - features.mean(axis=0)
    assert np.linalg.norm(means[2]) < 1e-12
    expected = np.full((5, 5), np.nan)
    for i, j in itertools.product([0, 1, 3, 4], repeat=2):
        expected[i, j] = reference.angle(means[i], means[j]) if i != j else 0.0
    # put together again from positives and negatives, the mean of all has rounding in it
    for dtype in (np.float64, np.float32):
        stored, overall = as_array(statistics.class_means.astype(dtype)), statistics.overall_mean.astype(dtype)
        found = pairwise_angles(stored, centring="all", overall_mean=overall)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_means_of_images_that_coincide_leave_nothing_to_compare():
    rng = np.random.default_rng(0)
    targets = np.ones((61, 3), dtype=np.uint8)
    targets[:30, 0] = 0
    features = rng.normal(size=(61, 11)) + 3.0
    features[:30] = features[30:60]
    features[60] = features[:30].mean(axis=0)  # so that having class 0 or not is the same
    accumulator = ClassStatisticsAccumulator(3, 11)
    accumulator.update(features, targets)
    statistics, weight = accumulator.compute(), rng.normal(size=(3, 11))
    assert np.isnan(contrast_cosines(weight, statistics)).all()
    centred = centred_class_means(statistics.class_means, "class")
    assert np.isnan(self_duality(weight, centred).cosines).all()
    alike = np.tile(weight[:1], (3, 1)) * np.array([[1.0], [1.0 + 1e-9], [1.0 - 1e-9]])
    assert np.isnan(self_duality(alike, weight, centre_weight=True).cosines).all()


def test_multi_label_collapse_belongs_to_the_space_and_needs_images_of_several_labels():
    features, targets, _ = made()
    found, _ = measure_split("train", targets=targets, groups=GROUPS, spaces={"z": features})
    ratio, residual = reference.tag_average(features, targets)
    assert found["train.z/ncm_ratio"] == pytest.approx(ratio, rel=1e-9)
    assert found["train.z/ncm_residual"] == pytest.approx(residual, rel=1e-9)
    assert found["train.z/ncm_ratio"] == tag_metrics("train.z", features, targets)["train.z/ncm_ratio"]
    alone = np.eye(5, dtype=np.uint8)[np.arange(61) % 5]
    found, _ = measure_split("train", targets=alone, groups=GROUPS, spaces={"z": features})
    assert not any("ncm" in name for name in found)


def test_a_space_beyond_the_budget_is_measured_without_the_second_pass():
    features, targets, _ = made()
    needed = second_pass_bytes(61, 5, 11)
    assert needed == 8 * 11 * 61
    assert second_pass_bytes(2, 80, 160_000) > 512 * 2**20  # the table of classes and multiplicities alone
    given = {"targets": targets, "groups": GROUPS, "spaces": {"z": features}}
    full, _ = measure_split("train", **given, budget_bytes=needed)
    slim, arrays = measure_split("train", **given, budget_bytes=needed - 1)
    assert "train.z/nc4_identity" in full
    assert not any(name.startswith(("train.z/nc4", "train.z/ncm", "train.z/nc1_pinv")) for name in slim)
    assert "train.z/projected_variances" not in arrays
    same(slim, {name: full[name] for name in slim})
    with_rows = {"z": ClassStatisticsAccumulator(5, 11)}
    with_rows["z"].update(features, targets)
    kept = {"z": SpaceFeatures.of(features, targets)}
    spaces = {"z": with_rows["z"].compute()}
    again, _ = measure_split(
        "train", targets=targets, groups=GROUPS, spaces=spaces, features=kept, budget_bytes=needed - 1
    )
    assert set(again) == set(slim)


def test_no_copy_for_every_class_is_made():
    """At (1000, 400) and 20 classes the copies would take 64 MB in float64, the features 3.2."""
    rng = np.random.default_rng(0)
    targets = (rng.random((1000, 20)) < 0.1).astype(np.uint8)
    targets[:40] = np.tile(np.eye(20, dtype=np.uint8), (2, 1))
    features = rng.normal(size=(1000, 400)).astype(np.float32)
    logits = rng.normal(size=(1000, 20))
    tracemalloc.start()
    found, _ = measure_split("test", targets=targets, groups=GROUPS, logits=logits, spaces={"concat": features})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(found["test.concat/nc4_binary_macro"])
    assert peak < 48e6
