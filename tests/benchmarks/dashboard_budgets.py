"""What the pages cost, page by page, against the dashboard's budgets: ``python tests/benchmarks/dashboard_budgets.py``.

Three folders of runs: the recorded ones, 200 runs, and one run of the size of COCO-LT. For each a real server and a
real Chromium; every control of a page is used three times to warm the caches, for a time begins where the one before it
ended, and some controls appear by others, then measured. What was never shown before takes longer: the column *first*
is of the script at the first use, the opening of the page included. Times depend on the machine, so the first chart is a ratio to an empty Streamlit page with one chart on the same machine. The processor's column
is the script's own work without what other programs take; on a quiet machine it is close to the clock's.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, Python puts only this folder on the path

from app.timing import VARIABLE
from tests.benchmarks.synthetic_runs import coco_sized_run, many_runs
from tests.benchmarks.test_first_chart import EMPTY_PAGE
from tests.browser.conftest import FLAGS, chromium_path, serve

SCRIPT_MS, FRAGMENT_MS, KILOBYTES, RATIO, MEMORY_MB, COLD_MS = 300, 150, 150, 2.5, 600, 1000
PAGES = {
    "Overview": "",
    "Compare": "compare",
    "Geometry": "geometry",
    "Variability": "variability",
    "Feature map": "map",
    "Images and attention": "images",
    "Learn 1": "learn?step=1",
    "Learn 2": "learn?step=2",
    "Learn 4": "learn?step=4",
    "Learn 6": "learn?step=6",
}
RERUNS = 5
MOST_CLICKS = 10
CHART = ".js-plotly-plot .main-svg:visible"


@dataclass
class Cost:
    """What one page of one folder of runs costs; milliseconds, bytes and seconds."""

    page: str
    script: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    fragment: list[float] = field(default_factory=list)
    rerun_bytes: list[int] = field(default_factory=list)
    change_bytes: list[int] = field(default_factory=list)
    playing_bytes: int | None = None
    first_chart: float | None = None
    ratio: float | None = None
    slowest: str = ""


class Timings:
    """The lines that the server appends to a file, one a script or fragment run."""

    def __init__(self, path: Path) -> None:
        self.path, self.offset = path, 0

    @property
    def size(self) -> int:
        """How long the file is now."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def new(self) -> list[tuple[str, float, float]]:
        """Return name, milliseconds and those of the processor, of the runs since the last call."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.offset += len(whole)
        lines = (json.loads(line) for line in whole.splitlines())
        return [(line["name"], 1000 * line["seconds"], 1000 * line["processor_seconds"]) for line in lines]


class Socket:
    """Counts what the server sends to a page."""

    def __init__(self, page) -> None:
        self.received = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._count))

    def _count(self, payload) -> None:
        self.received += len(payload.encode() if isinstance(payload, str) else payload)


def settled(page, quiet=0.2, longest=20.0):
    """Wait until the script has ended and nothing has come over the socket for a while."""
    deadline = time.monotonic() + longest
    page.wait_for_timeout(80)
    last = time.monotonic()
    while time.monotonic() < deadline:
        busy = page.locator("[data-testid=stApp][data-test-script-state=running]").count()
        if busy:
            last = time.monotonic()
        elif time.monotonic() - last > quiet:
            return
        page.wait_for_timeout(60)


def ran(page, timings, act, longest):
    """Act, wait until the server has run a script or fragment, at most ``longest`` seconds, and until all is sent."""
    before, deadline = timings.size, time.monotonic() + longest
    act()
    while timings.size == before and time.monotonic() < deadline:
        page.wait_for_timeout(30)
    settled(page)


def rerun(page, timings):
    """Let the whole script run again, as after any change."""
    page.evaluate("document.activeElement.blur()")  # a control would take the key for itself
    ran(page, timings, lambda: page.keyboard.press("r"), 15)


def options(page):
    """Return the options of all segmented controls and all toggles on the page, as functions that click."""
    found = []
    groups = page.locator("[data-testid=stMain] [data-testid=stButtonGroup]:visible")
    for g in range(groups.count()):
        buttons = groups.nth(g).locator("button")
        found += [buttons.nth(b) for b in range(min(buttons.count(), 3))]
    switches = page.locator("[data-testid=stMain] [data-testid=stCheckbox] label:visible")
    found += [switches.nth(index) for index in range(switches.count()) for _ in range(2)]
    return found[:MOST_CLICKS]


def sorted_out(cost, lines, title):
    """Add the runs of a page's script, sidebar included, and of its fragments."""
    sidebar = (0.0, 0.0)
    for name, spent, used in lines:
        if name == "sidebar":
            sidebar = (spent, used)
        elif name == title:
            cost.script.append(sidebar[0] + spent)
            cost.processor.append(sidebar[1] + used)
            sidebar = (0.0, 0.0)
        else:
            cost.fragment.append(spent)
            cost.slowest = max(cost.slowest, f"{spent:06.0f} ms {name}, {used:.0f} ms of the processor")


