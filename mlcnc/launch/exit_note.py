"""How a job's command ended, left beside it: who adopted the job cannot wait for its exit status."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from mlcnc.launch.processes import JOB_VARIABLE
from mlcnc.launch.regular_file import open_to_append, read_end

FILE_NAME = "exit.json"


def note_exit(code: int) -> int:
    """Return ``code``; where this process belongs to a job, leave it in exit.json of the job's folder first."""
    folder = os.environ.get(JOB_VARIABLE)
    if folder:
        note = json.dumps({"pid": os.getpid(), "exit_code": code})
        # where it cannot be written, the job's end is told from its run and its log
        with suppress(OSError), open(open_to_append(Path(folder, FILE_NAME)), "ab") as stream:
            stream.truncate(0)
            stream.write(note.encode())
    return code


def noted_exit(folder: Path, pid: int | None) -> int | None:
    """Return the exit status that the job's own process left, None where it left none."""
    try:
        tree = json.loads(read_end(folder / FILE_NAME, 1000)[0])
        return int(tree["exit_code"]) if tree["pid"] == pid and pid is not None else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
