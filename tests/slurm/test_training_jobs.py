"""Training as jobs of a real Slurm, by the command line, in one list with those of this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from mlcnc.cli import main
from mlcnc.config import nested, override
from mlcnc.slurm import AllJobs
from mlcnc.store import RunStore
from mlcnc.training import train
from tests.conftest import TINY, tiny_config
from tests.processes.small_training import assert_same_run

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("cluster")]
EPOCHS = 10
# the first and the last epoch are measured alone, so that a training takes seconds
QUICK = {"data.num_samples": 160, "training.arrays_every": 100, "training.measure_every": 100}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a run of these settings that nothing interrupted."""
    root = tmp_path_factory.mktemp("whole")
    config = override(
        tiny_config(epochs=EPOCHS), nested({tuple(name.split(".")): value for name, value in QUICK.items()})
    )
    train(config, runs_root=root, run_id="run", say=lambda text: None, show_progress=False)
    return root / "run"


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir(mode=0o700)
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "runs"


def start(root, *more, epochs=EPOCHS):
    """Queue the tiny training under the id ``run``."""
    values = {f"{section}.{name}": value for section, tree in TINY.items() for name, value in tree.items()}
    values |= {**QUICK, "training.epochs": epochs}
    settings = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    return main(["jobs", "start", "train", "--run-id", "run", "--runs", str(root), *settings, *more])


def seen(root):
    AllJobs._answer = (float("-inf"), frozenset(), {})
    return AllJobs(root).all()[0]


