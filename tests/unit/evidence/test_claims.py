"""Verdicts on claims: the interval against a library, the rule at its edges, and what more seeds do."""

import math

import numpy as np
import pytest
from scipy import stats

from mlcnc.analysis.comparison.paired import paired_interval
from mlcnc.evidence.claims import Claim, published_is_inside, published_words, seeds_to_tell, shortfall, verdict

ABOVE = Claim("A lies above B", "map_total", "a", "b", published=2.0)


@pytest.mark.parametrize("number", [2, 3, 8])
def test_the_interval_is_that_of_a_paired_t_test(number):
    rng = np.random.default_rng(number)
    first, second = rng.normal(70, 2, number), rng.normal(69, 2, number)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    mean, low, high = paired_interval(first - second)
    assert mean == pytest.approx((first - second).mean())
    assert (low, high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("differences", "published", "label"),
    [
        ([1.0, 1.1, 0.9], 2.0, "reproduced"),
        ([-1.0, -1.1, -0.9], 2.0, "not reproduced"),
        # nothing of the published size, which counts on the same data set alone
        ([0.1, -0.1, 0.05, -0.05], 2.0, "undecided"),
        ([0.1, -0.1, 0.05, -0.05], None, "undecided"),
        ([3.0, -3.0, 1.0], 2.0, "undecided"),
        ([3.0], 2.0, "undecided"),
        ([-1.0, -1.1, -0.9], None, "not reproduced"),
    ],
)
def test_verdicts_follow_the_rule(differences, published, label):
    second = [60.0 + seed for seed in range(len(differences))]
    first = [value + difference for value, difference in zip(second, differences, strict=True)]
    for higher in (True, False):
        claim = Claim("", "map_total", "a", "b", higher=higher, published=published)
        # said the other way round of the other row, it is the same claim
        found = verdict(claim, *((first, second) if higher else (second, first)))
        assert found.label == label, found
        assert found.mean == pytest.approx(np.mean(differences))
        assert found.num_seeds == len(differences)


def test_on_the_same_data_set_the_published_size_counts():
    first = [60.1, 60.9, 62.05, 62.95]
    second = [60.0, 61.0, 62.0, 63.0]
    assert verdict(ABOVE, first, second).label == "undecided"
    found = verdict(ABOVE, first, second, same_data=True)
    assert found.label == "not reproduced"
    assert found.why == "the interval ends below half of the published difference"


def test_a_claim_against_a_number_needs_one_row():
    claim = Claim("", "alignment", "a", than=0.9)
    assert verdict(claim, [0.95, 0.96, 0.94], None).label == "reproduced"
    assert verdict(claim, [0.5, 0.6, 0.55], None).label == "not reproduced"
    below = Claim("", "nc1_share", "a", than=0.1, higher=False)
    assert verdict(below, [0.05, 0.06, 0.05], None).label == "reproduced"


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (None, [1.0], "row is missing or diverged"),
        ([1.0], [math.nan], "not defined"),
        ([math.inf], [1.0], "not defined"),
    ],
)
def test_what_is_missing_or_undefined_is_not_testable(first, second, why):
    found = verdict(ABOVE, first, second)
    assert found.label == "not testable here"
    assert why in found.why


def test_more_seeds_of_the_same_spread_decide():
    pattern = [1.5, -0.5]  # a mean of 0.5
    labels = [
        verdict(ABOVE, [60 + d for d in pattern * times], [60.0] * 2 * times).label for times in (1, 4, 40)
    ]
    assert labels[0] == "undecided"
    assert labels[-1] == "reproduced"
    few = verdict(ABOVE, [60 + d for d in pattern], [60.0, 60.0])
    needed = seeds_to_tell(pattern, 1.0)
    assert f"{needed} seeds have even odds of telling half of the published difference" in few.why
    half = stats.t.ppf(0.975, needed - 1) * np.std(pattern, ddof=1) / math.sqrt(needed)
    before = stats.t.ppf(0.975, needed - 2) * np.std(pattern, ddof=1) / math.sqrt(needed - 1)
    assert half < 1.0 <= before


def test_rows_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        verdict(ABOVE, [1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("label", "mean", "high", "published", "expected"),
    [
        ("not reproduced", -2.0, -1.0, 5.0, "not reproduced"),
        ("reproduced", 2.0, 3.0, 3.1, "smaller than published"),
        ("undecided", -2.0, 3.0, 3.1, "smaller than published"),
        ("undecided", 2.0, 3.2, 3.1, None),
        ("undecided", -2.0, 3.0, None, None),
        ("undecided", -0.1, None, 3.1, "contradicted by one seed"),
        ("undecided", 0.1, None, 3.1, None),
        ("not testable here", None, None, 3.1, None),
    ],
)
def test_runs_fall_short_of_a_claim_in_one_of_three_ways(label, mean, high, published, expected):
    claim = {"verdict": label, "mean": mean, "high": high, "published": published}
    assert shortfall(claim) == expected


@pytest.mark.parametrize(
    ("low", "high", "published", "inside", "words"),
    [
        (-0.8, 1.5, 1.6, False, "below the published +1.6"),
        (1.7, 2.5, 1.6, False, "above the published +1.6"),
        (-0.8, 1.6, 1.6, True, "compatible with the published +1.6"),
        (1.6, 2.5, 84.37 - 82.77, True, "compatible with the published +1.6"),
        (None, None, 1.6, None, ""),
        (-0.8, 1.5, None, None, ""),
    ],
)
def test_an_interval_holds_or_excludes_what_was_published(low, high, published, inside, words):
    claim = {"low": low, "high": high, "published": published}
    assert published_is_inside(claim) is inside
    assert published_words(claim) == words
