"""Seeds taken together, and how much their order is worth."""

from dataclasses import replace

from mlcnc.analysis.comparison.pair_sentences import recipes_sentence
from mlcnc.analysis.comparison.seeds import map_sentence, recipe_names, seed_groups, spread
from mlcnc.analysis.runs.rows import RunRow, run_rows
from mlcnc.store import RunStore

NO_PAIR = "On toy no two recipes of one size have finished: no order is judged."


def no_errors(*_):
    return {}


def row(run_id, total, key="k", embedding="etf", dataset="toy", seed=0):
    values = dict.fromkeys(("total", "head", "medium", "tail"), total)
    return RunRow(
        run_id, run_id, "finished", dataset, "mlc_nc", embedding, "multihead", "fixed", 8, seed, 3, 3, 2, values, 1.0, 60.0, key, "validation"
    )  # fmt: skip


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


def test_a_weight_decay_that_is_not_the_one_of_the_plain_recipe_is_in_the_name():
    def decayed(run_id, decay, key, unusual=(), **changes):
        settings = (f"training.weight_decay={decay}",)
        return replace(row(run_id, 1.0, key, **changes), settings=settings, unusual=unusual)

    plain, aligned = decayed("a", 10.0, "a"), decayed("b", 5.0, "b", ("alignment weight 100",))
    names = {"a": "MLC-NC etf", "b": "MLC-NC etf, alignment weight 100, weight decay 5"}
    assert recipe_names([plain, aligned]) == recipe_names([aligned, plain]) == names
    groups = seed_groups([plain, aligned])
    assert [group.recipe for group in groups] == ["MLC-NC etf", "MLC-NC etf, alignment weight 100"]
    # what another method or data set decays by is no other recipe's usual one
    erm = replace(decayed("c", 0.1, "c"), method="erm", embedding="")
    assert recipe_names([plain, erm, decayed("d", 1.0, "d", dataset="other")]) == {
        "a": "MLC-NC etf",
        "c": "ERM",
        "d": "MLC-NC etf",
    }


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
    assert "MLC-NC glove is ahead of MLC-NC etf" in recipes_sentence(three, no_errors)
    copies = groups_of("copies", (0, 0, 0))
    assert recipes_sentence(copies, no_errors).endswith("no difference is supported: 1 pair undecided.")
    growing = groups_of("growing", (0, 1, 2), finish=False)
    assert recipes_sentence(growing, no_errors).endswith(
        ", unfinished after 3 of 3 epochs. " + NO_PAIR.replace("toy", "toy-lt")
    )


def test_runs_of_other_lengths_or_still_going_are_in_no_pair():
    long = [row(f"a{seed}", 70.0 + seed, "a", seed=seed) for seed in range(3)]
    short = [replace(row(f"b{seed}", 40.0 + seed, "b", "glove", seed=seed), num_epochs=2) for seed in range(3)]
    third = [row(f"c{seed}", 60.0 + seed, "c", "trainable", seed=seed) for seed in range(3)]
    assert recipes_sentence(seed_groups([*long, *short, *third]), no_errors) == (
        "On toy, in mAP, MLC-NC etf is ahead of MLC-NC trainable; every pair is decided, 1 pair by seeds alone, "
        "without the choice of test images. "
        "Of another size, so in no pair: MLC-NC glove."
    )
    running = replace(row("d", 99.0, "d", "glove"), state="running", num_logged=1)
    assert recipes_sentence(seed_groups([long[0], running]), no_errors) == (
        "Test mAP, total: MLC-NC etf · toy 70.0 (n=1), "
        f"MLC-NC glove · toy 99.0 (n=1), unfinished after 1 of 3 epochs. {NO_PAIR}"
    )
    # of a run of unknown length there is no whole
    unknown = recipes_sentence(seed_groups([replace(running, num_epochs=None)]), no_errors)
    assert "unfinished after 1 epoch." in unknown
    # of a recipe the seeds that have finished count
    mixed = map_sentence(seed_groups([*third, replace(row("e", 99.0, "c", "trainable", seed=9), state="lost")]))
    assert mixed == "Test mAP, total: MLC-NC trainable · toy 61.0 (60.0-62.0, n=3)."


def test_data_sets_are_never_paired_with_each_other():
    two = [row("a", 90.0, "a", dataset="easy"), row("b", 10.0, "b", dataset="hard")]
    text = recipes_sentence(seed_groups(two), no_errors)
    for name in ("easy", "hard"):
        assert text.count(f"On {name} there is one recipe here: no order to judge.") == 1
    assert "no two recipes" not in text
    assert "ahead" not in text


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
