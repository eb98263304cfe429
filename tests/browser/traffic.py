"""What the server sends to a page, message by message."""

from __future__ import annotations

import time
from contextlib import contextmanager

QUIET_SECONDS = 0.7
"""Messages closer than this belong to one drawing; ticks are two seconds apart."""


@contextmanager
def traffic(page):
    """Collect (time, bytes) of every message that the server sends; listen before the page opens."""
    frames = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append((time.monotonic(), len(frame)))),
    )
    yield frames


def ticks(frames, since=0.0, until=float("inf")):
    """Return the bytes of every drawing: of messages that follow each other closely."""
    sizes, last = [], None
    for moment, size in frames:
        if not since <= moment <= until:
            continue
        if last is None or moment - last > QUIET_SECONDS:
            sizes.append(0)
        sizes[-1] += size
        last = moment
    return sizes
