"""Pairs of recipes: the interval against a reference, its level and power, and what is compared at all."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mlcnc.analysis.comparison.intervals import stored_scores
from mlcnc.analysis.comparison.pair_errors import image_errors, map_draws, scored_epoch
from mlcnc.analysis.comparison.pair_sentences import leader_sentence, pairs_sentence, unequal_choice_sentence
from mlcnc.analysis.comparison.paired import paired_interval
from mlcnc.analysis.comparison.pairs import cells, of_one_size, pairs
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.comparison.setting_groups import besides_the_method
from mlcnc.store import RunStore
from tests.app.conftest import write_run
from tests.unit.analysis.comparison.test_seeds import row


def test_a_best_epoch_of_more_measured_ones_is_warned_of_and_no_other_moment():
    def groups(*counts, **changes):
        rows = [
            replace(row(f"{key}-s{seed}", 1.0, key, seed=seed), num_measured=number, **changes)
            for key, numbers in zip("ab", counts, strict=True)
            for seed, number in enumerate(numbers)
        ]
        return seed_groups(rows)

    assert "which alone can put it ahead" in unequal_choice_sentence(groups((40, 5), (2, 5)))
    assert not unequal_choice_sentence(groups((40, 5), (40, 5)))
    assert not unequal_choice_sentence(groups((40, 5), (2, 5), chosen_on="last epoch"))


def test_images_widen_the_interval_of_the_seeds():
    rng = np.random.default_rng(0)
    differences, error = rng.normal(1.0, 0.5, 5), 0.3
    seeds = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    images = stats.norm.interval(0.95, 0.0, error)
    mean, low, high = paired_interval(differences, image_error=error)
    assert high - mean == pytest.approx(math.hypot((seeds.high - seeds.low) / 2, images[1]))
    assert mean - low == pytest.approx(high - mean)
    assert paired_interval([1.0, 1.0], image_error=0.5) == pytest.approx(
        (1.0, *stats.norm.interval(0.95, 1, 0.5))
    )
    assert paired_interval([1.0, 1.0]) == (1.0, 1.0, 1.0)


def found_apart(difference, num_seeds, *, of_seeds, of_images, repeats=1500):
    """Return in which share of experiments the interval excludes 0."""
    rng = np.random.default_rng(num_seeds)
    shared = rng.normal(0, of_images, (repeats, 1))
    drawn = difference + shared + rng.normal(0, of_seeds, (repeats, num_seeds))
    ends = [paired_interval(line, image_error=of_images)[1:] for line in drawn]
    return np.mean([low > 0 or high < 0 for low, high in ends])


def test_the_level_holds_where_seeds_and_images_both_vary():
    for of_seeds, of_images in ((1.0, 0.0), (1.0, 0.5), (0.2, 1.0)):
        for num_seeds in (2, 3, 5, 10):
            assert found_apart(0.0, num_seeds, of_seeds=of_seeds, of_images=of_images) < 0.07


def test_power_grows_with_seeds_and_with_images():
    by_seeds = [found_apart(1.0, number, of_seeds=1.0, of_images=0.2) for number in (2, 3, 5, 10, 20)]
    assert all(np.diff(by_seeds) > 0.05)
    assert by_seeds[-1] > 0.85
    by_images = [found_apart(1.0, 10, of_seeds=0.5, of_images=1 / math.sqrt(n)) for n in (2, 5, 20)]
    assert all(np.diff(by_images) > 0.1)


def recipe(embedding, totals, **changes):
    rows = [row(f"{embedding}{s}", total, embedding, embedding, seed=s) for s, total in enumerate(totals)]
    return [replace(item, **changes) for item in rows]


def of(rows):
    return seed_groups(rows)


def test_runs_are_paired_by_seed_and_a_steady_gain_is_supported_though_seeds_overlap():
    first, second = of(recipe("etf", [60.0, 70.0, 80.0]) + recipe("glove", [58.9, 69.0, 79.1])[::-1])
    cell = cells(first, second, {})[0]
    assert cell.mean == pytest.approx(1.0)
    assert (cell.ahead, cell.num_seeds, cell.with_images) == (1, 3, False)
    assert cell.value == "+1.0"
    assert cell.interval == "+0.8 to +1.2, n=3"
    # images that could turn the order leave it open
    wide = cells(first, second, {"map_total": 5.0})[0]
    assert (wide.ahead, wide.with_images) == (0, True)
    (pair,) = pairs([first, second], lambda *_: {})
    said = "On toy, in mAP, MLC-NC etf is ahead of MLC-NC glove; every pair is decided"
    assert pairs_sentence([pair]) == f"{said}, 1 pair by seeds alone, without the choice of test images."
    (pair,) = pairs([first, second], lambda *_: {"map_total": 0.01})
    assert pairs_sentence([pair]) == f"{said}."


def test_a_difference_knows_of_which_epochs_its_values_are():
    first = [
        replace(item, epoch=3 + seed, end_epoch=9) for seed, item in enumerate(recipe("etf", [60.0, 70.0]))
    ]
    second = [replace(item, epoch=5, end_epoch=9) for item in recipe("glove", [58.0, math.nan])]
    at_end = {"alignment": 0.5}
    sides = [[replace(item, at_end=at_end, nc1_space="f") for item in side] for side in (first, second)]
    found = {cell.quantity.key: cell for cell in cells(*of(sides[0] + sides[1]), {})}
    assert found["map_total"].epochs == ((3,), (5,)), "of a seed without a value in both"
    assert found["alignment"].epochs == ((9, 9), (9, 9))


def test_settings_besides_the_method_in_which_a_pair_differs_are_those_of_training_and_data():
    changes = [
        ("method.kind=mlc_nc", "method.dropout=0", "training.lr=0.001", "training.seed=0", "data.flip=True"),
        ("method.kind=erm", "training.lr=0.016", "training.seed=1", "data.flip=True", "training.new=1"),
    ]
    first, second = of(
        [*recipe("etf", [60.0], settings=changes[0]), *recipe("glove", [61.0], settings=changes[1])]
    )
    assert besides_the_method(first, second) == {"training.lr": ("0.001", "0.016")}


def test_the_leader_is_the_highest_mean_and_its_lead_is_judged_by_the_pair():
    groups = of(recipe("etf", [60.0, 61.0, 62.0]) + recipe("glove", [50.0, 51.2, 52.1]) + recipe("erm", [1.0]))
    among = "Of the 3 recipes with finished runs here on toy"
    start = f"{among}, MLC-NC etf (61.0) has the highest mean mAP; +9.9 over MLC-NC glove (51.1) is"
    interval = cells(*groups[:2], {})[0].interval
    assert leader_sentence(groups[::-1], lambda *_: {}) == f"{start} supported ({interval})."
    said = leader_sentence(groups, lambda *_: {"map_total": 50.0})
    assert said.startswith(f"{start} undecided (")
    # of seeds that only one has, the mean is higher and the pair says otherwise
    more = of(recipe("etf", [60.0, 60.0, 90.0]) + recipe("glove", [61.0, 61.1]))
    assert "(70.0) has the highest mean mAP; \u22121.1 over MLC-NC glove (61.0) is" in leader_sentence(
        more, lambda *_: {}
    )
    assert leader_sentence(groups[:1], lambda *_: {}) == ""


def test_less_nc1_is_ahead_and_other_features_are_not_compared():
    one, two = recipe("etf", [1.0, 1.0, 1.0]), recipe("glove", [1.0, 1.0, 1.0])
    one = [replace(item, at_end={"nc1": 1.0 + 0.01 * seed}, nc1_space="f") for seed, item in enumerate(one)]
    two = [replace(item, at_end={"nc1": 2.0}, nc1_space="f") for item in two]
    by_key = {cell.quantity.key: cell for cell in cells(*of(one + two), {})}
    assert (by_key["nc1"].ahead, by_key["nc1"].value) == (1, "\u22120.99")
    other = [replace(item, nc1_space="z") for item in two]
    by_key = {cell.quantity.key: cell for cell in cells(*of(one + other), {})}
    assert by_key["nc1"].why == "other features"
    assert by_key["alignment"].value
    assert by_key["map_total"].ahead == 0


def test_one_seed_and_no_seed_in_common_decide_nothing():
    one, two = of(recipe("etf", [60.0]) + recipe("glove", [10.0]))
    cell = cells(one, two, {"map_total": 0.01})[0]
    assert (cell.ahead, cell.interval) == (0, "one seed")
    apart = of([*recipe("etf", [60.0]), replace(recipe("glove", [10.0])[0], seed=7)])
    assert {cell.why for cell in cells(*apart, {})} == {"no seed in common"}
    said = pairs_sentence(pairs(apart, lambda *_: {}))
    assert said.endswith("no difference is supported: 1 pair not compared: no seed in common.")


def test_finished_runs_of_the_size_of_most_recipes_are_compared():
    going = recipe("trainable", [99.0], state="running")
    short = recipe("glove", [50.0, 51.0], num_epochs=1)
    small = [replace(item, group_key="s", settings=("data.image_size=32",)) for item in recipe("x", [40.0])]
    same, others = of_one_size(of(recipe("etf", [60.0]) + recipe("erm", [30.0]) + going + short + small))
    assert {group.rows[0].run_id for group in same} == {"etf0", "erm0"}
    assert {group.rows[0].run_id for group in others} == {"glove0", "x0"}
    assert of_one_size(of(going)) == ([], [])


def test_the_error_of_images_is_that_of_drawing_them_anew(tmp_path):
    from mlcnc.metrics import average_precision

    for name, quality in (("one", -0.5), ("two", 0.0)):  # names of one length have the same test images
        write_run(tmp_path, name, quality=quality, epochs=2).finish()
    write_run(tmp_path, "other-images", seed=1, epochs=2).finish()
    store = RunStore(tmp_path)
    runs = [store.open(name) for name in ("one", "two", "other-images")]
    sides = [[map_draws(run, 1, num_resamples=400)] for run in runs]
    assert image_errors(sides[0], sides[2]) == image_errors((), sides[1]) == {}
    found = image_errors(*sides[:2])
    tables = [[stored_scores(run, 1, "test")] for run in runs[:2]]
    targets, rng, drawn = tables[0][0][1], np.random.default_rng(1), []
    for _ in range(400):
        kept = rng.integers(0, len(targets), len(targets))
        means = [
            np.mean([np.nanmean(average_precision(s[kept], targets[kept])) for s, _ in side]) for side in tables
        ]
        drawn.append(means[0] - means[1])
    assert found["map_total"] == pytest.approx(100 * np.std(drawn), rel=0.15)
    ours, theirs = (side[0].map_percent["map_total"] for side in sides[:2])
    assert found["map_total"] == pytest.approx(np.std(ours - theirs, ddof=1))


def test_images_are_drawn_of_the_stored_epoch_whose_map_is_that_of_the_chosen_one(tmp_path):
    write_run(tmp_path, "one", epochs=3).finish()
    run = RunStore(tmp_path).open("one")
    for line in run.metrics():
        assert scored_epoch(run, line["test/map_total"]) == line["epoch"]
    assert scored_epoch(run, math.nan) == run.array_epochs("test/scores")[-1], (
        "of a value that is not known the last"
    )


def test_many_recipes_ahead_of_one_are_said_in_one_breath():
    against = recipe("etf", [60.0, 60.1, 60.2])
    better = [r for name in ("glove", "trainable") for r in recipe(name, [70.0, 70.1, 70.2])]
    groups = of([*against, *better])
    reference = next(group for group in groups if group.family == "etf")
    assert pairs_sentence(pairs(groups, lambda *_: {"map_total": 0.01}, reference)) == (
        "On toy, in mAP, MLC-NC trainable and MLC-NC glove are ahead of MLC-NC etf; every pair is decided."
    )
