"""The job that is followed: how far it is, its curves, what it uses and its log, drawn anew while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import streamlit as st

from app.figures.live_curves import HEIGHT, LIVE_PANELS, live_spec, live_table, live_title
from app.session import jobs, number_of_runs, opened_run
from app.timing import timed
from app.train.actions import (
    follow,
    followed,
    queueing_button,
    resume,
    show_way_to,
    stop,
)
from app.train.clicks import draw_anew, last_action
from app.train.jobs import TRAINING, group_of, job_name, last_training, may_resume, state_badge, waiting_words
from app.train.log import last_words, show_log
from app.train.picture import keep_room, show_picture
from app.train.use import show_progress, show_use
from app.widgets.plain_text import plain
from mlcnc.analysis.curves.live import (
    LiveCurves,
    Progress,
    collapse_sentence,
    live_curves,
    progress,
)
from mlcnc.launch import Job, JobRequest
from mlcnc.store import Run

TICK_SECONDS = 2.0
IDLE_TICK_SECONDS = 10.0
"""While nothing runs: a job may be started in a terminal or in another tab."""

_SEEN = "jobs_seen"


def show_live(every: Sequence[Job], refused: bool) -> None:
    """Draw the followed job, again and again: quickly while anything is under way, slowly else.

    Args:
        every: all jobs as they stand now.
        refused: launching is off, so that nothing can be stopped from here.
    """
    changing = any(job.is_active for job in every)
    st.session_state[_SEEN] = _signature(every)
    every_seconds = TICK_SECONDS if changing else IDLE_TICK_SECONDS
    st.fragment(_live, run_every=every_seconds)(refused)
    # by themselves, so that what is sent at once stays small
    st.fragment(_curves, run_every=every_seconds)()


def _live(refused: bool) -> None:
    with timed("live"):
        every = jobs().all()
        if _signature(every) != st.session_state.get(_SEEN):
            # lists, form, badge and timer stand outside
            draw_anew()
        job, run, curves, how_far = _as_it_stands(every)
        if job is None:
            st.markdown(
                "Nothing was started from here yet. The one-minute demonstration needs no GPU, no data set "
                "and no network."
            )
            return
        st.markdown(answer(job, every, curves, how_far))
        _show_head(job, every, refused, curves is not None and curves.num_logged > 0)
        # one box whatever it holds, so that the charts below keep their place and are not built anew
        with st.container():
            if job.state == "failed" and job.headline:
                st.error(plain(job.headline), icon=":material/error:")
            elif job.state in ("lost", "stopped") and job.headline:
                st.warning(plain(job.headline))
            if how_far is not None and job.state != "queued":
                show_progress(job, how_far)
            elif _is_beginning(job):
                st.progress(0.0, text=f"it begins{last_words(job)}")
        with st.container():
            if run is not None and curves is not None and curves.num_logged:
                if curves.space is not None:
                    show_picture(run, curves.space.name, changing=job.is_active)
            elif _is_beginning(job) and (run is None or run.spaces):
                keep_room()
        with st.container():
            show_use(job, run, curves, how_far)


def _curves() -> None:
    with timed("live curves"):
        job, _, curves, how_far = _as_it_stands(jobs().all())
        if job is None:
            return
        # a box: the log below keeps its place, and so stays open, when the first curves come
        with st.container():
            if curves is not None and curves.num_logged:
                _show_curves(curves, None if how_far is None else how_far.num_epochs)
            elif _is_beginning(job):
                _keep_room(curves)
            elif job.is_active and job.request.kind in TRAINING:
                st.caption("Curves begin with the first logged epoch.")
        show_log(job)


def _as_it_stands(
    every: Sequence[Job],
) -> tuple[Job | None, Run | None, LiveCurves | None, Progress | None]:
    """Return the followed job, its run, the curves of it and how far it is."""
    job = followed(every)
    # of another kind of job, what its run's training wrote says nothing
    run = opened_run(job.run_id) if job is not None and job.request.kind in TRAINING else None
    curves = None if run is None else kept_curves(run)
    how_far = None if run is None or curves is None else progress(curves, run.status)
    return job, run, curves, how_far


def answer(job: Job, every: Sequence[Job], curves: LiveCurves | None, how_far: Progress | None) -> str:
    """Return the page's answer in one sentence or two."""
    name = plain(job_name(job))
    fell = "" if curves is None else plain(curves.way or collapse_sentence(curves))
    if job.state == "queued":
        # one of another machine has no place here, and says so
        if not job.place:
            return f"{name} is {plain(job.headline)}."
        reason = f": {plain(job.headline)}" if job.headline else ""
        return f"{name} waits at place {job.place} of the queue{reason}."
    if job.is_active:
        where = ""
        if how_far is not None and how_far.num_epochs:
            where = f", {how_far.num_logged} of {how_far.num_epochs} epochs logged"
        verb = "is stopping" if job.state == "stopping" else "is running"
        return f"Yes: {name} {verb}{where}{waiting_words(every)}. {fell}".strip()
    others = sum(other.is_active for other in every)
    now = f"{others} {'job is' if others == 1 else 'jobs are'} active" if others else "Nothing runs now"
    epochs = f" with {curves.num_logged} logged epochs" if curves is not None and curves.num_logged else ""
    ended = {"finished": "finished", "stopped": "was stopped", "failed": "failed", "lost": "was lost"}
    return f"{now}. {name} {ended.get(job.state, job.state)}{epochs}. {fell}".strip()


