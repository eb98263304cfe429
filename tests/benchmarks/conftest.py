"""Ratios measured in one run; collected only when asked for: ``pytest tests/benchmarks``."""

from __future__ import annotations

import statistics
import time

import pytest


def seconds(work, repeats=5):
    """Return the median time of ``work`` after one unmeasured call."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


@pytest.fixture
def say(capsys):
    """Print past pytest's capture, so that the figures are seen without -s."""

    def speak(text):
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    return speak
