"""Angles over epochs, orders of classes and arrows, against loops and closed forms."""

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from mlcnc.analysis.geometry.angle_history import (
    AngleHistory,
    angle_counts,
    angle_history,
    angle_of_pair,
)
from mlcnc.analysis.geometry.angles import class_mean_angles, closest_pairs, geometry_sentence
from mlcnc.analysis.geometry.class_arrows import (
    arrows_sentence,
    class_arrows,
    default_classes,
    simplex_vertices,
)
from mlcnc.analysis.geometry.class_order import clustered, ordered_classes, reordered
from mlcnc.analysis.geometry.vector_angles import gram_angles
from mlcnc.analysis.runs.history import shown_epochs
from mlcnc.errors import RunFormatError
from mlcnc.store import RunStore
from tests.app.conftest import write_run
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def run(trained):
    return RunStore(trained).open("tiny")


@pytest.fixture(scope="module")
def record(run):
    return class_mean_angles(run, 2, split="test", space="f", centring="class")


def history(epochs):
    return AngleHistory("x", tuple(SimpleNamespace(epoch=epoch) for epoch in epochs), (), True)


def test_history_has_the_record_of_every_stored_epoch(run):
    found = angle_history(run, subject="class means", split="train", space="mu", centring="none")
    assert found.epochs == run.array_epochs()
    for each in found.records:
        alone = class_mean_angles(run, each.epoch, split="train", space="mu", centring="none")
        np.testing.assert_array_equal(each.angles, alone.angles)
    for subject in ("label embedding", "classifier"):
        of = angle_history(run, subject=subject, split="train", space="mu", centring="none")
        assert [subject in each.title for each in of.records] == [True] * len(of.records)
        assert of.records


def test_a_damaged_epoch_is_said_and_the_others_stay(run):
    class Scratched:
        run_id, info = run.run_id, run.info

        def array_epochs(self):
            return run.array_epochs()

        def arrays(self, epoch):
            if epoch == run.array_epochs()[0]:
                raise RunFormatError("0000.safetensors is damaged")
            return run.arrays(epoch)

    found = angle_history(Scratched(), subject="class means", split="test", space="f", centring="class")
    assert found.problems == ("0000.safetensors is damaged",)
    assert found.epochs == run.array_epochs()[1:]


def test_the_nearest_record_is_the_later_of_two():
    found = history([0, 8, 16])
    assert [found.nearest(epoch).epoch for epoch in (-5, 3, 4, 11, 12, 99)] == [0, 0, 8, 8, 16, 16]


def test_shown_epochs_are_the_union_thinned_evenly_with_both_ends():
    assert shown_epochs([history([0, 4]), history([0, 3, 9])], 10) == ([0, 3, 4, 9], 4)
    assert shown_epochs([history(range(101))], 5) == ([0, 25, 50, 75, 100], 101)
    assert shown_epochs([history(range(7))], 1) == ([0, 6], 7)
    assert shown_epochs([], 5) == ([], 0)


def test_bins_count_every_defined_pair_once(record):
    edges, counts = angle_counts(record)
    values = record.angles[np.triu_indices(len(record.angles), 1)]
    for edge, count in zip(edges, counts, strict=True):
        assert count == sum(edge <= round(value, 6) < edge + 3 for value in values if np.isfinite(value))
    flat = replace(record, angles=np.array([[0, 90.0, 180.0], [90.0, 0, np.nan], [180.0, np.nan, 0]]))
    edges, counts = angle_counts(flat)
    assert dict(zip(edges[counts > 0].tolist(), counts[counts > 0].tolist(), strict=True)) == {90: 1, 177: 1}


def test_the_angle_of_a_pair_is_found_by_name(record):
    pair = closest_pairs(record, 1)[0]
    assert angle_of_pair(record, pair.first, pair.second) == pair.angle
    assert np.isnan(angle_of_pair(record, pair.first, "no class"))


