"""Seeds taken together, and how much their order is worth."""

from dataclasses import replace

import pytest

from mlcnc.analysis.comparison.seeds import recipe_names, seed_groups, spread, verdict
from mlcnc.analysis.runs.rows import RunRow, run_rows
from mlcnc.store import RunStore


def row(run_id, total, key="k", embedding="etf", dataset="toy", seed=0):
    values = dict.fromkeys(("total", "head", "medium", "tail"), total)
    return RunRow(
        run_id, run_id, "finished", dataset, "mlc_nc", embedding, "multihead", "fixed", 8, seed, 3, 3, 2, values, 1.0, 60.0, key, "validation"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([75.0, 76.0, 77.0], [70.0, 71.0, 72.0], "every seed of the first is above every seed of the second"),
        ([75.0, 76.0, 77.0], [70.0, 71.0, 75.5], "their seeds overlap, so this order is not supported"),
        (
            [75.0],
            [70.0, 71.0, 72.0],
            "fewer than three finished seeds of one of them, so this order is not evidence",
        ),
    ],
)
def test_the_verdict_claims_no_more_than_the_seeds_support(first, second, words):
    rows = [row(f"a{i}", value, "a", seed=i) for i, value in enumerate(first)]
    rows += [row(f"b{i}", value, "b", "glove", seed=i) for i, value in enumerate(second)]
    text = verdict(seed_groups(rows))
    assert words in text
    assert text.startswith("toy: MLC-NC etf has the highest total mAP")


def test_data_sets_are_never_ranked_against_each_other():
    text = verdict(seed_groups([row("a", 90.0, "a", dataset="easy"), row("b", 10.0, "b", dataset="hard")]))
    assert "easy: MLC-NC etf reaches" in text
    assert "hard: MLC-NC etf reaches" in text
    assert "before" not in text


def test_seeds_group_by_everything_but_the_seed():
    groups = seed_groups([row("a", 1.0, "x"), row("b", 3.0, "x"), row("c", 5.0, "y", "glove")])
    assert [len(group.rows) for group in groups] == [2, 1]
    assert groups[0].map_percent["total"].mean == 2.0
    assert spread([float("nan")]).text == "not logged"
    assert spread([1.0, 3.0, float("nan")]).text == "2.0 (1.0-3.0, n=2)"


def test_the_largest_data_set_and_the_plain_recipes_come_first():
    rows = [row("d", 1.0, "d", dataset="small"), row("g", 1.0, "g", "glove"), row("e", 1.0, "e", "etf")]
    assert [(g.dataset, g.family) for g in seed_groups(rows)] == [
        ("toy", "etf"),
        ("toy", "glove"),
        ("small", "etf"),
    ]


def test_copies_of_a_seed_and_unfinished_runs_are_no_further_evidence(tmp_path):
    """Six runs of two recipes, wholly apart: evidence only where they are three finished seeds each."""
    from tests.app.conftest import write_run

    def groups_of(name, seeds, *, finish=True):
        root = tmp_path / name
        for embedding, quality in (("etf", 0.0), ("glove", 3.0)):
            for number, seed in enumerate(seeds):
                run = write_run(
                    root, f"{embedding}-{number}", embedding=embedding, seed=seed, quality=quality, slim=True
                )
                if finish:
                    run.finish()
                else:
                    run._closed.set()
        return seed_groups(run_rows([RunStore(root).open(run_id) for run_id in RunStore(root).run_ids()]))

    three = groups_of("three", (0, 1, 2))
    assert [group.num_seeds for group in three] == [3, 3]
    assert "every seed of the first is above" in verdict(three)
    copies = groups_of("copies", (0, 0, 0))
    assert "fewer than three finished seeds of one of them" in verdict(copies)
    growing = groups_of("growing", (0, 1, 2), finish=False)
    assert verdict(growing).startswith("toy-lt: no run has finished; ")


def test_runs_of_other_lengths_or_still_going_are_not_ranked_as_methods():
    long = [row(f"a{seed}", 70.0 + seed, "a", seed=seed) for seed in range(3)]
    short = [replace(row(f"b{seed}", 40.0 + seed, "b", "glove", seed=seed), num_epochs=2) for seed in range(3)]
    assert verdict(seed_groups([*long, *short])).endswith(
        "trained for 3 and 2 epochs, so this order is not one of methods."
    )
    third = [row(f"c{seed}", 60.0 + seed, "c", "trainable", seed=seed) for seed in range(3)]
    every = verdict(seed_groups([*long, *short, *third]))
    assert "before MLC-NC trainable" in every
    assert "(of finished runs of 2 to 3 epochs)" in every
    assert "every seed of the first is above every seed of the second" in every
    # what still goes has no place in the order, whatever it has reached
    running = replace(row("d", 99.0, "d", "glove"), state="running", num_logged=1)
    alone = verdict(seed_groups([long[0], running]))
    assert alone == "toy: MLC-NC etf reaches a total mAP of 70.0 (n=1); no other recipe has finished."
    assert verdict(seed_groups([running])) == (
        "toy: no run has finished; d has a total mAP of 99.0 after 1 of 3 epochs."
    )
    # of a recipe the seeds that have finished count
    mixed = verdict(
        seed_groups([*long, *third, replace(row("e", 99.0, "c", "trainable", seed=9), state="lost")])
    )
    assert "before MLC-NC trainable, 61.0 (60.0-62.0, n=3)" in mixed


def test_recipes_that_differ_in_a_third_setting_have_names_of_their_own():
    keys = [f"method.a=1;method.b=1;method.c={third}" for third in (1, 2)] + [
        "method.a=0;method.b=0;method.c=0"
    ]
    names = recipe_names([row(f"r{place}", 50.0, key) for place, key in enumerate(keys)])
    assert names == {
        keys[0]: "MLC-NC etf (a=1, b=1, c=1)",
        keys[1]: "MLC-NC etf (a=1, b=1, c=2)",
        keys[2]: "MLC-NC etf (a=0, b=0)",
    }
