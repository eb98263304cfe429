"""The feature map in Chromium: a box fills the gallery with exactly its samples, and they stay selected."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from app.images.gallery import PER_PAGE
from mlcnc.analysis.samples.layouts import pca_layout, sample_table
from mlcnc.store import RunStore
from tests.browser.conftest import choose, drawn, settled

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# pixel positions of points by trace, so that a box can be drawn around known ones
PLACES = """() => {
  const chart = document.querySelector(".js-plotly-plot");
  const frame = chart.getBoundingClientRect();
  const { xaxis, yaxis } = chart._fullLayout;
  const found = {};
  for (const trace of chart._fullData) {
    if (trace.mode !== "markers") continue;
    for (let i = 0; i < trace.x.length; i += 1) {
      const x = frame.left + xaxis._offset + xaxis.c2p(trace.x[i]);
      const y = frame.top + yaxis._offset + yaxis.c2p(trace.y[i]);
      found[trace.customdata[i]] = [x, y];
    }
  }
  return found;
}"""
MARKED = """() => {
  const chart = document.querySelector(".js-plotly-plot");  // none while another one takes its place
  return chart && chart._fullData.filter((trace) => trace.mode === "markers").flatMap(
    (trace) => (trace.selectedpoints || []).map((i) => trace.customdata[i])).sort((a, b) => a - b);
}"""


def box_around_half(page):
    """Draw a box around the left half of the points and return the samples inside."""
    page.get_by_role("button", name="Box Select").first.click()
    places = {int(key): value for key, value in page.evaluate(PLACES).items()}
    xs = np.array([x for x, _ in places.values()])
    ys = np.array([y for _, y in places.values()])
    ordered = np.sort(xs)
    gap = int(np.argmax(np.diff(ordered[len(xs) // 4 : -len(xs) // 4]))) + len(xs) // 4
    right = (ordered[gap] + ordered[gap + 1]) / 2
    page.mouse.move(xs.min() - 6, ys.min() - 6)
    page.mouse.down()
    page.mouse.move((xs.min() + right) / 2, ys.mean(), steps=3)
    page.mouse.move(right, ys.max() + 6, steps=3)
    page.mouse.up()
    return sorted(sample for sample, (x, _) in places.items() if x < right)


ALTS = """() => [...document.querySelectorAll(".st-key-map_gallery img")].map((image) => image.alt)"""


def tiles(page, starts):
    """Wait until the gallery holds one picture for each start of an alt text, in this order."""
    page.wait_for_function(
        f"""starts => {{
          const alts = ({ALTS})();
          return alts.length === starts.length && alts.every((alt, i) => alt.startsWith(starts[i]));
        }}""",
        arg=starts,
    )


def expected_start(run, sample):
    table = sample_table(run)
    return f"{table.split[sample]} image {table.image_index[sample]} with {table.name(sample)}: "


def test_a_box_fills_the_gallery_with_exactly_its_samples(page, address, trained):
    run = RunStore(trained).open("tiny")
    page.goto(f"{address}/map?r=first&means=none")
    drawn(page)
    inside = box_around_half(page)
    page.get_by_role("heading", name=f"{len(inside)} selected").wait_for()
    assert page.evaluate(MARKED) == inside
    starts = [expected_start(run, sample) for sample in inside]
    tiles(page, starts[:PER_PAGE])
    for number in range(2, -(-len(inside) // PER_PAGE) + 1):
        page.locator(".st-key-map_page button", has_text=re.compile(f"^{number}$")).click()
        tiles(page, starts[PER_PAGE * (number - 1) : PER_PAGE * number])


def test_a_selection_outlives_other_controls_and_other_pictures(page, address):
    page.goto(f"{address}/map?r=first&means=none")
    drawn(page)
    inside = box_around_half(page)
    heading = page.get_by_role("heading", name=f"{len(inside)} selected")
    heading.wait_for()
    neighbours = page.get_by_role("combobox", name="Neighbours of")
    page.locator(".st-key-map_neighbours img").last.scroll_into_view_if_needed()
    choose(page, neighbours, lambda options: options.filter(has_not_text=neighbours.input_value()).nth(1))
    page.wait_for_url("**sample=**")
    assert page.evaluate(MARKED) == inside  # unrelated rerun
    page.get_by_role("radio", name="bucket").or_(page.get_by_text("bucket", exact=True)).first.click()
    page.wait_for_url("**colour=bucket**")
    page.wait_for_function(f"() => ({MARKED})()?.length === {len(inside)}")
    assert page.evaluate(MARKED) == inside  # another figure
    expect(heading).to_have_count(1)
    page.get_by_role("button", name="More").click()
    page.get_by_text("Play over epochs").click()
    page.keyboard.press("Escape")
    page.locator(".slider-container").first.wait_for()
    assert page.evaluate(MARKED) == inside  # the player follows them
    expect(heading).to_have_count(1)
    page.get_by_role("button", name="Clear selection").click()
    page.get_by_role("heading", name=re.compile("misplaced$")).first.wait_for()
    page.wait_for_function(f"() => ({MARKED})()?.length === 0")


def test_a_sample_leads_to_its_image_class_and_run(page, address):
    page.goto(f"{address}/map?r=second&r=first&a=second")
    drawn(page)
    settled(page)  # the gallery comes after the chart
    alt = page.locator(".st-key-map_gallery img").nth(1).get_attribute("alt")
    image, name = re.match(r"test image (\d+) with ([^:]+): ", alt).groups()
    link = page.locator(".st-key-map_gallery").get_by_role("link").nth(1)
    link.click()
    page.wait_for_url(f"**/images?**class={name}**")
    page.get_by_role("heading", level=1).wait_for()
    assert f"image={image}" in page.url
    assert "a=second" in page.url
    assert page.url.count("r=first") == 1


def test_the_player_moves_in_the_browser_alone(page, address, trained):
    run = RunStore(trained).open("tiny")
    layout = pca_layout(run, "f")
    sent = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sent.append(len(frame))))
    page.goto(f"{address}/map?r=first&play=true&means=none")
    drawn(page)
    page.locator(".slider-container").first.wait_for()
    page.wait_for_timeout(1000)
    before = sum(sent)
    page.get_by_role("button", name="One step back").click()
    page.wait_for_url("**epoch=2**")
    places = page.evaluate(
        "() => document.querySelector('.js-plotly-plot')._fullData.filter((t) => t.mode === 'markers')"
        ".map((t) => [Array.from(t.customdata), Array.from(t.x)])"
    )
    for samples, xs in places:
        np.testing.assert_allclose(xs, layout.coordinates[1, samples, 0], rtol=1e-5, atol=1e-5)
    assert sum(sent) == before
