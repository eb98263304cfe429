"""Smoothing, points of curves, groups by a setting and published rows, against loops and the source."""

import csv
from pathlib import Path

import numpy as np
import pytest

from mlcnc.analysis.comparison.class_differences import (
    class_difference_sentence,
    class_differences,
    mean_class_differences,
    of_shared_seeds,
    with_intervals,
)
from mlcnc.analysis.comparison.paired import paired_interval
from mlcnc.analysis.comparison.published import VALUES, matching_row, published_rows, result_tables
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.comparison.setting_groups import confounders, setting_groups, varying_settings
from mlcnc.analysis.curves.points import curve_points, progress, warmup_end
from mlcnc.analysis.curves.smoothing import extreme_places, smoothed
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.analysis.runs.settings import setting_rows, settings_sentence
from mlcnc.store import RunStore, RunWriter
from tests.conftest import ROOT

SHARED = ROOT.parent / "shared" / "reference" / "paper_results.csv"


def write(root, run_id, embedding="etf", dataset="toy-lt", seed=0, lr=0.1, warmup=0, lines=()):
    config = {
        "data": {"dataset": dataset},
        "method": {
            "kind": "mlc_nc",
            "label_embedding": embedding,
            "classifier": "fixed",
            "attention": "multihead",
            **({"warmup_epochs": warmup} if warmup else {}),
        },
        "training": {"seed": seed, "lr": lr},
    }
    with RunWriter.create(
        root, run_id, class_names=["a", "b"], class_counts=[9, 2], config=config, method="mlc_nc", seed=seed
    ) as run:
        for epoch, line in enumerate(lines):
            run.log_epoch(epoch, line)
    return RunStore(root).open(run_id)


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.99])
def test_a_constant_stays_constant(weight):
    np.testing.assert_allclose(smoothed(np.full(3000, 0.1), weight), 0.1, rtol=0, atol=1e-12)


def test_smoothing_is_the_weighted_mean_of_what_was_so_far_and_skips_gaps():
    values = np.array([3.0, np.nan, 1.0, 4.0, np.inf, 1.5])
    found = smoothed(values, 0.7)
    seen = []
    for place, value in enumerate(values):
        if not np.isfinite(value):
            assert np.isnan(found[place])
            continue
        seen.append(value)
        weights = [0.7 ** (len(seen) - 1 - i) for i in range(len(seen))]
        assert found[place] == pytest.approx(np.dot(weights, seen) / sum(weights), abs=1e-12)
    with pytest.raises(ValueError, match="below 1"):
        smoothed(values, 1.0)


def test_a_thinned_curve_keeps_ends_and_peaks():
    values = np.random.default_rng(0).normal(size=20_011)
    values[7_321], values[13_000] = 50.0, -50.0
    places = extreme_places(values, 5000)
    assert len(places) <= 5000
    assert {0, 7_321, 13_000, 20_010} <= set(places.tolist())
    assert (np.diff(places) > 0).all()
    assert extreme_places(values[:5000], 5000).tolist() == list(range(5000))


def test_points_are_smoothed_before_they_are_averaged_or_left_out(tmp_path):
    rng = np.random.default_rng(1)
    series = [rng.normal(size=31), rng.normal(size=29)]
    runs = [
        write(tmp_path, f"run{i}", seed=i, lines=[{"test/map_total": v, "seconds": 2.0 + i} for v in values])
        for i, values in enumerate(series)
    ]
    points = curve_points(runs, "test/map_total", axis="time", smoothing=0.6)
    each = np.stack([smoothed(values, 0.6)[:29] for values in series])
    np.testing.assert_allclose(points.values, each.mean(axis=0))
    np.testing.assert_allclose(points.low, each.min(axis=0))
    np.testing.assert_allclose(points.raw, np.mean([values[:29] for values in series], axis=0))
    np.testing.assert_allclose(points.x, 2.5 * np.arange(1, 30))
    few = curve_points(runs, "test/map_total", smoothing=0.6, limit=12)
    assert len(few.x) <= 12
    assert few.num_points == 29
    np.testing.assert_allclose(few.values, each.mean(axis=0)[few.epochs - 1])


def test_images_seen_add_up_and_stop_where_they_were_not_logged(tmp_path):
    line = {"images_per_second": 50.0, "seconds_train": 2.0}
    run = write(tmp_path, "some", lines=[line, line, {"train/loss": 1.0}, line])
    assert progress(run, "images") == {0: 0.0, 1: 100.0, 2: 200.0}
    assert progress(run, "epoch") == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0}
    assert progress(run, "time") == {}


