"""The pages, by the question that they answer, and what stands around each."""

from pathlib import Path

import streamlit as st

from app.address import note_asked, say_unknown_parameters, take_over
from app.timing import timed
from app.train.badge import show_badge
from app.widgets.copy_link import copy_link
from app.widgets.run_picker import forget_gathered, show_picker


def show() -> None:
    """Show the page that the address names."""
    # before the pages, whose own icons a tab would fetch from another machine
    st.set_page_config(page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")
    page = st.navigation(
        {
            "See": [
                st.Page("overview/page.py", title="Overview", icon=":material/table_chart:", default=True),
                st.Page("compare/page.py", title="Compare", icon=":material/bar_chart:", url_path="compare"),
                st.Page("geometry/page.py", title="Geometry", icon=":material/hub:", url_path="geometry"),
                st.Page(
                    "variability/page.py",
                    title="Variability",
                    icon=":material/scatter_plot:",
                    url_path="variability",
                ),
                st.Page("map/page.py", title="Feature map", icon=":material/grain:", url_path="map"),
                st.Page(
                    "images/page.py",
                    title="Images and attention",
                    icon=":material/visibility:",
                    url_path="images",
                ),
            ],
            "Do": [
                st.Page("train/page.py", title="Train", icon=":material/model_training:", url_path="train"),
            ],
            "Understand": [
                st.Page("learn/page.py", title="Learn", icon=":material/school:", url_path="learn"),
            ],
        }
    )
    st.set_page_config(page_title=f"{page.title} - mlcnc")
    st.html(Path(__file__).with_name("readable.css"))
    note_asked(page.url_path)
    take_over()
    try:
        with timed("sidebar"):
            show_picker()
            with st.sidebar:
                show_badge(page.url_path)
                copy_link()
        above = st.empty()
        with timed(page.title):
            page.run()
    finally:
        forget_gathered()
    say_unknown_parameters(above, page.url_path)
