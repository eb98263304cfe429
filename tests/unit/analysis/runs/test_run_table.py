"""Rows at an epoch, filters of the table, and the sentences about all runs."""

import math

import numpy as np
import pytest

from mlcnc.analysis.comparison.seeds import repeats_sentence, seed_groups, spread
from mlcnc.analysis.runs.filter import RunFilter, main_dataset, matching
from mlcnc.analysis.runs.rows import RunRow, run_row, summary, thinned
from mlcnc.store import RunStore, RunWriter


def row(run_id, total=50.0, *, key="k", embedding="etf", dataset="toy", angle=60.0, tail=1.0, **changes):
    values = {"total": total, "head": total + 1, "medium": total + 2, "tail": total + 3}
    settings = {
        "run_id": run_id,
        "name": run_id,
        "state": "finished",
        "dataset": dataset,
        "method": "mlc_nc",
        "embedding": embedding,
        "attention": "multihead",
        "classifier": "fixed",
        "dim": 8,
        "seed": 0,
        "num_logged": 3,
        "num_epochs": 3,
        "epoch": 2,
        "map_percent": values,
        "nc1": 1.0,
        "angle_min": angle,
        "group_key": key,
        "chosen_on": "validation",
        "nc1_tail": tail,
        "nc1_tail_shuffled": 4.0,
        "nc1_space": "f",
    }
    return RunRow(**settings | changes)


@pytest.fixture
def hill(tmp_path):
    """A run whose best epoch is neither its last one nor the one in the middle."""
    with RunWriter.create(tmp_path, "hill", class_names=["a", "b"], class_counts=[9, 2], num_epochs=5) as run:
        for epoch, value in enumerate([1.0, 7.0, 4.0, math.nan, 2.0]):
            run.log_epoch(
                epoch,
                {
                    "validation/map_total": value,
                    "test/map_total": 10 + value,
                    "test.f/nc1_trace": float(epoch),
                    "test.f/nc1_tail": 3.0,
                    "test.f/nc1_tail_shuffled": 6.0,
                },
            )
    return RunStore(tmp_path).open("hill")


def test_best_last_and_a_chosen_epoch_differ(hill):
    best, last, third = (run_row(hill, choice) for choice in ("best", "last", 2))
    assert [r.map_percent["total"] for r in (best, last, third)] == [17.0, 12.0, 14.0]
    assert [r.nc1 for r in (best, last, third)] == [1.0, 4.0, 2.0]
    assert [r.epoch for r in (best, last, third)] == [1, 4, 2]
    assert [r.chosen_on for r in (best, last, third)] == ["validation", "last epoch", "asked for"]
    assert best.epoch == hill.best_epoch()
    assert best.map_curve == (11.0, 17.0, 14.0, 12.0)  # the epoch without a value is left out
    assert best.nc1_tail_share == 0.5


def test_an_epoch_that_was_not_logged_has_no_values(hill):
    missing = run_row(hill, 99)
    assert missing.epoch is None
    assert missing.chosen_on == "not measured"
    assert math.isnan(missing.map_percent["total"])
    assert math.isnan(missing.nc1)
    assert missing.num_logged == 5


def test_a_summary_holds_names_tags_and_notes(hill):
    hill.write_notes({"name": "The hill", "tags": ["keep", 3], "notes": "two\nlines"})
    found = summary(hill).row
    assert (found.name, found.tags, found.notes) == ("The hill", ("keep", "3"), "two\nlines")
    hill.write_notes({"tags": "not a list", "notes": None})
    assert (summary(hill).row.tags, summary(hill).row.notes) == ((), "")


def test_thinned_curves_keep_their_ends():
    values = [float(i) for i in range(101)]
    found = thinned(values, 20)
    assert len(found) == 20
    assert (found[0], found[-1]) == (0.0, 100.0)
    assert np.all(np.diff(found) > 4)
    assert thinned([1.0], 20) == [1.0]
    assert thinned([], 20) == []


