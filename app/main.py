"""The server and the script: ``streamlit run app/main.py [-- --runs FOLDER --data-root DIR]``."""

import sys
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

# streamlit puts the script's own folder on the path, and an app.py of somebody else may be on it
PROJECT = str(Path(__file__).resolve().parent.parent)
if sys.path[0] != PROJECT:
    sys.path.insert(0, PROJECT)

if __name__ == "__main__":  # at every visit
    from app.navigation import show

    show()
else:  # once, by the server
    from app import plotly_script
    from app.guard import Guard, keep_protections
    from app.opened_browser import opened_browser

    keep_protections()
    routes = [plotly_script.route()]
    server = st.App(__file__, routes=routes, middleware=[Middleware(Guard)], lifespan=opened_browser)
