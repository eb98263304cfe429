"""Words of the pages stand out from their ground in both themes, and nothing covers or cuts them in a narrow window."""

import pytest

from tests.browser.conftest import drawn, settled

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FAINT = r"""() => {
  const channels = colour => colour.match(/[\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = channels(colour).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    const colour = getComputedStyle(node).backgroundColor;
    return (channels(colour)[3] ?? 1) > 0.9 || !node.parentElement ? colour : ground(node.parentElement);
  };
  return [...document.querySelectorAll("[data-testid=stApp] *")].filter(node =>
    [...node.childNodes].some(part => part.nodeType === 3 && part.textContent.trim()) && node.checkVisibility()
  ).map(node => {
    const [ink, paper] = [light(getComputedStyle(node).color), light(ground(node))];
    return [node.textContent, (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)];
  }).filter(([, ratio]) => ratio < 4.5);
}"""

COVERED = """() => [...document.querySelectorAll(".js-plotly-plot")].flatMap(plot => {
  const box = node => node.getBoundingClientRect();
  const meet = (a, b) => a.right > b.left && a.left < b.right && a.bottom > b.top + 1 && a.top < b.bottom - 1;
  const over = [...plot.querySelectorAll(".modebar, .annotation-text")];
  return [...plot.querySelectorAll(".legend .traces")].filter(line => over.some(it => meet(box(it), box(line))))
    .map(line => line.textContent);
})"""

CUT = """() => [...document.querySelectorAll("[data-testid=stMain] *")]
  .filter(node => getComputedStyle(node).textOverflow === "ellipsis" && node.scrollWidth > node.clientWidth + 1)
  .map(node => node.textContent)"""


SIDEWAYS = """() => [...document.querySelectorAll("[data-testid=stMain], [data-testid=stMain] *")]
  .filter(node => ["auto", "scroll"].includes(getComputedStyle(node).overflowX) && node.scrollWidth > node.clientWidth + 1)
  .filter(node => !node.closest("[data-testid=stDataFrame]")).map(node => node.className)"""


def test_words_stand_out_from_tags_buttons_and_commands(page, gallery_address):
    page.goto(f"{gallery_address}/train")
    page.get_by_role("button", name="Start the demonstration").wait_for()
    settled(page)
    for theme, ground in (("dark", "rgb(23, 22, 20)"), ("light", "rgb(255, 255, 255)")):
        page.emulate_media(color_scheme=theme)
        themed = "g => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor === g"
        page.wait_for_function(themed, arg=ground)
        settled(page)  # colours fade into each other
        assert page.evaluate(FAINT) == []


UNEVEN = """() => [...document.querySelectorAll("[class*='st-key-toolbar']")].flatMap(row => {
  const box = node => node.getBoundingClientRect();
  const controls = [...row.querySelectorAll(
    "[data-testid=stSelectbox] input, [role=radiogroup] button, [data-testid=stPopoverButton]"
  )].map(node => {
    const {top, bottom} = box(node), label = node.closest(".stElementContainer")?.querySelector("label");
    return {middle: (top + bottom) / 2, label: label ? box(label).top : null, text: node.textContent};
  });
  const title = document.querySelector("[data-testid=stMain] h1");
  const words = document.createRange();
  words.selectNodeContents(title);
  const touching = box(row).top < box(words).bottom + 4 ? [title.textContent] : [];
  return [...touching, ...controls.filter(one => controls.some(other => {
    const apart = Math.abs(one.middle - other.middle);
    // of controls that stand in one line of the row
    return apart < 30 && (apart > 1 || (one.label && other.label && Math.abs(one.label - other.label) > 1));
  })).map(one => one.text)];
})"""


@pytest.mark.parametrize("width", [1400, 800])
def test_the_controls_of_a_toolbar_line_up_below_the_title(page, gallery_address, width):
    page.set_viewport_size({"width": width, "height": 900})
    for address in ("geometry", "variability", "map", "images"):
        page.goto(f"{gallery_address}/{address}")
        page.get_by_role("button", name="More").wait_for()
        settled(page)
        assert page.evaluate(UNEVEN) == []


def test_in_a_narrow_window_words_are_whole_and_uncovered(page, gallery_address):
    page.set_viewport_size({"width": 800, "height": 900})
    # of the charts, the first two have legends of several lines
    for address in ("compare?show=Curves", "map", "images", "learn?step=7"):
        page.goto(f"{gallery_address}/{address}")
        drawn(page)
        settled(page)
        page.wait_for_function(f"({COVERED})().length === 0", timeout=20_000)
        assert page.evaluate(CUT) == []
    page.goto(f"{gallery_address}/geometry")
    drawn(page)
    settled(page)
    upright = "() => [...document.querySelectorAll('.st-key-geometry .heatmaplayer image')].map(each => each.getBoundingClientRect().y)"
    first, second = page.evaluate(upright)
    assert second > first + 200  # below each other, not beside
    assert page.evaluate(SIDEWAYS) == []
    page.set_viewport_size({"width": 1400, "height": 900})
    page.wait_for_function(f"(({upright})().reduce((a, b) => Math.abs(a - b))) < 5")
    page.set_viewport_size({"width": 800, "height": 900})
    page.wait_for_function(f"(({upright})().reduce((a, b) => Math.abs(a - b))) > 200")
