"""Each metric against its loop, on NumPy arrays and torch tensors."""

import warnings

import numpy as np
import pytest
import torch

from mlcnc.metrics import (
    CENTRINGS,
    ClassStatisticsAccumulator,
    MultiplicityAccumulator,
    NearestClassAccumulator,
    ProjectedScatterAccumulator,
    angle_summary,
    between_directions,
    cdnv,
    centre,
    centred_class_means,
    classifier_agreement,
    concatenated_duality,
    contrast_cosines,
    debiased_cdnv,
    directional_cdnv,
    gram_distance,
    hyperspherical_uniformity,
    label_shuffle_baseline,
    minority_collapse,
    nc1_per_class,
    nc1_trace,
    pairwise_angles,
    positive_rows,
    row_cosines,
    self_duality,
    shuffled_cdnv,
    shuffled_nc1_per_class,
    shuffled_nc1_trace,
    tag_average,
)
from tests.reference import collapse as reference


def statistics_of(features, targets):
    accumulator = ClassStatisticsAccumulator(features.shape[1], features.shape[2])
    accumulator.update(features, targets)
    return accumulator.compute()


@pytest.fixture
def parts(case, as_array):
    features, targets, _ = case
    statistics = statistics_of(as_array(features), as_array(targets))
    return statistics, reference.rows_of(features, targets), as_array


@pytest.mark.parametrize("within", ["class", "sample"])
@pytest.mark.parametrize(
    ("between", "centring"), [("class", "class"), ("sample", "sample"), ("class", "none"), ("class", "all")]
)
def test_nc1_under_every_convention(case, parts, within, between, centring):
    features, targets, _ = case
    statistics, rows, as_array = parts
    conventions = {"within": within, "between": between, "centring": centring}
    given = {"class_counts": statistics.class_counts, "overall_mean": statistics.overall_mean}
    actual = nc1_trace(as_array(statistics.class_means), statistics.variances, **given, **conventions)
    assert actual == pytest.approx(reference.nc1_trace(rows, features=features, **conventions), rel=1e-10)
    directions = between_directions(statistics, between=between, centring=centring)
    second = ProjectedScatterAccumulator(statistics, directions)
    second.update(as_array(features), as_array(targets))
    expected = reference.nc1_pinv(rows, features=features, **conventions)
    assert second.nc1_pinv(within=within) == pytest.approx(expected, rel=1e-9)
    assert directions.rank == (4 if centring in ("class", "sample") else 5)


def test_per_class_and_pairs(case, parts):
    features, targets, _ = case
    statistics, rows, as_array = parts
    means, variances = as_array(statistics.class_means), as_array(statistics.variances)
    np.testing.assert_allclose(nc1_per_class(means, variances), reference.nc1_per_class(rows), rtol=1e-10)
    second = ProjectedScatterAccumulator(statistics, between_directions(statistics))
    second.update(as_array(features), as_array(targets))
    forms = {
        reference.cdnv: cdnv(means, variances),
        reference.debiased_cdnv: debiased_cdnv(means, variances, statistics.class_counts),
        reference.directional_cdnv: directional_cdnv(means, second.directional_variances()),
    }
    for loop, found in forms.items():
        pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
        expected = np.array([loop(rows, i, j) for i, j in pairs])
        np.testing.assert_allclose([found.matrix[p] for p in pairs], expected, rtol=1e-9)
        assert found.num_pairs == np.isfinite(expected).sum()
        assert found.mean == pytest.approx(np.nanmean(expected))
        assert found.maximum == pytest.approx(np.nanmax(expected))


