"""Reports and downloaded charts, opened from the disk as their readers do."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from app.report.command import report_page
from mlcnc.store import RunStore
from tests.app.conftest import write_run
from tests.browser.conftest import drawn

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def watched(browser):
    """A page that fails its test on an error, a dialog, or any request but for the file itself."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    opened = context.new_page()
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
    opened.on("dialog", lambda dialog: problems.append(dialog.message))
    wanted = ("file:", "data:", "blob:")
    opened.on("request", lambda asked: None if asked.url.startswith(wanted) else problems.append(asked.url))
    yield opened
    context.close()
    assert not problems


def brightness(page, selector):
    """Return the mean grey value of an element as drawn, 0 black to 255 white."""
    picture = Image.open(io.BytesIO(page.locator(selector).first.screenshot()))
    return float(np.asarray(picture.convert("L")).mean())


def ink(page, selector):
    return page.locator(selector).first.evaluate("node => getComputedStyle(node).fill")


def test_a_report_opens_offline_in_light_in_dark_and_on_paper(watched, tmp_path):
    for run_id, embedding in (("one", "etf"), ("two", "trainable")):
        write_run(
            tmp_path / "runs", run_id, embedding=embedding, classes=[HOSTILE, "b", "c", "d", "e"]
        ).finish()
    page = report_page(list(RunStore(tmp_path / "runs").scan()), written_at=datetime(2026, 1, 1, tzinfo=UTC))
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    watched.emulate_media(color_scheme="light")
    watched.goto((tmp_path / "report.html").as_uri())
    drawn(watched)
    charts = watched.locator(".chart")
    assert charts.count() == watched.locator(".js-plotly-plot").count() > 8
    assert watched.locator(".chart .main-svg").count() >= charts.count()
    # the name is read as it is, also where Plotly draws it
    assert watched.locator("svg text", has_text=HOSTILE).count() >= 1
    light, dark_ink = brightness(watched, ".chart"), ink(watched, ".chart .xtick text")
    watched.emulate_media(color_scheme="dark")
    watched.wait_for_function(
        "old => getComputedStyle(document.querySelector('.chart .xtick text')).fill !== old", arg=dark_ink
    )
    assert brightness(watched, ".chart") < light - 80
    assert dark_ink == "rgb(31, 36, 48)"
    assert ink(watched, ".chart .xtick text") == "rgb(232, 234, 237)"
    watched.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert ink(watched, ".chart .xtick text") == dark_ink
    assert watched.locator(".chart .main-svg").first.evaluate("node => node.clientWidth") <= 680
    watched.evaluate("window.dispatchEvent(new Event('afterprint'))")
    titles = watched.locator("[data-title]").evaluate_all("nodes => nodes.map(n => n.dataset.title)")
    assert titles
    assert not [title for title in titles if "cloud" in title.lower() or "share" in title.lower()]
    assert watched.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_downloads_hold_the_plotted_numbers_and_open_offline(page, watched, address, tmp_path):
    page.goto(f"{address}/compare")
    drawn(page)
    page.get_by_test_id("stPopoverButton").filter(has_text="Download").first.click()
    with page.expect_download() as numbers:
        page.get_by_role("button", name="Numbers (CSV)").first.click()
    with page.expect_download() as chart:
        page.get_by_role("button", name="Chart (HTML").first.click()
    numbers.value.save_as(tmp_path / "numbers.csv")
    chart.value.save_as(tmp_path / "chart.html")
    frame = pd.read_csv(tmp_path / "numbers.csv")
    means = frame.loc[(frame["shown as"] == "bar") & (frame["bucket"] == "total"), "mAP (%)"].to_numpy()
    watched.emulate_media(color_scheme="dark")
    watched.goto((tmp_path / "chart.html").as_uri())
    drawn(watched)
    bars = watched.evaluate(
        "document.querySelector('.chart').data.filter(trace => trace.type === 'bar').map(trace => trace.y[0])"
    )
    np.testing.assert_allclose(sorted(means), sorted(bars), rtol=1e-12)
    assert watched.get_by_role("heading", level=1).inner_text()
    assert ink(watched, ".chart .xtick text") == "rgb(232, 234, 237)"
    titles = watched.locator("[data-title]").evaluate_all("nodes => nodes.map(n => n.dataset.title)")
    assert not [title for title in titles if "cloud" in title.lower() or "share" in title.lower()]


def test_the_camera_saves_a_picture_of_twice_the_size(watched, tmp_path):
    import plotly.graph_objects as go

    from app.widgets.downloads import figure_page

    figure = go.Figure(go.Bar(x=["a", "b"], y=[1, 2]), layout={"height": 300})
    (tmp_path / "chart.html").write_text(figure_page(figure, "Bars"), encoding="utf-8")
    watched.goto((tmp_path / "chart.html").as_uri())
    drawn(watched)
    width = watched.locator(".chart .main-svg").first.evaluate("node => node.clientWidth")
    watched.locator(".chart").hover()
    with watched.expect_download() as saved:
        watched.locator("[data-title^='Download plot']").click()
    saved.value.save_as(tmp_path / "bars.png")
    with Image.open(tmp_path / "bars.png") as picture:
        assert picture.size == (2 * width, 600)
