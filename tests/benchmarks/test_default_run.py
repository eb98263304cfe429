"""The default run as a user starts it: how long it takes alone and beside a busy process, what measuring costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

from tests.conftest import ROOT

BUSY = "while True: pass"


def run(folder, run_id, *options):
    """Train the default run from nothing, its data drawn anew, and return seconds and its lines of metrics."""
    environment = os.environ | {"MLCNC_CACHE": str(folder / f"cache-{run_id}"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mlcnc", "train", "--runs", str(folder), "--run-id", run_id, "--quiet"]
    started = time.perf_counter()
    subprocess.run([*command, *options], env=environment, cwd=folder, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    lines = [json.loads(line) for line in (folder / run_id / "metrics.jsonl").read_text().splitlines()]
    return seconds, lines


@contextmanager
def busy_process():
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_the_default_run(tmp_path, say):
    seconds, lines = run(tmp_path, "default")
    whole = sum(line["seconds"] for line in lines)
    measuring = sum(line.get("seconds_measure", 0.0) for line in lines)
    measured = sum("test/map_total" in line for line in lines)
    best = max(
        (line for line in lines if "test/map_total" in line), key=lambda line: line["validation/map_total"]
    )
    say(
        f"default run: {seconds:.0f} s with start and drawing (at most 60 on two idle cores), test mAP total "
        f"{best['test/map_total']:.1f} (at least 75); measuring {measured} of {len(lines)} epochs takes "
        f"{100 * measuring / whole:.1f} % of their time (at most 20)"
    )
    assert best["test/map_total"] >= 75
    assert measuring / whole <= 0.20


def test_beside_a_busy_process(tmp_path, say):
    """Epochs alone and beside a process that takes a core, in turn."""
    ratios = []
    for turn in range(3):
        _, alone = run(tmp_path, f"alone-{turn}", "--epochs", "6")
        with busy_process():
            _, beside = run(tmp_path, f"beside-{turn}", "--epochs", "6")
        seconds = [sum(line["seconds"] for line in lines[1:]) for lines in (alone, beside)]
        ratios.append(seconds[1] / seconds[0])
    middle = sorted(ratios)[1]
    say(f"beside one busy process an epoch takes {middle:.2f} times as long (at most 2.5); all: {ratios}")
    assert middle <= 2.5