def wait_until(root, true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true(job := seen(root)):
        log = job.log.read_text() if job.log.exists() else "no log"
        assert time.monotonic() < deadline, f"{job.state}: {job.headline}\n{log}"
        time.sleep(0.2)
    return job


def epochs_of(root):
    metrics = root / "run" / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.exists() else 0


def test_a_job_is_given_watched_and_finished(root, capsys):
    assert start(root, "--on", "slurm", "--partition", "common", "--time", "5", epochs=2) == 0
    said = capsys.readouterr().out
    assert said.startswith(("0001-train: queued\n", "0001-train: running\n"))
    assert "mlcnc train" in said
    job = wait_until(root, lambda job: job.state == "running")
    assert job.place is None
    assert job.device.startswith("slurm:")
    job = wait_until(root, lambda job: not job.is_active)
    assert (job.state, job.exit_code, job.stop) == ("finished", 0, None), job.headline
    assert "best epoch on validation" in job.headline, job.headline
    assert job.started_at < job.finished_at
    assert RunStore(root).open("run").status.state == "finished"
    # what was written once is not asked for again
    assert AllJobs(root)._queue.read()[0][0].state == "finished"
    assert main(["jobs", "list", "--runs", str(root), "--json"]) == 0
    (tree,) = json.loads(capsys.readouterr().out)
    assert (tree["state"], tree["run_id"]) == ("finished", "run")
    assert main(["jobs", "logs", job.job_id, "--runs", str(root)]) == 0
    assert "run run: 2 epochs" in capsys.readouterr().out
    assert main(["jobs", "remove", job.job_id, "--runs", str(root)]) == 0
    assert list((root / ".jobs" / "slurm").iterdir()) == []


def test_a_stopped_job_is_resumed_in_slurm_and_stops_when_its_time_is_over(root, cluster, capsys):
    assert start(root, "--on", "slurm", "--time", "5", epochs=40) == 0
    wait_until(root, lambda job: epochs_of(root) >= 2)
    assert main(["jobs", "remove", "0001-train", "--runs", str(root)]) == 1
    assert "0001-train is running; stop it first" in capsys.readouterr().err
    assert main(["jobs", "stop", "0001-train", "--runs", str(root)]) == 0
    job = wait_until(root, lambda job: not job.is_active)
    assert (job.state, job.headline) == ("stopped", "stopped on request; what was logged is kept")
    assert RunStore(root).open("run").status.state == "stopped"
    logged = epochs_of(root)
    assert main(["jobs", "resume", "run", "--runs", str(root)]) == 0
    job = wait_until(root, lambda job: epochs_of(root) > logged)
    assert (job.job_id, job.request.slurm.minutes) == ("0002-resume", 5)
    # as Slurm does before the time limit
    cluster.run("scancel", "--signal=USR2", job.device.removeprefix("slurm:").split()[0])
    job = wait_until(root, lambda job: not job.is_active)
    assert (job.state, job.exit_code) == ("stopped", 130)
    assert job.headline.startswith(f"stopped, {epochs_of(root)} epochs of run logged"), job.headline
    assert f"going on with epoch {logged + 1}" in job.log.read_text()
    assert RunStore(root).open("run").status.state == "stopped"


def test_a_job_that_slurm_puts_back_goes_on_bit_for_bit(root, whole, cluster):
    assert start(root, "--on", "slurm", "--time", "5") == 0
    job = wait_until(root, lambda job: epochs_of(root) >= 2)
    number = job.device.removeprefix("slurm:").split()[0]
    cluster.run("scontrol", "requeue", number)
    job = wait_until(root, lambda job: job.state == "queued")
    assert job.headline == f"queued in Slurm as job {number} (BeginTime)"
    assert RunStore(root).open("run").status.state == "stopped"
    assert 2 <= epochs_of(root) < EPOCHS
    job = wait_until(root, lambda job: not job.is_active)
    assert job.state == "finished", job.headline
    assert "going on with epoch" in job.log.read_text()
    assert_same_run(whole, root / "run")


@pytest.mark.skipif(find_spec("mlcnc.training.ranks") is None, reason="no training over several processes yet")
def test_two_nodes_train_as_one(root, whole, monkeypatch):
    # the names of these nodes are known to Slurm alone
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    assert start(root, "--on", "slurm", "--nodes", "2", "--time", "5", "--partition", "common") == 0
    job = wait_until(root, lambda job: not job.is_active, seconds=120)
    assert job.state == "finished", f"{job.headline}\n{job.log.read_text()}"
    (one, two) = (
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (whole, root / "run")
    )
    assert [line["epoch"] for line in two] == list(range(EPOCHS))
    for alone, shared in zip(one, two, strict=True):
        assert shared["train/loss"] == pytest.approx(alone["train/loss"], rel=0.02)
    assert (
        job.log.read_text().count("run run: ") == 2
    )  # the first process alone speaks: at the start and at the end


def test_one_that_waits_says_why_and_is_cancelled_at_once(root, cluster, capsys):
    assert (
        start(root, "--on", "slurm", "--nodes", "2", "--time", "5", "--partition", "common", epochs=EPOCHS) == 0
    )
    other = root.parent / "other"
    assert start(other, "--on", "slurm", "--nodes", "2", "--time", "5") == 0
    job = wait_until(other, lambda job: "(" in job.headline)
    assert job.headline.endswith(("(Resources)", "(Priority)"))
    assert main(["jobs", "move", job.job_id, "1", "--runs", str(other)]) == 1
    assert main(["jobs", "work", "--runs", str(other)]) == 0
    assert "0 workers started" in capsys.readouterr().out
    assert main(["jobs", "stop", job.job_id, "--runs", str(other)]) == 0
    job = wait_until(other, lambda job: not job.is_active)
    assert (job.state, job.headline) == ("stopped", "stopped before it began")
    assert not (other / "run").exists()
    cluster.cancel_all()


STARTS = "import sys; from mlcnc.cli import main; sys.exit(main(sys.argv[1:]))"


def test_a_slow_controller_holds_up_no_job_of_this_machine_and_a_killed_start_leaves_none(
    root, cluster, tmp_path, monkeypatch, capsys
):
    (tmp_path / "bin").mkdir()
    sbatch = tmp_path / "bin" / "sbatch"
    # it has read the script, and waits for the controller
    reads = f"cp $1 {tmp_path}/script; touch {tmp_path}/asked"
    waits = f"while [ ! -e {tmp_path}/answers ]; do sleep 0.1; done"
    gives = f"{shutil.which('sbatch')} {tmp_path}/script > {tmp_path}/took"
    sbatch.write_text(f"#!/bin/sh\n{reads}\n{waits}\n{gives}\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    job = ["jobs", "start", "gallery", "--only", "none", "--runs", str(root)]
    command = [*job, "--on", "slurm", "--time", "5"]
    starting = subprocess.Popen([sys.executable, "-c", STARTS, *command], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "asked").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert seen(root).headline.startswith("is being given to Slurm on ")
    began = time.monotonic()
    assert main([*job, "--on", "cpu"]) == 0
    assert time.monotonic() - began < 10
    starting.kill()
    assert starting.wait() == -signal.SIGKILL
    lost = AllJobs(root).get("0001-gallery")
    assert (lost.state, lost.device) == ("lost", "slurm:")
    # Slurm takes it all the same, and it does nothing
    (tmp_path / "answers").touch()
    deadline = time.monotonic() + 30
    while not lost.log.exists() or not lost.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert lost.log.read_text() == "mlcnc: this job is on no list of jobs any more, so that it does nothing\n"
    number = (tmp_path / "took").read_text().split()[-1]
    fields = ("squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T")
    while "FAILED" not in cluster.run(*fields):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--on", "slurm"], "a job of Slurm needs a time limit: add --time with minutes"),
        (["--partition", "common"], "only jobs of Slurm take --partition; add --on slurm"),
        (["--on", "slurm", "--time", "0"], "slurm.minutes: input should be greater than or equal to 1, got 0"),
        (["--on", "slurm", "--time", "5", "--max-minutes", "3"], "are of jobs on this machine"),
        (["--on", "slurm", "--time", "5", "--partition", "no where"], "slurm.partition: string should match"),
        (["--on", "slurm", "--time", "5", "--partition", "nowhere"], "invalid partition specified: nowhere"),
    ],
)
def test_refusals_are_one_sentence_and_queue_nothing(root, more, words, capsys):
    assert start(root, *more) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert AllJobs(root).all() == []
