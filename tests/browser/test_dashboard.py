"""Every page in headless Chromium: it draws in light and dark, is named and reached by keys, stays on this machine."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import choose, drawn, settled

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGES = ("", "compare", "geometry", "map", "images", "learn")

CONTROLS = "button|checkbox|radio|slider|combobox|textbox|searchbox|spinbutton|switch|link"

CHART_TEXT = ".xtick text, .ytick text, .xtitle, .ytitle, .legendtext, .annotation-text"

CONTRASTS = """
selector => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = channels(colour).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor);
  return [...document.querySelectorAll(".js-plotly-plot")].flatMap(plot =>
    [...plot.querySelectorAll(selector)].filter(node => node.textContent.trim()).map(node => {
      const ink = light(getComputedStyle(node).fill);
      return [node.textContent, (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)];
    }));
}
"""

FOCUSED = """
() => {
  let node = document.activeElement;
  while (node.shadowRoot && node.shadowRoot.activeElement) node = node.shadowRoot.activeElement;
  return [node.tagName, Boolean(node.closest("[data-testid=stMain]") || node.getRootNode().host)];
}
"""


def test_recorded_runs_are_drawn_without_another_machine(page, gallery_address):
    page.route(lambda url: not url.startswith(gallery_address), lambda route: route.abort())
    for path in ("geometry", "learn"):
        page.goto(f"{gallery_address}/{path}")
        if path == "geometry":
            drawn(page)
        settled(page)
        expect(page.locator("[data-testid=stException]")).to_have_count(0)
        assert page.get_by_role("heading", level=1).first.inner_text()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_readable_named_and_reached_by_keys(page, address, path):
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}/{path}")
    if path:
        drawn(page)
    else:  # a matrix and a table, no chart
        page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
    assert page.get_by_role("heading", level=1).first.inner_text().strip().endswith("?")
    named = {"": "Overview", "map": "Feature map", "images": "Images and attention"}
    expect(page).to_have_title(f"{named.get(path, path.capitalize())} - mlcnc")
    # every chart says its takeaway, every picture what it shows, every control what it does
    charts = page.locator("[data-testid=stPlotlyChart]")
    alts = charts.evaluate_all("nodes => nodes.map(node => node.getAttribute('aria-label') || '')")
    assert all(len(alt) > 20 for alt in alts), alts
    assert all(page.locator("img:visible").evaluate_all("nodes => nodes.map(node => node.alt.trim())"))
    nameless = re.findall(rf"^\s*- (?:{CONTROLS})(?: \[.*\])?:?$", page.locator("body").aria_snapshot(), re.M)
    assert not nameless
    # browsers allow few WebGL contexts a page
    webgl = "plots => plots.filter(plot => plot.data.some(trace => /gl$|3d$/.test(trace.type))).length"
    assert page.locator(".js-plotly-plot").evaluate_all(webgl) <= 3
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        ground = "rgb(255, 255, 255)" if theme == "light" else "rgb(23, 22, 20)"
        page.wait_for_function(
            "g => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor === g",
            arg=ground,
        )
        contrasts, faint = [], [("", 0.0)]
        for _ in range(40):  # charts are drawn anew in the other theme
            page.wait_for_timeout(300)
            contrasts = page.evaluate(CONTRASTS, CHART_TEXT)
            faint = [(text, round(ratio, 1)) for text, ratio in contrasts if ratio < 3]
            if not faint:
                break
        assert contrasts or path in ("", "images")  # no chart, or a picture without axes
        assert not faint, f"chart text hard to read in {theme}"
    page.mouse.click(2, 2)
    tags = []
    for _ in range(24):
        page.keyboard.press("Tab")
        tag, in_page = page.evaluate(FOCUSED)
        tags += [tag] if in_page else []
    assert {"INPUT", "BUTTON"} & set(tags), "Tab does not reach the controls of the page"


@pytest.mark.parametrize(
    ("path", "first", "second"), [("geometry", "Run", "Beside it"), ("compare?show=Classes", "First", "Minus")]
)
def test_the_second_run_of_a_pair_is_the_same_for_whoever_opens_the_address(
    page, gallery_address, path, first, second
):
    def shown():
        return [page.get_by_role("combobox", name=name, exact=True).input_value() for name in (first, second)]

    page.goto(f"{gallery_address}/{path}")
    seen = []
    for name, run, kept in (
        (first, "trainable-s0", False),
        (second, "glove-s0", False),
        (first, "etf-s0", True),
        (first, "trainable-s0", True),
    ):
        choose(page, page.get_by_role("combobox", name=name, exact=True), run)
        if kept:
            settled(page)
            seen.append((page.url, shown()))
    for url, pair in seen:
        page.goto(url)  # every visit is a session of its own
        page.get_by_role("combobox", name=second, exact=True).wait_for()
        settled(page)
        assert shown() == pair


def test_an_address_that_asks_for_what_is_not_here_says_so_until_another_choice(page, address):
    page.goto(f"{address}/images?class=unicorn&shift=0.50")
    said = page.get_by_text("The address asks for class = unicorn, which is not here")
    said.wait_for()
    shown = said.inner_text().rpartition("it shows ")[2].rstrip(".")
    box = page.get_by_role("combobox", name="Class")
    choose(page, box, lambda options: options.filter(has_not_text=shown).first)
    expect(said).to_be_hidden()
    assert "class=" in page.url
    assert "shift=0.5" in page.url


def test_an_address_opens_the_same_view_to_another_visit(page, address):
    page.goto(f"{address}/geometry?r=second")
    drawn(page)
    page.get_by_role("button", name="More").click()
    page.get_by_role("radio", name="mu", exact=True).click()
    page.wait_for_url("**space=mu**")
    page.goto(page.url)  # every visit is a session of its own
    drawn(page)
    page.get_by_role("button", name="More").click()
    assert page.get_by_role("radio", name="mu", exact=True).get_attribute("aria-checked") == "true"
    expect(page.get_by_role("button", name="Remove second")).to_have_count(1)
    expect(page.get_by_role("button", name="Remove first")).to_have_count(0)
    page.keyboard.press("Escape")
    # the choice of runs goes along to the next page
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("heading", name="What does").wait_for()
    drawn(page)
    expect(page.get_by_role("button", name="Remove second")).to_have_count(1)
    expect(page.get_by_role("button", name="Remove first")).to_have_count(0)