def measure_page(chromium, address, name, path, timings, plain, repeats, query):
    """Return what one page costs."""
    cost = Cost(name)
    title = "Learn" if name.startswith("Learn") else name
    joined = f"{address}/{path}" + (("&" if "?" in path else "?") + query if query else "")
    cost.first_chart, cost.ratio = first_chart(chromium, joined, plain, repeats)
    context = chromium.new_context(viewport={"width": 1300, "height": 1000})
    page = context.new_page()
    socket = Socket(page)
    page.goto(joined)
    page.wait_for_selector("[data-testid=stMain] h1", timeout=60_000)
    settled(page, quiet=1.0)
    for turn in range(3):
        for option in options(page):
            clicked(page, timings, option)
        settled(page, quiet=1.0)
        if turn == 0:
            sorted_out(cost, timings.new(), title)
    timings.new()
    cost = Cost(name, first_chart=cost.first_chart, ratio=cost.ratio, first=cost.script)
    for _ in range(RERUNS):
        before = socket.received
        rerun(page, timings)
        cost.rerun_bytes.append(socket.received - before)
    sorted_out(cost, timings.new(), title)
    for option in options(page):
        before = socket.received
        if clicked(page, timings, option):
            cost.change_bytes.append(socket.received - before)
    sorted_out(cost, timings.new(), title)
    play = page.get_by_role("button", name="Play").or_(page.get_by_role("button", name="Relax")).first
    if play.count() and play.is_visible():
        settled(page, quiet=1.5)  # what the last click set off is not the player's
        play.click()
        page.wait_for_timeout(700)
        before = socket.received
        page.wait_for_timeout(2000)
        cost.playing_bytes = socket.received - before
    context.close()
    return cost


def clicked(page, timings, option):
    """Click and wait; controls that vanished by an earlier click are left out."""
    try:
        ran(page, timings, lambda: option.click(timeout=1500), 2)
    except Exception:  # hidden, detached or covered: not a matter of time
        return False
    return True


def first_chart(chromium, url, plain, repeats):
    """Return the median seconds to the first chart and their ratio to the empty page; None without a chart."""
    ours, empty = [], []
    for _ in range(repeats):
        for target, times in ((url, ours), (plain, empty)):
            context = chromium.new_context(viewport={"width": 1300, "height": 1000})
            page = context.new_page()
            started = time.perf_counter()
            page.goto(target)
            try:
                page.wait_for_selector(CHART, timeout=30_000)
                times.append(time.perf_counter() - started)
            except Exception:  # a page may have no chart of Plotly
                context.close()
                return None, None
            context.close()
    return statistics.median(ours), statistics.median(ours) / statistics.median(empty)


def cold_start(chromium, address, timings, query):
    """Return the milliseconds, and those of the processor, that Overview takes with nothing read or imported yet."""
    page = chromium.new_page()
    page.goto(f"{address}/" + (f"?{query}" if query else ""))
    page.wait_for_selector("[data-testid=stMain] h1", timeout=60_000)
    settled(page, quiet=1.0)
    page.close()
    cost = Cost("cold")
    sorted_out(cost, timings.new(), "Overview")
    return cost.script[0], cost.processor[0]


def memory_of_five_sessions(chromium, address, process, query):
    """Return the server's resident megabytes with five pages open."""
    contexts = []
    for path in ("", "compare", "geometry", "map", "images"):
        context = chromium.new_context()
        page = context.new_page()
        page.goto(f"{address}/{path}" + (f"?{query}" if query else ""))
        page.wait_for_selector("[data-testid=stMain] h1", timeout=60_000)
        settled(page, quiet=1.0)
        contexts.append(context)
    own = psutil.Process(process.pid)
    used = sum(part.memory_info().rss for part in [own, *own.children(recursive=True)]) / 1e6
    for context in contexts:
        context.close()
    return used


def p95(values):
    return float(np.percentile(values, 95)) if values else None


