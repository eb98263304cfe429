"""Compare in a real browser: a shared address keeps smoothing and metrics, and the CSV holds what is drawn."""

from urllib.parse import parse_qs, urlparse

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import drawn, settled

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_shared_address_opens_the_same_curves_and_their_csv_holds_the_drawn_numbers(page, address, tmp_path):
    page.goto(f"{address}/compare?show=Curves&smoothing=0.5&bands=false&metrics=test/map_tail")
    drawn(page)
    traces = page.evaluate(
        "document.querySelector('.js-plotly-plot')._fullData.filter(t => t.meta === 'test/map_tail')"
        ".map(t => ({name: t.name, y: Array.from(t.y)}))"
    )
    assert {trace["name"] for trace in traces} == {"first", "second"}
    asked = parse_qs(urlparse(page.url).query)
    assert asked["smoothing"] == ["0.5"]
    assert asked["metrics"] == ["test/map_tail"]
    page.get_by_test_id("stPopoverButton").filter(
        has_text="Download"
    ).first.click()  # of the curves; which loss trains has its own
    with page.expect_download() as numbers:
        page.get_by_role("button", name="Numbers (CSV)").click()
    numbers.value.save_as(tmp_path / "numbers.csv")
    frame = pd.read_csv(tmp_path / "numbers.csv")
    for trace in traces:
        own = frame[frame["line"] == trace["name"]]
        np.testing.assert_allclose(own["value"], np.array(trace["y"], dtype=float), rtol=1e-12)
        assert not np.allclose(own["value"], own["logged"])


def test_tabs_go_into_the_address(page, address):
    page.goto(f"{address}/compare")
    drawn(page)
    page.get_by_role("tab", name="Settings").click()
    page.wait_for_url("**show=Settings**")
    page.get_by_text("differs in").wait_for()


DIMMED = (
    "[...document.querySelectorAll('.js-plotly-plot')[0].querySelectorAll('.scatterlayer .trace')]"
    ".filter(line => line.style.filter).map(line => line.__data__[0].trace.name)"
)


def test_a_name_at_a_line_pins_it_by_mouse_and_keyboard(page, address):
    page.goto(f"{address}/compare?show=Curves&bands=false&metrics=test/map_tail")
    drawn(page)
    name = page.get_by_role("button", name="Pin first")
    box = name.locator("text").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(name).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(DIMMED) == ["second"]
    page.get_by_role("button", name="Pin second").press("Enter")
    expect(name).to_have_attribute("aria-pressed", "false")
    assert page.evaluate(DIMMED) == ["first"]
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Pin second")).to_have_attribute("aria-pressed", "false")
    assert page.evaluate(DIMMED) == []


def test_a_click_on_a_line_pins_it(page, address):
    page.goto(f"{address}/compare?show=Curves&bands=false&metrics=test/map_tail")
    drawn(page)
    page.get_by_role("button", name="Pin first").wait_for()
    x, y = page.evaluate(
        "(() => { const plot = document.querySelector('.js-plotly-plot'), box = plot.getBoundingClientRect();"
        "const line = plot._fullData.find(t => t.name === 'second'), {xaxis, yaxis} = plot._fullLayout;"
        "return [box.left + xaxis._offset + xaxis.d2p(line.x[0]), box.top + yaxis._offset + yaxis.d2p(line.y[0])]; })()"
    )
    page.mouse.move(x, y)
    page.wait_for_selector(".hoverlayer .hovertext")
    page.mouse.click(x, y)
    expect(page.get_by_role("button", name="Pin second")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(DIMMED) == ["first"]
    # nothing has the focus now
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Pin second")).to_have_attribute("aria-pressed", "false")


def test_lines_that_change_are_pinned_by_one_click(page, address):
    page.goto(f"{address}/compare?show=Curves&bands=false&metrics=test/map_tail")
    page.get_by_role("button", name="Pin first").wait_for()
    page.get_by_text("Mean and range of runs").click()
    page.get_by_role("button", name="Pin first").wait_for(state="detached")
    page.get_by_text("Mean and range of runs").click()
    name = page.get_by_role("button", name="Pin first")
    name.wait_for()
    settled(page)
    name.press("Enter")
    expect(name).to_have_attribute("aria-pressed", "true")
