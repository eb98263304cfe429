"""The plots of the quiz: NC1, angles, mAP and attention of three runs, with or without their names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.figures.angle_panels import AnglePanel
from app.figures.attention import attention_overlay
from app.figures.blind_quiz import Look, quiz_buckets, quiz_curves
from app.learn.frame import beside
from app.learn.matrices import show_matrices
from app.session import remembered
from app.widgets.chart import chart_config, show_chart
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.stored_picture import photograph_of, say_where_photographs_are
from mlcnc.analysis.comparison.blind_quiz import (
    Hand,
    Quantity,
    reading,
    support_sentence,
    values_sentence,
)
from mlcnc.analysis.curves.curve import common_last_value, curve
from mlcnc.analysis.geometry.angles import class_mean_angles
from mlcnc.analysis.images.attention import (
    ProbeRecord,
    attention_epochs,
    localisation,
    localisation_sentence,
    probe_attention,
)
from mlcnc.analysis.images.shared_probe import shared_probe
from mlcnc.analysis.runs.rows import BUCKETS, RunRow, is_number, nearest_array_epoch
from mlcnc.store import Run

BUCKET_READINGS: tuple[Quantity, ...] = ("map_total", "map_head", "map_medium", "map_tail")
ALL_SEEDS = "These values count all seeds, each at its best validation epoch."
AT_THE_END = "These values count all seeds, each at its last measured epoch."

Place = Callable[[str], AbstractContextManager[object]]
"""Where it stands what a plot supports: the answer to a question, with a name for each plot."""


def show_plots(hand: Hand, runs: Sequence[Run], looks: Sequence[Look], judged: Place) -> None:
    """Draw every plot of the quiz and below each what its numbers support.

    Args:
        hand: as dealt.
        runs: of the hand, in its order.
        looks: one a run; nothing else names it.
        judged: where it is written what is supported.

    Raises:
        RunFormatError: a file of a run is damaged; the message names the run.
    """
    names = [look.name for look in looks]
    st.markdown("#### Variability: NC1")
    _curves(hand, runs, looks, judged)
    st.markdown("#### Angles between class means")
    _angles(hand, runs, names, judged)
    st.markdown("#### Accuracy on test images: mAP")
    _buckets(hand, looks, judged)
    st.markdown("#### Attention in one image")
    _attention(hand, runs, names)


def _of(row: RunRow, epoch: int) -> str:
    """Return seed and epoch of what is drawn of a run."""
    seed = "" if row.seed is None else f"seed {row.seed}, "
    return f"{seed}epoch {epoch + 1}"


def _curves(hand: Hand, runs: Sequence[Run], looks: Sequence[Look], judged: Place) -> None:
    curves = [remembered(curve, run, "test.f/nc1_trace") for run in runs]
    shuffled = [remembered(curve, run, "test.f/nc1_trace_shuffled") for run in runs]
    found, names = reading(hand, "nc1"), [look.name for look in looks]
    sentence = values_sentence(found, names)
    ends = [
        (math.nan if row.end_epoch is None else row.end_epoch + 1.0, row.at_end.get("nc1", math.nan))
        for row in hand.rows
    ]
    show_chart(
        drawing_of(quiz_curves, looks, curves, common_last_value(shuffled), ends),
        key="quiz_nc1",
        title="NC1 of three runs over epochs",
        alt=sentence,
        reading="One line a run, of one seed. The large open mark is at its last measured epoch. Low is "
        "tight: features of a class lie close to their mean, compared with the distances of the means. The "
        "upper line is the same quantity with labels shuffled.",
        frame=pd.DataFrame(
            [
                {"run": look.name, "epoch": epoch, "nc1": value}
                for look, item in zip(looks, curves, strict=True)
                for epoch, value in zip(item.epochs, item.values, strict=True)
            ]
        ),
    )
    marked = "; ".join(
        f"{name}: {value:.2f}, {_of(row, row.end_epoch)}"
        for name, row, (_, value) in zip(names, hand.rows, ends, strict=True)
        if row.end_epoch is not None and is_number(value)
    )
    st.markdown(
        "The lines are of one seed each"
        + (f", the large open marks at its last measured epoch ({marked}). " if marked else ". ")
        + f"{sentence} {AT_THE_END} (*Test f*: the class features of the test images.)"
    )
    with judged("nc1"):
        st.markdown(support_sentence(found, names))


def _angles(hand: Hand, runs: Sequence[Run], names: Sequence[str], judged: Place) -> None:
    epochs = [nearest_array_epoch(run, row.end_epoch) or 0 for run, row in zip(runs, hand.rows, strict=True)]
    records = [
        remembered(class_mean_angles, run, epoch, split="test", space="f", centring="class")
        for run, epoch in zip(runs, epochs, strict=True)
    ]
    angles = reading(hand, "angle_min")
    sentence = values_sentence(angles, names)
    found = [(name, record) for name, record in zip(names, records, strict=True) if record is not None]
    if len(found) == len(names):
        buckets = found[0][1].buckets
        show_matrices(
            [
                AnglePanel(
                    f"{name}, {_of(row, record.epoch)}<br>smallest {record.summary.minimum:.1f}°", record.angles
                )
                for (name, record), row in zip(found, hand.rows, strict=True)
            ],
            found[0][1].class_names,
            found[0][1].class_counts,
            found[0][1].optimum,
            [i - 0.5 for i in range(1, len(buckets)) if buckets[i] != buckets[i - 1]],
            key="quiz_angles",
            title="Angles between class means of three runs",
            alt=sentence,
            reading="White is the angle of a simplex ETF, blue too close, brown too far apart; one scale "
            "for all three. Class means of the test features f, centred by the mean of the class means, "
            "classes by falling training count; lines part head, medium and tail. Columns have the "
            "order of the rows.",
            frame=pd.DataFrame(
                [
                    {"run": name, "class": label, **dict(zip(record.class_names, row, strict=True))}
                    for name, record in found
                    for label, row in zip(record.class_names, record.angles, strict=True)
                ]
            ),
        )
        at = all(row.end_epoch == record.epoch for row, (_, record) in zip(hand.rows, found, strict=True))
        sentence = (
            "Each matrix, and the angle above it, is of one seed at "
            + ("" if at else "the stored epoch nearest to ")
            + f"its last measured epoch. {sentence}"
        )
    st.markdown(f"{sentence} {AT_THE_END} (*Centring class*: the mean of the class means is subtracted first.)")
    with judged("angles"):
        st.markdown(support_sentence(angles, names))


def _buckets(hand: Hand, looks: Sequence[Look], judged: Place) -> None:
    readings = [reading(hand, quantity) for quantity in BUCKET_READINGS]
    names = [look.name for look in looks]
    found = [reading(hand, quantity) for quantity in ("map_tail", "map_total")]
    sentences = [values_sentence(item, names) for item in found]
    show_chart(
        quiz_buckets(looks, BUCKETS, readings),
        key="quiz_buckets",
        title="Test mAP of three runs by bucket",
        alt=" ".join(sentences),
        reading="Filled mark: mean over the seeds of a run's settings (n in the legend). Line: from the "
        "lowest seed to the highest. Open marks: single seeds. Each at its own best validation epoch.",
        frame=bucket_frame(hand, names),
    )
    st.markdown(
        "mAP: how well images with a class are ranked above those without it, 100 is perfect. Head, medium and "
        f"tail: classes with many, some and few training images. {' '.join(sentences)} {ALL_SEEDS}"
    )
    with judged("map"):
        for name, item in zip(("Tail", "Total"), found, strict=True):
            if said := support_sentence(item, names):
                st.markdown(f"{name} mAP. {said}")


def bucket_frame(hand: Hand, names: Sequence[str]) -> pd.DataFrame:
    """Return one line a run, bucket and seed with the test mAP in percent; what was not logged is left out."""
    return pd.DataFrame(
        [
            {"run": name, "bucket": bucket, "seed": row.seed, "map_percent": row.map_percent[bucket]}
            for bucket in BUCKETS
            for name, group in zip(names, hand.groups, strict=True)
            for row in group
            if is_number(row.map_percent[bucket])
        ],
        columns=["run", "bucket", "seed", "map_percent"],
    )


def _attention(hand: Hand, runs: Sequence[Run], names: Sequence[str]) -> None:
    probe = remembered(shared_probe, tuple(runs))
    stored = [remembered(attention_epochs, run) for run in runs]
    if probe is None or not all(stored):
        st.info("These runs keep no attention maps of the same image, so there is none to compare.")
        return
    epochs = [
        min(reversed(kept), key=lambda epoch, row=row: abs(epoch - row.epoch))  # type: ignore[misc]
        for kept, row in zip(stored, hand.rows, strict=True)
    ]
    records = [
        remembered(probe_attention, run, epoch, probe.probe, probe.class_index)
        for run, epoch in zip(runs, epochs, strict=True)
    ]
    peak = max((record.peak for record in records if record is not None), default=None)
    st.markdown(f"Where does **{plain(probe.class_name)}** look in this image?")
    say_where_photographs_are(runs)
    for column, run, row, epoch, record, name in zip(
        beside("quiz_attention", len(runs)), runs, hand.rows, epochs, records, names, strict=True
    ):
        if record is None:
            continue
        found = remembered(localisation, run, epoch)
        said = "" if found is None else localisation_sentence(found)
        with column:
            st.markdown(f"**{name}**, {_of(row, epoch)}")
            drawing = drawing_of(_overlay, record, peak, photograph_of(run, record))
            st.plotly_chart(
                drawing.plain(),
                key=f"quiz_attention_{names.index(name)}",
                config=chart_config(drawing.figure, "quiz_attention"),
                alt=f"{name}: attention of {probe.class_name} over one test image. {said}",
            )
            st.caption(said)
    st.markdown(
        "Coloured cells hold more than their even share of attention, brighter ones more, on one scale for all "
        "three. One image shows one image: it is the first with a tail class that all three keep. The captions "
        "count all of them."
    )


def _overlay(record: ProbeRecord, peak: float | None, backdrop: str | None) -> go.Figure:
    figure = attention_overlay(record, 0.75, peak=peak, backdrop=backdrop)
    figure.update_traces(showscale=False, selector={"type": "heatmap"})
    return figure.update_layout(height=260)