def judged(value, limit, form):
    if value is None:
        return "-"
    return format(value, form) + ("" if value <= limit else " !")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="recorded,many,coco", help="folders of runs, with commas")
    parser.add_argument("--pages", default=",".join(PAGES), help="titles of pages, with commas")
    parser.add_argument("--repeats", type=int, default=2, help="first charts a page")
    parser.add_argument(
        "--coco", metavar="FOLDER", help="a folder with the run of COCO-LT's size; else it is made"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end too
    path = chromium_path()
    if path is None:
        sys.exit("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch)
        (folder / "empty.py").write_text(EMPTY_PAGE)
        empty, plain = serve(folder / "empty.py")
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        failed = False
        try:
            for kind in given.only.split(","):
                root, query = prepared(kind, folder, given.coco)
                failed |= measured(kind, root, query, chromium, plain, folder, given)
        finally:
            chromium.close()
            empty.terminate()
    sys.exit(1 if failed else 0)


def prepared(kind, folder, coco):
    """Return the folder of runs, made where needed, and a query that picks what to show."""
    recorded = ROOT / "runs"
    if kind == "recorded":
        return recorded, ""
    if kind == "many":
        many_runs(
            folder / "many",
            200,
            slim=recorded / "pictogram-etf-s1",
            full=[recorded / f"pictogram-{name}-s0" for name in ("etf", "trainable", "glove")],
        )
        return folder / "many", ""
    if coco:
        return Path(coco), ""
    started = time.perf_counter()
    coco_sized_run(folder / "coco")
    print(f"made the run of COCO-LT's size in {time.perf_counter() - started:.0f} s", flush=True)
    return folder / "coco", ""


def measured(kind, root, query, chromium, plain, folder, given):
    """Print the table of one folder of runs; return whether a budget is exceeded."""
    started = time.perf_counter()
    timing = folder / f"{kind}.jsonl"
    os.environ[VARIABLE] = str(timing)
    process, address = serve(ROOT / "app" / "main.py", "--runs", str(root))
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    busy = "; busy, so read the processor's column" if load > cores else ""
    number = sum(item.is_dir() for item in root.iterdir())
    print(f"\n{kind}: {number} runs; load {load:.1f} on {cores} cores{busy}")
    print(
        f"{'page':22}{'script p95':>12}{'processor':>12}{'first':>12}{'fragment':>12}{'rerun KB':>12}{'change KB':>12}{'playing B':>12}"
        f"{'chart s':>10}{'ratio':>9}  slowest fragment"
    )
    print(
        f"{'budget':22}{SCRIPT_MS:>9} ms{'':24}{FRAGMENT_MS:>9} ms{KILOBYTES:>12}{KILOBYTES:>12}{0:>12}{'':10}{RATIO:>9}",
        flush=True,
    )
    exceeded = False
    try:
        cold = cold_start(chromium, address, Timings(timing), query)
        exceeded |= cold[1] > COLD_MS
        print(
            f"first script run of a new server, Overview: {cold[0]:.0f} ms, {judged(cold[1], COLD_MS, '.0f')} ms of "
            f"the processor (under {COLD_MS})"
        )
        for name in given.pages.split(","):
            if name.startswith("Learn") and kind != "recorded":
                continue  # lessons hardly depend on the runs
            cost = measure_page(
                chromium, address, name, PAGES[name], Timings(timing), plain, given.repeats, query
            )
            row = (
                judged(p95(cost.script), SCRIPT_MS, ".0f"),
                judged(p95(cost.processor), float("inf"), ".0f"),
                judged(p95(cost.first), float("inf"), ".0f"),
                judged(p95(cost.fragment), FRAGMENT_MS, ".0f"),
                judged(p95([size / 1e3 for size in cost.rerun_bytes]), KILOBYTES, ".1f"),
                judged(p95([size / 1e3 for size in cost.change_bytes]), KILOBYTES, ".1f"),
                judged(cost.playing_bytes, 0, "d"),
                judged(cost.first_chart, float("inf"), ".2f"),
                judged(cost.ratio, RATIO, ".2f"),
            )
            exceeded |= any(cell.endswith("!") for cell in row)
            widths = (12, 12, 12, 12, 12, 12, 12, 10, 9)
            cells = "".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
            print(f"{name:22}{cells}  {cost.slowest.lstrip('0')}", flush=True)
        used = memory_of_five_sessions(chromium, address, process, query)
        exceeded |= used > MEMORY_MB
        print(f"server memory with five sessions: {judged(used, MEMORY_MB, '.0f')} MB (under {MEMORY_MB})")
        print(f"measured in {time.perf_counter() - started:.0f} s; ! is over the budget", flush=True)
    finally:
        process.terminate()
        process.wait(timeout=20)
    return exceeded


if __name__ == "__main__":
    main()
