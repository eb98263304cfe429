"""Lessons 5 to 7 in Chromium over the recorded runs: the quiz from a blind start to links that lead on."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import choose

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_quiz_is_dealt_guessed_and_opened(page, gallery_address):
    page.goto(f"{gallery_address}/learn?step=7&quiz=3")
    main = page.get_by_test_id("stMain")
    main.get_by_role("heading", name="What do these plots support?").wait_for()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert not re.search(r"pictogram-(etf|trainable|glove)", main.inner_html())
    supported = main.get_by_text("Undecided.", exact=True)
    expect(supported).to_be_hidden()
    main.get_by_text("What they support", exact=True).click()
    supported.wait_for()
    choose(page, page.get_by_role("combobox", name="Run 1"), "GloVe")
    page.get_by_role("button", name="Reveal the names").click()
    main.get_by_text("of 3 right").wait_for()
    assert re.search(r"pictogram-glove-s0", main.inner_html())
    assert "quiz=3" in page.url
    assert "GloVe" not in page.url, "an address carries no answer"
    link = main.get_by_role("link", name="Angles of the label embeddings")
    assert "a=pictogram-" in link.get_attribute("href")
    link.click()
    page.get_by_role("heading", level=1).filter(has_text="simplex ETF").wait_for()
    assert "b=pictogram-" in page.url


def test_slider_moves_the_shared_feature_without_the_rest_of_the_page(page, gallery_address):
    page.goto(f"{gallery_address}/learn?step=5&times=1")
    page.get_by_text("Person 1 : 1 horse").wait_for()
    page.get_by_role("slider", name="Images of a person alone").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Person 2 : 1 horse").wait_for()
    assert "times=2" in page.url


def test_loss_switch_shows_what_softmax_does_not_copy(page, gallery_address):
    page.goto(f"{gallery_address}/learn?step=6")
    page.get_by_text("alignment loss, 10 : 1").first.wait_for()
    page.get_by_role("radio", name="softmax").or_(page.get_by_role("button", name="softmax")).first.click()
    page.get_by_text("softmax loss, 10 : 1").first.wait_for()
    assert "toyloss=softmax" in page.url
