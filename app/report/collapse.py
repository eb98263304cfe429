"""The sections on geometry, variability and attention."""

from __future__ import annotations

from app.figures.angle_histogram import angle_histogram
from app.figures.angle_matrix import angle_matrix
from app.figures.attention import attention_overlay
from app.figures.class_dots import class_dots
from app.offline.page import Chart, Section, Table
from app.report import readings
from app.report.about import Reported, number
from mlcnc.analysis.geometry.angles import (
    AngleRecord,
    class_mean_angles,
    closest_pairs,
    etf_words,
    geometry_sentence,
)
from mlcnc.analysis.geometry.variability import class_variability, variability_sentence
from mlcnc.analysis.images.attention import ProbeRecord, attention_epochs, attention_sentence, probe_attention
from mlcnc.analysis.images.report_choice import probe_of_each_bucket
from mlcnc.analysis.runs.rows import FIRST_SPACE, nearest_array_epoch
from mlcnc.analysis.runs.spaces import KIND_WORDS, space_for, spaces_with_means
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

NO_PHOTOGRAPHS = (
    "Where the ground is grey the run does not store the photograph, and a report holds none; the dashboard "
    "shows it to who has the data set: streamlit run app/main.py -- --data-root DIR."
)


def own_space(run: Run) -> str:
    """Return the space of a run that a report shows: f, or else the first whose class means it stored."""
    return space_for(spaces_with_means(run), FIRST_SPACE)


def angle_record(run: Run) -> AngleRecord | None:
    at = nearest_array_epoch(run, None)
    if at is None:
        return None
    space = own_space(run)
    for split in ("test", "train"):
        record = class_mean_angles(run, at, split=split, space=space, centring="class")
        if record is not None:
            return record
    return None


def angles(about: Reported) -> Section:
    matrices: list[Chart] = []
    histograms: list[Chart] = []
    tables: list[str | Table] = []
    for run, row in about.detailed:
        try:
            record = angle_record(run)
        except RunFormatError as error:
            tables.append(f"{row.name}: {error}")
            continue
        if record is None:
            continue
        sentence, epoch = geometry_sentence(record), f"epoch {record.epoch + 1}"
        matrices.append(Chart(angle_matrix(record), f"{row.name}, {epoch}", sentence, readings.MATRIX))
        spread = (
            f"Mean {number(record.summary.mean)}°, spread {number(record.summary.std)}°, smallest "
            f"{number(record.summary.minimum)}°; {etf_words(record)}."
        )
        histograms.append(
            Chart(angle_histogram(record), f"{row.name}, {epoch}: all pairs", spread, readings.HISTOGRAM)
        )
        tables.append(_pair_table(row.name, record))
    if not matrices:
        return Section(
            "Angles between classes",
            ("None of the runs stored class means; train with --training.arrays_every 5 to keep them.",
             *(part for part in tables if isinstance(part, str))),
        )  # fmt: skip
    problems = [part for part in tables if isinstance(part, str)]
    pairs = tuple(part for part in tables if isinstance(part, Table))
    return Section("Angles between classes", (tuple(matrices), tuple(histograms), pairs, *problems))


def _pair_table(name: str, record: AngleRecord) -> Table:
    rows = tuple(
        (
            f"{pair.first} · {pair.second}",
            f"{pair.first_count} · {pair.second_count}",
            f"{pair.first_features} · {pair.second_features}",
            f"{pair.angle:.1f}°",
        )
        for pair in closest_pairs(record)
    )
    caption = f"{name}: the closest pairs of {record.title}"
    return Table(caption, ("pair", "training images", "features behind the means", "angle"), rows)


def variability(about: Reported) -> Section | None:
    records, problems = [], []
    for run, row in about.detailed:
        at = nearest_array_epoch(run, None)
        try:
            record = None if at is None else class_variability(run, at, split="test", space=own_space(run))
        except RunFormatError as error:
            problems.append(f"{row.name}: {error}")
            continue
        if record is not None:
            records.append((row, record))
    if not records:
        return Section("NC1 of each class", tuple(problems)) if problems else None
    cells = tuple(
        (row.name, name, bucket, str(count), str(own), number(value, ".3g"), number(chance, ".3g"))
        for row, record in records
        for name, bucket, count, own, value, chance in zip(
            record.class_names, record.buckets, record.train_counts, record.sample_counts, record.nc1,
            record.shuffled, strict=True,
        )
    )  # fmt: skip
    columns = ("run", "class", "bucket", "training images", "features", "NC1", "labels shuffled")
    spaces = list(dict.fromkeys(record.space for _, record in records))
    kinds = {space.name: space.kind for run in about.runs for space in run.spaces}
    # f is what the reading is about
    words = [
        f"{name}: {KIND_WORDS[kinds[name]]}." for name in spaces if name in kinds and spaces != [FIRST_SPACE]
    ]
    chart = Chart(
        class_dots(records),
        f"NC1 of each class, test features {', '.join(spaces)}, last stored epoch",
        " ".join([*words, *(variability_sentence(record) for _, record in records)]),
        readings.VARIABILITY,
        Table("NC1 of each class against labels shuffled", columns, cells),
    )
    return Section("NC1 of each class", (chart, *problems))


def attention(about: Reported) -> Section | None:
    parts: list[str | tuple[Chart, ...]] = []
    found: list[tuple[str, list[tuple[str, str, ProbeRecord]]]] = []
    for run, row in about.detailed:
        try:
            found.append((row.name, _looked_at(run)))
        except RunFormatError as error:
            parts.append(f"{row.name}: {error}")
    # one scale, so that a brighter cell holds more attention in every picture
    peak = max((item.peak for _, items in found for _, _, item in items), default=1.0)
    for run_name, items in found:
        charts = [
            Chart(
                attention_overlay(record, 0.75, peak=peak),
                f"{run_name}: {name} ({bucket}), epoch {record.epoch + 1}",
                f"{attention_sentence(record, name)} All labels of it: {', '.join(record.labels)}.",
                readings.ATTENTION,
                narrow=True,
            )
            for bucket, name, record in items
        ]
        if charts:
            parts.append(tuple(charts))
    parts += [
        f"{row.name} is a run of {row.method_title}, which has no attention."
        for _, row in about.detailed
        if row.method != "?" and not row.attention
    ]
    if not parts:
        return None
    if any(item.image is None for _, items in found for _, _, item in items):
        parts.append(NO_PHOTOGRAPHS)
    rule = (
        "The first stored image of each bucket is shown, in the order of the test set; none was picked by hand."
    )
    return Section("Where a class looks", (rule, *parts))


def _looked_at(run: Run) -> list[tuple[str, str, ProbeRecord]]:
    epochs = attention_epochs(run)
    names = run.info.class_names
    records = [
        (bucket, names[index], probe_attention(run, epochs[-1], probe, index))
        for bucket, probe, index in (probe_of_each_bucket(run) if epochs else [])
    ]
    return [(bucket, name, record) for bucket, name, record in records if record is not None]
