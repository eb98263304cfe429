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
    is_training = job.request.kind in TRAINING and not has_successor(job, every)
    return job.state in ("stopped", "failed", "lost") and is_training and opened_run(job.run_id) is not None


def has_successor(job: Job, every: Sequence[Job]) -> bool:
    """Return whether a later job trains the run of a job of training."""
    of_run = [other for other in every if other.run_id == job.run_id and other.request.kind in TRAINING]
    return job.request.kind in TRAINING and bool(of_run) and of_run[0].job_id != job.job_id


def group_of(job: Job, every: Sequence[Job]) -> list[Job]:
    """Return the training jobs of the same group, one a run, oldest first; the job alone without a group."""
    if job.request.after is None:
        return [job]
    found: dict[str, Job] = {}
    for other in sorted(every, key=lambda item: item.created_at):
        if other.request.after == job.request.after and other.run_id is not None:
            found.setdefault(other.run_id, other)
    return list(found.values())
