"""Jobs in a folder of their own, with device locks of their own, that no supervisor runs."""

import pytest

from mlcnc.launch import Jobs


class Unattended(Jobs):
    """Jobs that nobody runs."""

    def ensure_supervisor(self):
        return False


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir(mode=0o700)
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    return Unattended(tmp_path / "runs")
