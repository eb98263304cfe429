"""What the buttons of the Train page did in this visit: once, however often clicked, and said once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field

import streamlit as st

from app.widgets.job_permission import why_no_launch
from app.widgets.job_words import sentence
from app.widgets.plain_text import plain
from mlcnc.errors import MlcncError

TWICE_SECONDS = 8.0
"""The same asked for again within this time after it was done is the second half of a double click.

A busy server takes the second click seconds after the first."""

_CLICKED = "train_clicked"


@dataclass
class Deed:
    """What was done last of what is done once.

    Attributes:
        asked: what was asked for; the same asked for within a moment is a double click.
        at: when it was done.
        text: what was said of it.
        began: jobs that it began; once they have ended, asking again is no double click.
        lock: held while the next one is done.
    """

    asked: Hashable = None
    at: float = -TWICE_SECONDS
    text: str = ""
    began: tuple[str, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass
class Clicked:
    """What the buttons of this visit did last.

    A plain object with locks. When another click arrives, Streamlit answers it in a second thread at once and
    breaks the first off where it next reads or sets the session's state or the address: a click noted there,
    after it was done, would be forgotten, and its second half done again meanwhile.

    Attributes:
        worked, text: the sentence that is to be shown.
        number: of the sentence, so that the page notices a new one.
        is_drawn: it has been shown.
        by_itself: the page is about to be drawn anew by itself, not because somebody used it.
        queueing, changing: what was queued last, and what was stopped, moved or removed last; a stop does not
            wait for what is just being queued.
        follow, gone: a job that the page shows from now on, and one that it no longer can.
        chosen_at: when somebody last chose the job to show.
    """

    worked: bool = True
    text: str = ""
    number: int = 0
    is_drawn: bool = False
    by_itself: bool = False
    queueing: Deed = field(default_factory=Deed)
    changing: Deed = field(default_factory=Deed)
    follow: str | None = None
    gone: str | None = None
    chosen_at: float = -1.0

    def say(self, worked: bool, text: str) -> None:
        """Set the sentence that the page shows next."""
        self.worked, self.text, self.is_drawn = worked, text, False
        self.number += 1

    def note(self, deed: Deed, asked: Hashable, text: str, began: Sequence[str] = ()) -> None:
        """Note and say what was done; the arguments are those of :class:`Deed`."""
        deed.asked, deed.text, deed.began, deed.at = asked, text, tuple(began), time.monotonic()
        self.say(True, text)

    def is_second_half(self, deed: Deed, asked: Hashable, active: Callable[[], Collection[str]]) -> bool:
        """Return whether the same was done a moment ago, and say so.

        Args:
            deed: what was done last.
            asked: what is asked for.
            active: returns the ids of the jobs that wait or run.
        """
        if asked != deed.asked or time.monotonic() - deed.at > TWICE_SECONDS:
            return False
        if deed.began and not set(deed.began) & set(active()):
            return False
        self.say(True, f"{deed.text} The second click was taken for a double click.")
        return True


def clicked() -> Clicked:
    """Return what the buttons of this visit did last; to be got before anything is done."""
    return st.session_state.setdefault(_CLICKED, Clicked())


def attempt(action: Callable[[], None], last: Clicked, deed: Deed) -> None:
    """Do what a button asks for; a refusal or a known error becomes the sentence at the top of the page.

    Args:
        action: does it and says so; it touches neither the session's state nor the address, where Streamlit
            could break it off.
        last: what the visit did last.
        deed: of ``last``; its lock is held meanwhile.
    """
    with deed.lock:
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
    clicked().by_itself = True
    # the button of a fragment would draw that fragment alone, while lists and badge changed too
    st.rerun()


def show_what_was_done() -> None:
    """Say what the last button did, in passing and wherever the page is scrolled to.

    Why it could not also stands at the top of the page until the page is used again.
    """
    last = clicked()
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
