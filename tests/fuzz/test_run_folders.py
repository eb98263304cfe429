"""Damaged run folders, read by store, commands and analysis in a process that is watched."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mlcnc.store import RunStore
from tests.app.conftest import write_run
from tests.conftest import ROOT
from tests.fuzz.surface import HEALTHY, read_everything

FULL = int(os.environ.get("MLCNC_FUZZ_CASES", "12000"))
FEWER = 250


def read_cases(first: int, end: int, seconds: float, *options: str) -> dict:
    """Return the report of a process that reads these cases; see ``tests/fuzz/__main__.py``."""
    command = [sys.executable, "-m", "tests.fuzz", str(first), str(end), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def assert_nothing_found(report: dict) -> None:
    found = report["findings"]
    shown = "\n\n".join(f"{item['case']}\n{item['error']}\n{item['trace'][-1500:]}" for item in found[:5])
    assert not found, (
        f"{len(found)} of {report['cases']} cases; replay one: python -m tests.fuzz SEED\n\n{shown}"
    )


def test_damaged_runs_break_nothing_execute_nothing_and_lead_nowhere():
    report = read_cases(0, FEWER, 240, "--share", "0.15")
    assert_nothing_found(report)
    assert report["cases"] == FEWER
    # the damage is met: most of it is said in some sentence
    assert len(report["said"]) > 60


@pytest.mark.filterwarnings("ignore")
def test_a_run_with_one_class_is_read_like_any_other(tmp_path):
    write_run(tmp_path, HEALTHY).finish()
    write_run(tmp_path, "alone", classes=["person"], co_occurrence=[[9]]).finish()
    said = read_everything(tmp_path)
    assert said == ["1000000.safetensors of run alone is missing"]
    assert RunStore(tmp_path).open("alone").info.co_occurrence == [[9]]


@pytest.mark.slow
def test_more_than_ten_thousand_damaged_runs():
    report = read_cases(1_000, 1_000 + FULL, 7200)
    print(f"{report['cases']} damaged run folders in {report['seconds']} s, slowest {report['slowest']}")
    assert_nothing_found(report)
