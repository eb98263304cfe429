"""Train: start, watch, stop and go on with training runs."""

import streamlit as st

from app.session import jobs
from app.train.actions import SHOWN_JOB, after_last_click, followed, say_unknown_job
from app.train.clicks import show_what_was_done, why_no_launch
from app.train.form import is_filled, show_form
from app.train.glove import known_glove, show_glove
from app.train.lists import show_ended, show_queue
from app.train.live import show_live
from app.train.photographs import known_data_root, show_photographs
from app.train.presets import show_presets
from app.widgets.plain_text import plain
from app.widgets.run_picker import MAX_PROBLEMS
from app.widgets.scroll_into_view import scroll_into_view

st.title("Can I see it happen now?")
after_last_click()
refusal = why_no_launch()
refused = refusal is not None
every = jobs().all()
active = [job for job in every if job.is_active]
shown = followed(every)
# boxes for what comes and goes: what stands below keeps its place, and so an open box stays open
with st.container():
    show_what_was_done()
    say_unknown_job(every)
with st.container(key=SHOWN_JOB):
    show_live(every, refused)
scroll_into_view(SHOWN_JOB)
with st.container():
    if refusal is not None:
        st.info(plain(refusal), icon=":material/lock:")
    if any(job is not shown or job.state == "queued" for job in active):
        st.subheader("Running and waiting")
        show_queue(every, shown, refused)
st.subheader("Start", anchor="start")
glove = known_glove(refused)
show_presets(refused, glove)
show_photographs(refused, active)
with st.expander("Own settings", icon=":material/tune:", expanded=is_filled()):
    show_form(refused, None if glove is None else str(glove.path), known_data_root(refused))
show_glove(refused, active)
if len(active) < len(every):
    st.subheader("Ended")
    show_ended(every, shown, refused)
problems = jobs().problems()
for problem in problems[:MAX_PROBLEMS]:
    st.warning(plain(problem), icon=":material/broken_image:")
if len(problems) > MAX_PROBLEMS:
    st.caption(f"{len(problems)} jobs cannot be read; mlcnc jobs list names them all.")
