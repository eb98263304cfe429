"""Learn: what is neural collapse, and why here? Seven steps, each with its own address."""

from importlib import import_module
from importlib.util import find_spec

import streamlit as st

from app.lessons.frame import offer_next, pick_step

step = pick_step()
st.title(step.title)
module = f"app.lessons.step{step.number}"
if find_spec(module) is None:
    st.info("This step is being written; go on with the next one.")
else:
    import_module(module).show()
offer_next(step)