def test_clusters_are_neighbours():
    # two groups of small angles, mixed up, and a class without a mean
    group = np.array([0, 1, 0, 1, 0, 1, 9])
    rng = np.random.default_rng(3)
    angles = np.where(group[:, None] == group, 30.0, 100.0) + rng.uniform(0, 5, (7, 7))
    angles = (angles + angles.T) / 2
    angles[6], angles[:, 6] = np.nan, np.nan
    order = clustered(angles)
    assert sorted(order.tolist()) == list(range(7))
    assert order[-1] == 6
    assert len(set(group[order[:3]])) == len(set(group[order[3:6]])) == 1
    np.testing.assert_array_equal(order, clustered(angles))
    assert clustered(np.full((2, 2), np.nan)).tolist() == [0, 1]


def test_a_chain_is_laid_out_in_its_order():
    place = np.array([3, 0, 4, 1, 2])
    assert np.abs(np.diff(place[clustered(10.0 * np.abs(place[:, None] - place))])).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("order", ["frequency", "cluster", "name"])
def test_reordering_keeps_every_angle_with_its_classes(record, order):
    moved = reordered(record, ordered_classes(record, order))
    assert sorted(moved.class_names) == sorted(record.class_names)
    for first, second in combinations(record.class_names, 2):
        assert angle_of_pair(moved, first, second) == angle_of_pair(record, first, second)
    assert moved.summary.minimum == record.summary.minimum
    for each in (moved, record):
        names = {each.class_names[i] for i in each.summary.closest_pair}
        assert names == {closest_pairs(record, 1)[0].first, closest_pairs(record, 1)[0].second}
    own = dict(zip(record.class_names, record.num_features, strict=True))
    assert dict(zip(moved.class_names, moved.num_features, strict=True)) == own
    if order == "name":
        assert list(moved.class_names) == sorted(record.class_names)
    # of a run with other training counts, whose own order is another
    other = reordered(record, record.order[::-1])
    assert reordered(other, ordered_classes(record, order)).class_names == moved.class_names


@pytest.mark.parametrize(
    ("name", "reason", "no_reason"),
    [
        (
            "voc07-erm-s0",
            "classes that share training images stand 86.0° apart on average, others 96.9°",
            "length",
        ),
        ("pictogram-etf-s0", "means differ in length (at equal lengths the distance is ", "share"),
    ],
)
def test_a_gram_distance_beyond_random_is_explained_by_the_numbers_of_the_run(name, reason, no_reason):
    run = RunStore(ROOT / "runs").open(name)
    space, epoch = run.spaces[0].name, run.array_epochs()[-1]
    record = class_mean_angles(run, epoch, split="test", space=space, centring="none")
    means = run.arrays(epoch).get(f"test.{space}/class_means").astype(float)
    spread = np.linalg.eigvalsh(np.cov(means.T))
    assert f"as if along {spread.sum() ** 2 / (spread**2).sum():.1f} directions" in record.beyond_random
    assert "an ETF along 19" in record.beyond_random
    assert reason in record.beyond_random
    assert no_reason not in record.beyond_random
    assert f"; further from an ETF than random directions, {record.null.gram.mean:.3f};" in record.verdict.text
    assert record.beyond_random.startswith("By Gram distance, centred by class, the class means")
    as_shown = class_mean_angles(run, epoch, split="test", space=space, centring="class")
    assert as_shown.beyond_random.startswith("By Gram distance the class means")
    random = f"random directions in {means.shape[1]:,} dimensions {as_shown.null.smallest.mean:.1f}°"
    assert random in geometry_sentence(as_shown)


def test_nothing_is_said_of_random_directions_that_are_further_from_an_etf(tmp_path):
    write_run(tmp_path, "near").finish()
    near = class_mean_angles(RunStore(tmp_path).open("near"), 2, split="test", space="f", centring="class")
    assert near.gram < near.null.gram.high
    assert near.beyond_random == ""
    assert "further" not in near.verdict.text


