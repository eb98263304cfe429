"""The sections of a report: what the pages of the dashboard show of a few runs, in one order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from app.figures.class_differences import difference_dots
from app.figures.comparison import bucket_dots, metric_bands, metric_curves
from app.figures.null_band import add_null_band
from app.offline.page import Chart, Section, Table
from app.report import readings
from app.report.about import NONE, NOT_LOGGED, Reported, number
from app.report.collapse import angle_record, angles, attention, own_space, variability
from mlcnc.analysis.comparison.class_differences import class_difference_sentence, with_intervals
from mlcnc.analysis.comparison.intervals import difference_sentence, map_difference
from mlcnc.analysis.comparison.pair_sentences import RULE as PAIRS_RULE
from mlcnc.analysis.comparison.pair_sentences import recipes_sentence
from mlcnc.analysis.comparison.pairs import of_one_size
from mlcnc.analysis.comparison.seeds import by_dataset, seed_groups
from mlcnc.analysis.curves.curve import (
    Curve,
    band,
    common_last_value,
    curve,
    metric_label,
    metric_optimum,
)
from mlcnc.analysis.curves.nulls import Band, shared_null
from mlcnc.analysis.geometry.angles import geometry_sentence
from mlcnc.analysis.runs.rows import BUCKETS, RunRow, nearest_array_epoch, telling_metrics
from mlcnc.analysis.runs.settings import setting_table
from mlcnc.analysis.verdict import RULE as VERDICT_RULE
from mlcnc.analysis.verdict import run_verdicts
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

MOST_LINES = 8


def report_sections(about: Reported) -> list[Section]:
    """Return the sections that the runs have something for; a damaged file becomes a sentence."""
    makers: tuple[Callable[[Reported], Section | None], ...] = (
        _summary, _table_of_runs, _buckets, _classes, _epochs, angles, variability, attention, _settings,
    )  # fmt: skip
    return [section for make in makers if (section := make(about)) is not None]


def _summary(about: Reported) -> Section:
    groups = seed_groups(about.rows)
    parts = [_collapse_of(run, row) for run, row in about.detailed]
    parts.append(recipes_sentence(groups, about.errors_of))
    if any(group.map_percent["tail"].num_runs for group in groups):
        parts.append(recipes_sentence(groups, about.errors_of, "tail"))
    parts.extend(about.errors_of.sentences)
    for run, row in about.detailed:
        try:
            record = angle_record(run)
        except RunFormatError:
            continue
        if record is not None:
            parts.append(f"{row.name}, epoch {record.epoch + 1}, {record.title}: {geometry_sentence(record)}")
    if any(len(of_one_size(own)[0]) > 1 for own in by_dataset(groups)):
        parts.append(f"How two recipes are compared. {PAIRS_RULE.replace('**', '')}")
    if about.detailed:
        parts.append(f"How a verdict is found. {VERDICT_RULE.replace('**', '')}")
    parts.append("Only the runs of this report are counted; other seeds in the same folder are not.")
    return Section("In short", tuple(parts))


def _collapse_of(run: Run, row: RunRow) -> str:
    """Return the verdicts on a run with value, null and optimum."""
    space = own_space(run)
    split = next(
        (name for name in ("test", "train") if any(run_verdicts(run, split=name, space=space))), "test"
    )
    found = run_verdicts(run, split=split, space=space)
    judged = [
        f"{of.capitalize()}: {each.words} ({each.text})"
        for of, each in found._asdict().items()
        if each is not None
    ]
    if not judged:
        return f"{row.name}: no verdict, it logged no variability and no geometry."
    return f"{row.name}, {split} features {space} at the last epoch measured. {'. '.join(judged)}."


def _table_of_runs(about: Reported) -> Section:
    columns = ("run", "state", "epochs", "at epoch", *(f"mAP {bucket}" for bucket in BUCKETS))
    columns += (
        "NC1",
        "min angle",
        "space",
        "seed",
        "method",
        "embedding",
        "classifier",
        "attention",
        "data set",
        "created",
    )
    rows = tuple(
        (
            row.name,
            row.state,
            f"{row.num_logged}/{row.num_epochs}" if row.num_epochs else str(row.num_logged),
            "none" if row.epoch is None else str(row.epoch + 1),
            *(number(row.map_percent[bucket]) for bucket in BUCKETS),
            number(row.nc1, ".2f"),
            f"{number(row.angle_min)}°" if math.isfinite(row.angle_min) else NOT_LOGGED,
            row.nc1_space or NONE,
            "none" if row.seed is None else str(row.seed),
            row.method_title,
            row.embedding or NONE,
            row.classifier.replace("_", "-") or NONE,
            row.attention or NONE,
            row.dataset,
            run.info.created_at[:16].replace("T", " "),
        )
        for run, row in zip(about.runs, about.rows, strict=True)
    )
    caption = (
        "Test mAP in percent, NC1 (trace ratio) and smallest class-mean centred angle of test features in the "
        "space named beside them, at "
        "the epoch that is best on validation, or the last one where no validation mAP was logged."
    )
    notes = [
        f"{row.name} is {row.state}: what it logged so far is shown."
        for row in about.rows
        if row.state in ("running", "lost", "failed", "stopped")
    ]
    notes += [f"{row.name}: {warning}." for row in about.rows for warning in row.warnings]
    return Section("Runs", (Table(caption, columns, rows), *notes))


def _buckets(about: Reported) -> Section:
    groups = seed_groups(about.rows)
    if not any(value.num_runs for group in groups for value in group.map_percent.values()):
        return Section("Test mAP by bucket", ("None of the runs logged a test mAP.",))
    rows = tuple(
        (g.label, bucket, number(v.mean), number(v.low), number(v.high), str(v.num_runs))
        for g in groups
        for bucket, v in g.map_percent.items()
    )
    columns = ("recipe", "bucket", "mean", "lowest", "highest", "runs")
    chart = Chart(
        bucket_dots(groups),
        "Test mAP by bucket, mean and 95 % interval over seeds",
        recipes_sentence(groups, about.errors_of),
        readings.BUCKETS,
        Table("Test mAP in percent", columns, rows),
    )
    return Section("Test mAP by bucket", (chart,))


def _epoch_with_scores(run: Run, row: RunRow) -> int:
    """Return the epoch whose AP is compared: one with scores, for intervals, where there is one."""
    scored = nearest_array_epoch(run, row.epoch, "test/scores")
    return scored if scored is not None else nearest_array_epoch(run, row.epoch) or 0


def _classes(about: Reported) -> Section | None:
    if len(about.detailed) < 2:
        return None
    (first, row), *others = about.detailed
    parts: list[str | Chart] = []
    for other, other_row in others:
        try:
            chosen = [(r, _epoch_with_scores(r, o)) for r, o in ((first, row), (other, other_row))]
            record = with_intervals(chosen[0], chosen[1])
            interval = (map_difference(chosen[0], chosen[1]) or {}).get("map_total") if record else None
        except RunFormatError as error:
            parts.append(f"{row.name} and {other_row.name}: {error}")
            continue
        if record is None:
            parts.append(
                f"{row.name} and {other_row.name} have no AP of the same classes, so none is compared."
            )
            continue
        if interval is not None:
            parts.append(difference_sentence("total mAP", row.name, other_row.name, interval))
        cells = tuple(
            (name, bucket, str(count), number(a), number(b), number(d, "+.1f"))
            for name, bucket, count, a, b, d in zip(
                record.class_names, record.buckets, record.train_counts, record.first, record.second,
                record.difference, strict=True,
            )
        )  # fmt: skip
        columns = ("class", "bucket", "training images", row.name, other_row.name, "difference")
        parts.append(
            Chart(
                difference_dots(record, row.name, other_row.name),
                f"Test AP per class, {row.name} (epoch {record.first_epoch + 1}) minus {other_row.name} "
                f"(epoch {record.second_epoch + 1})",
                class_difference_sentence(record, row.name, other_row.name),
                readings.CLASSES,
                Table("Test AP in percent", columns, cells),
            )
        )
    return Section("Class by class", tuple(parts))


def _epochs(about: Reported) -> Section:
    charts = []
    run_of = {run.run_id: run for run in about.runs}
    for name in telling_metrics(about.rows):
        pairs = [(row, curve(run, name)) for run, row in zip(about.runs, about.rows, strict=True)]
        pairs = [(row, item) for row, item in pairs if len(item.epochs)]
        if not pairs:
            continue
        optima = {metric_optimum(run_of[row.run_id], name) for row, _ in pairs}
        optimum = optima.pop() if len(optima) == 1 else None
        log = "nc1" in name
        chance = [curve(run_of[row.run_id], f"{name}_shuffled") for row, _ in pairs] if log else []
        baseline = common_last_value(chance) if chance else None
        random = shared_null([run_of[row.run_id] for row, _ in pairs], name)
        label = metric_label(name) + (" (log)" if log else "")
        if len(pairs) <= MOST_LINES:
            figure = metric_curves(pairs, label, log=log, optimum=optimum, baseline=baseline)
        else:
            curve_of = {row.run_id: item for row, item in pairs}
            groups = seed_groups([row for row, _ in pairs])
            bands = [(group, band([curve_of[row.run_id] for row in group.rows])) for group in groups]
            figure = metric_bands(bands, label, log=log, optimum=optimum)
        if random is not None:
            drawn = [float(epoch) for _, item in pairs for epoch in item.epochs]
            add_null_band(figure, random, (min(drawn), max(drawn)), "°" if "angle" in name else "")
        beside = [_beside(run_of[row.run_id], name, random) for row, _ in pairs]
        charts.append(
            Chart(figure, metric_label(name), _last_values(pairs, beside), readings.of_curve(name),
                  _curve_table(metric_label(name), pairs))
        )  # fmt: skip
    if not charts:
        return Section("Over epochs", ("None of the runs logged an epoch with these metrics yet.",))
    return Section("Over epochs", (tuple(charts),))


def _beside(run: Run, name: str, random: Band | None) -> str:
    """Return the nulls of a metric in brackets, of what the run logged or random directions give."""
    said = [f"{random.mean:.2f} of random directions"] if random is not None else []
    for ending, words in (
        ("shuffled", "with labels shuffled"),
        ("query_only", "of as many images without the class"),
    ):
        value = common_last_value([curve(run, f"{name}_{ending}")])
        if value is not None:
            said.append(f"{value:.2f} {words}")
    return f" ({', '.join(said)})" if said else ""


def _last_values(pairs: Iterable[tuple[RunRow, Curve]], nulls: Sequence[str]) -> str:
    parts = [
        f"{row.name} {number(float(item.values[-1]), '.2f')}{beside}"
        for (row, item), beside in zip(pairs, nulls, strict=True)
    ]
    return f"At the last epoch: {', '.join(parts)}."


def _curve_table(label: str, pairs: Sequence[tuple[RunRow, Curve]]) -> Table:
    values = [dict(zip(item.epochs.tolist(), item.values.tolist(), strict=True)) for _, item in pairs]
    epochs = sorted({epoch for found in values for epoch in found})
    rows = tuple(
        (str(epoch), *(number(found.get(epoch, math.nan), ".4g") for found in values)) for epoch in epochs
    )
    return Table(label, ("epoch", *(row.name for row, _ in pairs)), rows)


def _settings(about: Reported) -> Section | None:
    if len(about.runs) < 2:
        return None
    settings = setting_table(about.runs)
    if not settings:
        return Section("Settings that differ", ("The runs have the same settings.",))
    columns = ("setting", *(row.name for row in about.rows))
    rows = tuple((name, *values) for name, values in settings.items())
    return Section("Settings that differ", (Table("One column a run", columns, rows),))
