"""A button that copies the address of the page, which holds every choice made on it, and the runs it shows."""

from __future__ import annotations

import streamlit as st

from app.session import RUNS_KEY

_BUTTON = st.components.v2.component(
    "mlcnc_copy_link",
    html="""<button type="button" part="button">Copy link to this view</button>
<span role="status" aria-live="polite"></span>""",
    css="""
button { font: inherit; font-size: 0.875rem; cursor: pointer; padding: 0.25rem 0.75rem;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); }
button:hover, button:focus-visible { color: var(--st-primary-color); border-color: var(--st-primary-color); }
span { font-size: 0.8rem; color: var(--st-text-color); margin-left: 0.5rem; }
""",
    js="""
export default function (component) {
  const { parentElement, data } = component;
  const button = parentElement.querySelector("button");
  const said = parentElement.querySelector("span");
  button.onclick = async () => {
    const view = new URL(window.location.href);
    // runs that nobody picked are those of this folder today, and others tomorrow
    if (!view.searchParams.has(data.key)) {
      for (const run of data.runs) view.searchParams.append(data.key, run);
    }
    const address = view.href;
    try {
      await navigator.clipboard.writeText(address);
      said.textContent = "copied";
    } catch (error) {
      // without permission for the clipboard the address is shown to be copied by hand
      window.prompt("Address of this view", address);
    }
    setTimeout(() => { said.textContent = ""; }, 2000);
  };
}
""",
)


def copy_link() -> None:
    """Draw the button; called after the picker of runs."""
    runs = list(st.session_state.get(RUNS_KEY) or [])
    _BUTTON(key="copy_link", data={"key": RUNS_KEY, "runs": runs})
