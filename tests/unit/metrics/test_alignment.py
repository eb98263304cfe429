"""Cosines with label embeddings, and NC1 of images without the class, against loops from the definitions."""

import numpy as np
import pytest
import torch

from mlcnc.etf import simplex_etf
from mlcnc.metrics import AlignmentAccumulator, ClassStatisticsAccumulator, nc1_per_class, nc1_trace
from mlcnc.metrics.summary import nc1_of_negatives, query_only_nc1, query_only_nc1_per_class

N, C, D = 37, 6, 9


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(N, C, D)) + rng.normal(size=(C, D))
    targets = (rng.random((N, C)) < 0.3).astype(np.uint8)
    targets[:, 4] = 0
    targets[:, 5] = 1
    return features, targets, rng.normal(size=(C, D))


def loop(features, targets, embedding):
    """Return (4, C) from the definition."""
    found = np.full((4, C), np.nan)
    cos = lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)  # noqa: E731
    for c in range(C):
        for place, label in ((0, 1), (2, 0)):
            rows = features[targets[:, c] == label, c]
            if len(rows):
                found[place, c] = np.mean([cos(row, embedding[c]) for row in rows])
                others = [np.mean([cos(row, embedding[k]) for k in range(C) if k != c]) for row in rows]
                found[place + 1, c] = np.mean(others)
    return found


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("pieces", [1, 5])
def test_cosines_are_those_of_the_loop_under_any_split(batch, convert, pieces):
    features, targets, embedding = batch
    whole = AlignmentAccumulator(C)
    for part, labels in zip(np.array_split(features, pieces), np.array_split(targets, pieces), strict=True):
        shard = AlignmentAccumulator(C)
        shard.update(convert(part), convert(labels), convert(embedding))
        whole.merge(shard)
    np.testing.assert_allclose(whole.compute().stacked, loop(*batch), atol=1e-12)
    assert np.isnan(whole.compute().stacked[:2, 4]).all()
    assert np.isnan(whole.compute().stacked[2:, 5]).all()


def test_features_on_an_etf_have_its_cosines_at_any_norm():
    frame = simplex_etf(C, D, seed=1)
    scales = np.random.default_rng(0).uniform(0.1, 9, (N, C, 1))
    found = AlignmentAccumulator(C)
    found.update(scales * frame, np.ones((N, C)), 3.0 * frame)
    np.testing.assert_allclose(found.compute().positive_own, 1.0)
    np.testing.assert_allclose(found.compute().positive_others, -1 / (C - 1))


def test_a_zero_feature_counts_as_orthogonal():
    found = AlignmentAccumulator(2)
    found.update(np.array([[[0.0, 0.0], [0.0, 2.0]]]), np.array([[1, 1]]), np.eye(2))
    np.testing.assert_array_equal(found.compute().positive_own, [0.0, 1.0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": np.zeros((2, C))}, "features"),
        ({"label_embedding": np.zeros((C, D + 1))}, "class_features"),
        ({"targets": np.full((2, C), 2)}, "targets"),
        ({"features": np.full((2, C, D), np.nan)}, "finite"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    given = {"features": np.ones((2, C, D)), "targets": np.ones((2, C)), "label_embedding": np.ones((C, D))}
    with pytest.raises(ValueError, match=words):
        AlignmentAccumulator(C).update(**(given | change))
    with pytest.raises(ValueError, match="num_classes must be at least 2"):
        AlignmentAccumulator(1)


@pytest.mark.parametrize("kind", ["class", "image"])
@pytest.mark.parametrize("pieces", [1, 4])
def test_the_spread_of_images_without_a_class_is_that_of_its_rows(batch, kind, pieces):
    features, targets, _ = batch
    features = features + 1e6 if kind == "class" else features[:, 0] + 1e6  # far from 0, where sums lose digits
    whole = ClassStatisticsAccumulator(C, D)
    for part, labels in zip(np.array_split(features, pieces), np.array_split(targets, pieces), strict=True):
        shard = ClassStatisticsAccumulator(C, D)
        shard.update(part, labels)
        whole.merge(shard)
    found = whole.compute()
    means, variances = np.full((C, D), np.nan), np.full(C, np.nan)
    for c in range(C):
        rows = (features[:, c] if kind == "class" else features)[targets[:, c] == 0]
        if len(rows):
            means[c] = rows.mean(axis=0)
            variances[c] = ((rows - means[c]) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(found.negative_variances, variances, rtol=1e-7)
    means[4] = np.nan  # without a positive it has no NC1 to compare with
    assert nc1_of_negatives(found) == pytest.approx(nc1_trace(means, variances), rel=1e-6)


def test_equal_features_of_images_without_the_class_have_no_spread():
    features, targets = np.full((8, 2, 3), 0.1), np.tile([1, 0], (8, 1))
    targets[:3] = [0, 1]
    found = ClassStatisticsAccumulator(2, 3)
    found.update(features, targets)
    np.testing.assert_array_equal(found.compute().negative_variances, [0.0, 0.0])


def test_the_query_alone_is_judged_at_the_counts_of_the_class():
    """Positives drawn like negatives are at the null, however few they are; without the counts they seem below."""
    rng = np.random.default_rng(7)
    counts = np.array([400, 120, 40, 12, 5, 3])
    shares, plain, of_classes = [], [], []
    for _ in range(40):
        features = 0.2 * rng.normal(size=(6, 30)) + rng.normal(size=(1000, 6, 30))
        targets = np.stack([rng.permutation(1000) < count for count in counts], axis=1)
        found = ClassStatisticsAccumulator(6, 30)
        found.update(features, targets)
        statistics = found.compute()
        nc1 = nc1_trace(statistics.class_means, statistics.variances)
        shares.append(nc1 / query_only_nc1(statistics))
        plain.append(nc1 / nc1_of_negatives(statistics))
        own = nc1_per_class(statistics.class_means, statistics.variances)
        of_classes.append(own / query_only_nc1_per_class(statistics))
    assert np.mean(shares) == pytest.approx(1.0, abs=0.1)
    assert np.mean(plain) < 0.5
    np.testing.assert_allclose(np.mean(of_classes, axis=0), 1.0, atol=0.25)


def test_a_class_without_images_with_or_without_it_has_no_null_of_its_query():
    rng = np.random.default_rng(7)
    targets = np.eye(4)[np.arange(24) % 3]
    targets[:, 2] = 1  # every image has the third class, none the fourth
    found = ClassStatisticsAccumulator(4, 5)
    found.update(rng.normal(size=(24, 4, 5)), targets)
    null = query_only_nc1_per_class(found.compute())
    np.testing.assert_array_equal(np.isfinite(null), [True, True, False, False])
