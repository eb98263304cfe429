"""Every command that runs as a job, as a process whose output is a file: its lines, and a polite end by SIGTERM."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, TINY

SECONDS = 120


def settings(tree, path=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from settings(value, f"{path}{name}.")
        else:
            yield from (f"--{path}{name}", str(value))


@pytest.fixture
def started():
    """Start commands with a log in place of a terminal; whatever is left of them is killed."""
    running = []

    def start(log, *arguments):
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlcnc", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def line_comes(log, pattern, process):
    """Wait for a line of the log while the process runs."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text(), re.MULTILINE)
        if found:
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{pattern} did not come: {log.read_text()}")


def stopped_politely(process, log):
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 130, log.read_text()
    text = log.read_text()
    assert "Traceback" not in text
    assert re.search(r"^mlcnc: stopped", text, re.MULTILINE)
    return time.monotonic() - began


EPOCH = (
    r"^epoch 1/3: loss \d+\.\d{3}, validation mAP \d+\.\d, test mAP \d+\.\d, "
    r"NC1 of train f \d+\.\d{3}, mu \d+\.\d{3}, concat \d+\.\d{3}, \d+ images/s, \d+:\d\d left$"
)


def test_quiet_training_logs_a_line_an_epoch_while_it_runs_and_stops(started, tmp_path):
    log = tmp_path / "log.txt"
    process = started(log, "train", "--quiet", *settings(TINY), "--run-id", "one", "--runs", str(tmp_path))
    line_comes(log, EPOCH, process)
    stopped_politely(process, log)
    assert "\r" not in log.read_text()
    assert json.loads((tmp_path / "one" / "status.json").read_text())["state"] == "stopped"


def test_evaluation_says_that_it_measures_and_stops(started, trained, tmp_path):
    log = tmp_path / "log.txt"
    process = started(log, "evaluate", "tiny", "--runs", str(trained))
    line_comes(log, "^measuring the last checkpoint of tiny", process)
    stopped_politely(process, log)


@pytest.mark.slow
def test_the_recording_of_the_gallery_stops(started, tmp_path):
    log = tmp_path / "log.txt"
    process = started(log, "record-gallery", "--only", "digits-etf", "--runs", str(tmp_path))
    line_comes(log, "^run digits-etf-s0: 40 epochs", process)
    stopped_politely(process, log)
    assert json.loads((tmp_path / "digits-etf-s0" / "status.json").read_text())["state"] == "stopped"


@pytest.mark.slow
def test_a_layout_stops_while_umap_compiles_or_computes(started, trained, tmp_path):
    shutil.copytree(trained / "tiny", tmp_path / "tiny")
    for wait in (0.0, 3.0, 12.0):
        log = tmp_path / f"log-{wait}.txt"
        process = started(log, "layout", "tiny", "--runs", str(tmp_path))
        line_comes(log, "^loading UMAP", process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(wait)
        assert stopped_politely(process, log) < 60
        assert not list((tmp_path / "tiny").glob("layouts/*"))
