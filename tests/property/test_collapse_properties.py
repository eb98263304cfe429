"""What must hold for any features: invariances, limits known in closed form, any split of the data."""

import itertools
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcnc.etf import optimal_angle_degrees, simplex_etf
from mlcnc.metrics import (
    ClassStatisticsAccumulator,
    MultiplicityAccumulator,
    NearestClassAccumulator,
    ProjectedScatterAccumulator,
    SpaceFeatures,
    between_directions,
    centred_class_means,
    classifier_agreement,
    cosine_summary,
    hyperspherical_uniformity,
    pairwise_cosines,
    self_duality,
    space_metrics,
)
from mlcnc.metrics.summary import thorough_metrics
from tests.conftest import ROOT

KINDS = {"numpy": np.asarray, "torch": torch.tensor}
GROUPS = {"head": [0, 1], "medium": [2, 3], "tail": [4, 5, 6]}
SETTINGS = settings(max_examples=15, deadline=None)
# hang on the uncentred position of the features or on how positives and negatives differ
UNCENTRED = ("_none", "nc2_norm_cv_none", "cos_std_none")


def made(seed, images=53, classes=7, dim=9):
    rng = np.random.default_rng(seed)
    targets = (rng.random((images, classes)) < 0.35).astype(np.int64)
    targets[:classes] = np.eye(classes, dtype=np.int64)
    targets[classes : 2 * classes] = np.eye(classes, dtype=np.int64)
    features = rng.normal(size=(images, classes, dim)) + 2 * rng.normal(size=(1, classes, dim))
    return features, targets


def every_metric(features, targets, kind="numpy", shuffles=0):
    as_array = KINDS[kind]
    features, targets = as_array(features), as_array(targets)
    accumulator = ClassStatisticsAccumulator(features.shape[1], features.shape[2])
    accumulator.update(features, targets)
    statistics = accumulator.compute()
    logits = features.sum(axis=2) if kind == "numpy" else features.sum(2)
    values = space_metrics("s", statistics, GROUPS)
    more, _ = thorough_metrics(
        "s", statistics, SpaceFeatures.of(features, targets), logits=logits, num_shuffles=shuffles
    )
    return {**values, **more}


def assert_same(first, second, *, but=(), rtol=1e-8):
    for name, value in first.items():
        if not any(part in name for part in but):
            np.testing.assert_allclose(second[name], value, rtol=rtol, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_rotation_and_uniform_scale_change_nothing(kind, seed, scale):
    features, targets = made(seed)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(9, 9)))
    # the binary form of NC4 asks the sign of a logit, which a rotation of features alone changes
    assert_same(
        every_metric(features, targets, kind),
        every_metric(scale * features @ rotation, targets, kind),
        but=["binary"],
    )


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(seed=st.integers(0, 10**6), shift=st.floats(-20, 20))
def test_translation_changes_uncentred_values_only(kind, seed, shift):
    features, targets = made(seed)
    assert_same(
        every_metric(features, targets, kind),
        every_metric(features + shift, targets, kind),
        but=["_none", "binary"],
    )


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(seed=st.integers(0, 10**6))
def test_order_of_images_and_names_of_classes_do_not_matter(kind, seed):
    features, targets = made(seed)
    rng = np.random.default_rng(seed)
    order, labels = rng.permutation(53), np.array([1, 0, 3, 2, 6, 4, 5])  # within the groups
    expected = every_metric(features, targets, kind)
    assert_same(expected, every_metric(features[order], targets[order], kind))
    assert_same(expected, every_metric(features[:, labels], targets[:, labels], kind))


@SETTINGS
@given(seed=st.integers(0, 10**6))
def test_every_image_twice_changes_debiased_values_and_baselines_only(seed):
    features, targets = made(seed)
    twice = every_metric(np.concatenate([features] * 2), np.concatenate([targets] * 2))
    once = every_metric(features, targets)
    assert_same(once, twice, but=["debiased", "shuffled", "query_only"])
    assert once["s/cdnv_debiased_mean"] != pytest.approx(twice["s/cdnv_debiased_mean"], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 53), max_size=5))
