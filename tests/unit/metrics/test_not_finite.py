"""NaN, infinity and fractions in every argument of every public metric: refused by name, or a documented null."""

import dataclasses
import inspect
import warnings

import numpy as np
import pytest

import mlcnc.metrics as metrics
from mlcnc.metrics.measurement import tag_metrics
from tests.unit.metrics.conftest import AS_ARRAY

NUMBER, CLASSES, DIM = 12, 4, 5
GROUPS = {"head": [0, 1], "medium": [2], "tail": [3]}
RNG = np.random.default_rng(3)
TARGETS = np.tile(np.eye(CLASSES), (3, 1))
TARGETS[::3, 0] = 1
WISE = RNG.normal(size=(NUMBER, CLASSES, DIM)) + TARGETS[:, :, None]
IMAGES = RNG.normal(size=(NUMBER, DIM)) + 1.0
LABELS = np.arange(NUMBER) % CLASSES * 1.0
MEANS, WEIGHT = RNG.normal(size=(2, CLASSES, DIM))
COUNTS = np.array([5.0, 4.0, 3.0, 2.0])
SPREAD = RNG.random(CLASSES)
SCORES = RNG.normal(size=TARGETS.shape)


def statistics(features=WISE, **changes):
    accumulator = metrics.ClassStatisticsAccumulator(CLASSES, features.shape[-1])
    accumulator.update(features, TARGETS)
    return dataclasses.replace(accumulator.compute(), **changes)


def bad_statistics(call):
    """Return a call of statistics in which the mean of class 0 is the argument."""

    def of(class_means):
        return call(statistics(class_means=np.asarray(class_means)))

    return of, {"class_means": statistics().class_means}


def scatter():
    return metrics.ProjectedScatterAccumulator(statistics(), metrics.between_directions(statistics()))


def nearest():
    return metrics.NearestClassAccumulator(statistics())


def shares():
    return metrics.MultiplicityAccumulator(statistics())


def collector():
    return metrics.ClassStatisticsAccumulator(CLASSES, DIM)


def agreement(features, labels, classifier_weight, classifier_bias):
    return metrics.classifier_agreement(features, labels, statistics(), classifier_weight, classifier_bias)


def split(targets, scores, logits, features):
    return metrics.measure_split(
        "test", targets=targets, groups=GROUPS, scores=scores, logits=logits, spaces={"f": features}
    )


def duality(classifier_weight):
    wide = statistics(WISE.reshape(NUMBER, -1))
    return metrics.concatenated_duality(classifier_weight, wide, statistics())


