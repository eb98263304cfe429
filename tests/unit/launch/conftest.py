"""Jobs in a folder of their own, with device locks of their own, that no worker runs."""

import sys

import pytest

from mlcnc.launch import Jobs
from tests.processes.stand_in import GPUS


class Unattended(Jobs):
    """Jobs that nobody runs."""

    def _start_worker(self, lane):
        return False


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir(mode=0o700)
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv(GPUS, "")
    devices = sys.modules["mlcnc.devices"]
    monkeypatch.setattr(devices, "_gpus", devices._gpus)
    return Unattended(tmp_path / "runs")
