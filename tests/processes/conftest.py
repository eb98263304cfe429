"""A stage for tests with real processes: locks of their own, quick trainings, nothing left running."""

import sys
import time

import pytest

from tests.processes.nursery import Nursery, Whole
from tests.processes.stand_in import GPUS, LEDGER, StandInJobs, clear


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """Return a folder of device locks that belongs to this test alone."""
    folder = tmp_path / "locks"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("MLCNC_LOCKS", str(folder))
    monkeypatch.setenv(LEDGER, str(tmp_path / "ledger.txt"))
    monkeypatch.setenv(GPUS, "")
    monkeypatch.delenv(GPUS)
    devices = sys.modules["mlcnc.devices"]
    monkeypatch.setattr(devices, "_gpus", devices._gpus)
    yield folder
    clear(tmp_path)


@pytest.fixture
def jobs(tmp_path, locks):
    """Return the jobs of an empty runs folder; they run stand-ins."""
    return StandInJobs(tmp_path / "runs")


@pytest.fixture(scope="session")
def nursery():
    """Return what starts trainings of a second; its tests share a worker by the group ``trainings``."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="session")
def whole(nursery, tmp_path_factory):
    """Return one uninterrupted run, the points at which it could have been hit, and how long it took."""
    root = tmp_path_factory.mktemp("whole")
    assert nursery.run(root, "warm") == 0  # the first child also pays for what later ones find in memory
    started = time.monotonic()
    assert nursery.run(root, "whole", points=str(root / "points.txt")) == 0
    seconds = time.monotonic() - started
    return Whole(root / "whole", (root / "points.txt").read_text().split("\n"), seconds)
