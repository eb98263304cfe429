"""The Train page over a runs folder of its own."""

import pytest
from streamlit.testing.v1 import AppTest

from app.train import clicks
from mlcnc.launch import Jobs
from tests.app.job_files import without_gpus
from tests.conftest import ROOT


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a runs folder whose queue nobody runs, so that jobs stay as they are."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("MLCNC_RUNS", str(folder))
    monkeypatch.delenv("MLCNC_GLOVE", raising=False)
    monkeypatch.delenv(clicks.ALLOW_VARIABLE, raising=False)
    monkeypatch.setattr("sys.argv", ["streamlit"])
    monkeypatch.setattr(Jobs, "_start_worker", lambda jobs, lane: False)
    monkeypatch.setattr(Jobs, "_has_worker", lambda jobs, lane: True)
    without_gpus(tmp_path / "locks", monkeypatch)
    return folder


@pytest.fixture
def opened(root):
    """Return a function that opens the page, with settings of the address."""

    def open_page(script="app/train/page.py", **address):
        page = AppTest.from_file(str(ROOT / script), default_timeout=60)
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception, page.exception
        return page

    return open_page
