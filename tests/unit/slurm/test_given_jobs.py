"""Jobs given to a Slurm of a few scripts, for what a real one says and does at rare moments alone."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

from mlcnc.errors import LaunchError
from mlcnc.launch import Jobs
from mlcnc.launch.request import JobRequest
from mlcnc.slurm import AllJobs
from mlcnc.slurm.commands import PATIENCE_SECONDS
from tests.app.conftest import lost
from tests.app.job_files import change, write_job

REQUEST = JobRequest(kind="train", slurm={"minutes": 5})
NEVER_GIVEN = "never came to Slurm, as who was giving it there died over it; queue it again"


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


@pytest.mark.parametrize("more", [{"nodes": 2}, {"gpus_per_node": 4}])
@pytest.mark.parametrize("kind", ["evaluate", "layout", "gallery"])
def test_what_is_one_process_is_not_begun_on_every_node(root, slurm, kind, more):
    run = {} if kind == "gallery" else {"run_id": "dead"}
    request = JobRequest(kind=kind, slurm={"minutes": 5, **more}, **run)
    with pytest.raises(LaunchError, match=f"a job of kind {kind} is one process, and would begin [24] times"):
        AllJobs(root).submit(request)
    assert len(AllJobs(root).all()) == 1


def test_the_order_of_those_in_slurm_is_its_own(root, slurm):
    slurm("squeue", "echo '12|PENDING|Priority||N/A|N/A'")
    with pytest.raises(LaunchError, match="in the hands of Slurm, which orders its queue itself"):
        AllJobs(root).move("0001-train", -1)


def test_what_is_kept_of_a_job_that_slurm_ended_is_said(root, slurm):
    slurm("squeue", "echo '12|TIMEOUT|None|n1|2026-01-01T00:00:00|2026-01-01T00:05:00'")
    assert AllJobs(root).get("0001-train").headline == (
        "stopped at its time limit of 5 minutes; what was logged is kept"
    )


def test_a_job_whose_number_cannot_be_written_into_the_table_is_cancelled(root, slurm, tmp_path):
    # as a disk that fills just then
    slurm("sbatch", 'prlimit --pid "$PPID" --fsize=1: && echo Submitted batch job 77')
    slurm("scancel", f'mkdir "{tmp_path}/cancelled-$1"')
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(LaunchError, match="cannot be used"):
            AllJobs(root).submit(REQUEST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (tmp_path / "cancelled-77").is_dir()
    job, before = AllJobs(root).all()
    assert (job.state, before.job_id) == ("lost", "0001-train")
    assert job.headline == NEVER_GIVEN


def test_a_run_that_an_earlier_job_stopped_says_nothing_of_one_that_never_began(root, slurm):
    path = root / "dead" / "status.json"
    path.write_text(path.read_text().replace('"running"', '"stopped"', 1))
    assert AllJobs(root).get("0001-train").state == "lost"
    assert AllJobs(root)._queue.read()[0][0].state == "queued"
    (root / ".jobs" / "0001-train.log").write_text("going on with epoch 2\n")
    assert AllJobs(root).get("0001-train").state == "stopped"


class Giving(threading.Thread):
    """Someone who queues a job; what came of it is in ``came``."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.came = work, None
        self.start()

    def run(self):
        try:
            self.came = self.work()
        except LaunchError as error:
            self.came = error

    def ended(self):
        self.join(20)
        assert not self.is_alive()
        return self.came


@pytest.fixture
def slow(slurm, tmp_path):
    """Return how a slow sbatch is let go, with the end of its script; until then it has taken no job."""
    slurm("scancel", f'mkdir "{tmp_path}/cancelled-$1"')
    takes = 'echo "Submitted batch job 77"'

    def lets_go(end=takes):
        (tmp_path / "end").write_text(end)
        (tmp_path / "end").rename(tmp_path / "let go")

    wait = f'while [ ! -e "{tmp_path}/let go" ]; do sleep 0.02; done; . "{tmp_path}/let go"'
    slurm("sbatch", f'touch "{tmp_path}/asked"; {wait}')
    return lets_go