def kept_curves(run: Run) -> LiveCurves:
    """Return the curves of a run, read again only when its metrics changed."""
    watched = ("run.json", "metrics.jsonl")
    parts = tuple(part for part in run.identity() if len(part) == 1 or part[0] in watched)
    return _kept_curves(str(run.folder), parts)


@lru_cache(maxsize=16)
def _kept_curves(folder: str, identity: tuple[tuple[str | int, ...], ...]) -> LiveCurves:
    return live_curves(Run(Path(folder)))


def _signature(every: Sequence[Job]) -> tuple[object, ...]:
    """Return what the parts of the page that have no timer show."""
    shown = [
        (job.job_id, job.state, job.place, job.is_unattended, job.headline if job.place else "")
        for job in every
    ]
    # a job is running before its run is there to be counted in the sidebar
    return (*shown, last_action().number, number_of_runs())


def _show_head(job: Job, every: Sequence[Job], refused: bool, has_epochs: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"{plain(job_name(job))} {state_badge(job.state)}", anchor=False, width="content")
        if job.device and job.state != "queued":
            # it stays where it is when the job has ended, so that a second click does not resume it
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                key="stop_followed",
                disabled=refused or job.state != "running",
                on_click=partial(stop, job.job_id),
                help="Saves what it has, then ends; it can be resumed.",
            )
        if job.is_active:
            # the buttons for another run are below the charts
            st.markdown("[Start another](#start)", width="content")
        if job.run_id and job.request.kind in TRAINING and job.state not in ("running", "stopping"):
            _show_ways_on(job, every, refused, has_epochs)
        elif job.run_id and not job.is_active:
            if job.request.kind == "layout" and job.state == "finished":
                show_way_to("map", [job.run_id], "Open in Feature map", ":material/grain:")
            run = opened_run(job.run_id)
            _show_ways_on(job, every, refused, run is not None and run.status.epoch is not None)
        training = last_training(job, every)
        if training is not None and job.request.kind not in TRAINING:
            st.button(
                "Show its training",
                icon=":material/show_chart:",
                key="show_training",
                on_click=partial(_follow_now, training.job_id),
                help="Back to the curves of this run.",
            )


def _follow_now(job_id: str) -> None:
    follow(job_id)
    # lists mark the job that is shown
    draw_anew()


def _show_ways_on(job: Job, every: Sequence[Job], refused: bool, has_epochs: bool) -> None:
    run_id = str(job.run_id)
    if (run := opened_run(run_id)) is None:
        return
    if may_resume(job, every):
        st.button(
            "Resume",
            icon=":material/resume:",
            key="resume_followed",
            disabled=refused,
            on_click=partial(resume, job),
            help="Goes on with the epoch after the last one that was saved.",
        )
    group = group_of(job, every)
    ids = [str(other.run_id) for other in group if opened_run(other.run_id) is not None]
    if len(ids) > 1:
        still = " so far" if any(other.is_active for other in group) else ""
        show_way_to("compare", ids, f"Compare the {len(ids)} runs{still}", ":material/bar_chart:")
    if not has_epochs:
        return
    show_way_to("geometry", [run_id], "Open in Geometry", ":material/hub:")
    if run.spaces:
        queueing_button(
            "Place its samples (UMAP)",
            "layout_followed",
            lambda: [JobRequest(kind="layout", run_id=run_id)],
            lambda queued: f"Queued a layout of {queued[0].run_id}.",
            icon=":material/grain:",
            disabled=refused or job.is_active,
            help="Computes a layout for the feature map, as a job of its own; about half a minute.",
        )
    queueing_button(
        "Evaluate",
        "evaluate_followed",
        lambda: [JobRequest(kind="evaluate", run_id=run_id)],
        lambda queued: f"Queued an evaluation of {queued[0].run_id}; its log will hold the numbers.",
        icon=":material/straighten:",
        disabled=refused or any(other.run_id == run_id and other.is_active for other in every),
        help="Measures the last checkpoint again, as a job of its own; the run is not changed.",
    )


def _is_beginning(job: Job) -> bool:
    return job.is_active and job.state != "queued" and job.request.kind in TRAINING


def _keep_room(curves: LiveCurves | None) -> None:
    """Draw the frames of the curves, so that nothing below is pushed down when they come."""
    aligned = curves is None or curves.space is not None
    with _grid():
        for panel in LIVE_PANELS:
            if panel == "alignment" and not aligned:
                continue
            with st.container():
                st.markdown(f"**{plain(live_title(panel, curves))}**")
                with st.container(height=HEIGHT, border=True):
                    st.caption("Begins with the first logged epoch.")


def _show_curves(curves: LiveCurves, num_epochs: int | None) -> None:
    with _grid():
        for panel in [panel for panel in LIVE_PANELS if curves.panels[panel].lines]:
            title = live_title(panel, curves)
            with st.container():
                st.markdown(f"**{plain(title)}**")
                st.vega_lite_chart(
                    live_table(curves, panel),
                    live_spec(curves, panel, num_epochs),
                    key=f"live_{panel}_{curves.run_id}",
                    height=HEIGHT,
                    alt=f"{title} over the logged epochs",
                )
    if curves.space is None:
        st.caption("This run measures no features, so that there is neither NC1 nor an angle between classes.")
    elif curves.way:
        st.caption(plain(collapse_sentence(curves)))


def _grid() -> st.delta_generator.DeltaGenerator:
    return st.grid(2, min_column_width=300, key="live_curves")
