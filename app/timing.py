"""How long page scripts take, for the benchmark of the dashboard."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "MLCNC_TIMING"
"""Where it names a file, every script run appends one JSON line to it; otherwise nothing is kept."""


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Note the seconds that a page or a fragment takes, where ``MLCNC_TIMING`` names a file.

    Beside the seconds on the clock stand those of the processor, which other programs do not lengthen.
    """
    path = os.environ.get(VARIABLE)
    started, used = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        if path:
            spent, used = time.perf_counter() - started, time.thread_time() - used
            line = json.dumps({"name": name, "seconds": spent, "processor_seconds": used})
            with Path(path).open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
