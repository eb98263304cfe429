"""Found, missed and false alarms against plain loops over stored scores and labels."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from mlcnc.analysis.images.attention import (
    attention_course,
    attention_epochs,
    localisation,
    mass_cells,
    probe_attention,
)
from mlcnc.analysis.images.decisions import (
    KINDS,
    class_results,
    co_occurring_classes,
    decision_sentence,
    decisions,
    probe_images,
    scored,
    with_attention,
    with_moved_threshold,
    worst_tail_class,
)
from mlcnc.errors import RunFormatError
from mlcnc.store import RunStore
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def run():
    return RunStore(ROOT / "runs").open("pictogram-etf-s0")


def stored(run, epoch):
    samples, arrays = run.samples(), run.arrays(epoch)
    return {
        split: (arrays.get(f"{split}/scores").astype(float), samples.get(f"{split}/targets"))
        for split in ("validation", "test")
    }


@pytest.mark.parametrize(("label", "shift"), [(0, 0.0), (14, 0.0), (3, -2.0), (9, 1.5)])
def test_counts_are_those_of_a_loop(run, label, shift):
    epoch = run.array_epochs()[-1]
    record = decisions(run, epoch, label, shift=shift)
    scores, targets = stored(run, epoch)["test"]
    slow = {kind: [] for kind in KINDS}
    for image in range(len(scores)):
        said, there = scores[image, label] >= record.threshold, targets[image, label] == 1
        kind = ("found" if said else "missed") if there else ("false alarm" if said else "rightly absent")
        slow[kind].append(image)
    for kind in KINDS:
        assert sorted(record.images[kind].tolist()) == slow[kind]
    missed = scores[record.images["missed"], label]
    alarms = scores[record.images["false alarm"], label]
    assert (np.diff(missed) >= 0).all()
    assert (np.diff(alarms) <= 0).all()
    expected = 100 * average_precision_score(targets[:, label], scores[:, label])
    assert record.average_precision == pytest.approx(expected)
    sentence = decision_sentence(record)
    assert f"{len(slow['found'])} of {targets[:, label].sum()} test images found" in sentence
    assert f"{len(slow['missed'])} missed" in sentence


@pytest.mark.parametrize("label", [0, 5, 14])
def test_the_threshold_has_the_greatest_f1_on_validation(run, label):
    epoch = run.array_epochs()[-1]
    found = scored(run, epoch)
    scores, targets = stored(run, epoch)["validation"]

    def f1(limit):
        said, there = scores[:, label] >= limit, targets[:, label] == 1
        return 2 * (said & there).sum() / (said.sum() + there.sum())

    best = max(f1(limit) for limit in scores[:, label])
    assert found.chosen_on == "validation"
    assert f1(found.thresholds[label]) == pytest.approx(best)


def test_a_threshold_says_where_it_comes_from(run):
    found = scored(run, run.array_epochs()[-1])
    none = replace(found, thresholds=np.where(np.arange(len(found.thresholds)) == 3, np.nan, 1.25))
    assert none.threshold_words(0) == "1.25, greatest F1 on validation"
    assert none.threshold_words(3).startswith("0.00, chosen by nobody, for no validation image has the class")
    moved = with_moved_threshold(with_moved_threshold(none, 3, -2.0), 0, 0.5)
    assert moved.threshold_words(0) == "1.75, greatest F1 on validation, moved by +0.5"
    assert moved.threshold_words(3).endswith("0 stands in, moved by -2.0")
    assert moved.limits[[0, 3, 4]].tolist() == [1.75, -2.0, 1.25]


def test_equal_f1_takes_the_higher_threshold(run):
    from fractions import Fraction

    for epoch in (run.array_epochs()[0], run.array_epochs()[-1]):
        scores, targets = stored(run, epoch)["validation"]
        limits = scored(run, epoch).thresholds
        for label in range(scores.shape[1]):
            best = max(
                (Fraction(2 * int((said & there).sum()), int(said.sum() + there.sum())), float(limit))
                for limit in np.unique(scores[:, label])
                for said, there in [(scores[:, label] >= limit, targets[:, label] == 1)]
            )
            assert limits[label] == best[1], (epoch, label)


def test_results_are_ranked_and_agree_with_the_stored_precision(run):
    epoch = run.array_epochs()[-1]
    results = class_results(run, epoch)
    values = [result.average_precision for result in results]
    assert values == sorted(values)
    stored_ap = 100 * run.arrays(epoch).get("test/ap")
    for result in results:  # scores are stored in float16
        assert result.average_precision == pytest.approx(stored_ap[result.class_index], abs=0.3)
        own = decisions(run, epoch, result.class_index)
        probes = probe_images(run, epoch)
        assert result.num_missed == len(own.images["missed"])
        assert result.num_with_attention == sum(image in probes for image in own.images["missed"].tolist())
    worst = worst_tail_class(results)
    tail = [result for result in results if result.bucket == "tail"]
    assert worst.average_precision == min(result.average_precision for result in tail)


def test_images_with_attention_are_the_probes_of_each_kind(run):
    epoch = run.array_epochs()[-1]
    record, probes = decisions(run, epoch, 0), probe_images(run, epoch)
    kept = with_attention(record, probes)
    for kind in KINDS:
        assert list(kept[kind]) == [image for image in record.images[kind].tolist() if image in probes]
    tested = [
        int(i)
        for i, code in zip(*(run.samples().get(f"probes/{k}") for k in ("image_index", "split")), strict=True)
        if code == 1
    ]
    assert sorted(image for images in kept.values() for image in images) == sorted(tested)


def test_localisation_of_classes_adds_up_to_that_of_all(run):
    epoch = run.array_epochs()[-1]
    whole = localisation(run, epoch)
    parts = [localisation(run, epoch, label) for label in range(len(run.info.class_names))]
    parts = [part for part in parts if part is not None]
    assert len(parts) > 5
    assert sum(part.num_objects for part in parts) == whole.num_objects
    for name in ("mass", "hits", "chance"):
        weighed = sum(getattr(part, name) * part.num_objects for part in parts) / whole.num_objects
        assert weighed == pytest.approx(getattr(whole, name))
    boxes = run.samples().get("probes/boxes")
    first = localisation(run, epoch, int(boxes[0, 1]))
    probes = {int(row[0]) for row in boxes if row[1] == boxes[0, 1]}
    masses = [probe_attention(run, epoch, probe, int(boxes[0, 1])).mass_in_box for probe in probes]
    assert first.mass == pytest.approx(np.mean(masses), abs=1e-3)  # single maps are scaled to sum to 1


def test_company_counts_images(run):
    epoch, label = run.array_epochs()[-1], 0
    targets = stored(run, epoch)["test"][1]
    record = decisions(run, epoch, label)
    first = co_occurring_classes(run, scored(run, epoch), record)[0]
    other = run.info.class_names.index(first.class_name)
    missed, kept = (int(targets[record.images[kind], other].sum()) for kind in ("missed", "found"))
    assert first.counts == (run.info.co_occurrence[label][other], missed, kept)


def test_odd_runs_have_no_decisions(tmp_path):
    from tests.app.conftest import write_run

    slim = write_run(tmp_path, "slim", slim=True)
    slim.finish()
    full = write_run(tmp_path, "blind", validation=False)
    full.finish()
    with pytest.raises(RunFormatError):
        scored(RunStore(tmp_path).open("slim"), 0)  # it has no arrays at all
    blind = RunStore(tmp_path).open("blind")
    assert scored(blind, 2).chosen_on == "test"
    assert co_occurring_classes(blind, scored(blind, 2), decisions(blind, 2, 0)) == []
    assert probe_images(blind, 2) == {0: 0, 1: 1}


def test_a_class_without_a_test_image_is_left_out(tmp_path):
    from mlcnc.store import RunWriter

    with RunWriter.create(tmp_path, "gap", class_names=["a", "b"], class_counts=[300, 2]) as run:
        run.log_samples({"test/targets": np.array([[1, 0], [0, 0]], np.uint8)})
        run.log_epoch(0, {}, {"test/scores": np.array([[0.5, 0.1], [-1.0, 0.2]], np.float16)})
    gap = RunStore(tmp_path).open("gap")
    assert [result.class_name for result in class_results(gap, 0)] == ["a"]
    assert worst_tail_class(class_results(gap, 0)) is None
    assert "nothing can be missed" in decision_sentence(decisions(gap, 0, 1))
    assert decisions(gap, 0, 1).threshold == 0.0


def test_a_course_is_the_stored_maps_epoch_by_epoch(run):
    course = attention_course(run, 4, 11)
    assert course.epochs == tuple(attention_epochs(run))
    assert len(course.epochs) > 2
    for index, epoch in enumerate(course.epochs):
        single = probe_attention(run, epoch, 4, 11)
        np.testing.assert_allclose(course.maps[index], single.attention, rtol=1e-6)
        if single.mass_in_box is not None:
            assert course.mass_in_box[index] == pytest.approx(single.mass_in_box)


def test_the_outline_holds_the_share_with_the_fewest_cells():
    rng = np.random.default_rng(3)
    for _ in range(20):
        attention = rng.random((5, 7)) ** 4
        inside = mass_cells(attention, 0.8)
        whole = attention.sum()
        assert attention[inside].sum() >= 0.8 * whole
        number = int(inside.sum())
        largest = np.sort(attention.ravel())[::-1]
        assert largest[: number - 1].sum() < 0.8 * whole
    assert mass_cells(np.full((2, 5), 0.1)).sum() == 8


def test_the_brightest_cell_is_in_multiples_of_an_even_share(run):
    course = attention_course(run, 4, 11)
    for index in range(len(course.epochs)):
        cells = [float(value) for row in course.maps[index] for value in row]
        assert course.peaks[index] == pytest.approx(max(cells) / (sum(cells) / len(cells)), rel=1e-4)
        single = probe_attention(run, course.epochs[index], 4, 11)
        assert single.peak == pytest.approx(course.peaks[index], rel=1e-5)
