"""Three runs to start with one click: a demonstration, a comparison, the full recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import streamlit as st

from app.widgets.job_actions import submit
from mlcnc.analysis.form_fields import changed_settings
from mlcnc.analysis.glove_file import GloveFile
from mlcnc.config import override
from mlcnc.launch import Job, JobRequest
from mlcnc.presets import preset, with_width

COMPARED = ("etf", "trainable", "glove")


def show_presets(refused: bool, glove: GloveFile | None) -> None:
    """Draw the three cards.

    Args:
        refused: launching is off.
        glove: a usable file of GloVe vectors, or None, without which the comparison has two runs.
    """
    demo, comparison, full = st.columns(3)
    with demo:
        _card(
            "One-minute demonstration",
            "One short run with an ETF label embedding. You see its loss, mAP by bucket, NC1 beside shuffled "
            "labels, and the smallest angle beside that of a simplex ETF.",
            "Start the demonstration",
            lambda: [JobRequest(kind="train", preset="demo")],
            lambda queued: f"The demonstration is queued: {queued[0].run_id}.",
            refused,
            primary=True,
        )
    missing = "" if glove else " Without a file of GloVe vectors (below) it queues the first two."
    with comparison:
        _card(
            "Five-minute comparison",
            f"ETF, trainable and GloVe label embeddings, the same recipe, one after the other.{missing}",
            f"Start the {'three' if glove else 'two'} runs",
            lambda: comparison_requests(glove),
            lambda queued: (
                f"Queued {len(queued)} runs: {', '.join(str(job.run_id) for job in queued)}."
                + ("" if glove else " GloVe is left out: no usable file of vectors is named.")
            ),
            refused,
        )
    epochs = preset("pictogram-lt").training.epochs
    with full:
        _card(
            "Full recipe",
            f"The default settings, {epochs} epochs. The recorded runs of this project have the same, but "
            "label embeddings of 300 dimensions.",
            "Start the full run",
            lambda: [JobRequest(kind="train", preset="pictogram-lt")],
            lambda queued: f"The full run is queued: {queued[0].run_id}.",
            refused,
        )


def comparison_requests(glove: GloveFile | None) -> list[JobRequest]:
    """Return one request a label embedding, all with the same recipe and group label.

    Args:
        glove: where it is None, GloVe is left out; else all runs take the dimension of its vectors.
    """
    label = f"comparison {datetime.now(UTC).strftime('%Y-%m-%d %H:%M:%S')}"
    base = preset("comparison")
    recipe = base if glove is None else with_width(base, glove.dim)
    requests = []
    for kind in COMPARED if glove else COMPARED[:2]:
        method = {"label_embedding": kind}
        if kind == "glove" and glove is not None:
            method["glove_path"] = str(glove.path)
        settings = changed_settings(base, override(recipe, {"method": method}))
        requests.append(JobRequest(kind="train", preset="comparison", settings=settings, after=label))
    return requests


def _card(
    title: str,
    text: str,
    label: str,
    requests: Callable[[], Sequence[JobRequest]],
    done: Callable[[Sequence[Job]], str],
    refused: bool,
    primary: bool = False,
) -> None:
    with st.container(border=True, height="stretch", gap="small"):
        st.markdown(f"**{title}**")
        st.markdown(text)
        st.button(
            label,
            icon=":material/play_arrow:",
            type="primary" if primary else "secondary",
            key=f"start_{title}",
            disabled=refused,
            on_click=partial(submit, requests, done),
        )
