"""Learn: what is neural collapse, and why here? Eight steps, each with its own address."""

from importlib import import_module

import streamlit as st

from app.learn.frame import offer_next, pick_step

step = pick_step()
st.title(step.title)
import_module(f"app.learn.step{step.number}").show()
offer_next(step)