def test_the_end_of_warm_up_has_a_place_where_all_runs_have_the_same(tmp_path):
    line = {"train/loss": 1.0, "images_per_second": 50.0, "seconds_train": 2.0}
    one, two, slow, longer, going, plain = (
        write(tmp_path, name, warmup=warmup, lines=[line | {"seconds": seconds}] * number)
        for name, warmup, seconds, number in (
            ("one", 3, 2.0, 5),
            ("two", 3, 2.0, 5),
            ("slow", 3, 4.0, 5),
            ("longer", 4, 2.0, 5),
            ("going", 3, 2.0, 3),
            ("plain", 0, 2.0, 5),
        )
    )
    assert warmup_end([one, slow], "train/loss", "epoch") == 3.5
    assert warmup_end([one, slow], "train/loss", "images") == 300.0
    assert warmup_end([one, two], "train/loss", "time") == 6.0
    assert warmup_end([one, slow], "train/loss", "time") is None
    assert warmup_end([one, longer], "train/loss", "epoch") is None
    assert warmup_end([one, plain], "train/loss", "epoch") == 3.5
    assert warmup_end([plain], "train/loss", "epoch") is None
    assert warmup_end([going], "train/loss", "epoch") is None
    assert warmup_end([one], "test/map_total", "epoch") is None
    assert warmup_end([], "train/loss", "epoch") is None


def test_values_at_or_below_zero_are_counted_and_taken_off_a_logarithmic_axis(tmp_path):
    run = write(tmp_path, "dips", lines=[{"test.f/nc1_trace": v} for v in (2.0, 0.0, -1.0, 0.5)])
    points = curve_points([run], "test.f/nc1_trace", log=True)
    assert points.num_unplaced == 2
    np.testing.assert_array_equal(points.raw, [2.0, np.nan, np.nan, 0.5])
    assert curve_points([run], "test.f/nc1_trace").num_unplaced == 0


def test_groups_of_a_setting_average_its_runs_and_name_what_else_differs(tmp_path):
    runs = [
        write(tmp_path, "a", "etf", lr=0.1, lines=[{"test/map_total": 10.0}]),
        write(tmp_path, "b", "glove", lr=0.2, lines=[{"test/map_total": 30.0}]),
        write(tmp_path, "c", "etf", lr=0.2, seed=1, lines=[{"test/map_total": 50.0}]),
    ]
    rows = run_rows(runs)
    assert varying_settings(rows) == ["method.label_embedding", "training.lr", "training.seed"]
    groups = setting_groups(rows, "training.lr")
    assert [group.name for group in groups] == ["lr=0.1", "lr=0.2"]
    assert groups[1].map_percent["total"].mean == 40.0
    assert groups[1].map_percent["total"].num_runs == 2
    assert [group.family for group in groups] == ["etf", "mixed"]
    assert confounders(groups, "training.lr") == ["method.label_embedding"]


def test_settings_between_groups_come_before_those_within(tmp_path):
    a, b, c = (
        write(tmp_path, name, kind, seed=seed)
        for name, kind, seed in (("a", "etf", 0), ("b", "etf", 1), ("c", "glove", 0))
    )
    rows = setting_rows([[a, b], [c, write(tmp_path, "d", "glove", seed=1)]])
    assert [(row.name, row.difference) for row in rows[:2]] == [
        ("method.label_embedding", "between"),
        ("training.seed", "within"),
    ]
    assert rows[0].values == ("etf", "glove")
    assert rows[1].values == ("0, 1", "0, 1")
    assert {row.difference for row in rows[2:]} == {"equal"}


def test_methods_are_named_before_the_settings_that_only_one_has(tmp_path):
    etf, wide = write(tmp_path, "a"), write(tmp_path, "b", "glove")
    config = {"data": {"dataset": "toy-lt"}, "method": {"kind": "erm"}, "training": {"seed": 0, "lr": 0.2}}
    with RunWriter.create(
        tmp_path, "c", class_names=["a", "b"], class_counts=[9, 2], config=config, method="erm", seed=0
    ):
        pass
    erm = RunStore(tmp_path).open("c")
    assert settings_sentence(setting_rows([[etf], [erm]]), 2) == (
        "What is compared are methods (MLC-NC, ERM), with 3 settings that not all of them have; it also differs in "
        "learning rate."
    )
    said = settings_sentence(setting_rows([[etf], [wide], [erm]]), 3)
    assert said.endswith("it also differs in label embedding, learning rate.")


def test_intervals_of_classes_hold_the_difference_and_means_are_over_runs(trained):
    run = RunStore(trained).open("tiny")
    first, last = run.array_epochs()[0], run.array_epochs()[-1]
    record = with_intervals((run, last), (run, first), num_resamples=50)
    known = np.isfinite(record.difference)
    assert known.any()
    assert (record.low[known] <= record.difference[known] + 1e-9).all()
    assert (record.high[known] >= record.difference[known] - 1e-9).all()
    same = with_intervals((run, last), (run, last), num_resamples=10)
    np.testing.assert_allclose(same.low[known], 0.0, atol=1e-9)
    pooled = mean_class_differences([(run, first), (run, last)], [(run, first)])
    alone = class_differences((run, last), (run, first))
    np.testing.assert_allclose(pooled.difference[known], alone.difference[known] / 2, atol=1e-9)
    assert (pooled.first_runs, pooled.second_runs, pooled.paired) == (2, 1, False)


