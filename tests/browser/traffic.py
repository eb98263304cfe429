"""What the server sends to a page, drawing by drawing."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import NamedTuple

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


class Frame(NamedTuple):
    """One message of the server.

    ``begins`` is True on the first message of a drawing; ``ends`` is "page" or "fragment" on the last message of
    a drawing of the whole page or of a part alone, else empty.
    """

    moment: float
    size: int
    begins: bool = False
    ends: str = ""


_ENDS = {
    ForwardMsg.FINISHED_SUCCESSFULLY: "page",
    ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY: "fragment",
}


@contextmanager
def traffic(page):
    """Collect a frame for every message that the server sends; listen before the page opens."""
    frames = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda sent: frames.append(_frame(sent))))
    yield frames


def _frame(sent):
    message = ForwardMsg()
    message.ParseFromString(sent if isinstance(sent, bytes) else sent.encode())
    kind = message.WhichOneof("type")
    ends = _ENDS.get(message.script_finished, "other") if kind == "script_finished" else ""
    return Frame(time.monotonic(), len(sent), kind == "new_session", ends)


def ticks(frames, since=0.0, until=float("inf"), of="fragment"):
    """Return the bytes of every drawing that ended in the time: of a part alone, or of the whole page."""
    sizes, size = [], 0
    for frame in frames:
        size = frame.size if frame.begins else size + frame.size
        if frame.ends:
            if frame.ends == of and since <= frame.moment <= until:
                sizes.append(size)
            size = 0
    return sizes
