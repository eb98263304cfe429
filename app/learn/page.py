"""Learn: what is neural collapse, and why here? Eight steps, each with its own address."""

from importlib import import_module

from app.learn.frame import offer_next, pick_step, show_title

step = pick_step()
show_title(step)
import_module(f"app.learn.step{step.number}").show()
offer_next(step)
