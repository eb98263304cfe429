"""Jobs given to a Slurm of a few scripts, for what a real one says and does at rare moments alone."""

from __future__ import annotations

import resource

import pytest

from mlcnc.errors import LaunchError
from mlcnc.launch import Jobs
from mlcnc.launch.request import JobRequest
from mlcnc.slurm import AllJobs
from tests.app.conftest import lost
from tests.app.job_files import change, write_job


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Return how commands of Slurm are given a script; at first none of them knows any job."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "locks").mkdir(mode=0o700)
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(AllJobs, "_answer", (float("-inf"), frozenset(), {}))

    def does(command, script):
        path = tmp_path / "bin" / command
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    for command in ("squeue", "scancel", "srun", "sbatch"):
        does(command, "exit 0")
    does("sacct", "exit 1")
    return does


@pytest.fixture
def root(tmp_path):
    """Return a runs folder with one run that died, and the job of Slurm that trained it."""
    root = tmp_path / "runs"
    lost(root)
    (root / "dead" / "checkpoints").mkdir()
    (root / "dead" / "checkpoints" / "last.pt").write_bytes(b"")
    job_id = write_job(root, device="auto", run_id="dead", slurm={"minutes": 5})
    change(root, job_id, lane="slurm", machine="slurm", device="slurm:12")
    return root


def test_the_run_of_a_job_that_slurm_forgot_can_be_resumed(root, slurm, monkeypatch):
    monkeypatch.setattr(Jobs, "_start_worker", lambda self, lane: False)
    assert AllJobs(root).get("0001-train").state == "lost"
    assert AllJobs(root).resume("dead", device="cpu").job_id == "0002-resume"


def test_what_is_kept_of_a_job_that_slurm_ended_is_said(root, slurm):
    slurm("squeue", "echo '12|TIMEOUT|None|n1|2026-01-01T00:00:00|2026-01-01T00:05:00'")
    assert AllJobs(root).get("0001-train").headline == (
        "stopped at its time limit of 5 minutes; what was logged is kept"
    )


def test_a_job_that_cannot_be_written_into_the_table_is_cancelled(root, slurm, tmp_path):
    # as a disk that fills just then
    slurm("sbatch", 'prlimit --pid "$PPID" --fsize=1: && echo Submitted batch job 77')
    slurm("scancel", f'mkdir "{tmp_path}/cancelled-$1"')
    request = JobRequest(kind="train", slurm={"minutes": 5})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(LaunchError, match="cannot be used"):
            AllJobs(root).submit(request)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (tmp_path / "cancelled-77").is_dir()
    assert [job.job_id for job in AllJobs(root).all()] == ["0001-train"]


def test_a_run_that_an_earlier_job_stopped_says_nothing_of_one_that_never_began(root, slurm):
    path = root / "dead" / "status.json"
    path.write_text(path.read_text().replace('"running"', '"stopped"', 1))
    assert AllJobs(root).get("0001-train").state == "lost"
    assert AllJobs(root)._queue.read()[0][0].state == "queued"
    (root / ".jobs" / "0001-train.log").write_text("going on with epoch 2\n")
    assert AllJobs(root).get("0001-train").state == "stopped"
