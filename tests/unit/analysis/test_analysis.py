from dataclasses import replace

import numpy as np
import pytest

from mlcnc.analysis.attention import localisation, probe_attention
from mlcnc.analysis.comparison import seed_groups, spread, verdict
from mlcnc.analysis.curves import Curve, band, curve, metric_optimum
from mlcnc.analysis.geometry import class_mean_angles, closest_pairs
from mlcnc.analysis.runs import RunRow, nearest_array_epoch, run_row, run_rows
from mlcnc.analysis.variability import class_variability
from mlcnc.metrics import pairwise_angles
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


def test_band_uses_common_epochs_only():
    one = Curve("a", np.array([1, 2, 3]), np.array([1.0, 2, 3]))
    two = Curve("b", np.array([2, 3, 4]), np.array([4.0, 7, 9]))
    found = band([one, two])
    assert found.epochs.tolist() == [2, 3]
    assert found.mean.tolist() == [3.0, 5.0]
    assert (found.low.tolist(), found.high.tolist()) == ([2.0, 3.0], [4.0, 7.0])


def test_a_real_run_becomes_records_that_agree_with_it(trained):
    run = RunStore(trained).open("tiny")
    found = run_row(run)
    lines = run.metrics()
    best = max(range(3), key=lambda epoch: lines[epoch]["validation/map_total"])
    assert found.epoch == best
    assert found.chosen_on == "validation"
    assert found.map_percent["tail"] == lines[best]["test/map_tail"]
    assert run_row(run, "last").epoch == 2
    assert curve(run, "lr").values.tolist() == [line["lr"] for line in lines]
    record = class_mean_angles(run, 2, split="train", space="mu", centring="class")
    assert record.summary.minimum == pytest.approx(lines[2]["train.mu/angle_min_class"], abs=1e-3)
    assert record.gram == pytest.approx(lines[2]["train.mu/nc2_gram"], abs=1e-5)
    assert record.class_counts == tuple(sorted(run.info.class_counts, reverse=True))
    means = run.arrays(2).get("train.mu/class_means").astype(float)
    direct = pairwise_angles(means, centring="class")
    one, two = (record.class_names.index(name) for name in ("person", "cow"))
    assert record.angles[one, two] == pytest.approx(direct[14, 9])
    pairs = closest_pairs(record, 3)
    assert pairs[0].angle == pytest.approx(record.summary.minimum)
    variability = class_variability(run, 2, split="test", space="f")
    assert variability.total == pytest.approx(lines[2]["test.f/nc1_trace"], rel=1e-4)
    assert variability.sample_counts.min() >= 60


def test_attention_in_the_box_is_counted_by_pixels(trained):
    run = RunStore(trained).open("tiny")
    targets = run.samples().get("probes/targets")
    label = int(np.flatnonzero(targets[0])[0])
    record = probe_attention(run, 2, 0, label)
    assert record.present
    assert len(record.boxes) == 1
    x0, y0, x1, y1 = record.boxes[0].astype(int)
    fine = np.kron(record.attention, np.ones((8, 8))) / 64
    assert record.mass_in_box == pytest.approx(fine[y0:y1, x0:x1].sum(), rel=1e-9)
    assert record.chance == pytest.approx((x1 - x0) * (y1 - y0) / 64**2)
    assert probe_attention(run, 2, 99, 0) is None


def test_localisation_is_the_mean_over_objects(trained):
    run = RunStore(trained).open("tiny")
    targets = run.samples().get("probes/targets")
    found = localisation(run, 2)
    records = [probe_attention(run, 2, int(p), int(c)) for p, c in zip(*np.nonzero(targets), strict=True)]
    assert found.num_objects == len(records)
    assert found.mass == pytest.approx(np.mean([record.mass_in_box for record in records]), abs=2e-3)
    assert found.chance == pytest.approx(np.mean([record.chance for record in records]))
    assert 0 <= found.hits <= 1


