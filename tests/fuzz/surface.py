"""Everything that reads a run folder: the store, the rows of the table, and what the pages compute."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlcnc.analysis.comparison.blind_quiz import claims, deal
from mlcnc.analysis.comparison.class_differences import class_difference_sentence, with_intervals
from mlcnc.analysis.comparison.intervals import map_difference, map_intervals
from mlcnc.analysis.comparison.pair_errors import image_errors, map_draws
from mlcnc.analysis.comparison.pair_sentences import pairs_sentence, recipes_sentence
from mlcnc.analysis.comparison.pairs import of_one_size, pairs
from mlcnc.analysis.comparison.seeds import SeedGroup, seed_groups
from mlcnc.analysis.comparison.setting_groups import setting_groups, varying_settings
from mlcnc.analysis.curves.curve import curve, metric_label, metric_names, metric_optimum
from mlcnc.analysis.curves.live import collapse_sentence, live_curves, log_tail, progress, seconds_between
from mlcnc.analysis.curves.points import curve_points
from mlcnc.analysis.geometry.angle_history import SUBJECTS, angle_counts, angle_history
from mlcnc.analysis.geometry.angles import closest_pairs, geometry_sentence
from mlcnc.analysis.geometry.class_arrows import arrows_sentence, class_arrows
from mlcnc.analysis.geometry.class_order import ordered_classes
from mlcnc.analysis.geometry.co_occurrence import co_occurrence, head_company_sentence
from mlcnc.analysis.geometry.embedding_drift import embedding_drifts
from mlcnc.analysis.geometry.figure3 import centred_angles
from mlcnc.analysis.geometry.label_pairs import label_pairs_course
from mlcnc.analysis.geometry.variability import variability_history, variability_sentence
from mlcnc.analysis.images.attention import (
    attention_course,
    attention_epochs,
    attention_sentence,
    localisation,
    num_probes,
    probe_attention,
    probe_labels,
)
from mlcnc.analysis.images.decisions import (
    class_results,
    co_occurring_classes,
    decision_sentence,
    decisions,
    probe_images,
    scored,
)
from mlcnc.analysis.images.image_ids import image_id
from mlcnc.analysis.images.photographs import photograph, where_photographs_are
from mlcnc.analysis.images.pictures import picture, picture_bytes, picture_index
from mlcnc.analysis.images.report_choice import detailed_runs, probe_of_each_bucket
from mlcnc.analysis.images.shared_probe import shared_probe
from mlcnc.analysis.runs.filter import RunFilter, main_dataset, matching
from mlcnc.analysis.runs.rows import nearest_array_epoch, row_at, run_row, summary
from mlcnc.analysis.runs.settings import setting_rows, settings_sentence
from mlcnc.analysis.samples.aligned_umap import median_step
from mlcnc.analysis.samples.layouts import pca_layout, sample_epochs, sample_table, umap_layout
from mlcnc.analysis.samples.placement import nearest_samples, outcomes, placement, placement_sentence
from mlcnc.analysis.verification.recomputation import verify_run
from mlcnc.errors import DataError, MlcncError
from mlcnc.store import Run, RunProblem, RunStore

HEALTHY = "healthy"


def read_everything(
    root: Path, *, damaged: str | None = None, pick: Callable[[], bool] | None = None
) -> list[str]:
    """Read all runs under ``root`` as store, commands and pages do; return what was said of those that fail.

    A known error (``MlcncError``) of a reading function is its answer; any other exception goes on.

    Args:
        root: the runs folder, with a run called ``healthy``.
        damaged: names of the damaged files, so that only what reads one of them is called; None calls all.
        pick: tells of each call of an analysis whether it is made; None makes all.
    """
    store = RunStore(root)
    found = list(store.scan())
    said = [item.text for item in found if isinstance(item, RunProblem)]
    runs = [item for item in found if isinstance(item, Run)]
    assert HEALTHY in [run.run_id for run in runs], "the healthy run is no longer listed"
    healthy = next(run for run in runs if run.run_id == HEALTHY)
    for run in runs:
        if run is healthy:
            continue
        assert repr(store.open(run.run_id).info) == repr(run.info)  # not-a-number is unequal to itself
        said += _each(reading(run), damaged)
        said += _each(analyses(run, healthy), damaged, pick)
    said += _each(over_all(runs), damaged, pick)
    with suppress(MlcncError):
        store.open("../outside")
    return said


def _each(
    calls: Iterator[tuple[str, Callable[[], Any]]],
    damaged: str | None,
    pick: Callable[[], bool] | None = None,
) -> list[str]:
    every = damaged is None or "run.json" in damaged or "folder" in damaged
    said = []
    for needs, call in calls:
        if not every and not any(part in damaged for part in needs.split()):
            continue
        if pick is not None and not pick():
            continue
        try:
            call()
        except MlcncError as error:
            text = str(error)
            assert text, "a known error without a sentence"
            said.append(text)
    return said


def reading(run: Run) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield calls of all that the store reads of one run, with the files they read."""
    everything = "status notes metrics samples epochs"
    yield everything, lambda: (run.info, run.status, run.name, run.identity(), run.notes(), run.warnings)
    yield "metrics", lambda: (run.metrics(), run.metrics(("test/map_total", "train/loss")), run.best_epoch())
    yield "samples", lambda: _all_arrays(run.samples())
    for epoch in [*run.array_epochs()[:6], 1_000_000]:
        yield "epochs", lambda epoch=epoch: _all_arrays(run.arrays(epoch))
    for name in ("umap-f", "umap-mu", "absent"):
        yield "layouts", lambda name=name: run.layout(name)