def test_any_split_and_shard_order_gives_the_same_answer(kind, seed, cuts):
    """Batch size 1, empty shards and any order of merging included; to 1e-12."""
    features, targets = made(seed)
    as_array = KINDS[kind]
    logits = features.sum(axis=2)
    edges = [0, *sorted(cuts), 53]
    shards = [range(a, b) for a, b in itertools.pairwise(edges)] + [range(0)]
    np.random.default_rng(seed).shuffle(shards)

    def run(make, *tables):
        whole = make()
        whole.update(*(as_array(table) for table in tables))
        total = make()
        for shard in shards:
            part = make()
            for i in shard:
                part.update(*(as_array(table[i : i + 1]) for table in tables))
            total.merge(part)
        return whole, total

    whole, total = run(lambda: ClassStatisticsAccumulator(7, 9), features, targets)
    statistics = whole.compute()
    for name in ("class_means", "within_scatter", "negative_means", "class_counts", "overall_mean"):
        np.testing.assert_allclose(
            getattr(total.compute(), name), getattr(statistics, name), rtol=1e-12, atol=1e-13
        )
    directions = between_directions(statistics)
    whole, total = run(lambda: ProjectedScatterAccumulator(statistics, directions), features, targets)
    assert total.nc1_pinv() == pytest.approx(whole.nc1_pinv(), rel=1e-12)
    whole, total = run(lambda: NearestClassAccumulator(statistics), features, targets, logits)
    assert total.compute().binary_macro == pytest.approx(whole.compute().binary_macro, rel=1e-12)
    assert total.compute().identity == whole.compute().identity
    whole, total = run(lambda: MultiplicityAccumulator(statistics), features, targets)
    np.testing.assert_allclose(total.compute().share, whole.compute().share, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 12), extra=st.integers(0, 9), shift=st.floats(-3, 3))
def test_collapse_onto_a_simplex_is_recognised(kind, seed, classes, extra, shift):
    frame = 2.5 * simplex_etf(classes, classes + extra, seed=seed)
    features = np.repeat((frame + shift)[None], 3 * classes, axis=0)  # (N, C, d): no spread
    targets = np.tile(np.eye(classes, dtype=np.int64), (3, 1))
    as_array = KINDS[kind]
    accumulator = ClassStatisticsAccumulator(classes, classes + extra)
    accumulator.update(as_array(features), as_array(targets))
    statistics = accumulator.compute()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = space_metrics("s", statistics, {"tail": range(classes)})
        more, _ = thorough_metrics("s", statistics, SpaceFeatures.of(features, targets), num_shuffles=0)
    values |= more
    for name in ("nc1_trace", "nc1_pinv", "cdnv_mean", "cdnv_max", "cdnv_debiased_mean", "cdnv_directional_mean",
                 "nc2_gram", "nc2_norm_cv_class", "cos_std_class", "nc2_log_energy_gap", "nc2_riesz_energy_gap"):  # fmt: skip
        assert abs(values[f"s/{name}"]) < 1e-7, name
    assert values["s/angle_min_class"] == pytest.approx(optimal_angle_degrees(classes), abs=1e-5)
    assert values["s/nc4_identity"] == 1.0
    centred = centred_class_means(statistics.class_means, "class")
    dual = self_duality(as_array(frame), as_array(centred))
    assert dual.frobenius < 1e-7
    assert dual.cosine_mean == pytest.approx(1.0)
    assert dual.etf_distance < 1e-7
    rows, labels = frame.repeat(3, axis=0), np.arange(classes).repeat(3)
    accumulator = ClassStatisticsAccumulator(classes, classes + extra)
    accumulator.update_rows(rows, labels)
    decided = classifier_agreement(as_array(rows), as_array(labels), accumulator.compute(), as_array(frame))
    assert decided.agreement == decided.classifier_accuracy == 1.0
    assert abs(hyperspherical_uniformity(as_array(centred)).log_energy_gap) < 1e-7


