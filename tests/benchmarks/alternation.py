"""Two pieces of work in turn, so that whatever else the machine does meets both alike."""

from __future__ import annotations

import ctypes
import time
from typing import NamedTuple

import pytest
import torch


class Times(NamedTuple):
    """Seconds of one piece of work, round by round: on the clock and of the processor."""

    wall: list[float]
    processor: list[float]

    def over(self, other):
        """Return the ratio of the least processor times: what others on the machine do only ever adds."""
        return min(self.processor) / min(other.processor)


@pytest.fixture
def steady():
    """One thread, and freed memory kept.

    Two threads on a machine that does something else wait for each other. And the C library gives memory back
    after one piece of work or the other, by chance: fetching it again is a tenth of a step.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(-4, 0)  # M_MMAP_MAX
        library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
    yield
    torch.set_num_threads(before)


def alternate(works, rounds):
    """Return the times of each work, its order changing every round; the first round is not counted."""
    times = [Times([], []) for _ in works]
    numbers = list(range(len(works)))
    for turn in range(rounds + 1):
        for which in numbers if turn % 2 else reversed(numbers):
            started, used = time.perf_counter(), time.process_time()
            works[which]()
            if turn:
                times[which].wall.append(time.perf_counter() - started)
                times[which].processor.append(time.process_time() - used)
    return times