def test_recipes_are_compared_over_the_seeds_that_both_have(tmp_path):
    from tests.app.conftest import write_run

    for name, embedding, seeds in (("ours", "etf", (0, 1, 2, 3)), ("them", "glove", (3, 1, 9))):
        for seed in seeds:
            write_run(tmp_path, f"{name}{seed}", embedding=embedding, seed=seed, epochs=1).finish()

    def side(*names):
        return [(RunStore(tmp_path).open(name), 0) for name in names]

    ours, them = side("ours0", "ours1", "ours2", "ours3"), side("them3", "them1", "them9")
    shared = of_shared_seeds(ours, them)
    assert [[run.run_id for run, _ in part] for part in shared] == [["ours1", "ours3"], ["them1", "them3"]]
    record = mean_class_differences(*shared)
    by_hand = [class_differences(*pair).difference for pair in zip(*shared, strict=True)]
    np.testing.assert_allclose(record.difference, np.mean(by_hand, axis=0), atol=1e-9)
    ends = [paired_interval(of_class)[1:] for of_class in np.transpose(by_hand)]
    np.testing.assert_allclose(np.transpose([record.low, record.high]), ends, atol=1e-9)
    assert record.over == "seeds"
    said = class_difference_sentence(record, "ours", "them")
    apart = sum(low > 0 or high < 0 for low, high in ends)
    assert f"In {apart} of the classes the 95 % interval by seed excludes 0" in said
    assert "Means over the 2 seeds that both have." in said
    one = mean_class_differences(shared[0][:1], shared[1][:1])
    assert one.low is one.high is None
    assert "no interval over seeds" in class_difference_sentence(one, "ours", "them")
    strangers = of_shared_seeds(ours[:1], them)
    assert [len(part) for part in strangers] == [1, 3], "of no seed in common every run"
    unpaired = mean_class_differences(*strangers)
    assert unpaired.low is None
    assert "share no seeds" in class_difference_sentence(unpaired, "ours", "them")


def test_only_runs_on_a_data_set_of_the_paper_stand_beside_its_rows(tmp_path):
    runs = [
        write(tmp_path, "ours", "trainable", lines=[{"test/map_total": 70.0}]),
        write(tmp_path, "voc", "trainable", "voc-lt", lines=[{"test/map_total": 80.0}]),
    ]
    groups = seed_groups(run_rows(runs))
    matched = {group.dataset: matching_row(group) for group in groups}
    assert matched["toy-lt"] is None
    assert matched["voc-lt"].values["total"] == 83.92
    tables = result_tables(groups, ["Table 1", "Table 4"])
    assert [row.origin for row in tables["toy-lt"]] == ["this project, toy-lt"]
    assert tables["VOC-LT"][-1].beside == "Table 4, trainable embedding"
    assert (tables["VOC-LT"][-1].variant, tables["VOC-LT"][-1].run_ids) == ("", "voc")
    assert {row.origin for row in tables["VOC-LT"]} == {"published, VOC-LT", "this project, voc-lt"}
    assert {row.dataset for row in tables["COCO-LT"]} == {"COCO-LT"}


def test_the_full_model_of_table_1_is_that_of_table_3():
    rows = {(row.table, row.dataset, row.method, row.variant): row.values for row in published_rows()}
    assert rows["Table 1", "VOC-LT", "MLC-NC", "LT-MLC"] == rows["Table 3", "VOC-LT", "MLC-NC", "EGFL+FPC+BEC"]
    assert set(rows["Table 2", "VG200", "MLC-NC", ""]) == set(VALUES)


@pytest.mark.skipif(
    not Path(SHARED).exists(), reason="the collected numbers of the paper lie outside the repository"
)
def test_published_numbers_are_those_that_were_collected():
    def found(text):
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return [
            (row["table"].lower().removeprefix("table ").partition(" (")[0], row["dataset"], row["method"],
             row["variant"], row["metric"].partition(",")[0], row["value"])
            for row in csv.DictReader(lines)
        ]  # fmt: skip

    ours = found((ROOT / "mlcnc" / "analysis" / "comparison" / "published_results.csv").read_text())
    theirs = found(SHARED.read_text())
    assert len(ours) == len(theirs) > 200
    same = {"pairwise angle": "angle_degrees"}
    assert ours == [(*row[:4], same.get(row[4], row[4]), row[5]) for row in theirs]
