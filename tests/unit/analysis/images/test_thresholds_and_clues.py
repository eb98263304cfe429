"""Thresholds of equal precision and recall, and clues of co-occurrence, against plain loops."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import fisher_exact as reference

from mlcnc.analysis.images.clues import fisher_exact, strongest_clue
from mlcnc.analysis.images.decisions import decisions_of, probability, scored
from mlcnc.analysis.images.thresholds import thresholds
from mlcnc.store import RunStore
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def run():
    return RunStore(ROOT / "runs").open("pictogram-etf-s0")


@pytest.mark.parametrize("target", [0.3, 0.8, 1.0])
def test_equal_precision_and_recall_are_those_of_a_loop(target):
    rng = np.random.default_rng(5)
    scores, targets = rng.normal(size=(41, 3)).round(1), (rng.random((41, 3)) < 0.3).astype(np.uint8)
    scores += targets  # some skill
    for rule in ("equal precision", "equal recall"):
        found = thresholds(scores, targets, rule, target)
        for label in range(3):
            of = []
            for limit in np.unique(scores[:, label]):
                said, there = scores[:, label] >= limit, targets[:, label] == 1
                hits = (said & there).sum()
                of.append((limit, hits / said.sum(), hits / there.sum()))
            place = 1 if rule == "equal precision" else 2
            enough = [item for item in of if item[place] >= target - 1e-12]
            assert found.reached[label] == bool(enough)
            if rule == "equal recall":
                assert found.limits[label] == max(enough)[0]
            else:
                best = max(item[1] for item in of)
                enough = enough or [item for item in of if item[1] == best]
                assert found.limits[label] == min(enough)[0]


def test_a_class_without_a_positive_has_no_threshold():
    found = thresholds(np.array([[0.5], [0.1]]), np.zeros((2, 1), np.uint8), "equal recall", 0.5)
    assert np.isnan(found.limits[0])
    assert not found.reached[0]


def test_the_words_say_the_rule_and_what_is_not_reached(run):
    found = scored(run, run.array_epochs()[-1], rule="equal precision", target=1.0)
    assert found.threshold_words(0).split(", ")[1] == "precision of 100 % on validation".replace(" %", "%")
    for label in found.short_of:
        assert "does not reach" in found.threshold_words(label)


@pytest.mark.parametrize("table", [(9, 10, 1, 12), (3, 5, 6, 11), (0, 4, 0, 7), (200, 260, 90, 301)])
def test_the_exact_test_is_that_of_scipy(table):
    a, n, b, m = table
    assert fisher_exact(*table) == pytest.approx(reference([[a, n - a], [b, m - b]])[1], rel=1e-6)


def test_the_strongest_clue_is_that_of_a_loop(run):
    found = scored(run, run.array_epochs()[-1])
    for label, name in enumerate(run.info.class_names):
        record = decisions_of(run, found, label)
        clue = strongest_clue(run, found, record)
        slow = {}
        for other, companion in enumerate(run.info.class_names):
            counts = [[0, 0], [0, 0]]
            for image in np.flatnonzero(found.present[:, label]):
                row = counts[0 if found.present[image, other] else 1]
                row[0 if found.scores[image, label] >= record.threshold else 1] += 1
            if other != label and sum(counts[0]) and sum(counts[1]):
                slow[companion] = reference(counts)[1]
        if clue is None:
            assert not slow or not len(record.images["found"]) or not len(record.images["missed"])
            continue
        assert slow[clue.other] == pytest.approx(min(slow.values()))
        assert clue.chance == pytest.approx(min(1.0, min(slow.values()) * len(slow)), rel=1e-6)
        assert clue.class_name == name
        assert clue.num_with + clue.num_without == found.present[:, label].sum()


def test_a_planted_clue_is_called_one_and_noise_is_not():
    rng = np.random.default_rng(1)
    present = np.ones((60, 3), bool)
    present[:, 1] = np.arange(60) < 30
    present[:, 2] = rng.random(60) < 0.5
    named = SimpleNamespace(info=SimpleNamespace(class_names=["horse", "person", "car"]))

    def clue_of(said):
        record = SimpleNamespace(class_name="horse", present=present[:, 0], scores=said * 1.0, threshold=0.5)
        return strongest_clue(named, SimpleNamespace(present=present), record)

    planted = clue_of(present[:, 1])
    assert planted.supported
    assert (planted.class_name, planted.other) == ("horse", "person")
    assert (planted.found_with, planted.num_with, planted.found_without, planted.num_without) == (30, 30, 0, 30)
    noise = clue_of(np.arange(60) % 2 == 0)
    assert not noise.supported
    assert clue_of(np.ones(60, bool)) is None


def test_probabilities_are_sigmoids_without_overflow():
    assert probability(np.array([0.0, 1.0, -900.0])) == pytest.approx([0.5, 1 / (1 + np.exp(-1)), 0.0])
