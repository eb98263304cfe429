"""Jobs beside other jobs: who comes first, who goes on with whose run, who belongs to a group."""

from __future__ import annotations

from collections.abc import Sequence

from app.session import opened_run
from mlcnc.launch import Job

TRAINING = ("train", "resume")
"""Kinds of jobs that write a run's epochs; what is known of a run's training is theirs alone."""


def running_jobs(every: Sequence[Job]) -> list[Job]:
    """Return the jobs that have a process, the newest first."""
    return [job for job in every if job.is_active and job.state != "queued"]


def queued_jobs(every: Sequence[Job]) -> list[Job]:
    """Return the jobs that wait, in the order of the queue; those of other machines, without a place, first."""
    return sorted((job for job in every if job.state == "queued"), key=lambda job: job.place or 0)


def may_resume(job: Job, every: Sequence[Job]) -> bool:
    """Return whether a job was interrupted, has begun its run, and no later job took the run over."""
    is_last = job.request.kind in TRAINING and successor(job, every) is None
    return job.state in ("stopped", "failed", "lost") and is_last and opened_run(job.run_id) is not None


def begun_by(job: Job, every: Sequence[Job]) -> Job | None:
    """Return the job that began the run of a training job, itself or an earlier one; None where it is gone."""
    if job.request.kind not in TRAINING or job.run_id is None:
        return None
    older = [other for other in every if other.run_id == job.run_id and other.created_at <= job.created_at]
    return next((other for other in older if other.request.kind == "train"), None)


def last_training(job: Job, every: Sequence[Job]) -> Job | None:
    """Return the newest training job of the run that a job works on; None where there is none."""
    of_run = (other for other in every if job.run_id is not None and other.run_id == job.run_id)
    return next((other for other in of_run if other.request.kind in TRAINING), None)


def successor(job: Job, every: Sequence[Job]) -> Job | None:
    """Return the next job that is to train the run of a training job, or did; None where there is none."""
    of_run = [other for other in every if other.run_id == job.run_id and other.request.kind in TRAINING]
    places = [place for place, other in enumerate(of_run) if other.job_id == job.job_id]
    return of_run[places[0] - 1] if places and places[0] > 0 else None


def group_of(job: Job, every: Sequence[Job]) -> list[Job]:
    """Return the training jobs of the same group, one a run, oldest first; the job alone without a group."""
    if job.request.after is None:
        return [job]
    found: dict[str, Job] = {}
    for other in sorted(every, key=lambda item: item.created_at):
        if other.request.after == job.request.after and other.run_id is not None:
            found.setdefault(other.run_id, other)
    return list(found.values())
