"""From the weakest tail class to the attention on a missed image, by clicks; and the same view by its address."""

import re

import pytest
from playwright.sync_api import expect

from app.images.gallery import PER_PAGE
from mlcnc.analysis.images.decisions import decisions
from mlcnc.store import RunStore
from tests.browser.conftest import drawn, settled
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IN_VIEW = """() => {
  const top = document.querySelector(".st-key-image_detail")?.getBoundingClientRect().top;
  return top >= 0 && top < 200;
}"""


def test_from_a_weak_class_to_attention_on_a_missed_image(page, gallery_address):
    page.goto(f"{gallery_address}/")
    page.get_by_role("link", name="Images and attention").click()
    page.get_by_role("heading", name="The weakest tail class of each run").wait_for()
    page.locator(".st-key-worst_pictogram-glove-s0").get_by_role("button").click()
    page.get_by_role("heading", name=re.compile(r"^\d+ test images.*missed by pictogram-glove-s0")).wait_for()
    drawn(page)
    page.get_by_text(re.compile(r"of the attention of \w+ lies on the object")).first.wait_for()
    page.wait_for_function(IN_VIEW)
    asked = re.compile(r"^Test image \d+: .* missed by pictogram-glove-s0")
    page.get_by_role("heading", name=asked).wait_for()
    other = page.get_by_role("button", name=re.compile(r"^Open \d+$")).nth(1)
    number = other.inner_text().split()[1]
    other.click()
    shown = re.compile(rf"^Test image {number}\b")
    page.get_by_role("heading", name=shown).wait_for()
    page.wait_for_function(IN_VIEW)
    page.wait_for_url(f"**image={number}**")
    page.goto(page.url)  # every visit is a session of its own
    drawn(page)
    expect(page.get_by_role("heading", name=shown)).to_have_count(1)
    expect(
        page.get_by_role("heading", name=re.compile(r"^\d+ test images.*missed by pictogram-glove-s0"))
    ).to_have_count(1)


def test_the_gallery_shows_exactly_the_missed_images(page, gallery_address):
    run = RunStore(ROOT / "runs").open("pictogram-glove-s0")
    label = run.info.class_names.index("sheep")
    missed = decisions(run, run.array_epochs()[-1], label).images["missed"].tolist()
    page.goto(f"{gallery_address}/images?a=pictogram-glove-s0&class=sheep&kind=missed")
    seen = []
    for number in range(1, -(-len(missed) // PER_PAGE) + 1):
        if number > 1:
            first = page.locator(".st-key-image_gallery img").first.get_attribute("alt")
            page.locator(".st-key-page button").filter(has_text=re.compile(rf"^{number}$")).click()
            page.wait_for_function(
                "old => document.querySelector('.st-key-image_gallery img')?.alt !== old", arg=first
            )
        wanted = min(PER_PAGE, len(missed) - len(seen))
        page.wait_for_function(
            "n => document.querySelectorAll('.st-key-image_gallery img').length === n", arg=wanted
        )
        settled(page)
        for words in page.locator(".st-key-image_gallery img").evaluate_all("all => all.map((one) => one.alt)"):
            assert "sheep" in words
            seen.append(int(re.search(r"test image (\d+)", words).group(1)))
    assert sorted(seen) == sorted(missed)


def test_pictures_have_words_and_attention_plays_without_the_server(page, gallery_address):
    received = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    page.goto(f"{gallery_address}/images")
    drawn(page)
    settled(page)
    expect(page.locator("[data-testid=stMain] img:not([alt])")).to_have_count(0)
    page.wait_for_function(
        "[...document.querySelectorAll('[data-testid=stMain] img')].every((img) => img.complete && img.naturalWidth)"
    )
    settled(page)
    before = len(received)
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(1500)
    assert received[before:] == []
