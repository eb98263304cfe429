"""The page Train with a real Slurm: a run is given to it by the form, shown as it stands, and taken back."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from mlcnc.slurm import AllJobs
from tests.app.train.page_words import pressed, said
from tests.conftest import ROOT

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("cluster")]


def test_the_form_gives_a_run_to_slurm(tmp_path, monkeypatch, cluster):
    root = tmp_path / "runs"
    root.mkdir()
    (tmp_path / "locks").mkdir(mode=0o700)
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("MLCNC_RUNS", str(root))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app/train/page.py"), default_timeout=60).run()
    page.selectbox(key="form_0_device").select("slurm").run()
    page.text_input(key="form_0_slurm_partition").input("nowhere").run()
    pressed(page, "queue_form")
    assert "Slurm does not take the job: invalid partition specified: nowhere" in said(page)
    assert AllJobs(root).all() == []
    # three nodes are never there: it waits for as long as the test looks
    page.text_input(key="form_0_slurm_partition").input("common").run()
    page.number_input(key="form_0_slurm_nodes").set_value(3).run()
    pressed(page, "queue_form")
    (job,) = AllJobs(root).all()
    number = job.device.removeprefix("slurm:")
    AllJobs._answer = (float("-inf"), frozenset(), {})
    page.run()
    assert f"{job.run_id} is queued in Slurm as job {number} (PartitionConfig)" in said(page)
    pressed(page, f"remove_{job.job_id}")
    assert AllJobs(root).all() == []
    assert (
        cluster.run("squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T").strip()
        == "CANCELLED"
    )