@pytest.mark.parametrize(
    ("metric", "optimum"),
    [
        ("test.f/angle_min_class", 93.017),
        ("test.mu/angle_std_none", 0.0),
        ("test/map_total", None),
        ("train.f/nc1_trace", None),
    ],
)
def test_optimum_of_a_metric(trained, metric, optimum):
    found = metric_optimum(RunStore(trained).open("tiny"), metric)
    assert found == (None if optimum is None else pytest.approx(optimum, abs=1e-3))


def test_the_largest_data_set_and_the_plain_recipes_come_first():
    rows = [row("d", 1.0, "d", dataset="small"), row("g", 1.0, "g", "glove"), row("e", 1.0, "e", "etf")]
    assert [(g.dataset, g.family) for g in seed_groups(rows)] == [
        ("toy", "etf"),
        ("toy", "glove"),
        ("small", "etf"),
    ]


def test_nearest_stored_epoch(trained):
    run = RunStore(trained).open("tiny")
    assert nearest_array_epoch(run, None) == 2
    assert nearest_array_epoch(run, 1) == 1
    assert nearest_array_epoch(run, 50) == 2


def test_the_line_of_a_curve_is_the_floor_where_no_etf_fits(trained):
    from mlcnc.analysis.curves import metric_definition, metric_label, metric_optimum
    from mlcnc.metrics import gram_distance_floor

    run = RunStore(trained).open("tiny")  # 20 classes, f in 24 dimensions, mu in 7
    assert metric_optimum(run, "test.f/nc2_gram") == 0.0
    assert metric_optimum(run, "test.mu/nc2_gram") == gram_distance_floor(20, 7)
    assert metric_optimum(run, "test.mu/angle_min_class") == pytest.approx(93.017, abs=1e-3)
    assert metric_optimum(run, "test/map_total") is None
    assert metric_label("test.f/angle_min_none") == "smallest angle of class means, uncentred (°), test f"
    assert metric_label("train/loss") == "train/loss"
    assert metric_definition("train/loss") == "train/loss: as logged."
    assert metric_definition("test.f/nc1_trace").endswith(
        "NC1, trace ratio; test features f, classes weighed by class, centring class."
    )


def test_classes_are_ranked_against_chance_not_by_raw_nc1(trained):
    from mlcnc.analysis.variability import class_variability, variability_sentence

    record = class_variability(RunStore(trained).open("tiny"), 2, split="train", space="f")
    relative = record.nc1 / record.shuffled
    tightest = record.class_names[int(np.nanargmin(relative))]
    assert f"tightest {tightest} (" in variability_sentence(record)
    assert "by chance" in variability_sentence(record)


def test_intervals_come_from_the_stored_scores(trained, tmp_path):
    from mlcnc.analysis.intervals import difference_sentence, map_difference, map_intervals

    run = RunStore(trained).open("tiny")
    found = map_intervals(run, 2, num_resamples=50)
    for name in ("map_total", "map_head", "map_tail"):
        assert found[name].value == pytest.approx(run.metrics()[2][f"test/{name}"], abs=0.1)
        assert found[name].low < found[name].value < found[name].high
    same = map_difference((run, 2), (run, 2), num_resamples=20)["map_total"]
    assert same.low == same.high == 0.0
    assert "could explain it" in difference_sentence("total mAP", "a", "b", same)
    other = map_difference((run, 2), (run, 0), num_resamples=50)["map_total"]
    expected = found["map_total"].value - map_intervals(run, 0, num_resamples=1)["map_total"].value
    assert other.value == pytest.approx(expected)
    assert map_intervals(run, 7) is None
    assert map_difference((run, 2), (run, 7)) is None


def test_copies_of_a_seed_and_unfinished_runs_are_no_further_evidence(tmp_path):
    """Six runs of two recipes, wholly apart: evidence only where they are three finished seeds each."""
    from mlcnc.analysis.findings import leads
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
    assert leads(three)[0].is_decided
    copies = groups_of("copies", (0, 0, 0))
    assert "fewer than three finished seeds of one of them" in verdict(copies)
    assert not leads(copies)[0].is_decided
    growing = groups_of("growing", (0, 1, 2), finish=False)
    assert verdict(growing).startswith("toy-lt: no run has finished; ")
    assert leads(growing) == []


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
