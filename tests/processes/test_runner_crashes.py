"""The runner when something dies or is damaged at the worst moment."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from mlcnc.errors import LaunchError
from mlcnc.files.processes import process_name
from mlcnc.launch import JobRequest, Jobs
from mlcnc.launch.ending import NEVER_BEGAN
from mlcnc.launch.processes import JOB_VARIABLE
from mlcnc.launch.queue import Queue
from mlcnc.launch.worker import _WHEN_TOLD
from mlcnc.store import RunStore
from tests.conftest import TINY
from tests.processes.stand_in import (
    IDLE,
    begun,
    change,
    group_members,
    kill_workers,
    ledger,
    pretend_gpus,
    stand_in,
    wait_for_state,
    wait_until,
    workers,
    written,
)

DIGITS = {
    "data": {**TINY["data"], "dataset": "digits-lt", "flip": False},
    "method": {**TINY["method"], "warmup_epochs": 0},
    "training": {**TINY["training"], "epochs": 1},
}


def test_a_training_goes_on_without_its_worker_and_is_adopted(tmp_path, locks):
    jobs = Jobs(tmp_path / "runs")
    job = jobs.submit(JobRequest(kind="train", settings=DIGITS, device="cpu", max_minutes=30))
    running = wait_for_state(jobs, job.job_id, "running")
    kill_workers(jobs)
    assert jobs.get(job.job_id).state == "running"
    assert jobs.get(job.job_id).pid == running.pid
    assert jobs.start_workers()
    wait_until(lambda: workers(jobs.runs_root))
    ended = wait_for_state(jobs, job.job_id, "finished", seconds=120)
    assert ended.run_id == "my-digits-lt-etf-s0"
    assert ended.headline.startswith("run my-digits-lt-etf-s0: best epoch on validation")
    assert RunStore(jobs.runs_root).open(ended.run_id).status.state == "finished"
    samples = ended.use
    assert samples.rss_bytes > 0
    wait_until(lambda: not workers(jobs.runs_root))
    assert not jobs.start_workers(), "there is no work left"


@pytest.mark.slow
def test_a_training_is_stopped_midway_and_resumed_to_its_end(tmp_path, locks):
    jobs = Jobs(tmp_path / "runs")
    settings = {**DIGITS, "training": {**DIGITS["training"], "epochs": 12}}
    job = jobs.submit(JobRequest(kind="train", settings=settings, device="cpu", after="mine"))
    store = RunStore(jobs.runs_root)

    def logged():
        return (jobs.runs_root / job.run_id).is_dir() and len(store.open(job.run_id).metrics()) >= 2

    wait_until(logged, 120)
    asked = time.monotonic()
    jobs.stop(job.job_id)
    wait_for_state(jobs, job.job_id, "stopped")
    assert time.monotonic() - asked < 10
    assert store.open(job.run_id).status.state == "stopped"
    again = jobs.resume(job.run_id)
    assert again.request.after == "mine"
    assert again.run_id == job.run_id
    wait_for_state(jobs, again.job_id, "finished", seconds=180)
    assert [line["epoch"] for line in store.open(job.run_id).metrics()] == list(range(12))


def test_a_job_outlives_the_server_that_started_it(jobs):
    """Ctrl-C in the terminal of the dashboard reaches its whole group, and kill -9 the rest."""
    program = f"from tests.processes.stand_in import submit; submit({str(jobs.runs_root)!r}, 'polite', 'cpu', {{}}); input()"
    server = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: any(job.state == "running" for job in jobs.all()))
        os.killpg(server.pid, signal.SIGINT)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()
    (job,) = jobs.all()
    assert job.state == "running"
    assert workers(jobs.runs_root)
    jobs.stop(job.job_id)
    wait_for_state(jobs, job.job_id, "stopped")


def test_a_second_worker_is_not_started(jobs):
    job = begun(jobs, "polite")
    (first,) = workers(jobs.runs_root)
    assert jobs.start_workers() == 0
    assert Jobs(jobs.runs_root).start_workers() == 0
    assert workers(jobs.runs_root) == [first]
    assert jobs.get(job.job_id).state == "running"


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_job_queued_while_the_worker_leaves_is_not_forgotten(jobs, monkeypatch, rounds):
    monkeypatch.setenv(IDLE, "0")
    random.seed(3)
    for _ in range(rounds):
        job = jobs.submit(stand_in("exit:0"))
        wait_for_state(jobs, job.job_id, "finished", seconds=20)
        time.sleep(random.random() * 0.5)


def test_a_dead_job_is_lost_at_once_where_no_worker_lives(jobs):
    job = begun(jobs, "polite")
    kill_workers(jobs)
    os.kill(job.pid, signal.SIGKILL)
    wait_until(lambda: not group_members(job.pid))
    seen = jobs.get(job.job_id)
    assert seen.state == "lost"
    # who adopts orphans may not have waited for it yet, so that its signal is known
    assert seen.headline.startswith(("killed by signal 9", "its process ended and nobody saw how"))
    assert seen.pid is None
    jobs.start_workers()
    wait_until(lambda: written(jobs, job.job_id).state == "lost")


def test_what_a_job_left_behind_tells_how_it_ended(jobs):
    failed, stopped = (begun(jobs, "polite"), None)
    kill_workers(jobs)
    failed.log.with_suffix(".exit").write_text(f"{failed.pid} 1\n")
    with failed.log.open("a") as log:
        log.write("mlcnc: the disk is full\n")
    os.kill(failed.pid, signal.SIGKILL)
    wait_until(lambda: jobs.get(failed.job_id).state == "failed")
    assert jobs.get(failed.job_id).headline == "the disk is full"
    assert jobs.get(failed.job_id).exit_code == 1
    stopped = begun(jobs, "polite")
    kill_workers(jobs)
    change(jobs, stopped.job_id, stop="asked", stop_asked=0.0)
    os.kill(stopped.pid, signal.SIGKILL)
    wait_until(lambda: jobs.get(stopped.job_id).state == "stopped")


def test_a_command_that_ends_well_without_its_worker_is_finished(jobs):
    job = wait_for_state(jobs, jobs.submit(stand_in("runs list")).job_id, "running")
    kill_workers(jobs)
    job.log.with_suffix(".allowed").touch()
    wait_until(lambda: not group_members(job.pid))
    assert jobs.get(job.job_id).state == "finished"
    jobs.start_workers()
    wait_until(lambda: written(jobs, job.job_id).state == "finished")


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_workers_killed_at_random_moments_neither_lose_nor_repeat_a_job(jobs, rounds):
    random.seed(5)
    ids = [jobs.submit(stand_in("rest:0.05")).job_id for _ in range(2 * rounds)]
    for _ in range(rounds):
        wait_until(lambda: workers(jobs.runs_root) or not jobs.start_workers())
        time.sleep(random.random() * 0.6)
        kill_workers(jobs)
    wait_until(lambda: not any(job.is_active for job in jobs.all()) or jobs.start_workers(), 30 + 10 * rounds)
    wait_until(lambda: not any(job.is_active for job in jobs.all()), 30 + 10 * rounds)
    ended = [jobs.get(job_id) for job_id in ids]
    # one that its worker could not tell to begin is said to be so, and is not in the ledger
    states = ["lost" if job.headline.startswith("never began") else job.state for job in ended]
    assert set(states) <= {"finished", "lost"}
    # nobody saw the end of the one job that ran when its worker was killed; no job ran twice
    assert states.count("lost") <= rounds
    begins = [line[3] for line in ledger() if line[0] == "begin"]
    assert states.count("finished") <= len(begins) == len(set(begins)) <= 2 * rounds
    lines = [line[0] for line in sorted(ledger(), key=lambda line: float(line[2]))]
    assert lines == ["begin", "end"] * (len(lines) // 2)


def test_a_pid_that_was_given_to_another_process_is_never_signalled(jobs):
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        job = begun(jobs, "polite")
        kill_workers(jobs)
        os.kill(job.pid, signal.SIGKILL)
        name = process_name(bystander.pid)
        change(jobs, job.job_id, pid=name.pid, start=name.start - 100, stop="asked", stop_asked=0.0)
        assert jobs.get(job.job_id).state == "stopped"
        jobs.start_workers()
        wait_until(lambda: written(jobs, job.job_id).state == "stopped")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize(
    ("changed", "state", "told"),
    [
        ({"boot": "of-an-earlier-start"}, "lost", "nobody saw how"),
        (
            {"machine": "f" * 32, "host": "elsewhere"},
            "lost",
            "began on elsewhere, where alone its end is known",
        ),
        ({}, "running", ""),
    ],
)
def test_what_ran_before_a_restart_or_on_another_machine_is_not_called_running(jobs, changed, state, told):
    job = begun(jobs, "polite")
    kill_workers(jobs)
    if changed:
        change(jobs, job.job_id, **changed)
    seen = jobs.get(job.job_id)
    assert seen.state == state
    assert told in seen.headline


def test_a_waiting_job_without_a_worker_is_said_to_be_unattended(jobs):
    job = begun(jobs, "polite")
    waiting = jobs.submit(stand_in("rest:0"))
    assert not jobs.get(waiting.job_id).is_unattended
    kill_workers(jobs)
    assert jobs.get(waiting.job_id).is_unattended
    assert not jobs.get(job.job_id).is_unattended
    assert not workers(jobs.runs_root), "looking started nothing"
    assert jobs.start_workers() == 1
    jobs.stop(job.job_id)
    wait_for_state(jobs, waiting.job_id, "finished")


def test_a_job_begins_only_when_the_table_names_it(tmp_path):
    """A worker that dies between the start of a process and the record of it leaves nothing behind."""
    program = [sys.executable, "-I", "-S", "-c", "print('ran')"]
    for told, status in ((b"", 1), (b"go\n", 0)):
        reader, gate = os.pipe()
        child = subprocess.Popen(
            ["/bin/sh", "-c", _WHEN_TOLD, "job", *program],
            stdin=reader,
            stdout=subprocess.PIPE,
            env={**os.environ, JOB_VARIABLE: str(tmp_path / "0001-train")},
        )
        os.close(reader)
        os.write(gate, told)
        os.close(gate)
        assert child.communicate()[0] == (b"ran\n" if told else b"")
        assert child.returncode == status
        # what is noted is of the one that never began
        (tmp_path / "0001-train.exit").rename(tmp_path / "noted") if not told else None
    assert (tmp_path / "noted").read_text().split()[1] == str(NEVER_BEGAN)
    assert not (tmp_path / "0001-train.exit").exists()


def test_a_worker_killed_before_the_word_to_begin_leaves_a_job_that_says_so(jobs, monkeypatch):
    monkeypatch.setattr(type(jobs), "_start_worker", lambda self, lane: False)
    job = jobs.submit(stand_in("rest:0"))
    jobs._queue.make()
    program = f"""