ROWS = [
    row("one", 40.0, tags=("keep",), settings=("training.lr=0.1", "training.optimiser=adamw")),
    row("two", 60.0, embedding="glove", notes="Strange dip", settings=("training.lr=0.01", "method.glove_path=None")),
    row("three", float("nan"), dataset="other", state="running", name="Third *one*"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (RunFilter(), ["one", "two", "three"]),
        (RunFilter(text="ONE"), ["one", "three"]),
        (RunFilter(text="third one"), ["three"]),
        (RunFilter(text="keep"), ["one"]),
        (RunFilter(text="strange DIP"), ["two"]),
        (RunFilter(text="dip keep"), []),
        (RunFilter(text="training.lr=0.01"), ["two"]),
        (RunFilter(text="lr=0.1"), ["one"]),
        (RunFilter(text="adamw"), ["one"]),
        (RunFilter(text="glove"), ["two"]),
        (RunFilter(text="0.1"), []),  # a number says little without its name
        (RunFilter(states=("running", "lost")), ["three"]),
        (RunFilter(dataset="toy"), ["one", "two"]),
        (RunFilter(min_map=60.0), ["two"]),
        (RunFilter(min_map=0.0), ["one", "two"]),  # without a value no claim to be above
        (RunFilter(text="one", dataset="toy", min_map=30.0), ["one"]),
    ],
)
def test_filters_keep_what_fulfils_every_part(wanted, kept):
    assert [r.run_id for r in matching(ROWS, wanted)] == kept


def test_the_main_data_set_is_that_of_most_runs():
    assert main_dataset([row("c", dataset="easy"), row("a"), row("b")]) == "toy"
    assert main_dataset([]) is None


def test_a_run_with_seed_and_values_of_another_is_no_further_evidence():
    rows = [row("a", 50.0), row("b", 50.0), row("c", 52.0), row("d", 50.0, seed=1), row("e", 50.0, seed=None)]
    more = [
        row("f", 50.0, seed=None),
        row("g", 50.0, angle=61.0),
        row("h", math.nan, nc1=math.nan, angle=math.nan),
    ]
    (group,) = seed_groups([*rows, *more, row("i", math.nan, nc1=math.nan, angle=math.nan)])
    assert [item.run_id for item in group.rows] == ["a", "c", "d", "e", "f", "g", "h", "i"]
    assert [item.run_id for item in group.repeats] == ["b"]
    assert group.map_percent["total"].num_runs == 6
    assert repeats_sentence([group]) == "b has the seed and all values of another run and is not counted."
    assert repeats_sentence(seed_groups([rows[0], rows[3]])) == ""
    many = seed_groups([row(name) for name in "abcdef"])
    assert repeats_sentence(many).startswith("b, c, d and 2 more have the seed")


def test_groups_of_one_recipe_are_told_apart_by_their_settings():
    keys = [f"model.x=1;training.lr={lr};training.wd={wd}" for lr, wd in ((0.1, 0), (0.2, 0), (0.2, 5))]
    rows = [row(f"r{i}", key=key) for i, key in enumerate(keys)]
    assert [group.name for group in seed_groups(rows)] == [
        "MLC-NC etf (lr=0.1, wd=0)",
        "MLC-NC etf (lr=0.2, wd=0)",
        "MLC-NC etf (lr=0.2, wd=5)",
    ]
    # the same recipe on another data set, or another recipe, needs no settings
    assert [group.name for group in seed_groups([rows[0], row("o", key=keys[1], dataset="other")])] == [
        "MLC-NC etf",
        "MLC-NC etf",
    ]
    assert [group.label for group in seed_groups([rows[0], row("g", key="k", embedding="glove")])] == [
        "MLC-NC etf · toy",
        "MLC-NC glove · toy",
    ]
    # runs without settings
    assert [group.name for group in seed_groups([row("a", key="a"), row("b", key="b")])] == [
        "MLC-NC etf (a)",
        "MLC-NC etf (b)",
    ]


def test_spreads_are_written_with_digits_and_unit():
    assert spread([1.0, 2.0]).written(2, "°") == "1.50° (1.00°-2.00°, n=2)"
    assert spread([]).written(2) == "not logged"
