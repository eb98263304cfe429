"""Jobs of Slurm where none of its commands is: one sentence, nothing queued, nothing lost."""

from __future__ import annotations

import pytest

from mlcnc.cli import main
from mlcnc.slurm import AllJobs
from tests.app.job_files import change, write_job


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir(mode=0o700)
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "runs"


def commands(root, *names):
    """Put commands of Slurm on the path."""
    for name in names:
        (root.parent / name).write_text("#!/bin/sh\nexit 1\n")
        (root.parent / name).chmod(0o755)


@pytest.mark.parametrize("here", [(), ("sbatch",), ("srun",)])
@pytest.mark.parametrize("more", [("start", "train", "--time", "5"), ("start", "train"), ("resume", "run")])
def test_nothing_is_queued_and_what_is_not_there_is_named_first(root, here, more, capsys):
    commands(root, *here)
    assert main(["jobs", *more, "--on", "slurm", "--runs", str(root)]) == 1
    said = capsys.readouterr().err
    missing = " and no command ".join(sorted({"sbatch", "srun"} - {*here}))
    assert said.startswith(
        f"mlcnc: Slurm is not on this machine: there is no command {missing}; queue the job on "
    )
    assert said.count("\n") == 1
    assert AllJobs(root).all() == []


def test_a_download_stays_on_this_machine(root, capsys):
    commands(root, "sbatch", "srun")
    command = ["jobs", "start", "glove", "--out", "x", "--on", "slurm", "--time", "5", "--runs", str(root)]
    assert main(command) == 1
    assert "a job of kind glove needs the network, which nodes may not have" in capsys.readouterr().err


@pytest.fixture
def far(root):
    """Return the id of a job that was given to Slurm elsewhere."""
    job_id = write_job(root, device="auto", run_id="far", slurm={"minutes": 5})
    change(root, job_id, lane="slurm", machine="slurm", device="slurm:12")
    return job_id


def test_a_job_given_elsewhere_is_shown_as_not_known_and_left_alone(root, far, capsys):
    job = AllJobs(root).get(far)
    assert (job.state, job.place, job.is_unattended) == ("queued", None, False)
    assert job.headline.startswith(
        "queued in Slurm as job 12, of which is not known how it stands: Slurm is not on"
    )
    for action in (["stop", far], ["remove", far], ["move", far, "1"]):
        assert main(["jobs", *action, "--runs", str(root)]) == 1
    assert capsys.readouterr().err.count("Slurm is not on this machine") == 2
    assert main(["jobs", "work", "--runs", str(root)]) == 0
    assert "0 workers started" in capsys.readouterr().out
    (kept,) = AllJobs(root).all()
    assert (kept.state, kept.stop) == ("queued", None)


@pytest.mark.parametrize("device", ["slurm:-3", "slurm:9" + "9" * 20, "cpu", "slurm:x (n1)", None])
def test_a_damaged_number_is_of_no_job(root, far, device):
    change(root, far, device=device)
    assert AllJobs(root).get(far).state == "queued"
    AllJobs(root).remove(far)
    assert AllJobs(root).all() == []
