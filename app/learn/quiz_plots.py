"""The plots of the quiz: NC1, angles, mAP and attention of three runs, with or without their names."""

from __future__ import annotations

from collections.abc import Sequence

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
from mlcnc.analysis.comparison.blind_quiz import Hand, Quantity, reading, reading_sentence
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
from mlcnc.analysis.runs.rows import BUCKETS, is_number, nearest_array_epoch
from mlcnc.store import Run

BUCKET_READINGS: tuple[Quantity, ...] = ("map_total", "map_head", "map_medium", "map_tail")


def show_plots(hand: Hand, runs: Sequence[Run], looks: Sequence[Look]) -> None:
    """Draw every plot of the quiz and below each what its numbers support.

    Args:
        hand: as dealt.
        runs: of the hand, in its order.
        looks: one a run; nothing else names it.

    Raises:
        RunFormatError: a file of a run is damaged; the message names the run.
    """
    names = [look.name for look in looks]
    st.markdown("#### Variability: NC1")
    _curves(hand, runs, looks)
    st.markdown("#### Angles between class means")
    _angles(hand, runs, names)
    st.markdown("#### Accuracy on test images: mAP")
    _buckets(hand, looks)
    st.markdown("#### Attention in one image")
    _attention(hand, runs, names)


def _curves(hand: Hand, runs: Sequence[Run], looks: Sequence[Look]) -> None:
    curves = [remembered(curve, run, "test.f/nc1_trace") for run in runs]
    shuffled = [remembered(curve, run, "test.f/nc1_trace_shuffled") for run in runs]
    sentence = reading_sentence(reading(hand, "nc1"), [look.name for look in looks])
    show_chart(
        drawing_of(quiz_curves, looks, curves, common_last_value(shuffled)),
        key="quiz_nc1",
        title="NC1 of three runs over epochs",
        alt=sentence,
        reading="One line a run. Low is tight: features of a class lie close to their mean, compared with the "
        "distances of the means. The upper line is the same quantity with labels shuffled. The sentence below "
        "counts all seeds of each run's settings, at the best validation epoch of each.",
        frame=pd.DataFrame(
            [
                {"run": look.name, "epoch": epoch, "nc1": value}
                for look, item in zip(looks, curves, strict=True)
                for epoch, value in zip(item.epochs, item.values, strict=True)
            ]
        ),
    )
    st.markdown(f"{sentence} (*Test f*: the class features of the test images.)")


def _angles(hand: Hand, runs: Sequence[Run], names: Sequence[str]) -> None:
    epochs = [nearest_array_epoch(run, row.epoch) or 0 for run, row in zip(runs, hand.rows, strict=True)]
    records = [
        remembered(class_mean_angles, run, epoch, split="test", space="f", centring="class")
        for run, epoch in zip(runs, epochs, strict=True)
    ]
    sentence = reading_sentence(reading(hand, "angle_min"), names)
    found = [(name, record) for name, record in zip(names, records, strict=True) if record is not None]
    if len(found) == len(names):
        buckets = found[0][1].buckets
        show_matrices(
            [
                AnglePanel(f"{name}<br>smallest {record.summary.minimum:.1f}°", record.angles)
                for name, record in found
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
            "classes by falling training count; lines part head, medium and tail. Epochs: those with "
            "stored arrays nearest to the best validation epoch, "
            f"{', '.join(str(record.epoch + 1) for _, record in found)}. Each matrix, and the "
            "angle above it, is of one seed; the sentence below counts all seeds.",
            frame=pd.DataFrame(
                [
                    {"run": name, "class": label, **dict(zip(record.class_names, row, strict=True))}
                    for name, record in found
                    for label, row in zip(record.class_names, record.angles, strict=True)
                ]
            ),
        )
        sentence = f"The matrices are of one seed each. Over all seeds: {sentence}"
    st.markdown(f"{sentence} (*Centring class*: the mean of the class means is subtracted first.)")


def _buckets(hand: Hand, looks: Sequence[Look]) -> None:
    readings = [reading(hand, quantity) for quantity in BUCKET_READINGS]
    names = [look.name for look in looks]
    sentences = [reading_sentence(reading(hand, quantity), names) for quantity in ("map_tail", "map_total")]
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
        "tail: classes with many, some and few training images. " + " ".join(sentences)
    )


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
    for column, run, epoch, record, name in zip(
        beside("quiz_attention", len(runs)), runs, epochs, records, names, strict=True
    ):
        if record is None:
            continue
        found = remembered(localisation, run, epoch)
        said = "" if found is None else localisation_sentence(found)
        with column:
            st.markdown(f"**{name}**")
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