def _all_arrays(file: Any) -> None:
    if file is None:
        return
    for name in file.keys():  # noqa: SIM118
        with suppress(MlcncError):
            np.asarray(file.get(name)).sum()
        with suppress(MlcncError, IndexError):
            file.get(name, 0)
        with suppress(MlcncError):
            file.get(name, slice(1, 3))


def over_all(runs: list[Run]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield calls of what is said of all runs together, with the files of a run that they read."""
    yield "metrics status notes", lambda: table_said(runs)
    yield "", lambda: settings_sentence(setting_rows([[run] for run in runs]), len(runs))
    yield "metrics", lambda: embedding_drifts(runs)
    yield "samples", lambda: shared_probe(runs)
    yield "metrics", lambda: curves_drawn(runs)


def table_said(runs: list[Run]) -> None:
    summaries = [(run, summary(run)) for run in runs]
    rows = [row_at(of, choice, run.status) for run, of in summaries for choice in ("best", "last", 0, 7)]
    rows += [run_row(run) for run in runs]
    groups = seed_groups(rows)
    main = main_dataset(rows)
    own = [group for group in groups if group.dataset == main]
    by_id = {run.run_id: run for run in runs}

    def errors_of(*sides: SeedGroup) -> dict[str, float]:
        first, second = (
            [
                draws
                for row in side.rows
                for run in [by_id[row.run_id]]
                for epoch in run.array_epochs()[:1]
                if (draws := map_draws(run, epoch, num_resamples=5))
            ]
            for side in sides
        )
        return image_errors(first, second)

    _ = (recipes_sentence(groups, errors_of), pairs_sentence(pairs(of_one_size(own)[0], errors_of)))
    matching(rows, RunFilter("a model.x=1", ("finished",), main, 1.0))
    for setting in varying_settings(rows)[:5]:
        setting_groups(rows, setting)
    hand = deal([(run, rows[-1]) for run in runs], [], 0)
    if hand is not None:
        claims(hand)


def curves_drawn(runs: list[Run]) -> None:
    names = metric_names(runs)
    chosen = [*names[:1], *names[-2:], "test/map_total", "test.f/nc1_trace"]
    for name in chosen:
        _ = [(metric_optimum(run, name), metric_label(name)) for run in runs]
    curve(runs[-1], chosen[0])
    for name, axis in zip(chosen, ("epoch", "time", "images", "epoch", "time"), strict=False):
        curve_points(runs, name, axis=axis, smoothing=0.5, log=True)


def analyses(run: Run, other: Run) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield calls of what the pages compute from one run, alone and beside another, with the files they read."""
    epochs = run.array_epochs()
    last = nearest_array_epoch(run, None)
    yield "epochs samples metrics", lambda: verify_run(run)
    yield "metrics status", lambda: watched_live(run)
    yield "", lambda: co_occurrence_said(run)
    for subject in SUBJECTS:
        for split, space, centring in (("test", "f", "class"), ("train", "mu", "all"), ("test", "mu", "none")):
            if subject == "class means" or split == "train":
                yield "epochs", lambda a=subject, b=split, c=space, d=centring: angles_said(run, a, b, c, d)
    yield "epochs", lambda: variability_said(run)
    yield (
        "samples",
        lambda: (num_probes(run), probe_labels(run), probe_of_each_bucket(run), detailed_runs([run])),
    )
    yield "epochs", lambda: attention_epochs(run)
    yield "samples", lambda: pictures_read(run)
    yield "samples", lambda: photographs_named(run)
    yield "samples", lambda: sample_table(run)
    for space in ("f", "mu"):
        yield "epochs samples", lambda space=space: layout_read(pca_layout(run, space))
        yield "layouts samples", lambda space=space: layout_read(umap_layout(run, space))
        yield "epochs", lambda space=space: sample_epochs(run, space)
    yield "epochs samples", lambda: label_pairs_course(run)
    yield "epochs", lambda: centred_angles(run, "test", "f")
    if last is None:
        return
    yield "epochs samples", lambda: class_results(run, last)
    yield "epochs samples", lambda: decided(run, last)
    yield "epochs samples", lambda: probe_images(run, last)
    for probe, label in ((0, 0), (1, 4)):
        yield "epochs samples", lambda probe=probe, label=label: looked(run, last, probe, label)
    yield "epochs samples", lambda: attention_course(run, 1, 4)
    yield "epochs samples", lambda: localisation(run, last)
    yield "epochs samples", lambda: localisation(run, last, 1)
    for split, space in (("test", "f"), ("train", "mu")):
        yield "epochs samples", lambda split=split, space=space: placed(run, last, split, space)
    yield "epochs samples", lambda: outcomes(run, last)
    yield "epochs samples", lambda: nearest_samples(run, last, "f", 0)
    yield "epochs samples", lambda: map_intervals(run, last, num_resamples=5)
    yield "epochs samples", lambda: map_difference((run, last), (other, 0), num_resamples=5)
    yield "epochs samples", lambda: differences_said(run, last, other)
    yield "epochs", lambda: arrows_said(run, epochs[:3])


def watched_live(run: Run) -> None:
    curves, status = live_curves(run), run.status
    collapse_sentence(curves)
    for state in (status.state, "running"):
        found = progress(curves, status.model_copy(update={"state": state}))
        assert 0 <= found.share <= 1, found
        assert found.eta_seconds is None or 0 <= found.eta_seconds < 1e10, found
    seconds_between(status.started_at, status.finished_at)
    log_tail(repr(status))


def variability_said(run: Run) -> None:
    for record in variability_history(run, split="test", space="f").records:
        variability_sentence(record)


def differences_said(run: Run, epoch: int, other: Run) -> None:
    record = with_intervals((run, epoch), (other, other.array_epochs()[-1]), num_resamples=10)
    if record is not None:
        class_difference_sentence(record, "one", "two")


def arrows_said(run: Run, epochs: list[int]) -> None:
    names = tuple(run.info.class_names[:4])
    for epoch in epochs if len(names) > 1 else []:
        found = class_arrows(run, epoch, names, split="test", space="f")
        if found is not None:
            arrows_sentence(found)


def co_occurrence_said(run: Run) -> None:
    found = co_occurrence(run)
    if found is not None and found.tail:
        head_company_sentence(found.tail)


def angles_said(run: Run, subject: Any, split: str, space: str, centring: Any) -> None:
    history = angle_history(run, subject=subject, split=split, space=space, centring=centring)
    for record in history.records[-1:]:
        _ = (geometry_sentence(record), closest_pairs(record), angle_counts(record))
        for order in ("cluster", "name"):
            ordered_classes(record, order)


def photographs_named(run: Run) -> None:
    where_photographs_are([run], None)
    for split, image in (("test", 0), ("test", 7), ("train", 2), ("test", 1_000_000)):
        with suppress(MlcncError):
            image_id(run, split, image)
        with suppress(DataError):
            photograph(run, sys.prefix, split, image, 64)


def pictures_read(run: Run) -> None:
    index = picture_index(run)
    # pages send the bytes as they are, also those that cannot be decoded here
    for split, image in [*list(index.positions)[:8], ("test", 1_000_000)]:
        with suppress(MlcncError):
            picture_bytes(run, index, split, image)
    for split, image in list(index.positions)[:3]:
        picture(run, index, split, image)


def layout_read(found: Any) -> None:
    if found is not None:
        _ = (found.at(0), median_step(found.coordinates))


def decided(run: Run, epoch: int) -> None:
    found = scored(run, epoch)
    for label in range(min(3, len(run.info.class_names))):
        record = decisions(run, epoch, label, shift=0.5)
        if record is not None and found is not None:
            _ = (decision_sentence(record), co_occurring_classes(run, found, record))


def looked(run: Run, epoch: int, probe: int, label: int) -> None:
    record = probe_attention(run, epoch, probe, label)
    if record is not None:
        attention_sentence(record, "a class")


def placed(run: Run, epoch: int, split: str, space: str) -> None:
    record = placement(run, epoch, split=split, space=space)
    if record is not None:
        placement_sentence(record)
