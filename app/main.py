"""Declares the pages: ``streamlit run app/main.py [-- --runs FOLDER --data-root DIR]``."""

import sys
from pathlib import Path

import streamlit as st

# streamlit puts the script's own folder on the path, not the project's
PROJECT = str(Path(__file__).resolve().parent.parent)
if PROJECT not in sys.path:
    sys.path.insert(0, PROJECT)

from app.timing import timed
from app.widgets.asked_view import note_asked, say_what_is_missing
from app.widgets.copy_link import copy_link
from app.widgets.job_badge import show_badge
from app.widgets.page_links import take_over
from app.widgets.run_picker import show_picker

st.set_page_config(page_title="mlcnc", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")
page = st.navigation(
    {
        "See": [
            st.Page("views/overview.py", title="Overview", icon=":material/table_chart:", default=True),
            st.Page("views/compare.py", title="Compare", icon=":material/bar_chart:", url_path="compare"),
            st.Page("views/geometry.py", title="Geometry", icon=":material/hub:", url_path="geometry"),
            st.Page(
                "views/variability.py",
                title="Variability",
                icon=":material/scatter_plot:",
                url_path="variability",
            ),
            st.Page("views/map.py", title="Feature map", icon=":material/grain:", url_path="map"),
            st.Page(
                "views/images.py", title="Images and attention", icon=":material/visibility:", url_path="images"
            ),
        ],
        "Do": [
            st.Page("views/train.py", title="Train", icon=":material/model_training:", url_path="train"),
        ],
        "Understand": [
            st.Page("views/learn.py", title="Learn", icon=":material/school:", url_path="learn"),
        ],
    }
)
note_asked(page.url_path)
take_over()
with timed("sidebar"):
    show_picker()
    with st.sidebar:
        show_badge(page.url_path)
        copy_link()
above = st.empty()
with timed(page.title):
    page.run()
say_what_is_missing(above, page.url_path)
