"""A live page left open: neither browser nor server grows, and a tick stays small.

``MLCNC_SOAK_MINUTES`` sets how long it is watched, 30 by default:
``MLCNC_REQUIRE_BROWSER=1 pytest -m slow -n0 -s tests/soak``.
"""

import os
import time

import numpy as np
import psutil
import pytest

from mlcnc.launch import JobRequest, Jobs
from tests.browser.conftest import browser, page, serve  # noqa: F401
from tests.browser.traffic import Frame, ticks, traffic
from tests.conftest import ROOT
from tests.processes.stand_in import clear

pytestmark = [pytest.mark.slow, pytest.mark.browser]

MINUTES = float(os.environ.get("MLCNC_SOAK_MINUTES", "30"))
EVERY_SECONDS = 10.0
WARM_UP = 0.2
"""Share of the time before measuring: caches fill and chart code is loaded."""

ENDLESS = {
    "data": {"num_samples": 32},
    "method": {"embedding_dim": 24, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 1},
    "training": {
        "epochs": 10_000,
        "arrays_every": 0,
        "num_sample_pairs": 0,
        "num_probes": 0,
    },
}


@pytest.fixture
def endless(tmp_path, monkeypatch):
    """Serve a runs folder in which a real job logs epoch after epoch."""
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    (tmp_path / "locks").mkdir(mode=0o700)
    root = tmp_path / "runs"
    root.mkdir()
    job = Jobs(root).submit(JobRequest(kind="train", device="cpu", settings=ENDLESS))
    server, url = serve(ROOT / "app" / "main.py", "--runs", str(root))
    yield Jobs(root), job, server, url
    server.kill()
    server.wait(timeout=20)
    clear(tmp_path)


def slope_per_minute(samples):
    """Return the slope of a straight line through (seconds, value), a minute."""
    seconds, values = np.array(samples, dtype=float).T
    return float(np.polyfit(seconds / 60, values, 1)[0])


def test_slope_is_that_of_the_line():
    assert slope_per_minute([(0, 5.0), (60, 7.0), (120, 9.0)]) == pytest.approx(2.0)


def test_ticks_are_drawings_of_a_part_alone():
    whole = [Frame(0.0, 10, begins=True), Frame(0.1, 500), Frame(0.2, 5, ends="page")]
    tick = [Frame(2.0, 1, begins=True), Frame(2.0, 7), Frame(2.1, 2, ends="fragment")]
    cut = [Frame(4.0, 100, begins=True), Frame(4.1, 3, ends="other")]
    last = [Frame(6.0, 20, begins=True), Frame(6.1, 2, ends="fragment")]
    frames = [*whole, *tick, *cut, *last, Frame(8.0, 1, begins=True)]
    assert ticks(frames) == [10, 22]
    assert ticks(frames, since=1, until=5) == [10]
    assert ticks(frames, of="page") == [515]


def browser_bytes():
    """Return the memory of all processes of the browser: heap, buffers of arrays, canvases, the document."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    assert total, "no process of a browser was found"
    return total


def test_a_live_page_does_not_grow(endless, page):  # noqa: F811
    jobs, job, server, url = endless
    with traffic(page) as frames:
        page.goto(f"{url}/train")
    page.wait_for_selector(".vega-embed", timeout=600_000)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    heap, memory, browser_memory = [], [], []
    started = time.monotonic()
    while (passed := time.monotonic() - started) < 60 * MINUTES:
        page.wait_for_timeout(1000 * EVERY_SECONDS)
        # garbage that waits to be collected is no growth
        devtools.send("HeapProfiler.collectGarbage")
        found = {item["name"]: item["value"] for item in devtools.send("Performance.getMetrics")["metrics"]}
        heap.append((passed, found["JSHeapUsedSize"] / 2**20))
        memory.append((passed, psutil.Process(server.pid).memory_info().rss / 2**20))
        browser_memory.append((passed, browser_bytes() / 2**20))
    assert jobs.get(job.job_id).state == "running"
    first = WARM_UP * 60 * MINUTES
    heap, memory, browser_memory = (
        [sample for sample in samples if sample[0] >= first] for samples in (heap, memory, browser_memory)
    )
    sizes = ticks(frames, since=started + first)
    epochs = len((jobs.runs_root / str(job.run_id) / "metrics.jsonl").read_bytes().splitlines())
    print(f"\n{MINUTES:g} minutes, {epochs} epochs, {len(sizes)} live ticks")
    for name, samples in (("JS heap", heap), ("browser", browser_memory), ("server", memory)):
        slope = slope_per_minute(samples)
        print(f"{name} {samples[0][1]:.1f} to {samples[-1][1]:.1f} MiB, {slope:+.3f} MiB a minute")
    print(f"{np.mean(sizes):.0f} bytes a live tick, the greatest {max(sizes)}")
    assert slope_per_minute(heap) < 1
    assert slope_per_minute(memory) < 1
    # all processes of the browser together: pages that it holds in reserve come and go
    assert slope_per_minute(browser_memory) < 3
    assert len(sizes) > 60 * MINUTES * (1 - WARM_UP) / 8, "the page does not tick"
    assert max(sizes) < 20_000