def test_geometry_under_every_centring(case, parts):
    features, _, _ = case
    statistics, rows, as_array = parts
    for centring in CENTRINGS:
        g = reference.centre(rows, centring, features)
        given = {"class_counts": statistics.class_counts, "overall_mean": statistics.overall_mean}
        means = as_array(statistics.class_means)
        np.testing.assert_allclose(centre(means, centring, **given), g, atol=1e-12)
        vectors = np.array([reference.mean(part) - g for part in rows])
        expected = [[reference.angle(a, b) if a is not b else 0.0 for b in vectors] for a in vectors]
        np.testing.assert_allclose(pairwise_angles(means, centring=centring, **given), expected, atol=1e-5)
        assert gram_distance(means, centring=centring, **given) == pytest.approx(
            reference.gram_distance(vectors)
        )
        tail = minority_collapse(centred_class_means(means, centring, **given), [1, 3, 4])
        angles = [reference.angle(vectors[i], vectors[j]) for i, j in ((1, 3), (1, 4), (3, 4))]
        assert tail.angle_mean == pytest.approx(np.mean(angles))
        assert tail.angle_min == pytest.approx(min(angles))
    vectors = np.array([reference.mean(part) for part in rows]) - reference.centre(rows, "class")
    for power in (1.0, 2.5):
        found, loop = (
            hyperspherical_uniformity(as_array(vectors), power=power),
            reference.uniformity(vectors, power),
        )
        assert found.distance_mean == pytest.approx(loop["mean"])
        assert found.distance_variance == pytest.approx(loop["variance"])
        assert found.log_energy == pytest.approx(loop["log"])
        assert found.riesz_energy == pytest.approx(loop["riesz"])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_mean_at_the_centre_has_no_direction(as_array, dtype):
    around = np.random.default_rng(4).normal(size=(4, 6))
    means = np.array([*around, around.mean(axis=0)]) + 3.0
    for centring, given in (("class", {}), ("sample", {"class_counts": np.full(5, 7)})):
        angles = pairwise_angles(as_array(means.astype(dtype)), centring=centring, **given)
        assert np.isnan(angles[4]).all()
        assert np.isnan(angles[:, 4]).all()
        assert np.isfinite(angles[:4, :4]).all()
    assert np.isfinite(pairwise_angles(as_array(means.astype(dtype)), centring="none")).all()
    # uncentred, nothing cancels: a short mean is as exact as a long one
    assert pairwise_angles(as_array([[1.0, 0.0], [0.0, 1e-9]]), centring="none")[0, 1] == pytest.approx(90.0)


def test_duality(case, parts):
    features, targets, weight = case
    statistics, rows, as_array = parts
    vectors = np.array([reference.mean(part) for part in rows]) - reference.centre(rows, "class")
    found, loop = (
        self_duality(as_array(weight[:, :11]), as_array(vectors)),
        reference.self_duality(weight[:, :11], vectors),
    )
    assert found.frobenius_squared == pytest.approx(loop["frobenius_squared"])
    assert found.etf_distance == pytest.approx(loop["etf"])
    assert found.dot_variance == pytest.approx(loop["dots"])
    np.testing.assert_allclose(found.cosines, loop["cosines"])
    np.testing.assert_allclose(row_cosines(as_array(weight[:, :11]), vectors), loop["cosines"])
    joined = ClassStatisticsAccumulator(5, 55)
    for first in range(0, 37, 10):
        part = features[first : first + 10]
        joined.update(as_array(part.reshape(len(part), 55)), as_array(targets[first : first + 10]))
    dual = concatenated_duality(as_array(weight), joined.compute(), statistics)
    cosines, shares = reference.contrast(features, targets, weight)
    np.testing.assert_allclose(dual.contrast_cosines, cosines)
    np.testing.assert_allclose(contrast_cosines(as_array(weight), joined.compute()), cosines)
    np.testing.assert_allclose(dual.own_logit_gap_share, shares)
    np.testing.assert_allclose(dual.block_energy, reference.block_energy(weight, 5))
    np.testing.assert_allclose(joined.compute().overall_mean, features.reshape(37, -1).mean(axis=0))
    shifted = self_duality(as_array(weight[:, :11] + 3.0), as_array(vectors), centre_weight=True)
    plain = weight[:, :11] - weight[:, :11].mean(axis=0)
    np.testing.assert_allclose(shifted.cosines, reference.self_duality(plain, vectors)["cosines"])


