"""A real server on a free port and a real Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from urllib.parse import urlparse

import pytest

from tests.conftest import ROOT

FLAGS = [
    "--no-sandbox",
    "--process-per-site",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def serve(script, *arguments, port=None):
    """Start ``streamlit run script`` and return (process, address) once it answers."""
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.headless", "true", "--", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return process, f"http://localhost:{port}"
        except OSError:
            time.sleep(0.2)
    process.kill()
    raise RuntimeError("the server did not answer within 60 seconds")


@pytest.fixture(scope="session")
def browser():
    if not os.environ.get("MLCNC_REQUIRE_BROWSER"):
        pytest.skip(
            "browser tests take minutes; MLCNC_REQUIRE_BROWSER=1 runs them, with a Chromium on the path"
        )
    path = chromium_path()
    if path is None:
        pytest.fail("MLCNC_REQUIRE_BROWSER is set and no Chromium is on the path")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


def is_problem(line):
    """Return whether a line of the console is an error of ours."""
    # opened below the root, Streamlit first looks for its server under the page's own path
    url = line.location.get("url", "")
    probe = "404" in line.text and "/_stcore/" in url
    # a picture of a view that was left before it arrived is gone from the server; that the pictures of the
    # view that stays arrive is a test of its own
    left = "/media/" in line.text or ("404" in line.text and "/media/" in url)
    return line.type == "error" and not probe and not left


@pytest.fixture(scope="session")
def context(browser):
    """One context whose pages share a process with one that stays: another would compile every script anew."""
    shared = browser.new_context(viewport={"width": 1300, "height": 1000}, accept_downloads=True)
    shared.set_default_timeout(60_000)  # a busy machine of two cores is slow, not wrong
    stays = shared.new_page()
    stays.route("**/*", lambda route: route.fulfill(body="stays", content_type="text/html"))
    stays.goto("http://localhost/")
    yield shared
    shared.close()


@pytest.fixture
def page(context):
    """A page that fails its test on a script error, an error in the console, or a request to another machine."""
    opened = context.new_page()
    problems, hosts = [], set()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda line: problems.append(line.text) if is_problem(line) else None)
    opened.on("request", lambda request: hosts.add(urlparse(request.url).hostname))
    yield opened
    if not opened.url.startswith("about:"):
        opened.evaluate("localStorage.clear()")
    opened.close()
    context.clear_cookies()
    context.clear_permissions()
    assert not problems
    assert hosts <= {"localhost", None}, "a page reached out to another machine"


def drawn(page):
    """Wait until a Plotly chart is drawn that is not folded away, and every player that is not."""
    page.wait_for_selector(".js-plotly-plot .main-svg:visible")
    for player in page.locator(".mlcnc-player:visible").all():
        player.locator(".main-svg").first.wait_for()


def settled(page):
    """Wait until the script of the page rests and the browser had a moment to draw what it sent."""
    page.wait_for_function("!document.querySelector('[data-testid=stApp][data-test-script-state=running]')")
    page.wait_for_timeout(500)
    page.wait_for_function("!document.querySelector('[data-testid=stApp][data-test-script-state=running]')")


def choose(page, box, option):
    """Choose from a select box.

    Args:
        option: its name, or a function from the locator of all options to that of the one to choose.
    """
    find = (lambda options: options.filter(has_text=option)) if isinstance(option, str) else option
    while_open(page, box, lambda options: find(options).click(timeout=3000))


def while_open(page, box, act):
    """Open the list of a select box and act on its options; again where a late drawing closed it meanwhile.

    Args:
        act: takes the locator of all options and raises the browser's TimeoutError where they are gone.
    """
    from playwright.sync_api import TimeoutError

    for _ in range(20):
        settled(page)
        box.click()
        try:
            return act(page.get_by_role("option"))
        except TimeoutError:
            page.keyboard.press("Escape")
    raise AssertionError("the list did not stay open")


@pytest.fixture(scope="session")
def gallery_address():
    """Serve the dashboard over the recorded runs, as a new user sees it."""
    process, url = serve(ROOT / "app" / "main.py", "--runs", str(ROOT / "runs"))
    yield url
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture(scope="session")
def address(tmp_path_factory, trained):
    """Serve the dashboard over two copies of a real run."""
    import json

    root = tmp_path_factory.mktemp("served")
    for name, kind in (("first", "etf"), ("second", "trainable")):
        shutil.copytree(trained / "tiny", root / name)
        path = root / name / "run.json"
        tree = json.loads(path.read_text())
        tree |= {"run_id": name, "name": name}
        tree["config"]["method"]["label_embedding"] = kind
        path.write_text(json.dumps(tree))
    process, url = serve(ROOT / "app" / "main.py", "--runs", str(root))
    yield url
    process.terminate()
    process.wait(timeout=20)
