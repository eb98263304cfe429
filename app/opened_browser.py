"""The browser that opens when the server is up, which Streamlit leaves to an app that brings its own server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from streamlit import cli_util, config
from streamlit.web.server import server_util


@asynccontextmanager
async def opened_browser(_server: st.App) -> AsyncIterator[dict[str, Any]]:
    """Open the dashboard unless the server is headless, as it is where there is no screen."""
    if not config.get_option("server.headless"):
        address = server_util.get_display_address(config.get_option("server.address") or "localhost")
        cli_util.open_browser(server_util.get_url(address))
    yield {}
