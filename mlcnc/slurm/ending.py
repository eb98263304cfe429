"""How a job stands and how it ended, from what Slurm says and from what the job left beside its log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from mlcnc.slurm.commands import SlurmState
from mlcnc.slurm_request import warned_seconds

Stage = Literal["queued", "running", "ended"]
End = Literal["finished", "stopped", "failed", "lost"]

_WAITS = frozenset(
    ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
)
_RUNS = frozenset(("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"))
_STOPPED = 130
"""Exit status of ``mlcnc`` after a polite stop, which it has recorded in the run."""


@dataclass(frozen=True)
class Traces:
    """What a job left.

    Attributes:
        status: its exit status, see :func:`noted_status`.
        run_state: of the run that it writes; None where it writes none or has not begun it.
        error: the last error in its log.
        last_line: the last line of its log.
    """

    status: int | None = None
    run_state: str | None = None
    error: str = ""
    last_line: str = ""


def stage(found: SlurmState | None) -> Stage:
    """Return whether a job waits, runs or has ended; one that Slurm does not know has ended."""
    if found is None:
        return "ended"
    # a state that a later Slurm invents is no end
    return "queued" if found.word in _WAITS else "running" if found.word in _RUNS else "ended"


def noted_status(log: Path) -> int | None:
    """Return the exit status that the first process of a job left beside its log; None where it left none.

    The number of that process, which comes first, is of another machine and says nothing here.
    """
    try:
        with open(log.with_suffix(".exit"), "rb") as stream:
            status = int(stream.read(100).split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return status if 0 <= status < 256 else None


def ending(found: SlurmState | None, traces: Traces, minutes: int) -> tuple[End, str]:
    """Return how a job ended, and the sentence on it.

    Args:
        found: what Slurm says; None where it has forgotten the job.
        traces: what the job left.
        minutes: its time limit.
    """
    word = "" if found is None else found.word
    if traces.status == 0 or word == "COMPLETED":
        return "finished", traces.last_line or "finished"
    if word in _OF_SLURM and traces.status in (None, _STOPPED):
        state, sentence = _OF_SLURM[word]
        return state, sentence.format(
            minutes=minutes, nodes="" if found is None else f" {found.nodes}".rstrip()
        )
    if traces.status == _STOPPED and found is not None and _is_out_of_time(found, minutes):
        return "stopped", f"stopped shortly before its time limit of {minutes} minutes"
    if traces.status == _STOPPED:
        return "stopped", traces.error or "stopped from outside"
    if traces.status is not None or word == "FAILED":
        status = "" if traces.status is None else f" with exit status {traces.status}"
        return "failed", traces.error or f"ended{status} and said nothing; see its log"
    if traces.run_state == "finished":
        return "finished", traces.last_line or "finished"
    if traces.run_state == "stopped":
        return "stopped", traces.error or "stopped from outside"
    if traces.run_state == "failed":
        return "failed", traces.error or "failed; see its log"
    how = f"Slurm calls it {word}" if word else "Slurm does not know it any more and nobody saw how it ended"
    return "lost", how


def _is_out_of_time(found: SlurmState, minutes: int) -> bool:
    """Return whether a job ended when the warning before its time limit comes."""
    if found.started is None or found.ended is None:
        return False
    ran = datetime.fromisoformat(found.ended) - datetime.fromisoformat(found.started)
    # Slurm may send the signal a minute earlier than it is asked to
    return ran.total_seconds() >= 60 * minutes - warned_seconds(minutes) - 60


_OF_SLURM: dict[str, tuple[End, str]] = {
    "CANCELLED": ("stopped", "cancelled in Slurm"),
    "TIMEOUT": ("stopped", "stopped at its time limit of {minutes} minutes"),
    "DEADLINE": ("stopped", "stopped by Slurm at its deadline"),
    "PREEMPTED": ("stopped", "its nodes were taken for a job of more weight"),
    "OUT_OF_MEMORY": (
        "failed",
        "ended by Slurm, as it took more memory than it was given; ask for more, e.g. by SBATCH_MEM_PER_CPU",
    ),
    "NODE_FAIL": ("lost", "its node{nodes} failed"),
    "BOOT_FAIL": ("lost", "its node{nodes} did not start"),
}