def test_decisions_multiplicity_and_tags(case, parts):
    features, targets, weight = case
    statistics, rows, as_array = parts
    logits = features.reshape(37, -1) @ weight.T
    nearest = NearestClassAccumulator(statistics)
    nearest.update(as_array(features[:20]), as_array(targets[:20]), as_array(logits[:20]))
    nearest.update(as_array(features[20:]), as_array(targets[20:]), as_array(logits[20:]))
    found = nearest.compute()
    means = [reference.mean(part) for part in rows]
    own = [np.mean([reference.nearest(row, means) == c for row in part]) for c, part in enumerate(rows)]
    np.testing.assert_allclose(found.identity_per_class, own)
    assert found.identity_macro == pytest.approx(np.mean(own))
    expected = np.array(reference.binary_agreement(features, targets, logits))
    np.testing.assert_allclose(found.binary_positive_per_class, expected[:, 0])
    np.testing.assert_allclose(found.binary_negative_per_class, expected[:, 1])
    assert found.binary_macro == pytest.approx(expected.mean())
    levels = MultiplicityAccumulator(statistics)
    levels.update(as_array(features), as_array(targets))
    share = levels.compute().share
    np.testing.assert_allclose(share, [reference.multiplicity_share(features, targets, c) for c in range(5)])
    tags = tag_average(as_array(features[:, 0] + 2.0), as_array(targets))
    ratio, residual = reference.tag_average(features[:, 0] + 2.0, targets)
    assert tags.ratio == pytest.approx(ratio)
    assert tags.residual == pytest.approx(residual)


def test_single_label_decisions(case, as_array):
    features, targets, weight = case
    labels = targets.argmax(axis=1)
    rows = features[:, 0]
    accumulator = ClassStatisticsAccumulator(5, 11)
    accumulator.update_rows(as_array(rows), as_array(labels))
    statistics = accumulator.compute()
    bias = np.linspace(-1, 1, 5)
    found = classifier_agreement(
        as_array(rows), as_array(labels), statistics, as_array(weight[:, :11]), as_array(bias)
    )
    chosen = [int(np.argmax(weight[:, :11] @ row + bias)) for row in rows]
    nearest = [reference.nearest(row, statistics.class_means) for row in rows]
    assert found.agreement == pytest.approx(np.mean(np.equal(chosen, nearest)))
    assert found.nearest_accuracy == pytest.approx(np.mean(np.equal(nearest, labels)))
    assert found.classifier_accuracy == pytest.approx(np.mean(np.equal(chosen, labels)))
    other = torch.as_tensor(weight[:, :11].copy()), torch.as_tensor(bias)
    assert classifier_agreement(as_array(rows), as_array(labels), statistics, *other) == found


