"""The pages in headless Chromium: they draw, stay on this machine, and share by their address."""

import pytest

from tests.browser.conftest import drawn

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGES = ("", "compare", "geometry", "variability", "images")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_draws_in_both_themes(page, address, path, theme, tmp_path):
    page.emulate_media(color_scheme=theme)
    page.goto(f"{address}/{path}")
    drawn(page)
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.get_by_role("heading", level=1).inner_text().endswith("?")
    page.screenshot(path=tmp_path / f"{path or 'overview'}-{theme}.png")
    page.wait_for_timeout(500)  # late requests and errors


def test_an_address_opens_the_same_view_elsewhere(page, browser, address):
    page.goto(f"{address}/geometry?r=second")
    drawn(page)
    page.get_by_role("radio", name="mu").or_(page.get_by_text("mu", exact=True)).first.click()
    page.wait_for_url("**space=mu**")
    page.get_by_text("class means of test features mu").first.wait_for()
    shared = page.url
    other = browser.new_context().new_page()
    other.goto(shared)
    drawn(other)
    other.get_by_text("class means of test features mu").first.wait_for()
    assert other.get_by_role("heading", name="second").count() >= 1
    assert other.get_by_role("heading", name="first").count() == 0
    other.context.close()


def test_picks_stay_when_the_page_changes(page, address):
    page.goto(f"{address}/?r=second")
    drawn(page)
    page.get_by_role("link", name="Variability").click()
    page.get_by_role("heading", name="Do features collapse").wait_for()
    page.get_by_text("NC1 (trace) on test features f at the last epoch: second").wait_for()


def test_explanations_open(page, address):
    page.goto(f"{address}/geometry")
    drawn(page)
    page.get_by_role("button", name="How to read this").click()
    page.get_by_text("is no evidence").wait_for()
