"""A stage for the runner's tests: locks of its own, nothing left running."""

import pytest

from tests.processes.stand_in import IDLE, LEDGER, StandInJobs, clear


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """Return a folder of device locks that belongs to this test alone."""
    folder = tmp_path / "locks"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("MLCNC_LOCKS", str(folder))
    monkeypatch.setenv(IDLE, "0.3")
    monkeypatch.setenv(LEDGER, str(tmp_path / "ledger.txt"))
    yield folder
    clear(tmp_path)


@pytest.fixture
def jobs(tmp_path, locks):
    """Return the jobs of an empty runs folder; they run stand-ins."""
    return StandInJobs(tmp_path / "runs")
