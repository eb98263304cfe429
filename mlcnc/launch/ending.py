"""How a job ended: from its exit status, what it left beside its log, or its run."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path

from mlcnc.errors import StoreError
from mlcnc.files.growing import read_tail
from mlcnc.launch.job import KILLED, UNSEEN, Job, JobState
from mlcnc.launch.request import WRITES_RUN
from mlcnc.store import RunStore
from mlcnc.store.liveness import now

INTERRUPTED = 130
"""Exit status of ``mlcnc`` after a polite stop, which it has recorded in the run."""

NEVER_BEGAN = 256
"""Noted, though no process can end with it, where a worker died before it told its job to begin."""

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b.*")
_TAIL_BYTES = 8_000
_MAX_HEADLINE = 400


def true_state(job: Job, runs_root: Path) -> Job:
    """Return a job as it truly stands now: what nobody runs any more is not called running."""
    if job.state != "running":
        return job
    if not job.is_ours:
        where = job.host or "another machine"
        said = f"began on {where}, where alone its end is known"
        return job.model_copy(update={"state": "lost", "said": said})
    if job.process is not None and job.process.is_alive:
        return job.model_copy(update={"state": "stopping"}) if job.stop is not None else job
    return ended(job, runs_root, None)


def ended(job: Job, runs_root: Path, code: int | None) -> Job:
    """Return a job as it stands after the end of its process.

    Args:
        job: as in the table.
        runs_root: the runs folder.
        code: its exit status, None where nobody waited for it.
    """
    if code is None and job.process is not None:
        code = job.process.exit_code
    # of an end that nobody saw the time is not known
    end = None if code is None else now()
    noted = noted_exit(job.stem.with_suffix(".exit"), job.pid)
    if code is None or noted == NEVER_BEGAN:
        code = noted
    shown = None if code == NEVER_BEGAN else code
    state, said = _by_its_run(job, runs_root) if code is None else _by_its_code(job, code)
    return job.model_copy(update={"state": state, "said": said, "exit_code": shown, "finished_at": end})


def _by_its_code(job: Job, code: int) -> tuple[JobState, str]:
    if code == 0:
        return "finished", last_line(job.log) or "finished"
    if code == NEVER_BEGAN:
        return "failed", "never began, as its worker was killed at that moment; queue it again"
    said = error_line(job.log)
    if job.stop is not None:
        return "stopped", said
    if code == INTERRUPTED:
        return "stopped", said or "stopped from outside"
    if code == -signal.SIGKILL:
        return "lost", KILLED
    if code < 0:
        known = {number.value: number.name for number in signal.Signals}
        named = f"ended by signal {-code} ({known.get(-code, 'unknown')})"
        return "failed", f"{named}: {said}" if said else named
    return "failed", said or f"ended with exit status {code} and said nothing; see its log"


def _by_its_run(job: Job, runs_root: Path) -> tuple[JobState, str]:
    said = error_line(job.log)
    if job.request.kind in WRITES_RUN and job.run_id is not None:
        with suppress(StoreError, OSError, ValueError):
            status = RunStore(runs_root).open(job.run_id).status
            # a run that another process wrote last says nothing about this one
            if status.pid == job.pid and status.state in ("finished", "failed", "stopped"):
                error = f"{status.error.type}: {status.error.message}" if status.error else "failed"
                words = {"finished": last_line(job.log) or "finished", "failed": said or error}
                return status.state, words.get(status.state, said or "stopped from outside")
    if job.stop is not None:
        return "stopped", said
    return ("failed", said) if said and job.request.kind not in WRITES_RUN else ("lost", UNSEEN)


def error_line(path: Path) -> str:
    """Return the last known error or exception in a log without its prefix; empty where there is none."""
    found = ""
    for line in read_tail(path, _TAIL_BYTES).splitlines():
        if line.startswith("mlcnc: "):
            found = line.removeprefix("mlcnc: ")
        elif _EXCEPTION.match(line):
            found = line
    return found[:_MAX_HEADLINE]


def last_line(path: Path) -> str:
    """Return the last line that is not empty; the empty string where there is none."""
    lines = [line.strip() for line in read_tail(path, _TAIL_BYTES).splitlines()]
    return next((line[:_MAX_HEADLINE] for line in reversed(lines) if line), "")


def noted_exit(path: Path, pid: int | None) -> int | None:
    """Return the exit status that ``mlcnc.__main__`` left for its job, None where that process left none."""
    try:
        noted, code = map(int, read_tail(path, 100).split())
    except ValueError:
        return None
    return code if noted == pid and 0 <= code <= NEVER_BEGAN else None
