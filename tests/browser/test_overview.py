"""The overview in a real browser: picking runs in the table and the sidebar, filters in the address, notes."""

import json
import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serve, settled
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NASTY = "*x* [y](javascript:alert(1)) <b>z</b> $q$ :smile: https://example.org"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Serve ten copies of a recorded run without arrays; the third has a name full of marks."""
    root = tmp_path_factory.mktemp("many")
    for number in range(10):
        folder = root / f"run-{number}"
        shutil.copytree(
            ROOT / "runs" / "pictogram-etf-s1", folder, ignore=shutil.ignore_patterns("epochs", "*.safe*")
        )
        path = folder / "run.json"
        tree = json.loads(path.read_text())
        tree |= {"run_id": folder.name, "name": NASTY if number == 3 else folder.name, "seed": number}
        path.write_text(json.dumps(tree))
    process, url = serve(ROOT / "app" / "main.py", "--runs", str(root))
    yield url, root
    process.terminate()
    process.wait(timeout=20)


def picker(page):
    return page.locator("[data-testid=stSidebar] [data-testid=stMultiSelect]")


def expect_picks(page, *ids):
    """Wait until the sidebar and the address name exactly these runs."""
    page.wait_for_function(
        """wanted => JSON.stringify([...document.querySelectorAll(
            '[data-testid=stSidebar] [data-tag]')].map(tag => tag.getAttribute('aria-label'))) === wanted
            && JSON.stringify(new URL(location).searchParams.getAll('r')) === wanted""",
        arg=json.dumps(list(ids), separators=(",", ":")),
    )


def tabled(page):
    """Wait for the table; the chart below it takes longer and is not needed."""
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()


def tick(page, row):
    """Click the box of a row of the table, counted from 0 as sorted on the screen."""
    settled(page)
    table = page.locator("[data-testid=stDataFrame]")
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 16, box["y"] + 35 + 35 * row + 17)
    settled(page)


def test_the_table_and_the_sidebar_are_one_choice(page, many):
    address, _ = many
    page.goto(f"{address}/?r=run-1&r=run-2")
    tabled(page)
    tick(page, 4)
    expect_picks(page, "run-1", "run-2", "run-4")
    picker(page).get_by_role("button", name="Remove run-4").click()
    expect_picks(page, "run-1", "run-2")  # what the table was drawn with at first
    tick(page, 4)
    expect_picks(page, "run-1", "run-2", "run-4")
    picker(page).get_by_role("button", name="Remove run-1").click()
    expect_picks(page, "run-2", "run-4")
    tick(page, 2)  # its box is still set, so this unsets it
    expect_picks(page, "run-4")
    page.get_by_role("link", name="Compare", exact=True).click()
    page.wait_for_url("**/compare**")
    expect_picks(page, "run-4")
    page.get_by_role("link", name="Overview").click()
    tabled(page)
    tick(page, 0)
    expect_picks(page, "run-4", "run-0")


def test_picks_hidden_by_a_filter_stay_and_filters_are_in_the_address(page, many):
    address, _ = many
    page.goto(f"{address}/?r=run-1&q=run-7+trainable")
    page.get_by_text("No run fits the filter").wait_for()
    page.get_by_role("textbox", name="Find runs").fill("RUN-7")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q=RUN-7"))
    page.get_by_text("1 of 10 runs").wait_for()
    tick(page, 0)
    expect_picks(page, "run-1", "run-7")
    page.goto(page.url)  # opened anew
    page.get_by_text("1 of 10 runs").wait_for()
    expect_picks(page, "run-1", "run-7")


def test_more_than_eight_runs_are_said_and_the_first_eight_kept(page, many):
    address, _ = many
    first = [f"run-{number}" for number in range(8)]
    page.goto(f"{address}/?{'&'.join(f'r={run_id}' for run_id in first)}")
    tabled(page)
    tick(page, 8)
    page.get_by_text("9 runs were chosen; pages show 8 at most").wait_for()
    expect_picks(page, *first)
    tick(page, 0)
    expect_picks(page, *first[1:])
    expect(page.get_by_text("pages show 8 at most")).to_have_count(0)


def test_unknown_runs_in_the_address_are_said_once_and_the_others_shown(page, many):
    address, _ = many
    page.goto(f"{address}/?r=run-5&r=gone")
    tabled(page)
    notice = page.get_by_text("The address asks for gone; there is no such run here")
    notice.wait_for()
    expect(notice).to_have_count(1)
    expect_picks(page, "run-5")
    tick(page, 0)
    expect_picks(page, "run-5", "run-0")
    expect(notice).to_have_count(0)


def test_names_full_of_marks_are_text_and_notes_survive(page, many):
    address, root = many
    page.goto(f"{address}/?r=run-3&at=epoch&at_epoch=5")
    tabled(page)
    sidebar = page.locator("[data-testid=stSidebar]")
    sidebar.get_by_text(NASTY, exact=True).wait_for()
    page.get_by_text("values at epoch 5 of each run").wait_for()
    page.get_by_text("Name, tags and notes").click()
    page.get_by_role("textbox", name="Tags").fill("keep, *bold*")
    page.get_by_role("textbox", name="Notes").fill("<script>document.title = 'owned'</script>\n# two")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved beside the run").wait_for()
    stored = json.loads((root / "run-3" / "notes.json").read_text())
    assert stored["tags"] == ["keep", "*bold*"]
    assert stored["notes"] == "<script>document.title = 'owned'</script>\n# two"
    assert "name" not in stored  # the run's own name is not an override
    page.goto(f"{address}/?r=run-3&q=keep+%23")
    page.get_by_text("1 of 10 runs").wait_for()
    main = page.locator("[data-testid=stMain]")
    expect(main.locator("a[href^='javascript'], a[href*='example.org'], script, b, em, .katex")).to_have_count(
        0
    )
    assert page.title() != "owned"


def test_a_copied_link_names_the_runs_that_nobody_picked(page, gallery_address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{gallery_address}/variability?space=mu")
    page.get_by_role("button", name="Copy link to this view").click()
    page.get_by_text("copied", exact=True).wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert page.url.endswith("/variability?space=mu")
    runs = [f"pictogram-{kind}-s0" for kind in ("etf", "trainable", "glove")]
    assert link == f"{page.url}&" + "&".join(f"r={run}" for run in runs)
    page.goto(link.replace("&r=pictogram-glove-s0", ""))
    expect_picks(page, *runs[:2])


def test_a_matrix_wider_than_the_page_says_that_it_scrolls(page, gallery_address):
    frame = "(() => { const p = document.querySelector('.pairs'); return p.scrollWidth > p.clientWidth; })()"
    for width, is_cut in ((800, True), (1400, False)):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(gallery_address)
        page.locator(".pairs").wait_for()
        settled(page)
        assert page.evaluate(frame) == is_cut
        assert page.get_by_text("more columns to the right").is_visible() == is_cut