@SETTINGS
@given(seed=st.integers(0, 10**6), classes=st.integers(3, 15))
def test_the_mean_cosine_of_centred_means_of_equal_norm_is_an_identity(seed, classes):
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(classes, 20))
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    vectors = np.concatenate([half, -half])
    found = cosine_summary(pairwise_cosines(centred_class_means(vectors, "class")))
    assert found.mean == pytest.approx(-1 / (2 * classes - 1), abs=1e-12)


@SETTINGS
@given(seed=st.integers(0, 10**6))
def test_balanced_data_make_sample_and_class_weights_the_same(seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(42, 7, 9)) + 2 * rng.normal(size=(1, 7, 9))
    values = every_metric(features, np.tile(np.eye(7, dtype=np.int64), (6, 1)))
    assert values["s/nc1_trace"] == pytest.approx(values["s/nc1_trace_sample_weighted"], rel=1e-10)
    assert values["s/nc1_pinv"] == pytest.approx(values["s/nc1_pinv_sample_weighted"], rel=1e-10)
    assert values["s/angle_min_class"] == pytest.approx(values["s/angle_min_sample"], rel=1e-8)


DISTRIBUTED = """
import os, sys, torch, numpy as np
from torch import distributed
from mlcnc.metrics import *
rank = next((rank for rank in (1, 2) if os.fork() == 0), 0)  # torch is loaded once for all three
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=rank, world_size=3)
rng = np.random.default_rng(4)
targets = (rng.random((50, 5)) < 0.4).astype(np.int64); targets[:10] = np.tile(np.eye(5, dtype=np.int64), (2, 1))
features = rng.normal(size=(50, 5, 6)) + 1e3
shard = slice(0, 0) if rank == 0 else slice(0, 17) if rank == 1 else slice(17, 50)
def both(make, *tables):
    part, whole = make(), make()
    part.update(*(t[shard] for t in tables)); part.all_reduce(); whole.update(*tables)
    return part, whole
part, whole = both(lambda: ClassStatisticsAccumulator(5, 6), features, targets)
a, b = part.compute(), whole.compute()
np.testing.assert_allclose(a.class_means, b.class_means, rtol=1e-12)
np.testing.assert_allclose(a.within_scatter, b.within_scatter, rtol=1e-12)
np.testing.assert_allclose(a.negative_means, b.negative_means, rtol=1e-12)
np.testing.assert_allclose(a.negative_scatter, b.negative_scatter, rtol=1e-7)
directions = between_directions(b)
part, whole = both(lambda: ProjectedScatterAccumulator(b, directions), features, targets)
np.testing.assert_allclose(part.nc1_pinv(), whole.nc1_pinv(), rtol=1e-12)
part, whole = both(lambda: MultiplicityAccumulator(b), features, targets)
np.testing.assert_allclose(part.compute().share, whole.compute().share, rtol=1e-11)
part, whole = both(lambda: ClassStatisticsAccumulator(5, 6), features[:, 0], targets)  # image-wise
a, b = part.compute(), whole.compute()
np.testing.assert_allclose(a.within_scatter, b.within_scatter, rtol=1e-12)
np.testing.assert_allclose(a.negative_means, b.negative_means, rtol=1e-12)
part, whole = both(lambda: NearestClassAccumulator(b), features[:, 0], targets, features[:, :, 0] - 1e3)
np.testing.assert_array_equal(part.compute().binary_positive_per_class, whole.compute().binary_positive_per_class)
os.write(1, b"same ")  # at once: three processes write here
distributed.barrier()  # one that leaves first may break what another still ends
distributed.destroy_process_group()
"""


def test_three_processes_with_an_empty_shard_agree_with_one(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DISTRIBUTED, str(tmp_path / "store")],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["same"] * 3, done.stderr
