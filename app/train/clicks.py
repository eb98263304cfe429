"""What the buttons of Train may do, and did in this visit: once, however often clicked, and said once."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import streamlit as st

from app.guard import is_loopback
from app.train.jobs import sentence
from app.widgets.plain_text import plain
from mlcnc.errors import MlcncError

ALLOW_VARIABLE = "MLCNC_ALLOW_REMOTE_LAUNCH"
"""Set to 1, it lets the page start processes on a server that other machines can reach."""

_CLICKED = "train_clicked"


@dataclass
class LastAction:
    """What the buttons of this visit did last.

    A plain object with locks. When another click arrives, Streamlit answers it in a second thread at once and
    breaks the first off where it next reads or sets the session's state or the address: a click noted there,
    after it was done, would be forgotten.

    Attributes:
        worked, text: the sentence that is to be shown.
        number: of the sentence, so that the page notices a new one.
        is_drawn: it has been shown.
        by_itself: the page is about to be drawn anew by itself, not because somebody used it.
        queueing, changing: held while something is queued, and while something is stopped, moved or removed; a
            stop does not wait for what is just being queued.
        follow, gone: a job that the page shows from now on, and one that it no longer can.
        chosen_at: when somebody last chose the job to show.
        tokens: of the buttons that queue something, by their names.
    """

    worked: bool = True
    text: str = ""
    number: int = 0
    is_drawn: bool = False
    by_itself: bool = False
    queueing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    changing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    follow: str | None = None
    gone: str | None = None
    chosen_at: float = -1.0
    tokens: dict[str, str] = field(default_factory=dict)

    def say(self, worked: bool, text: str) -> None:
        """Set the sentence that the page shows next."""
        self.worked, self.text, self.is_drawn = worked, text, False
        self.number += 1

    def token(self, name: str) -> str:
        """Return the token of a button as it is drawn; the queue takes each token once.

        It is part of the button's key and stays until it was used: the second half of a double click carries
        that of the first, whatever is drawn meanwhile.
        """
        return self.tokens.setdefault(name, secrets.token_hex(8))


def last_action() -> LastAction:
    """Return what the buttons of this visit did last; to be got before anything is done."""
    return st.session_state.setdefault(_CLICKED, LastAction())


def why_no_launch() -> str | None:
    """Return why nothing may be started from the page and how to change it; None where it may."""
    if os.environ.get(ALLOW_VARIABLE) == "1":
        return None
    address = st.get_option("server.address")
    if is_loopback(address):
        return None
    return (
        "Starting, stopping and changing jobs is off, because this server can be reached from other machines: "
        f"it is bound to {address or 'all addresses'}. Bind it to this machine alone (server.address = "
        f'"127.0.0.1"), or set {ALLOW_VARIABLE}=1 where everybody who can open the page may use this machine. '
        "What runs is shown either way, and mlcnc jobs does the same in a terminal."
    )


def attempt(action: Callable[[], None], last: LastAction, alone: threading.Lock) -> None:
    """Do what a button asks for; a refusal or a known error becomes the sentence at the top of the page.

    Args:
        action: does it and says so; it touches neither the session's state nor the address, where Streamlit
            could break it off.
        last: what the visit did last.
        alone: of ``last``; held meanwhile.
    """
    with alone:
        refused = why_no_launch()
        if refused is not None:
            last.say(False, refused)
        else:
            try:
                action()
            except MlcncError as error:
                last.say(False, sentence(str(error)))
            except OSError as error:
                last.say(False, f"Nothing was changed: {error.strerror or error}.")
    draw_anew()


def draw_anew() -> None:
    """Draw the whole page anew for what changed by itself; what could not be done stays said."""
    last_action().by_itself = True
    # the button of a fragment would draw that fragment alone, while lists and badge changed too
    st.rerun()


def show_what_was_done() -> None:
    """Say what the last button did, in passing and wherever the page is scrolled to.

    Why it could not also stands at the top of the page until the page is used again.
    """
    last = last_action()
    by_itself, last.by_itself = last.by_itself, False
    if last.is_drawn and not by_itself:
        last.text = ""
    if not last.text:
        return
    if not last.worked:
        st.error(plain(last.text))
    if not last.is_drawn:
        icon = ":material/check:" if last.worked else ":material/error:"
        st.toast(plain(last.text), icon=icon, duration="long")
    # broken off before this, it is still to be said
    last.is_drawn = True
    if last.worked:
        last.text = ""
