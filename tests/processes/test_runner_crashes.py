"""The runner when something dies or is damaged at the worst moment."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from mlcnc.launch import JobRequest, Jobs
from mlcnc.launch.active_job import spawn
from mlcnc.launch.job_folder import JobFolder, read_status, write_status
from mlcnc.launch.locks import device_lock_path, try_lock
from mlcnc.launch.processes import mark_of, own_mark
from mlcnc.launch.supervisor import Supervisor
from mlcnc.store import RunStore
from tests.conftest import ROOT, TINY
from tests.processes.stand_in import (
    IDLE,
    StandInJobs,
    begun,
    change_state,
    group_members,
    kill_supervisors,
    ledger,
    stand_in,
    supervisors,
    wait_for_state,
    wait_until,
)

DIGITS = {
    "data": {**TINY["data"], "dataset": "digits-lt", "flip": False},
    "method": TINY["method"],
    "training": {**TINY["training"], "epochs": 2},
}


def test_a_training_goes_on_without_its_supervisor_and_is_adopted(tmp_path, locks):
    jobs = Jobs(tmp_path / "runs")
    job = jobs.submit(JobRequest(kind="train", settings=DIGITS, device="cpu", max_minutes=30))
    running = wait_for_state(jobs, job.job_id, "running")
    kill_supervisors(jobs)
    assert jobs.get(job.job_id).state == "running"
    assert jobs.get(job.job_id).pid == running.pid
    assert jobs.ensure_supervisor()
    wait_until(lambda: supervisors(jobs.runs_root))
    ended = wait_for_state(jobs, job.job_id, "finished", seconds=120)
    assert ended.run_id == "digits-lt-etf-s0"
    assert ended.headline.startswith("run digits-lt-etf-s0: best epoch on validation")
    assert RunStore(jobs.runs_root).open(ended.run_id).status.state == "finished"
    samples = jobs.telemetry(job.job_id)
    assert samples
    assert all(sample.rss_bytes > 0 for sample in samples)
    wait_until(lambda: not supervisors(jobs.runs_root))
    assert not jobs.ensure_supervisor(), "there is no work left"


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
    program = f"from tests.processes.stand_in import submit; submit({str(jobs.runs_root)!r}, 'polite', 'cpu'); input()"
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
    assert supervisors(jobs.runs_root)
    jobs.stop(job.job_id)
    wait_for_state(jobs, job.job_id, "stopped")


def test_one_supervisor_is_left_of_many(jobs):
    job = begun(jobs, "polite")
    (first,) = supervisors(jobs.runs_root)
    others = [subprocess.Popen(jobs._supervisor_argv(), cwd=ROOT) for _ in range(2)]
    assert [other.wait(60) for other in others] == [0, 0]
    assert supervisors(jobs.runs_root) == [first]
    assert jobs.get(job.job_id).state == "running"


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_job_queued_while_the_supervisor_leaves_is_not_forgotten(jobs, monkeypatch, rounds):
    monkeypatch.setenv(IDLE, "0")
    random.seed(3)
    for _ in range(rounds):
        job = jobs.submit(stand_in("exit:0"))
        wait_for_state(jobs, job.job_id, "finished", seconds=20)
        time.sleep(random.random() * 0.5)


def test_a_dead_job_is_lost_at_once_where_no_supervisor_lives(jobs):
    job = begun(jobs, "polite")
    kill_supervisors(jobs)
    os.kill(job.pid, signal.SIGKILL)
    wait_until(lambda: not group_members(job.pid))
    seen = jobs.get(job.job_id)
    assert seen.state == "lost"
    assert seen.headline == "its process ended and nobody saw how; what was logged is kept"
    assert seen.pid is None
    jobs.ensure_supervisor()
    wait_until(lambda: read_status(job.folder).state == "lost")


def test_what_a_job_left_behind_tells_how_it_ended(jobs):
    failed, stopped = (begun(jobs, "polite"), None)
    kill_supervisors(jobs)
    (failed.folder / "exit.json").write_text(json.dumps({"pid": failed.pid, "exit_code": 1}))
    with (failed.folder / "log.txt").open("a") as log:
        log.write("mlcnc: the disk is full\n")
    os.kill(failed.pid, signal.SIGKILL)
    wait_until(lambda: jobs.get(failed.job_id).state == "failed")
    assert jobs.get(failed.job_id).headline == "the disk is full"
    assert jobs.get(failed.job_id).exit_code is None
    stopped = begun(jobs, "polite")
    kill_supervisors(jobs)
    (stopped.folder / "cancel").touch()
    os.kill(stopped.pid, signal.SIGKILL)
    wait_until(lambda: jobs.get(stopped.job_id).state == "stopped")


def test_a_command_that_ends_well_without_its_supervisor_is_finished(jobs):
    job = wait_for_state(jobs, jobs.submit(stand_in("runs list")).job_id, "running")
    kill_supervisors(jobs)
    (job.folder / "allowed").touch()
    wait_until(lambda: not group_members(job.pid))
    assert jobs.get(job.job_id).state == "finished"
    jobs.ensure_supervisor()
    wait_until(lambda: read_status(job.folder).state == "finished")


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_supervisors_killed_at_random_moments_neither_lose_nor_repeat_a_job(jobs, rounds):
    random.seed(5)
    ids = [jobs.submit(stand_in("rest:0.05")).job_id for _ in range(2 * rounds)]
    for _ in range(rounds):
        wait_until(lambda: supervisors(jobs.runs_root) or not jobs.ensure_supervisor())
        time.sleep(random.random() * 0.6)
        kill_supervisors(jobs)
    wait_until(
        lambda: not any(job.is_active for job in jobs.all()) or jobs.ensure_supervisor(), 30 + 10 * rounds
    )
    wait_until(lambda: not any(job.is_active for job in jobs.all()), 30 + 10 * rounds)
    states = [jobs.get(job_id).state for job_id in ids]
    assert set(states) <= {"finished", "lost"}
    # nobody saw the end of the one job that ran when its supervisor was killed; no job ran twice
    assert states.count("lost") <= rounds
    begins = [line[3] for line in ledger() if line[0] == "begin"]
    assert states.count("finished") <= len(begins) == len(set(begins)) <= 2 * rounds
    lines = [line[0] for line in sorted(ledger(), key=lambda line: float(line[2]))]
    assert lines == ["begin", "end"] * (len(lines) // 2)


def test_a_job_whose_supervisor_died_before_the_start_is_queued_again(jobs, tmp_path):
    job = begun(jobs, "polite")
    waiting = jobs.submit(stand_in("rest:0"))
    kill_supervisors(jobs)
    dead = own_mark().model_copy(update={"start": 1.0})
    starting = read_status(waiting.folder).model_copy(
        update={"state": "starting", "supervisor": dead, "attempt": 1}
    )
    write_status(waiting.folder, starting)
    seen = jobs.get(waiting.job_id)
    assert (seen.state, seen.place) == ("queued", 1)
    jobs.stop(job.job_id)
    wait_for_state(jobs, waiting.job_id, "finished")
    assert read_status(waiting.folder).attempt == 3
    # its first process, had it still been on the way, would have found that it is no longer wanted
    late = Supervisor(jobs.runs_root)
    lock = try_lock(device_lock_path("cpu"))
    argv = [sys.executable, "-c", "print('ran')"]
    with pytest.raises(subprocess.SubprocessError):
        spawn(argv, waiting.folder, "cpu", lock, lambda: late._claim(waiting.folder, starting, starting))
    os.close(lock)
    assert "ran" not in jobs.log(waiting.job_id)


def test_a_new_process_makes_itself_known_even_if_its_supervisor_does_not(jobs):
    """The supervisor is stopped for good right after the start of the process."""
    waiting = begun(jobs, "polite")
    kill_supervisors(jobs)
    folder = JobFolder(jobs.runs_root)
    starting = read_status(waiting.folder).model_copy(
        update={"state": "starting", "supervisor": own_mark(), "process": None}
    )
    write_status(waiting.folder, starting)
    half = Supervisor(jobs.runs_root)
    running = starting.model_copy(update={"state": "running", "supervisor": None})
    lock = try_lock(folder.path / "another.lock")
    argv = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
    child = spawn(argv, waiting.folder, "cpu", lock, lambda: half._claim(waiting.folder, starting, running))
    os.close(lock)
    try:
        assert read_status(waiting.folder).process == mark_of(child.pid)
        assert jobs.get(waiting.job_id).pid == child.pid
        jobs.stop(waiting.job_id)
        assert child.wait(30) == -signal.SIGTERM
    finally:
        child.kill()
        child.wait()


def test_a_pid_that_was_given_to_another_process_is_never_signalled(jobs):
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        job = begun(jobs, "polite")
        mark = mark_of(bystander.pid)
        kill_supervisors(jobs)
        os.kill(job.pid, signal.SIGKILL)
        change_state(job, process=mark.model_copy(update={"start": mark.start - 100}).model_dump())
        assert jobs.get(job.job_id).state == "lost"
        assert not mark.model_copy(update={"start": mark.start - 100}).signal_group(signal.SIGTERM)
        (job.folder / "cancel").touch()
        jobs.ensure_supervisor()
        wait_until(lambda: read_status(job.folder).state == "stopped")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize(("changed", "state"), [({"boot_id": "of-an-earlier-start"}, "lost"), ({}, "running")])
def test_a_restart_of_the_machine_ends_what_ran_on_it(jobs, changed, state):
    job = begun(jobs, "polite")
    kill_supervisors(jobs)
    change_state(job, process=read_status(job.folder).process.model_dump() | changed)
    assert jobs.get(job.job_id).state == state


def test_a_job_of_another_machine_is_judged_by_its_signs_of_life_and_never_signalled(jobs):
    job = begun(jobs, "polite")
    wait_until(lambda: jobs.telemetry(job.job_id))
    kill_supervisors(jobs)
    change_state(job, process=read_status(job.folder).process.model_dump() | {"machine": "elsewhere"})
    assert jobs.get(job.job_id).state == "running"
    jobs.stop(job.job_id)
    jobs.ensure_supervisor()
    wait_until(lambda: not supervisors(jobs.runs_root))
    assert group_members(job.pid)
    assert jobs.get(job.job_id).state == "stopping"
    for name in ("telemetry.jsonl", "state.json"):
        os.utime(job.folder / name, (1e9, 1e9))
    assert StandInJobs(jobs.runs_root).get(job.job_id).state == "stopped"


def test_times_far_from_now_change_nothing(jobs):
    job = begun(jobs, "polite", max_minutes=10)
    kill_supervisors(jobs)
    change_state(job, started_at="2099-01-01T00:00:00+00:00")
    os.utime(job.folder / "state.json", (4e9, 4e9))
    assert jobs.get(job.job_id).state == "running"
    jobs.ensure_supervisor()
    wait_until(lambda: supervisors(jobs.runs_root))
    jobs.stop(job.job_id)
    wait_for_state(jobs, job.job_id, "stopped")
