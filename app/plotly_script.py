"""The script of Plotly as the installed package brings it, handed out for what draws with it in the browser."""

from __future__ import annotations

from pathlib import Path

import plotly
from plotly.offline import get_plotlyjs_version
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from streamlit import config

_FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def address() -> str:
    """Return the path of the script on this server; another version has another one."""
    base = str(config.get_option("server.baseUrlPath")).strip("/")
    return f"{'/' if base else ''}{base}/mlcnc/plotly-{get_plotlyjs_version()}.min.js"


def route() -> Route:
    """Return what answers with the script, which browsers keep."""

    async def script(_: Request) -> FileResponse:
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return FileResponse(_FILE, media_type="text/javascript", headers=headers)

    return Route(address(), script)
