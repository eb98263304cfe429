"""Compare in a real browser: a shared address keeps smoothing and metrics, and the CSV holds what is drawn."""

from urllib.parse import parse_qs, urlparse

import numpy as np
import pandas as pd
import pytest

from tests.browser.conftest import drawn

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