import os, sys
from mlcnc.files.locking import try_lock
from tests.processes.stand_in import command, worker
queue = worker.Queue({str(jobs.runs_root)!r})
written = os.write
def die(descriptor, content):
    os.kill(os.getpid(), 9) if content == b"go\\n" else None
    return written(descriptor, content)
os.write = die
worker.Worker(queue.runs_root, "cpu", try_lock(queue.worker_lock("cpu")), command).run()
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    wait_until(lambda: jobs.get(job.job_id).state == "failed")
    assert jobs.get(job.job_id).headline.startswith("never began, as its worker was killed at that moment")
    assert ledger() == []


def test_any_device_is_one_where_only_one_is_seen_and_its_worker_takes_it(jobs):
    """A worker may have been started where other devices are visible than where the next job is queued."""
    pretend_gpus(1)
    begun(jobs, "rest:1")
    pretend_gpus(0)
    job = jobs.submit(stand_in("rest:0", device="auto"))
    assert job.lane == "cpu"
    assert not job.is_unattended
    wait_for_state(jobs, job.job_id, "finished", seconds=20)


def test_a_job_for_any_gpu_is_attended_also_for_who_sees_no_gpu(jobs):
    pretend_gpus(2)
    for number in range(2):
        begun(jobs, "polite", device=f"cuda:{number}")
    job = jobs.submit(stand_in("rest:0", device="auto"))
    assert job.lane == "auto"
    pretend_gpus(0)
    assert not jobs.get(job.job_id).is_unattended
    kill_workers(jobs)
    assert jobs.get(job.job_id).is_unattended


def test_a_stop_reaches_a_job_whose_table_cannot_be_read(jobs):
    job = begun(jobs, "polite")
    with Queue(jobs.runs_root).file.open("r+b") as table:
        table.write(b"x" * 100)
    with pytest.raises(LaunchError, match=f"job {job.job_id} was asked to end, but .*move it away"):
        jobs.stop(job.job_id)
    wait_until(lambda: not group_members(job.pid))
    with pytest.raises(LaunchError, match=r"^[^,]*cannot be used"):
        jobs.stop(job.job_id)