RANKED = {"scores": SCORES, "targets": TARGETS}
BATCH = {"class_features": WISE, "targets": TARGETS}
ROWS = {"features": IMAGES, "labels": LABELS}
PAIRED = {"class_means": MEANS, "variances": SPREAD}
COSINES = np.eye(CLASSES) * 0.5 + 0.5
CALLS = {
    "average_precision": (metrics.average_precision, RANKED),
    "average_precision_bounds": (metrics.average_precision_bounds, RANKED),
    "global_map": (metrics.global_map, RANKED),
    "precision_recall_curves": (metrics.precision_recall_curves, RANKED),
    "f1_scores": (lambda scores, targets, threshold: metrics.f1_scores(scores, targets, threshold=threshold),
                  {**RANKED, "threshold": np.zeros(CLASSES)}),
    "mean_average_precision": (lambda average_precisions: metrics.mean_average_precision(average_precisions, GROUPS),
                               {"average_precisions": SPREAD}),
    "bootstrap_map": (lambda scores, targets: metrics.bootstrap_map(scores, targets, GROUPS, num_resamples=3), RANKED),
    "bootstrap_difference": (
        lambda scores, targets: metrics.bootstrap_difference(SCORES, scores, targets, GROUPS, num_resamples=3), RANKED
    ),
    "bootstrap_draws": (lambda scores, targets: metrics.bootstrap_draws(scores, targets, GROUPS, num_resamples=3), RANKED),
    "bootstrap_mean_differences": (
        lambda scores, targets: metrics.bootstrap_mean_differences(
            {"a": [SCORES], "b": [scores]}, "a", targets, GROUPS, num_resamples=3
        ),
        RANKED,
    ),
    "ClassStatisticsAccumulator": (lambda class_features, targets: collector().update(class_features, targets), BATCH),
    "AlignmentAccumulator": (
        lambda class_features, targets: metrics.AlignmentAccumulator(CLASSES).update(
            class_features, targets, np.eye(CLASSES, DIM)
        ),
        BATCH,
    ),
    "ClassStatisticsAccumulator, images": (
        lambda image_features, targets: collector().update(image_features, targets),
        {"image_features": IMAGES, "targets": TARGETS},
    ),
    "ClassStatisticsAccumulator, rows": (lambda features, labels: collector().update_rows(features, labels), ROWS),
    "MultiplicityAccumulator": (lambda class_features, targets: shares().update(class_features, targets), BATCH),
    "MultiplicityAccumulator, rows": (
        lambda features, labels, multiplicity: shares().update_rows(features, labels, multiplicity),
        {**ROWS, "multiplicity": np.ones(NUMBER)},
    ),
    "NearestClassAccumulator": (
        lambda class_features, targets, logits: nearest().update(class_features, targets, logits),
        {**BATCH, "logits": SCORES},
    ),
    "NearestClassAccumulator, rows": (lambda features, labels: nearest().update_rows(features, labels), ROWS),
    "NearestClassAccumulator, labels of images": (
        lambda features, labels: nearest().update_rows(features, labels), {"features": IMAGES, "labels": TARGETS}
    ),
    "NearestClassAccumulator, statistics": bad_statistics(metrics.NearestClassAccumulator),
    "MultiplicityAccumulator, statistics": bad_statistics(metrics.MultiplicityAccumulator),
    "ProjectedScatterAccumulator": (lambda class_features, targets: scatter().update(class_features, targets), BATCH),
    "ProjectedScatterAccumulator, rows": (lambda features, labels: scatter().update_rows(features, labels), ROWS),
    "between_directions": bad_statistics(metrics.between_directions),
    "query_only_nc1": bad_statistics(metrics.query_only_nc1),
    "nc1_of_negatives": bad_statistics(metrics.nc1_of_negatives),
    "space_metrics": bad_statistics(lambda found: metrics.space_metrics("s", found, GROUPS)),
    "contrast_cosines": (lambda classifier_weight: metrics.contrast_cosines(classifier_weight, statistics()),
                         {"classifier_weight": WEIGHT}),
    "contrast_cosines, statistics": bad_statistics(lambda found: metrics.contrast_cosines(WEIGHT, found)),
    "concatenated_duality": (duality, {"classifier_weight": RNG.normal(size=(CLASSES, CLASSES * DIM))}),
    "classifier_agreement": (
        agreement, {**ROWS, "classifier_weight": WEIGHT, "classifier_bias": np.zeros(CLASSES)}
    ),
    "label_shuffle_baseline": (
        lambda features, labels: metrics.label_shuffle_baseline(features, labels, CLASSES, num_shuffles=1), ROWS
    ),
    "measure_split": (split, {**RANKED, "logits": SCORES, "features": WISE}),
    "positive_rows": (metrics.positive_rows, {"features": WISE, "targets": TARGETS}),
    "SpaceFeatures": (metrics.SpaceFeatures.of, {"features": WISE, "targets": TARGETS}),
    "SpaceFeatures, images": (lambda features, labels: metrics.SpaceFeatures.of(features, labels),
                              {"features": IMAGES, "labels": TARGETS}),
    "tag_average": (metrics.tag_average, {"image_features": IMAGES, "targets": TARGETS}),
    "tag_metrics": (lambda image_features, targets: tag_metrics("s", image_features, targets),
                    {"image_features": IMAGES, "targets": TARGETS}),
    "cdnv": (metrics.cdnv, PAIRED),
    "debiased_cdnv": (metrics.debiased_cdnv, {**PAIRED, "class_counts": COUNTS}),
    "shuffled_cdnv": (metrics.shuffled_cdnv, {"class_counts": COUNTS}),
    "directional_cdnv": (metrics.directional_cdnv, {"class_means": MEANS, "directional_variances": COSINES}),
    "nc1_trace": (lambda class_means, variances, class_counts: metrics.nc1_trace(
        class_means, variances, class_counts=class_counts, within="sample"), {**PAIRED, "class_counts": COUNTS}),
    "nc1_per_class": (metrics.nc1_per_class, PAIRED),
    "nc1_pinv": (metrics.nc1_pinv, {"projected_variances": RNG.random((CLASSES, 3)), "singular_values": np.ones(3),
                                    "class_counts": COUNTS}),
    "shuffled_nc1_per_class": (metrics.shuffled_nc1_per_class, {"class_counts": COUNTS}),
    "shuffled_nc1_trace": (metrics.shuffled_nc1_trace, {"class_counts": COUNTS}),
    "centre": (lambda class_means, class_counts: metrics.centre(class_means, "sample", class_counts=class_counts),
               {"class_means": MEANS, "class_counts": COUNTS}),
    "centred_class_means": (
        lambda class_means, overall_mean: metrics.centred_class_means(class_means, "all", overall_mean=overall_mean),
        {"class_means": MEANS, "overall_mean": MEANS[0]},
    ),
    "norm_cv": (metrics.norm_cv, {"centred_means": MEANS}),
    "pairwise_cosines": (metrics.pairwise_cosines, {"centred_means": MEANS}),
    "pairwise_angles": (lambda class_means: metrics.pairwise_angles(class_means, centring="class"),
                        {"class_means": MEANS}),
    "cosine_summary": (metrics.cosine_summary, {"cosines": COSINES}),
    "angle_summary": (metrics.angle_summary, {"angles": 90 * COSINES}),
    "gram_distance": (metrics.gram_distance, {"class_means": MEANS}),
    "minority_collapse": (lambda centred_rows: metrics.minority_collapse(centred_rows, [0, 1]),
                          {"centred_rows": MEANS}),
    "hyperspherical_uniformity": (lambda centred_means, power: metrics.hyperspherical_uniformity(
        centred_means, power=float(power)), {"centred_means": MEANS, "power": np.array(1.0)}),
    "row_cosines": (metrics.row_cosines, {"first": MEANS, "second": WEIGHT}),
    "self_duality": (metrics.self_duality, {"classifier_weight": WEIGHT, "centred_means": MEANS}),
}  # fmt: skip
NULLS = {("mean_average_precision", "average_precisions"), ("directional_cdnv", "directional_variances"),
         ("cosine_summary", "cosines"), ("angle_summary", "angles")}  # fmt: skip
