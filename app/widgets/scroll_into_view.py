"""Bring a part of the page into view after something was opened there from elsewhere on the page."""

from __future__ import annotations

import streamlit as st

_TURN = "scroll_turn_"

_SCROLL = st.components.v2.component(
    "mlcnc_scroll_into_view",
    js="""
const SETTLES_MS = 1500;

export default function (component) {
  const { data } = component;
  window.mlcncScrolled ??= {};
  if (data.turn <= (window.mlcncScrolled[data.target] ?? 0)) return;
  window.mlcncScrolled[data.target] = data.turn;
  const started = performance.now();
  let stopped = false;
  const stop = () => { stopped = true; };
  window.addEventListener("wheel", stop, { once: true, passive: true });
  window.addEventListener("touchmove", stop, { once: true, passive: true });
  // what lies below is still arriving, and the page grows; the reader's own scrolling wins
  const look = () => {
    const target = document.querySelector(`.st-key-${CSS.escape(data.target)}`);
    const top = target?.getBoundingClientRect().top;
    if (!stopped && top !== undefined && Math.abs(top - 70) > 8) {
      target.style.scrollMarginTop = "70px";
      target.scrollIntoView({ block: "start" });
    }
    if (!stopped && performance.now() - started < SETTLES_MS) setTimeout(look, 100);
    else {
      const heading = target?.querySelector("h1, h2, h3");
      if (heading && !stopped) { heading.tabIndex = -1; heading.focus({ preventScroll: true }); }
    }
  };
  look();
}
""",
)


def ask_to_scroll(target: str) -> None:
    """Bring a container into view with the run that follows; in a callback or before ``scroll_into_view``.

    Args:
        target: key of the container.
    """
    st.session_state[_TURN + target] = st.session_state.get(_TURN + target, 0) + 1


def scroll_into_view(target: str) -> None:
    """Do what ``ask_to_scroll`` asked for, once; called after the container of that key."""
    _SCROLL(key=f"scroll_to_{target}", data={"target": target, "turn": st.session_state.get(_TURN + target, 0)})