def test_the_shuffle_baseline_hangs_on_the_counts_alone():
    """Closed form against permutations, at long-tailed counts: the tail looks collapsed by chance."""
    rng = np.random.default_rng(0)
    counts = np.array([200, 60, 20, 8, 4])
    labels = np.repeat(np.arange(5), counts)
    rows = rng.normal(size=(len(labels), 64))
    within, distance, traces = np.zeros(5), np.zeros(5), np.zeros(2)
    pairs = np.zeros((2, 5, 5))
    for _ in range(300):
        accumulator = ClassStatisticsAccumulator(5, 64)
        accumulator.update_rows(rows, rng.permutation(labels))
        found = accumulator.compute()
        centred = found.class_means - found.class_means.mean(axis=0)
        within += found.variances
        distance += (centred**2).sum(axis=1)
        traces += [found.variances.mean(), (centred**2).sum(axis=1).mean()]
        pairs[0] += found.variances[:, None] + found.variances[None]
        pairs[1] += 2 * ((found.class_means[:, None] - found.class_means[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(within / distance, shuffled_nc1_per_class(counts), rtol=0.03)
    assert traces[0] / traces[1] == pytest.approx(shuffled_nc1_trace(counts), rel=0.03)
    upper = np.triu_indices(5, 1)
    np.testing.assert_allclose((pairs[0][upper] / pairs[1][upper]), shuffled_cdnv(counts)[upper], rtol=0.04)
    assert shuffled_nc1_per_class(counts)[0] > 10 * shuffled_nc1_per_class(counts)[4]
    drawn = label_shuffle_baseline(rows, labels, 5, num_shuffles=4)
    assert drawn["nc1_pinv"].shape == (4,)
    assert (drawn["nc1_pinv"] > 0).all()
    again = label_shuffle_baseline(torch.tensor(rows), torch.tensor(labels), 5, num_shuffles=4)
    np.testing.assert_allclose(drawn["nc1_pinv"], again["nc1_pinv"], rtol=1e-10)


def test_nc1_pinv_of_balanced_noise_is_near_its_expectation():
    rng = np.random.default_rng(3)
    number, size, dim = 6, 40, 700
    labels = np.repeat(np.arange(number), size)
    rows = rng.normal(size=(number * size, dim))
    accumulator = ClassStatisticsAccumulator(number, dim)
    accumulator.update_rows(rows, labels)
    statistics = accumulator.compute()
    second = ProjectedScatterAccumulator(statistics, between_directions(statistics))
    second.update_rows(rows, labels)
    assert second.nc1_pinv() == pytest.approx(size * (number - 1) / dim, rel=0.15)
    assert nc1_trace(statistics.class_means, statistics.variances) == pytest.approx(size - 1, rel=0.35)


def test_an_ill_conditioned_spectrum_is_exact_and_warned_about():
    """The case on which float32 pseudo-inverses are 40 to 80 times off."""
    rng = np.random.default_rng(5)
    number, dim, size = 20, 256, 30
    basis, _ = np.linalg.qr(rng.normal(size=(dim, number)))
    scale = np.logspace(0, -6.5, number)
    means = rng.normal(size=(number, number)) * scale @ basis.T
    noise = rng.normal(size=(number, size, dim))
    noise -= noise.mean(axis=1, keepdims=True)
    rows = (means[:, None] + 1e-7 * noise).reshape(-1, dim)
    labels = np.repeat(np.arange(number), size)
    accumulator = ClassStatisticsAccumulator(number, dim)
    accumulator.update_rows(rows, labels)
    statistics = accumulator.compute()
    directions = between_directions(statistics)
    second = ProjectedScatterAccumulator(statistics, directions)
    second.update_rows(rows, labels)
    with pytest.warns(RuntimeWarning, match="weakest direction"):
        value = second.nc1_pinv()
    centred = means - means.mean(axis=0)
    _, singular, right = np.linalg.svd(centred / np.sqrt(number), full_matrices=False)
    projected = (1e-7 * noise).reshape(-1, dim) @ right[: number - 1].T
    exact = (projected**2 / singular[: number - 1] ** 2).sum(axis=1).mean() / number
    assert value == pytest.approx(exact, rel=1e-5)
    assert directions.rank == number - 1


def test_undefined_values_are_nan_with_a_reason():
    nothing = ClassStatisticsAccumulator(3, 4).compute()
    assert np.isnan(nothing.class_means).all()
    assert "two classes" in between_directions(nothing).reason
    alone = ClassStatisticsAccumulator(3, 4)
    alone.update_rows(np.ones((1, 4)), np.array([1]))
    statistics = alone.compute()
    assert np.isnan(nc1_trace(statistics.class_means, statistics.variances))
    assert np.isnan(gram_distance(statistics.class_means))
    assert cdnv(statistics.class_means, statistics.variances).num_pairs == 0
    assert np.isnan(self_duality(np.ones((3, 4)), statistics.class_means).frobenius)
    assert np.isnan(hyperspherical_uniformity(statistics.class_means).log_energy)
    assert np.isnan(minority_collapse(statistics.class_means, [0, 1]).angle_min)
    assert np.isnan(shuffled_nc1_trace([0, 4, 0]))
    same = ClassStatisticsAccumulator(2, 4)
    same.update_rows(np.array([[1.0, 2, 3, 4], [3.0, 2, 1, 0], [2.0, 2, 2, 2]]), np.array([0, 0, 1]))
    statistics = same.compute()
    directions = between_directions(statistics)
    assert directions.rank == 0
    assert "coincide" in directions.reason
    assert np.isnan(ProjectedScatterAccumulator(statistics, directions).nc1_pinv())
    assert nc1_trace(statistics.class_means, statistics.variances) == np.inf
    assert debiased_cdnv(statistics.class_means, statistics.variances, statistics.class_counts).num_pairs == 0
    assert np.isnan(hyperspherical_uniformity(np.random.default_rng(0).normal(size=(5, 3))).log_energy_gap)
    empty = tag_average(np.zeros((0, 3)), np.zeros((0, 2)))
    assert np.isnan(empty.ratio)
    assert empty.num_usable_sets == 0


def test_one_class_one_image_and_no_image_are_nan_throughout(case):
    from mlcnc.metrics import SpaceFeatures, space_metrics
    from mlcnc.metrics.summary import thorough_metrics

    features, targets, _ = case
    for some, labels in (
        (features[:, :1], targets[:, :1]),
        (features[:1], targets[:1]),
        (features[:0], targets[:0]),
    ):
        statistics = statistics_of(some, labels)
        values = space_metrics("s", statistics, {"tail": [0]})
        more, _ = thorough_metrics("s", statistics, SpaceFeatures.of(some, labels), logits=some.sum(axis=2))
        for name in (
            "nc1_trace",
            "cdnv_mean",
            "cdnv_debiased_mean",
            "nc2_gram",
            "angle_min_class",
            "angle_min_tail_class",
            "nc2_norm_cv_class",
        ):
            assert np.isnan(values[f"s/{name}"]), name
        for name in ("nc1_pinv", "nc1_pinv_shuffled", "cdnv_directional_mean"):
            assert np.isnan(more[f"s/{name}"]), name


def test_two_classes_and_an_empty_one_equal_the_case_without_it(case):
    features, targets, _ = case
    with_empty = (
        np.concatenate([features, features[:, :1]], axis=1),
        np.concatenate([targets, 0 * targets[:, :1]], axis=1),
    )
    full, less = statistics_of(*with_empty), statistics_of(features, targets)
    for metric in (nc1_trace, lambda m, v: cdnv(m, v).mean, lambda m, v: gram_distance(m)):
        assert metric(full.class_means, full.variances) == pytest.approx(
            metric(less.class_means, less.variances)
        )
    values = []
    for statistics, given in ((full, with_empty), (less, (features, targets))):
        second = ProjectedScatterAccumulator(statistics, between_directions(statistics))
        second.update(*given)
        values.append(second.nc1_pinv())
    assert values[0] == pytest.approx(values[1], rel=1e-10)
    two = statistics_of(features[:, :2], targets[:, :2])
    assert angle_summary(pairwise_angles(two.class_means, centring="class")).mean == pytest.approx(180.0)


BAD = [
    (lambda f, t: (f, t[:, :3]), "targets must have shape"),
    (lambda f, t: (f[:, :, :3], t), "class_features must have shape"),
    (lambda f, t: (np.where(f > 2, np.nan, f), t), "class_features must be finite"),
    (lambda f, t: (f, t * 2), "targets must be 0 or 1, got 2"),
    (lambda f, t: (f, t - 0.5), "targets must be 0 or 1, got"),
]


@pytest.mark.parametrize(("spoil", "words"), BAD)
def test_bad_batches_are_refused_and_leave_nothing_behind(case, as_array, spoil, words):
    features, targets, _ = case
    good = ClassStatisticsAccumulator(5, 11)
    good.update(as_array(features), as_array(targets))
    before = good.compute()
    bad = spoil(features, targets)
    with pytest.raises(ValueError, match=words):
        good.update(as_array(bad[0]), as_array(bad[1]))
    np.testing.assert_array_equal(before.class_means, good.compute().class_means)
    if "class_features must have shape" not in words:
        for other in (
            MultiplicityAccumulator(before),
            NearestClassAccumulator(before),
            ProjectedScatterAccumulator(before, between_directions(before)),
        ):
            with pytest.raises(ValueError, match=words):
                other.update(as_array(bad[0]), as_array(bad[1]))


def test_odd_kinds_of_arrays_are_taken_as_they_are(case):
    """Tensors with a graph, half precision, integers, booleans, NumPy targets beside tensors."""
    features, targets, _ = case
    exact = statistics_of(features, targets)
    kinds = [
        (torch.tensor(features, requires_grad=True), torch.tensor(targets).bool(), 1e-12),
        (torch.tensor(features), targets, 1e-12),
        (features, torch.tensor(targets), 1e-12),
        (features.astype(np.float16), targets.astype(bool), 5e-3),
        (torch.tensor(features).bfloat16(), torch.tensor(targets).float(), 3e-2),
        ((1000 * features).astype(np.int64), targets, None),
    ]
    for some, labels, tolerance in kinds:
        found = statistics_of(some, labels)
        scale = 1000.0 if tolerance is None else 1.0
        np.testing.assert_allclose(found.class_means / scale, exact.class_means, atol=tolerance or 1e-3)
        nearest = NearestClassAccumulator(found)
        nearest.update(some, labels, features.sum(axis=2))
        assert 0 < nearest.compute().binary_macro < 1
    for kind in (np.uint8, np.int32):
        accumulator = ClassStatisticsAccumulator(5, 11)
        accumulator.update_rows(torch.tensor(features[:, 0]), targets.argmax(axis=1).astype(kind))
        assert accumulator.compute().class_counts.sum() == 37


def test_no_image_and_constant_features_decide_nothing(case):
    features, targets, _ = case
    for some, labels in ((features[:0], targets[:0]), (0 * features + 1, targets)):
        nearest = NearestClassAccumulator(statistics_of(some, labels))
        nearest.update(some, labels, features[: len(some)].sum(axis=2))
        found = nearest.compute()
        assert np.isnan(found.binary_macro)
        assert np.isnan(found.binary_positive)


def test_bad_arguments_name_themselves(case):
    features, targets, weight = case
    statistics = statistics_of(features, targets)
    means, variances = statistics.class_means, statistics.variances
    refusals = [
        (lambda: nc1_trace(means, variances, within="odd"), "weights must be"),
        (lambda: nc1_trace(means, variances, within="sample"), "class_counts must be given"),
        (lambda: centre(means, "sample"), "class_counts must be given"),
        (lambda: centre(means, "all"), "overall_mean must be given"),
        (lambda: centre(means, "odd"), "centring must be one of"),
        (lambda: nc1_trace(np.where(means > 1, np.nan, means), variances), "NaN in a whole row"),
        (lambda: self_duality(weight, means), "classifier_weight must have shape"),
        (lambda: hyperspherical_uniformity(means, power=0), "power must be above 0"),
        (lambda: shuffled_nc1_trace([-1, 3]), "must not be negative"),
        (lambda: label_shuffle_baseline(means, np.arange(5), 5, num_shuffles=0), "num_shuffles must be"),
        (lambda: ClassStatisticsAccumulator(2, 11).update_rows(means, np.arange(5)), "labels must be 0 to 1"),
        (lambda: ClassStatisticsAccumulator(5, 11).update_rows(means * np.inf, np.arange(5)), "features must be finite"),
    ]  # fmt: skip
    for call, words in refusals:
        with pytest.raises(ValueError, match=words):
            call()
    rows_only = ClassStatisticsAccumulator(5, 11)
    rows, labels, _ = positive_rows(features, targets)
    rows_only.update_rows(rows, labels)
    with pytest.raises(ValueError, match="negative_means"):
        NearestClassAccumulator(rows_only.compute()).update(features, targets, features[:, :, 0])
    with pytest.raises(RuntimeError, match="init_process_group"):
        rows_only.all_reduce()


def test_rows_and_batches_give_the_same_statistics(case, as_array):
    features, targets, _ = case
    rows, labels, multiplicity = positive_rows(as_array(features), as_array(targets))
    accumulator = ClassStatisticsAccumulator(5, 11)
    accumulator.update_rows(rows, labels)
    whole = statistics_of(features, targets)
    np.testing.assert_allclose(accumulator.compute().class_means, whole.class_means, rtol=1e-12)
    np.testing.assert_allclose(accumulator.compute().within_scatter, whole.within_scatter, rtol=1e-12)
    assert accumulator.compute().negative_means is None
    assert int(multiplicity.max()) == targets.sum(axis=1).max()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert whole.overall_mean == pytest.approx(features.mean(axis=(0, 1)))


def test_the_tag_residual_keeps_its_digits_near_collapse():
    """Means of pairs 1e-9 off the line: 1 - cos^2 would be 0 or noise."""
    singles = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    pair = singles.sum(axis=0) + np.array([0.0, 0.0, 1e-9])
    found = tag_average(np.vstack([singles, pair]), np.array([[1, 0], [0, 1], [1, 1]]))
    assert found.residual == pytest.approx(1e-18 / 2, rel=1e-6)


def test_directions_that_are_equal_but_for_rounding_coincide():
    means = np.random.default_rng(0).standard_normal((5, 7))
    means[3] = means[1] * (1 + 1e-9)
    for stored in (means, means.astype(np.float32), np.nextafter(means, np.inf)):
        found = hyperspherical_uniformity(stored)
        assert found.riesz_energy == found.log_energy == np.inf
    means[3] = means[1] + 1e-4
    assert np.isfinite(hyperspherical_uniformity(means).riesz_energy)
