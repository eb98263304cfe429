"""Runs to start with one click: a demonstration, methods, label embeddings, the full recipe; and the race."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st

from app.session import runs_root
from app.train.actions import queueing_button
from mlcnc.analysis.comparison.bench import entries
from mlcnc.analysis.runs.form_fields import changed_settings
from mlcnc.analysis.user_files.glove_file import GloveFile
from mlcnc.config import ExperimentConfig, override
from mlcnc.launch import Job, JobRequest, command_line
from mlcnc.presets import BENCHES, RACED, bench_config, preset, with_width

COMPARED = ("etf", "trainable", "glove")
ON_THE_CARD = ("mlc_nc", "erm", "db_focal")
"""Methods of one card, each at the learning rate that the recorded race chose for it: at one rate for all, ERM
would be far lower."""

IDLE = "on two idle cores"
"""What the times of the cards were measured on."""

WATCHED_EVERY = 5
"""A run from a card measures at least every so many epochs, for there is a picture at every measured one."""


def watched(config: ExperimentConfig) -> ExperimentConfig:
    """Return the settings with class means stored at every measured epoch, and such epochs often enough.

    A run whose arrays are stored at every epoch, such as the demonstration, has them anyway.
    """
    training = config.training
    if training.arrays_every == 1:
        return config
    more = {"class_arrays": True, "measure_every": min(training.measure_every, WATCHED_EVERY)}
    return override(config, {"training": more})


def show_presets(refused: bool, glove: GloveFile | None) -> None:
    """Draw the cards, and below them the command of the race, which is too long for a click.

    Args:
        refused: launching is off.
        glove: a usable file of GloVe vectors, or None, without which the comparison has two runs.
    """
    demo, methods = st.columns(2)
    comparison, full = st.columns(2)
    with demo:
        _card(
            "One-minute demonstration",
            f"One short run with an ETF label embedding: a minute {IDLE}; a busy machine takes several times "
            "as long. You see its loss, mAP by bucket, NC1 beside shuffled "
            "labels, and the smallest angle beside that of a simplex ETF. Features hardly align with their "
            "label embedding in it: the weight that the paper gives that loss is too small (*Learn*, step 8).",
            "Start the demonstration",
            lambda: [JobRequest(kind="train", preset="demo")],
            lambda queued: f"The demonstration is queued: {queued[0].run_id}.",
            refused,
            primary=True,
        )
    with methods:
        _card(
            "Three methods",
            "MLC-NC, plain ERM and DB-Focal, which leads the recorded race: 40 epochs each, on the same "
            f"images, each at its own learning rate. About three minutes in all, {IDLE}.",
            "Start the three methods",
            method_requests,
            lambda queued: f"Queued {len(queued)} runs: {', '.join(str(job.run_id) for job in queued)}.",
            refused,
        )
    missing = "" if glove else " Without a file of GloVe vectors (below) it queues the first two."
    with comparison:
        _card(
            "Five-minute comparison",
            "ETF, trainable and GloVe label embeddings, the same recipe, one after the other; about five "
            f"minutes {IDLE}.{missing}",
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
            f"The default settings, {epochs} epochs: about a minute {IDLE}. The recorded runs on these scenes "
            "are trained three times as long, with a larger weight of the alignment.",
            "Start the full run",
            full_request,
            lambda queued: f"The full run is queued: {queued[0].run_id}.",
            refused,
        )
    with st.container(border=True, gap="small"):
        st.markdown("**The race of all methods**")
        st.markdown(
            "Every method, learning rates chosen on validation, three seeds: some hundred runs, an "
            "hour and a half or more on two idle cores, so it is a command. Its jobs appear on this page and "
            "its runs on the others; broken off, the same command goes on."
        )
        command = ["mlcnc", "bench", "--dataset", "pictogram-lt", "--runs", str(runs_root())]
        st.code(command_line(command), language="bash", wrap_lines=True)


def full_request() -> list[JobRequest]:
    """Return the request of the full recipe."""
    base = preset("pictogram-lt")
    return [JobRequest(kind="train", preset="pictogram-lt", settings=changed_settings(base, watched(base)))]


def method_requests() -> list[JobRequest]:
    """Return one request a method of the card, all on the bench of pictogram-lt and with one group label."""
    label = f"methods {datetime.now(UTC).strftime('%Y-%m-%d %H:%M:%S')}"
    base = preset(BENCHES["pictogram-lt"])
    requests = []
    for kind in ON_THE_CARD:
        (entry,) = entries([kind], frozen=False)
        config = entry.config(bench_config("pictogram-lt", kind), RACED["pictogram-lt"][kind].rate, 0)
        settings = changed_settings(base, watched(config))
        requests.append(JobRequest(kind="train", preset="bench", settings=settings, after=label))
    return requests


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
        settings = changed_settings(base, watched(override(recipe, {"method": method})))
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
        queueing_button(
            label,
            f"start_{title}",
            requests,
            done,
            icon=":material/play_arrow:",
            type="primary" if primary else "secondary",
            disabled=refused,
        )