def wait_until(true):
    deadline = time.monotonic() + 20
    while not (value := true()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


@pytest.fixture
def being_given(root, slow, tmp_path):
    """Return who queues a new training in Slurm, whose sbatch has begun."""
    giving = Giving(lambda: AllJobs(root).submit(REQUEST, "token"))
    wait_until((tmp_path / "asked").exists)
    return giving


def test_a_slow_controller_holds_up_nobody_else(root, slow, being_given, monkeypatch):
    monkeypatch.setattr(Jobs, "_start_worker", lambda self, lane: False)
    began = time.monotonic()
    assert AllJobs(root).submit(JobRequest(kind="train", device="cpu")).job_id == "0003-train"
    assert time.monotonic() - began < PATIENCE_SECONDS / 4
    job = AllJobs(root).get("0002-train")
    assert (job.state, job.place, job.pid) == ("queued", None, None)
    assert job.headline.startswith("is being given to Slurm on ")
    slow()
    assert (being_given.ended().job_id, being_given.came.device) == ("0002-train", "slurm:77")
    assert not job.stem.with_suffix(".lock").exists()


def test_what_slurm_refuses_after_a_while_is_no_job(root, slow, being_given):
    other = Giving(lambda: AllJobs(root).submit(REQUEST, "token"))
    slow("echo 'sbatch: error: no such account' >&2; exit 1")
    for asked in (being_given, other):
        assert str(asked.ended()) == "Slurm does not take the job: no such account"
    assert [job.job_id for job in AllJobs(root).all()] == ["0001-train"]
    assert list((root / ".jobs" / "slurm").iterdir()) == []


def test_asked_for_twice_at_once_with_one_token_it_is_one_job(root, slow, being_given):
    other = Giving(lambda: AllJobs(root).submit(REQUEST, "token"))
    time.sleep(0.3)
    assert other.is_alive()
    slow()
    assert being_given.ended().device == other.ended().device == "slurm:77"
    assert len(AllJobs(root).all()) == 2


def test_two_that_are_given_at_once_leave_standard_error_as_it_was(root, slurm, tmp_path):
    takes = f'n=1; while ! mkdir "{tmp_path}/call-$n" 2>&-; do n=$((n+1)); done'
    waits = f'while [ ! -e "{tmp_path}/go-$n" ]; do sleep 0.02; done'
    slurm("sbatch", f'{takes}; {waits}; echo "Submitted batch job 7$n"')
    before = sys.stderr
    both = [Giving(lambda: AllJobs(root).submit(REQUEST)) for _ in range(2)]
    time.sleep(0.5)
    (tmp_path / "go-1").touch()
    wait_until(lambda: not all(asked.is_alive() for asked in both))
    (tmp_path / "go-2").touch()
    assert {asked.ended().device for asked in both} == {"slurm:71", "slurm:72"}
    assert sys.stderr is before


@pytest.mark.parametrize("ends", ["stop", "remove"])
def test_a_job_that_is_ended_while_it_is_given_is_cancelled(root, slow, being_given, ends, tmp_path):
    getattr(AllJobs(root), ends)("0002-train")
    slow()
    came = being_given.ended()
    assert (tmp_path / "cancelled-77").is_dir()
    if ends == "stop":
        assert (came.state, came.headline) == ("stopped", "stopped before it began")
    else:
        assert str(came).startswith("there is no job '0002-train'")
    assert len(AllJobs(root).all()) == (2 if ends == "stop" else 1)


def test_a_run_is_claimed_while_its_job_is_given(root, slow, tmp_path, monkeypatch):
    monkeypatch.setattr(Jobs, "_start_worker", lambda self, lane: False)
    giving = Giving(lambda: AllJobs(root).resume("dead", slurm={}))
    wait_until((tmp_path / "asked").exists)
    for where in ({"device": "cpu"}, {"slurm": {}}):
        with pytest.raises(LaunchError, match="run dead is in the hands of job 0002-resume already"):
            AllJobs(root).resume("dead", **where)
    slow()
    assert giving.ended().job_id == "0002-resume"


GIVES = """
import sys
from mlcnc.slurm import AllJobs
AllJobs(sys.argv[1]).resume("dead", slurm={})
"""


@pytest.fixture
def killed(root, slow, tmp_path):
    """Return the files of a resumed job, of which the process that gave it to Slurm was killed meanwhile."""
    giving = subprocess.Popen([sys.executable, "-c", GIVES, str(root)])
    wait_until((tmp_path / "asked").exists)
    giving.kill()
    assert giving.wait() == -signal.SIGKILL
    yield root / ".jobs" / "slurm" / "0002-resume"
    slow()  # or sbatch would wait for ever


def test_a_job_whose_giver_died_is_lost_and_what_slurm_took_of_it_does_nothing(
    root, killed, tmp_path, monkeypatch
):
    monkeypatch.setattr(Jobs, "_start_worker", lambda self, lane: False)
    (script,) = killed.glob(".submission_file_*.sh")
    late = tmp_path / "late.sh"  # Slurm keeps a copy
    late.write_text(script.read_text())
    job = AllJobs(root).get("0002-resume")
    assert (job.state, job.headline) == ("lost", NEVER_GIVEN)
    assert AllJobs(root).get("0002-resume") == job
    done = subprocess.run(["bash", str(late)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "mlcnc: this job is on no list of jobs any more, so that it does nothing\n"
    assert AllJobs(root).resume("dead", device="cpu").job_id == "0003-resume"


def test_a_job_whose_giver_died_after_slurm_took_it_is_found_there(root, slurm, killed):
    (killed / "78_submitted.pkl").touch()
    slurm("squeue", "echo '78|PENDING|Resources||N/A|N/A'")
    job = AllJobs(root).get("0002-resume")
    assert (job.state, job.headline) == ("queued", "queued in Slurm as job 78 (Resources)")
    assert AllJobs(root)._queue.read("number = 2")[0][0].device == "slurm:78"
    assert killed.is_dir()


def test_a_silent_controller_is_asked_once_for_what_is_shown_once(root, slurm, tmp_path):
    slurm("squeue", f"echo >> '{tmp_path}/times'; echo Unable to contact >&2; exit 1")
    for _ in range(3):
        assert "not known how it stands: squeue of Slurm says: Unable" in AllJobs(root).all()[0].headline
    assert (tmp_path / "times").read_text() == "\n"


def test_jobs_of_other_runs_are_no_reason_to_ask_slurm_before_one_is_queued(root, slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(Jobs, "_start_worker", lambda self, lane: False)
    monkeypatch.setattr(Jobs, "get", lambda self, job_id: self._queue.read("number = 2")[0][0])
    slurm("squeue", f"touch '{tmp_path}/times'")
    AllJobs(root).submit(JobRequest(kind="train", device="cpu", run_id="other"))
    assert not (tmp_path / "times").exists()