def test_vectors_fixed_before_training_are_no_result_of_it():
    run = RunStore(ROOT / "runs").open("pictogram-trainable-s0")
    epoch = run.array_epochs()[-1]
    assert "by construction" in gram_angles(run, epoch, "classifier").given
    assert gram_angles(run, epoch, "label embedding").given == ""


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6])
def test_simplex_vertices_are_an_etf(number):
    vertices = simplex_vertices(number)
    assert vertices.shape == (number, number - 1)
    expected = np.full((number, number), -1 / (number - 1))
    np.fill_diagonal(expected, 1.0)
    np.testing.assert_allclose(vertices @ vertices.T, expected, atol=1e-12)


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6])
def test_arrows_keep_their_angles_up_to_four_and_say_what_more_lose(run, record, number):
    classes = default_classes(record, number)
    found = class_arrows(run, 2, classes, split="test", space="f")
    means = run.arrays(2).get("test.f/class_means").astype(float)
    chosen = np.stack([means[run.info.class_names.index(name)] for name in classes])
    for first, second in combinations(range(number), 2):
        a, b = (chosen[i] - chosen.mean(axis=0) for i in (first, second))
        angle = np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))
        assert found.angles[first, second] == pytest.approx(angle, abs=1e-4)
        if number <= 4:
            drawn = np.degrees(np.arccos(np.clip(found.points[first] @ found.points[second], -1, 1)))
            assert drawn == pytest.approx(angle, abs=1e-4)
    assert found.optimum == pytest.approx(np.degrees(np.arccos(-1 / (number - 1))))
    lengths = np.linalg.norm(found.points, axis=1)
    if number <= 4:
        assert found.kept == pytest.approx(1.0)
        np.testing.assert_allclose(lengths, 1.0)
        assert "nothing is lost" in arrows_sentence(found)
    else:
        assert found.kept == pytest.approx((lengths**2).sum() / number)
        assert 0.3 < found.kept < 0.95
        assert f"keeps {100 * found.kept:.0f} %" in arrows_sentence(found)


def stored(means):
    """A run that stored these class means of test features f."""
    arrays = {
        "test.f/class_means": means,
        "test.f/class_counts": np.where(np.isnan(means).any(axis=1), 0, 3),
        "test.f/within_scatter": np.ones(len(means)),
    }
    names = tuple("abcdefgh"[: len(means)])
    info = SimpleNamespace(class_names=names, groups={"head": [0]}, class_counts=[1] * len(means))

    class Arrays(dict):
        get = dict.__getitem__

    return SimpleNamespace(run_id="x", info=info, arrays=lambda epoch: Arrays(arrays))


def test_arrows_of_an_etf_are_the_simplex_wherever_it_is_turned_and_moved():
    rng = np.random.default_rng(5)
    turn, _ = np.linalg.qr(rng.normal(size=(9, 9)))
    means = 7 * np.eye(6, 9) @ turn + rng.normal(size=9)
    for classes in ("ab", "fca", "abcd", "abcdef"):
        found = class_arrows(stored(means), 0, list(classes), split="test", space="f")
        np.testing.assert_allclose(found.points, found.ideal, atol=1e-7)


def test_arrows_need_classes_with_a_mean():
    means = np.eye(4, 5)
    assert class_arrows(stored(means), 0, ["a", "z"], split="test", space="f") is None
    assert class_arrows(stored(means), 0, ["a", "b"], split="train", space="f") is None
    missing = np.where(np.arange(4)[:, None] == 1, np.nan, means)
    assert class_arrows(stored(missing), 0, ["a", "b"], split="test", space="f") is None
    with pytest.raises(ValueError, match="2 to 6"):
        class_arrows(stored(means), 0, ["a"], split="test", space="f")
    same = class_arrows(stored(means[[0, 0, 1]]), 0, ["a", "b"], split="test", space="f")
    assert "share one mean" in arrows_sentence(same)


def test_default_classes_are_the_closest_pair_and_then_the_most_frequent(record):
    pair = closest_pairs(record, 1)[0]
    chosen = default_classes(record)
    assert set(chosen[:2]) == {pair.first, pair.second}
    assert len(set(chosen)) == 4
    rest = [name for name in record.class_names if name not in chosen[:2]]
    assert chosen[2:] == rest[:2]
