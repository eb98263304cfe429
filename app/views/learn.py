"""Learn: what is neural collapse, and why here? Seven steps, each with its own address."""

from importlib import import_module

import streamlit as st

from app.lessons.frame import offer_next, pick_step

step = pick_step()
st.title(step.title)
import_module(f"app.lessons.step{step.number}").show()
offer_next(step)
