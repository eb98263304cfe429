"""The commands of Slurm that watch and cancel, each with its errors as one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from mlcnc.errors import LaunchError

PATIENCE_SECONDS = 20.0
"""For an answer; a controller that is restarted is silent for some seconds."""

_WORDED_BY = ("SQUEUE_", "SACCT_", "SCANCEL_")
_PREFIX = re.compile(
    r"^(?:sbatch|squeue|scancel|sacct|slurm_\w+): (?:error: |fatal: )?|^slurm_load_jobs error: "
)


@dataclass(frozen=True)
class SlurmState:
    """What Slurm says of a job.

    Attributes:
        word: its state, e.g. ``PENDING``, ``OUT_OF_MEMORY``.
        reason: why it waits, e.g. ``Resources``; ``None`` as Slurm writes it where there is none.
        nodes: where it runs or ran, e.g. ``n[1-2]``; empty before.
        started, ended: in UTC, ISO 8601; None where they are not known. Of what runs, when its limit ends it.
    """

    word: str
    reason: str = ""
    nodes: str = ""
    started: str | None = None
    ended: str | None = None


def is_here() -> bool:
    """Return whether jobs can be given to Slurm from this machine."""
    return not _missing()


def require_here() -> None:
    """Raise LaunchError where jobs cannot be given to Slurm from this machine."""
    if missing := " and no command ".join(_missing()):
        raise LaunchError(
            f"Slurm is not on this machine: there is no command {missing}; queue the job on a machine of the "
            "cluster, or leave --on slurm out"
        )


def _missing() -> list[str]:
    return [name for name in ("sbatch", "srun") if shutil.which(name) is None]


def states(ids: Collection[int]) -> dict[int, SlurmState]:
    """Return by number what Slurm knows of these jobs.

    The controller is asked first: it knows what waits, runs, or ended within minutes (MinJobAge, 300 s as a
    rule). What it has forgotten is in the accounting of those clusters that keep one.

    Raises:
        LaunchError: Slurm is not on this machine or does not answer.
    """
    if not ids:
        return {}
    wanted = ",".join(map(str, sorted(ids)))
    try:
        text = _output(
            ["squeue", "--noheader", "--states=all", f"--jobs={wanted}", "--format=%A|%T|%r|%N|%S|%e"]
        )
    except LaunchError as error:
        # of several unknown numbers squeue leaves each out, of a single one it makes an error
        if "Invalid job id" not in str(error):
            raise
        text = ""
    found = _parsed(text)
    if left := set(ids) - found.keys():
        forgotten = ",".join(map(str, sorted(left)))
        try:
            fields = "--format=JobIDRaw,State,Reason,NodeList,Start,End"
            text = _output(["sacct", "-X", "--noheader", "--parsable2", f"--jobs={forgotten}", fields])
        except LaunchError:
            text = ""  # a cluster without accounting
        found |= {number: state for number, state in _parsed(text).items() if number in left}
    return found


def cancel(number: int) -> None:
    """Ask Slurm to end a job: what waits goes at once; what runs gets SIGTERM, and after KillWait SIGKILL.

    A job that has ended meanwhile is none the worse.

    Raises:
        LaunchError: Slurm refuses or does not answer.
    """
    _output(["scancel", str(number)])


def said(text: str) -> str:
    """Return what a command of Slurm wrote to standard error as one sentence, without the command's name."""
    lines = dict.fromkeys(_PREFIX.sub("", line.strip()) for line in text.splitlines() if line.strip())
    return "; ".join(lines)[:500]


def _output(command: list[str]) -> str:
    # variables of whoever asks may hide jobs of other partitions, or write times in another way
    env = {name: value for name, value in os.environ.items() if not name.startswith(_WORDED_BY)}
    try:
        done = subprocess.run(
            command,
            env=env | {"SLURM_TIME_FORMAT": "standard"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise LaunchError(
            f"Slurm is not on this machine: there is no command {command[0]}; ask on a machine of the cluster"
        ) from None
    except subprocess.TimeoutExpired:
        raise LaunchError(
            f"Slurm does not answer: {command[0]} took over {PATIENCE_SECONDS:.0f} seconds; try again later"
        ) from None
    except OSError as error:
        raise LaunchError(f"{command[0]} cannot be run: {error.strerror or error}") from None
    if done.returncode:
        words = said(done.stderr) or f"it ended with exit status {done.returncode}"
        raise LaunchError(f"{command[0]} of Slurm says: {words}")
    return done.stdout


def _parsed(text: str) -> dict[int, SlurmState]:
    found = {}
    for line in text.splitlines():
        number, *rest = line.strip().split("|")
        if number.isdecimal() and len(rest) == 5 and rest[0]:
            # sacct adds to the state who cancelled, e.g. "CANCELLED by 1000"
            word = rest[0].split()[0].rstrip("+")
            nodes = "" if rest[2] == "None assigned" else rest[2]
            found[int(number)] = SlurmState(word, rest[1], nodes, _utc(rest[3]), _utc(rest[4]))
    return found


def _utc(local: str) -> str | None:
    """Return a time of Slurm, which is local, as runs write it; None for ``N/A`` and such."""
    try:
        return datetime.fromisoformat(local).astimezone(UTC).isoformat(timespec="seconds")
    except ValueError:
        return None
