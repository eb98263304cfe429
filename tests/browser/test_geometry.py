"""The player in a real browser: it moves without the server, by slider, keys and address."""

import pytest

from tests.browser.conftest import drawn, settled

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SLIDER = """key => {
  const chart = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  const slider = chart?._fullLayout?.sliders?.[0];
  return slider ? slider.steps[slider.active].label : null;
}"""
TITLE = "key => document.querySelector(`.st-key-${key} .annotation-text`)?.textContent ?? ''"


@pytest.fixture
def wire(page):
    """Count the bytes on the websocket."""
    counted = {"received": 0, "sent": 0}

    def add(way):
        return lambda data: counted.__setitem__(way, counted[way] + len(data))

    def count(socket):
        socket.on("framereceived", add("received"))
        socket.on("framesent", add("sent"))

    page.on("websocket", count)
    return counted


def at(page, label, key="geometry"):
    page.wait_for_function(f"([key, label]) => ({SLIDER})(key) === label", arg=[key, label])


def rested(page, label):
    """Wait until the texts, which the server writes, are of the epoch."""
    at(page, label)
    page.get_by_text(f"Epoch {label}; class means of test features f").first.wait_for()


def test_it_plays_without_a_byte_and_the_texts_follow_at_rest(page, gallery_address, wire):
    page.goto(f"{gallery_address}/geometry?epoch=9")
    drawn(page)
    rested(page, "9")
    page.wait_for_timeout(800)
    before = dict(wire)
    page.keyboard.press("Space")
    at(page, "25")
    assert wire == before
    # together, for it plays on
    label, title = page.evaluate(f"key => [({SLIDER})(key), ({TITLE})(key)]", "geometry")
    assert f"epoch {label}" in title
    page.keyboard.press("Space")
    page.wait_for_url("**epoch=**")
    shown = page.evaluate(SLIDER, "geometry")
    if shown != "120":
        page.wait_for_url(f"**epoch={shown}**")
    rested(page, shown)
    # a rerun for the texts leaves the chart where it is, and does not send it again
    assert page.evaluate(SLIDER, "geometry") == shown
    assert wire["received"] - before["received"] < 50_000


def test_arrow_keys_step_and_leave_input_fields_alone(page, gallery_address):
    page.goto(f"{gallery_address}/geometry")
    drawn(page)
    at(page, "120")
    page.keyboard.press("ArrowLeft")
    at(page, "113")
    page.keyboard.press("ArrowLeft")
    at(page, "109")
    page.keyboard.press("ArrowRight")
    at(page, "113")
    page.wait_for_url("**epoch=113**")
    page.get_by_role("combobox").first.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(400)
    assert page.evaluate(SLIDER, "geometry") == "113"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="One step back").click()
    at(page, "109")
    # from the focused button arrows go on
    page.keyboard.press("ArrowLeft")
    at(page, "105")


def test_the_epoch_outlives_a_reload_a_control_and_a_visit_elsewhere(page, gallery_address):
    page.goto(f"{gallery_address}/geometry?epoch=17")
    drawn(page)
    rested(page, "17")
    page.reload()
    drawn(page)
    rested(page, "17")
    page.get_by_role("button", name="More").click()
    page.get_by_text("cluster", exact=True).click()
    page.wait_for_url("**order=cluster**")
    rested(page, "17")
    assert "epoch=17" in page.url
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Geometry").click()
    drawn(page)
    rested(page, "17")


def test_the_last_epoch_of_a_short_run_does_not_follow_to_a_longer_one(page, gallery_address):
    """Nobody chose it: in a tab that remembers epochs another figure begins at its own end."""
    page.goto(f"{gallery_address}/geometry?epoch=109")
    drawn(page)
    rested(page, "109")
    memory = "window.sessionStorage.getItem('mlcnc.player.epoch')"
    assert page.evaluate(memory) == "109"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    at(page, "120")
    page.wait_for_url(lambda address: "epoch" not in address)
    assert page.evaluate(memory) is None


def test_arrows_in_three_dimensions_move_with_the_angles(page, gallery_address):
    page.goto(f"{gallery_address}/geometry?arrows=true&classes=dog&classes=cat&classes=cow&r=pictogram-etf-s0")
    page.wait_for_selector(".st-key-class_arrows canvas")
    at(page, "120", "class_arrows")
    settled(page)
    page.locator("h1").click()
    page.keyboard.press("ArrowLeft")
    at(page, "117")
    at(page, "117", "class_arrows")
    # a browser that is busy for a while finds the times of both players past at once
    page.evaluate("() => { for (const end = performance.now() + 1500; performance.now() < end; ); }")
    page.get_by_text("3 arrows at epoch 117").wait_for()
    assert "epoch 117" in page.evaluate(TITLE, "class_arrows")


def test_in_a_narrow_window_no_name_stands_over_another(page, gallery_address):
    page.set_viewport_size({"width": 800, "height": 900})
    page.goto(f"{gallery_address}/geometry")
    drawn(page)
    boxes = """() => ['.ytick text', '.annotation-text'].map(what =>
      [...document.querySelectorAll(`.st-key-geometry .js-plotly-plot ${what}`)].map(node => {
        const {left, right, top, bottom} = node.getBoundingClientRect();
        return [left, right, top, bottom];
      }))"""
    for of_kind in page.evaluate(boxes):
        assert len(of_kind) > 1
        for place, (left, right, top, bottom) in enumerate(of_kind):
            for other_left, other_right, other_top, other_bottom in of_kind[place + 1 :]:
                across = min(right, other_right) - max(left, other_left)
                along = min(bottom, other_bottom) - max(top, other_top)
                assert across <= 0 or along <= 3, "letters of two names over each other"


def test_the_player_takes_the_colours_of_the_page(page, gallery_address):
    ink = "getComputedStyle(document.querySelector('.st-key-geometry .xtick text')).fill"
    page.emulate_media(color_scheme="light")
    page.goto(f"{gallery_address}/geometry")
    drawn(page)
    dark = page.evaluate("getComputedStyle(document.querySelector('.mlcnc-player')).color")
    assert page.evaluate(ink) == dark
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"before => {ink} !== before", arg=dark)
    assert page.evaluate(ink) == page.evaluate(
        "getComputedStyle(document.querySelector('.mlcnc-player')).color"
    )


def test_its_buttons_wait_for_the_chart(page, gallery_address):
    held = []
    page.route("**/*plotly*.js*", lambda route: held.append(route))
    page.goto(f"{gallery_address}/geometry")
    play = page.locator(".mlcnc-player .play").first
    play.wait_for()
    page.wait_for_timeout(500)
    assert held
    assert page.locator(".mlcnc-player .controls button:enabled").count() == 0
    for route in held:
        route.continue_()
    drawn(page)
    play.click()
    page.get_by_role("button", name="Pause").wait_for()


@pytest.mark.parametrize("tab", ["Buckets", "Classes", "Curves", "Tables"])
def test_charts_of_compare_are_seen_without_scrolling(page, gallery_address, tab):
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"{gallery_address}/compare?show={tab}")
    page.locator(".js-plotly-plot .main-svg:visible").first.wait_for()
    settled(page)
    assert page.locator(".js-plotly-plot:visible").first.bounding_box()["y"] <= 300


@pytest.mark.parametrize("where", ["geometry", "variability"])
def test_the_answer_and_the_first_chart_are_seen_without_scrolling(page, gallery_address, where):
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"{gallery_address}/{where}")
    drawn(page)
    page.get_by_text("collapsed").first.wait_for()
    assert page.locator(".js-plotly-plot").first.bounding_box()["y"] <= 300