"""Where NaN means undefined, as the docstring says, and is left out."""
WHOLE = ("targets", "labels", "multiplicity", "class_counts")
NO_ARRAYS = {"cosine_std_floor", "gram_distance_floor"}


def spoilt(array, value):
    bad = np.array(array, dtype=np.float64)
    bad.reshape(-1)[0] = value
    return bad


ARGUMENTS = [(name, argument) for name, (_, given) in CALLS.items() for argument in given]


def test_the_table_holds_every_public_function_and_accumulator():
    taken = {name.split(",")[0] for name in CALLS} | NO_ARRAYS
    for name in metrics.__all__:
        found = getattr(metrics, name)
        if inspect.isfunction(found) or name.endswith("Accumulator"):
            assert name in taken, f"{name} has no line in CALLS"


@pytest.mark.parametrize("name", CALLS)
def test_the_unspoilt_call_works(name, as_array):
    call, given = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(**{key: as_array(value) for key, value in given.items()})


@pytest.mark.parametrize("kind", AS_ARRAY)
@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_what_is_not_finite_is_refused_by_name_or_a_documented_null(name, argument, kind):
    call, given = CALLS[name]
    arrays = {key: AS_ARRAY[kind](value) for key, value in given.items()}
    for value in (np.nan, np.inf, -np.inf):
        bad = {**arrays, argument: AS_ARRAY[kind](spoilt(given[argument], value))}
        if np.isnan(value) and (name, argument) in NULLS:
            call(**bad)
            continue
        if argument == "threshold" and np.isinf(value):
            continue  # nothing, or everything, is a yes
        with pytest.raises(ValueError, match=f"{argument}.* must be"):
            call(**bad)


@pytest.mark.parametrize("kind", AS_ARRAY)
@pytest.mark.parametrize(("name", "argument"), [pair for pair in ARGUMENTS if pair[1] in WHOLE])
def test_fractions_are_not_cut_to_a_class_or_a_count(name, argument, kind):
    call, given = CALLS[name]
    for value in (0.7, 1.5, -1.0):
        bad = {key: AS_ARRAY[kind](array) for key, array in given.items()}
        bad[argument] = AS_ARRAY[kind](spoilt(given[argument], value))
        with pytest.raises(ValueError, match=rf"{argument} must be .*got {value:g}"):
            call(**bad)


def test_variances_that_nobody_kept_leave_nan():
    """As of concatenated features in runs of version 1; one class of several without a variance is refused."""
    unknown = np.full(CLASSES, np.nan)
    assert np.isnan(metrics.cdnv(MEANS, unknown).mean)
    assert np.isnan(metrics.nc1_trace(MEANS, unknown))
    found = metrics.space_metrics("s", statistics(within_scatter=unknown), GROUPS)
    assert np.isnan(found["s/nc1_trace"])
    assert np.isfinite(found["s/angle_min_class"])


def test_variances_are_not_negative():
    for name in ("cdnv", "debiased_cdnv", "nc1_trace", "nc1_per_class"):
        call, given = CALLS[name]
        with pytest.raises(
            ValueError, match="variances of classes with a positive must be finite and at least 0"
        ):
            call(**{**given, "variances": spoilt(SPREAD, -1e-9)})
