"""The first chart of Overview against that of an empty Streamlit page with one Plotly chart."""

from __future__ import annotations

import statistics
import time

import pytest

from tests.browser.conftest import FLAGS, chromium_path, serve
from tests.conftest import ROOT

EMPTY_PAGE = """
import plotly.graph_objects as go
import streamlit as st

st.plotly_chart(go.Figure(go.Bar(x=["a", "b"], y=[1, 2])))
"""


def first_chart_seconds(chromium, url):
    context = chromium.new_context()
    page = context.new_page()
    started = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(".js-plotly-plot .main-svg", timeout=60_000)
    elapsed = time.perf_counter() - started
    context.close()
    return elapsed


def test_first_chart(tmp_path, say):
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    (tmp_path / "empty.py").write_text(EMPTY_PAGE)
    ours, our_url = serve(ROOT / "app" / "main.py")
    empty, empty_url = serve(tmp_path / "empty.py")
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
            times = {our_url: [], empty_url: []}
            for url in times:
                first_chart_seconds(chromium, url)
            for _ in range(7):
                for url, measured in times.items():
                    measured.append(first_chart_seconds(chromium, url))
            chromium.close()
    finally:
        ours.terminate()
        empty.terminate()
        ours.wait(timeout=20)
        empty.wait(timeout=20)
    overview, plain = (statistics.median(times[url]) for url in (our_url, empty_url))
    say(
        f"first chart: Overview {overview:.2f} s, empty page with one chart {plain:.2f} s, "
        f"ratio {overview / plain:.2f} (at most 2)"
    )
    assert overview / plain <= 2
