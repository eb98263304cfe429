"""The runner when files are damaged, the disk is full, or what is written says odd things."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest

from mlcnc.launch import LaunchError
from mlcnc.launch.job_folder import read_status
from tests.processes.stand_in import (
    StandInJobs,
    begun,
    clear,
    group_members,
    kill_supervisors,
    ledger,
    stand_in,
    supervisors,
    wait_for_state,
    wait_until,
)


def test_damaged_files_of_one_job_leave_the_others_alone(jobs):
    good = jobs.submit(stand_in("rest:0"))
    wait_for_state(jobs, good.job_id, "finished")
    running = begun(jobs, "polite")
    for name in ("no-json", "wrong-kind", "other-job", "pipe", "link", "empty"):
        folder = jobs.runs_root / ".jobs" / f"00{len(jobs.problems()) + 10}-train"
        shutil.copytree(good.folder, folder)
        path = folder / "job.json"
        path.unlink()
        if name == "pipe":
            os.mkfifo(path)
        elif name == "link":
            path.symlink_to(good.folder / "job.json")
        elif name != "empty":
            path.write_text(
                {
                    "no-json": "{",
                    "wrong-kind": '{"job_id": 3}',
                    "other-job": (good.folder / "job.json").read_text(),
                }[name]
            )
    (running.folder / "state.json").write_text('{"state": "dancing"}')
    seen = {job.job_id: job for job in jobs.all()}
    assert set(seen) == {good.job_id, running.job_id}
    assert seen[good.job_id].state == "finished"
    assert seen[running.job_id].headline.startswith(
        f"state.json of job {running.job_id} is damaged, field state"
    )
    problems = jobs.problems()
    assert len(problems) == 6
    assert all(sentence.startswith("job.json of job 00") for sentence in problems)
    jobs.remove("0010-train")
    assert len(jobs.problems()) == 5
    # the next supervisor finds the process of the damaged one again
    kill_supervisors(jobs)
    jobs.ensure_supervisor()
    wait_until(lambda: jobs.get(running.job_id).pid == running.pid)
    jobs.stop(running.job_id)
    wait_for_state(jobs, running.job_id, "stopped")


def test_a_job_whose_request_is_damaged_can_still_be_stopped(jobs):
    job = begun(jobs, "polite")
    kill_supervisors(jobs)
    (job.folder / "job.json").write_text("{")
    with pytest.raises(LaunchError, match="is running; stop it first"):
        jobs.remove(job.job_id)
    jobs.stop(job.job_id)
    wait_until(lambda: not group_members(job.pid))
    with pytest.raises(LaunchError, match="is damaged and has no process here; remove it"):
        jobs.stop(job.job_id)
    jobs.remove(job.job_id)
    assert jobs.problems() == []


def test_a_damaged_job_that_resists_is_killed_when_asked_again(jobs):
    job = begun(jobs, "stubborn")
    kill_supervisors(jobs)
    (job.folder / "job.json").write_text("{")
    jobs.stop(job.job_id)
    wait_until(lambda: [line[0] for line in ledger()] == ["begin", "told"])
    assert group_members(job.pid)
    jobs.stop(job.job_id)
    wait_until(lambda: not group_members(job.pid))


def test_a_state_that_cannot_be_written_is_kept_until_it_can(jobs):
    job = begun(jobs, "polite")
    path = job.folder / "state.json"
    kept = path.read_text()
    path.unlink()
    path.mkdir()  # as on a full disk, what is written beside it cannot take its place
    (path / "in-the-way").touch()
    os.kill(job.pid, signal.SIGKILL)
    next_one = jobs.submit(stand_in("rest:0"))
    wait_for_state(jobs, next_one.job_id, "finished")
    shutil.rmtree(path)
    path.write_text(kept)
    ended = wait_for_state(jobs, job.job_id, "lost")
    wait_until(lambda: read_status(job.folder).exit_code == -9)
    assert ended.finished_at is None or ended.exit_code == -9


def test_a_full_disk_neither_ends_the_supervisor_nor_a_job(tmp_path, locks):
    with small_disk(tmp_path / "disk", "70m") as disk:
        jobs = StandInJobs(disk / "runs")
        job = begun(jobs, "polite")
        (supervisor,) = supervisors(jobs.runs_root)
        waiting = jobs.submit(stand_in("rest:0"))
        fill(disk / "filling")
        with pytest.raises(Exception, match="MiB free"):
            jobs.submit(stand_in("rest:0"))
        jobs.stop(job.job_id)
        wait_until(lambda: not group_members(job.pid), 20)
        time.sleep(1)  # long enough to fail at writing how it ended
        assert supervisor.is_running()
        assert jobs.get(waiting.job_id).state == "queued"
        (disk / "filling").unlink()
        wait_until(lambda: read_status(job.folder).state == "stopped", 20)
        wait_for_state(jobs, waiting.job_id, "finished")


def fill(path):
    with path.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(2**16))


@contextmanager
def small_disk(path, size):
    """Give a disk of a few megabytes, or skip where none can be mounted."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        yield path
    finally:
        clear(path)
        wait_until(
            lambda: not subprocess.run(["umount", path], check=False, capture_output=True).returncode, 10
        )
