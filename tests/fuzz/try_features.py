"""Run ``mlcnc analyze`` on files of the corpus, each in a fork of one warm process: ``python -m ... FOLDER [STEP]``.

With a step only every so many of them. Prints one JSON line a file: what came out, and the memory it took.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import safetensors.torch  # noqa: F401, loaded before the forks, as the next two

import mlcnc.analysis.user_files.feature_file
import mlcnc.analysis.user_files.features  # noqa: F401
from mlcnc.cli import main
from tests.fuzz.hostile_features import cases
from tests.fuzz.watch import limit_memory

SECONDS = 30


def tried(path: Path) -> dict[str, object]:
    """Return exit status (a signal is negative), output, memory in MB and seconds of one file."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        child = os.fork()
        if child == 0:
            status = 70
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(told.fileno(), 2)
                warnings.simplefilter("always")  # a user sees them
                resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
                # keeps the machine alive; that far less is taken is what the test asks
                limit_memory(4 * 2**30)
                status = main(["analyze", str(path), "--no-run"])
            except BaseException:
                sys.excepthook(*sys.exc_info())
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        _, ended, usage = os.wait4(child, 0)
        out.seek(0)
        told.seek(0)
        return {
            "status": os.waitstatus_to_exitcode(ended),
            "out": out.read().decode("utf-8", "surrogateescape"),
            "err": told.read().decode("utf-8", "surrogateescape"),
            "megabytes": usage.ru_maxrss / 1024,
            "seconds": usage.ru_utime + usage.ru_stime,
        }


def run(folder: Path, step: int) -> None:
    """Try the files, each in a folder of its own."""
    for index, (name, expected, write) in enumerate(cases()):
        if index % step == 0:
            place = folder / str(index)
            place.mkdir()
            write(place / name)
            print(json.dumps({"name": name, "expected": expected, **tried(place / name)}), flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]), int((*sys.argv[2:], "1")[0]))
