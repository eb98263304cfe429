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
    """Note the seconds that a page or a fragment takes, where ``MLCNC_TIMING`` names a file."""
    path = os.environ.get(VARIABLE)
    started = time.perf_counter()
    try:
        yield
    finally:
        if path:
            line = json.dumps({"name": name, "seconds": time.perf_counter() - started})
            with Path(path).open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
