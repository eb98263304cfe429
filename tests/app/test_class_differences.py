"""Class differences, settings and downloads show the stored numbers."""

import io

import numpy as np
import pandas as pd
import pytest

from app.compare.classes import class_frame
from app.figures.class_differences import difference_dots
from app.widgets.downloads import figure_page
from mlcnc.analysis.comparison.class_differences import (
    class_difference_sentence,
    class_differences,
    mean_class_differences,
)
from mlcnc.analysis.runs.settings import ABSENT, setting_table
from mlcnc.store import RunStore, RunWriter
from tests.app.conftest import CLASSES, COUNTS, write_run


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    root = tmp_path_factory.mktemp("two")
    write_run(root, "low").finish()
    write_run(root, "better", embedding="glove", quality=2.0).finish()
    return [RunStore(root).open(name) for name in ("better", "low")]


def test_differences_are_those_of_the_stored_precisions(two):
    better, low = two
    record = class_differences((better, 2), (low, 1))
    expected = 100 * (better.arrays(2).get("test/ap") - low.arrays(1).get("test/ap"))
    order = np.argsort(-np.array(COUNTS), kind="stable")
    np.testing.assert_allclose(record.difference, expected[order], atol=1e-12)
    assert record.class_names == tuple(CLASSES[i] for i in order)
    for bucket in ("head", "medium", "tail"):  # the mean of a bucket's dots is its logged mAP
        members = np.array(record.buckets) == bucket
        logged = better.metrics()[2][f"test/map_{bucket}"]
        assert record.first[members].mean() == pytest.approx(logged, abs=1e-6)


def test_sentence_counts_wins_and_names_extremes(two):
    record = class_differences((two[0], 2), (two[1], 0))
    sentence = class_difference_sentence(record, "better", "low")
    difference = record.difference
    assert f"higher AP in {(difference > 0).sum()} of {len(CLASSES)} classes" in sentence
    assert f"most on {record.class_names[difference.argmax()]} (" in sentence
    assert f"least on {record.class_names[difference.argmin()]} (" in sentence


def test_runs_of_other_classes_do_not_pair(two, tmp_path):
    write_run(tmp_path, "other", classes=["a", "b"]).finish()
    assert class_differences((two[0], 2), (RunStore(tmp_path).open("other"), 2)) is None


def test_dots_are_the_differences_in_class_order(two):
    record = class_differences((two[0], 2), (two[1], 2))
    figure = difference_dots(record, "better", "low")
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    drawn = {label: value for trace in dots for label, value in zip(trace.x, trace.y, strict=True)}
    labels = list(figure.layout.xaxis.categoryarray)
    assert [label.split(" (")[0] for label in labels] == list(record.class_names)
    np.testing.assert_allclose([drawn[label] for label in labels], record.difference)
    assert len({trace.marker.symbol for trace in dots}) == len(dots)
    assert not figure.layout.annotations, "a note among the marks, crossed by lines of the grid"
    assert figure.layout.xaxis.title.text.endswith("<br>above 0: better is better<br>below 0: low is better")


def test_recipes_have_a_whisker_over_seeds_and_one_seed_has_none(tmp_path):
    sides = []
    for name, embedding in (("ours", "etf"), ("them", "glove")):
        for seed in range(3):
            write_run(tmp_path, f"{name}{seed}", embedding=embedding, seed=seed, epochs=1).finish()
        sides.append([(RunStore(tmp_path).open(f"{name}{seed}"), 0) for seed in range(3)])
    record = mean_class_differences(*sides)
    dots = [trace for trace in difference_dots(record, "ours", "them").data if trace.mode == "markers"]
    reach = np.concatenate([trace.error_y.array for trace in dots])
    np.testing.assert_allclose(sorted(reach), sorted(record.high - record.difference))
    assert all("interval over 3 seeds" in trace.hovertemplate for trace in dots)
    assert list(class_frame(record, "ours", "them")["interval over"]) == ["seeds"] * len(CLASSES)
    alone = difference_dots(mean_class_differences(sides[0][:1], sides[1][:1]), "ours", "them")
    assert all(trace.error_y.array is None for trace in alone.data)


def test_settings_show_differences_first(two, tmp_path):
    assert setting_table(two) == {"method.label_embedding": ("glove", "etf")}
    assert setting_table(two, only_differences=False)["training.lr"] == ("0.1", "0.1")
    with RunWriter.create(tmp_path, "bare", class_names=["a"], class_counts=[1]):
        pass
    table = setting_table([two[0], RunStore(tmp_path).open("bare")])
    assert table["training.lr"] == ("0.1", ABSENT)
    assert setting_table([]) == {}


def test_an_exported_page_stays_on_the_machine(two):
    record = class_differences((two[0], 2), (two[1], 2))
    page = figure_page(difference_dots(record, "better", "low"), "A title")
    assert "sendChartToCloud" in page.split("modeBarButtonsToRemove")[1].split("]")[0]
    assert "A title" in page
    assert 'src="http' not in page


def test_csv_gives_the_plotted_numbers_back(two):
    record = class_differences((two[0], 2), (two[1], 2))
    frame = pd.DataFrame({"class": record.class_names, "difference": record.difference})
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    np.testing.assert_allclose(again["difference"], record.difference)
