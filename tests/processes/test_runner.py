"""The runner with real processes: starting, ending, stopping, and one job a device."""

import multiprocessing
import os
import signal
import threading
import time

import psutil
import pytest

from mlcnc.devices import device_lock
from mlcnc.files.locking import is_locked
from mlcnc.launch import JobRequest, LaunchError
from mlcnc.launch.job import StopReason
from mlcnc.launch.worker import GRACE_SECONDS
from tests.processes.stand_in import (
    LEDGER,
    PATIENCE,
    StandInJobs,
    group_members,
    pretend_gpus,
    stand_in,
    submit,
    training,
    wait_for_state,
    wait_until,
    workers,
)


def ledger():
    with open(os.environ[LEDGER]) as stream:
        return [line.split() for line in stream]


def begun(jobs, job_id):
    """Wait until the stand-in itself runs, and return the job."""
    job = wait_for_state(jobs, job_id, "running")
    wait_until(lambda: os.path.exists(os.environ[LEDGER]) and any(line[3] == str(job.pid) for line in ledger()))
    return job


ENDS = [
    ("rest:0", "finished", 0, "finished"),
    ("exit:1", "failed", 1, "ended on purpose with 1"),
    ("crash", "failed", 1, "ValueError: crashed on purpose"),
    ("exit:130", "stopped", 130, "ended on purpose"),
    (f"signal:{int(signal.SIGKILL)}", "lost", -9, "killed by signal 9 (SIGKILL), often because memory ran out"),
    (f"signal:{int(signal.SIGSEGV)}", "failed", -11, "ended by signal 11 (SIGSEGV)"),
]


def test_how_a_job_ended_is_told(jobs):
    queued = [jobs.submit(stand_in(behaviour)) for behaviour, *_ in ENDS]
    assert queued[-1].state == "queued"
    assert queued[-1].place is not None
    for job, (_, state, code, words) in zip(queued, ENDS, strict=True):
        ended = wait_for_state(jobs, job.job_id, state)
        assert ended.exit_code == code
        assert words in ended.headline
        assert ended.started_at is not None
        assert ended.finished_at is not None
        assert ended.device == "cpu"
        assert ended.pid is None


@pytest.mark.parametrize("number", [10, pytest.param(20, marks=pytest.mark.slow)])
def test_starts_from_many_processes_in_two_folders_never_share_a_device(tmp_path, locks, number):
    pretend_gpus(2)
    roots = [tmp_path / "one", tmp_path / "two"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.processes.stand_in"])
    starts = [
        context.Process(target=submit, args=(roots[index % 2], "rest:0.05", device, dict(os.environ)))
        for index, device in enumerate(["cpu", *["auto"] * 4] * (number // 5))
    ]
    for process in starts:
        process.start()
    for process in starts:
        process.join()
        assert process.exitcode == 0
    found = [StandInJobs(root) for root in roots]
    wait_until(lambda: not any(job.is_active for jobs in found for job in jobs.all()))
    assert sorted(job.state for jobs in found for job in jobs.all()) == ["finished"] * number
    lines = sorted(ledger(), key=lambda line: float(line[2]))
    assert {line[1] for line in lines} == {"cpu", "GPU-0", "GPU-1"}
    for device in ("cpu", "GPU-0", "GPU-1"):
        mine = [line for line in lines if line[1] == device]
        # begin and end of one process follow each other: no other began in between
        assert [line[0] for line in mine] == ["begin", "end"] * (len(mine) // 2)
        assert all(first[3] == second[3] for first, second in zip(mine[::2], mine[1::2], strict=True))
    assert len(lines) == 2 * number
    print(
        f"\n{number} starts of {len(roots)} folders at once: {len(lines) // 2} jobs on 3 devices, none beside another"
    )
    for root in roots:
        wait_until(lambda root=root: not workers(root))


def test_a_training_on_several_gpus_has_all_of_them_or_none(jobs):
    pretend_gpus(3)
    on_two = {"settings": {"training": {"devices": 2}}, "device": "auto"}
    for number in range(9):
        request = training("rest:0.2", **on_two) if number % 3 == 1 else stand_in("rest:0.1", device="auto")
        jobs.submit(request)
    wait_until(lambda: not any(job.is_active for job in jobs.all()))
    assert [job.state for job in jobs.all()] == ["finished"] * 9
    lines = sorted(ledger(), key=lambda line: float(line[2]))
    for gpu in ("GPU-0", "GPU-1", "GPU-2"):
        mine = [line for line in lines if gpu in line[1].split(",")]
        assert [line[0] for line in mine] == ["begin", "end"] * (len(mine) // 2)
        assert all(first[3] == second[3] for first, second in zip(mine[::2], mine[1::2], strict=True))
    shared = [line[1] for line in lines if line[0] == "begin" and "," in line[1]]
    assert len(shared) == 3
    assert all(names == ",".join(sorted(names.split(","))) for names in shared)
    assert {job.device.count("cuda:") for job in jobs.all() if job.request.gpus == 2} == {2}


def test_a_training_on_more_gpus_than_are_free_waits_and_holds_none(jobs):
    pretend_gpus(2)
    held = begun(jobs, jobs.submit(stand_in("polite", device="auto")).job_id)
    (free,) = {"GPU-0", "GPU-1"} - {held.lane}
    job = jobs.submit(training("rest:0", settings={"training": {"devices": 2}}, device="auto"))
    wait_until(lambda: jobs.get(job.job_id).headline == "waits for 2 GPUs that no job holds")
    assert not is_locked(device_lock(free))
    jobs.stop(held.job_id)
    assert wait_for_state(jobs, job.job_id, "finished").device == "cuda:0, cuda:1"


def test_gpus_that_are_not_there_are_told_before_a_training_waits_for_them(jobs):
    pretend_gpus(2)
    on = {"settings": {"training": {"devices": 3}}}
    with pytest.raises(LaunchError, match=r"must be at most 2, the GPUs of this machine, got 3"):
        jobs.submit(training("rest:0", **{"device": "auto", **on}))
    with pytest.raises(LaunchError, match=r"must be auto where training.devices is 3, got 'cuda:1'"):
        jobs.submit(training("rest:0", **{"device": "cuda:1", **on}))
    # processes on the CPU share the one device
    job = jobs.submit(training("rest:0", **{"device": "cpu", **on}))
    assert wait_for_state(jobs, job.job_id, "finished").device == "cpu"


def test_the_device_stays_locked_until_the_last_process_of_the_job_is_gone(jobs):
    job = begun(jobs, jobs.submit(stand_in("stubborn")).job_id)
    child = int(ledger()[0][4])
    (worker,) = workers(jobs.runs_root)
    worker.kill()
    os.kill(job.pid, signal.SIGKILL)
    # whoever submits while the old worker is still dying takes it for alive
    wait_until(lambda: not is_running(job.pid) and not is_running(worker.pid))
    assert is_running(child)
    assert is_locked(device_lock("cpu"))
    # the next worker frees the device before it gives it away again
    second = jobs.submit(stand_in("rest:0"))
    wait_for_state(jobs, second.job_id, "finished")
    assert not is_running(child)
    assert jobs.get(job.job_id).state == "lost"


def test_a_job_leaves_no_process_behind(jobs):
    job = jobs.submit(stand_in("orphan"))
    wait_for_state(jobs, job.job_id, "finished")
    wait_until(lambda: not is_locked(device_lock("cpu")), 10)


def test_a_job_that_resists_is_killed_after_its_time_of_grace(jobs):
    job = begun(jobs, jobs.submit(stand_in("stubborn")).job_id)
    asked = time.monotonic()
    jobs.stop(job.job_id)
    assert jobs.get(job.job_id).state == "stopping"
    ended = wait_for_state(jobs, job.job_id, "stopped")
    assert time.monotonic() - asked > float(PATIENCE["GRACE"]) - 0.1
    assert GRACE_SECONDS < 7, "three seconds are left for the ticks of a busy machine"
    assert [line[0] for line in ledger()] == ["begin", "told"], "told once, not by two"
    assert group_members(job.pid) == []
    assert ended.headline == "stopped on request"
    assert ended.stop is StopReason.ASKED
    with pytest.raises(LaunchError, match="has ended already: it is stopped"):
        jobs.stop(job.job_id)


def test_a_stop_works_without_a_worker(jobs):
    job = begun(jobs, jobs.submit(stand_in("polite")).job_id)
    for process in workers(jobs.runs_root):
        process.kill()
    wait_until(lambda: not workers(jobs.runs_root))
    assert jobs.get(job.job_id).state == "running"
    jobs.stop(job.job_id)
    wait_for_state(jobs, job.job_id, "stopped")
    assert not is_running(job.pid)


def test_a_stop_works_while_the_worker_is_halted(jobs):
    polite = begun(jobs, jobs.submit(stand_in("polite")).job_id)
    (worker,) = workers(jobs.runs_root)
    worker.suspend()
    jobs.stop(polite.job_id)
    wait_until(lambda: not group_members(polite.pid))
    worker.resume()
    ended = wait_for_state(jobs, polite.job_id, "stopped")
    assert ended.headline == "stopped on request"


def test_who_asks_again_after_the_grace_kills_a_job_that_nobody_looks_after(jobs, monkeypatch):
    job = begun(jobs, jobs.submit(stand_in("stubborn")).job_id)
    (worker,) = workers(jobs.runs_root)
    worker.suspend()
    jobs.stop(job.job_id)
    jobs.stop(job.job_id)
    wait_until(lambda: [line[0] for line in ledger()] == ["begin", "told"])
    assert is_running(job.pid), "its time of grace is not over"
    monkeypatch.setattr("mlcnc.launch.jobs.GRACE_SECONDS", 0.0)
    jobs.stop(job.job_id)
    wait_until(lambda: not is_running(job.pid))
    worker.resume()
    wait_for_state(jobs, job.job_id, "stopped")


def test_queued_jobs_are_stopped_moved_and_removed(jobs):
    first = begun(jobs, jobs.submit(stand_in("polite")).job_id)
    ids = [jobs.submit(stand_in("rest:0", after=str(number))).job_id for number in range(4)]
    places = lambda: [jobs.get(job_id).place for job_id in ids]  # noqa: E731
    assert places() == [1, 2, 3, 4]
    jobs.move(ids[3], -2)
    assert places() == [1, 3, 4, 2]
    jobs.move(ids[0], 100)
    assert places() == [4, 2, 3, 1]
    jobs.move(ids[2], 0)
    assert places() == [4, 2, 3, 1]
    jobs.stop(ids[1])
    assert jobs.get(ids[1]).state == "stopped"
    assert jobs.get(ids[1]).headline == "stopped before it began"
    jobs.remove(ids[2])
    assert [job.job_id for job in jobs.all()] == [ids[3], ids[1], ids[0], first.job_id]
    with pytest.raises(LaunchError, match="not in the queue any more"):
        jobs.move(first.job_id, 1)
    with pytest.raises(LaunchError, match="is running; stop it first"):
        jobs.remove(first.job_id)
    jobs.stop(first.job_id)
    for job_id in (ids[3], ids[0]):
        wait_for_state(jobs, job_id, "finished")
    started = {job.job_id: job.started_at for job in jobs.all()}
    assert started[ids[3]] < started[ids[0]]


def test_limits_end_a_job_and_say_so(jobs):
    short = jobs.submit(stand_in("polite", max_minutes=0.005))
    ended = wait_for_state(jobs, short.job_id, "stopped")
    assert ended.headline == "stopped after its limit of 0.005 minutes"
    assert ended.stop is StopReason.MINUTES
    large = begun(jobs, jobs.submit(training("polite", max_megabytes=0.5)).job_id)
    large.log.write_bytes(b"x" * 700_000)
    ended = wait_for_state(jobs, large.job_id, "stopped")
    assert ended.headline == "stopped over its limit of 0.5 MB; nothing was logged yet"


def test_a_worker_started_from_here_leaves_no_zombie(jobs):
    job = jobs.submit(stand_in("rest:0"))
    wait_for_state(jobs, job.job_id, "finished")
    wait_until(lambda: not workers(jobs.runs_root))
    wait_until(lambda: not [child for child in psutil.Process().children() if child.status() == "zombie"])
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "mlcnc-worker"])


def test_the_environment_of_a_job_is_small(jobs, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("MLCNC_GLOVE", "/somewhere")
    job = jobs.submit(stand_in("environment"))
    wait_for_state(jobs, job.job_id, "finished")
    names = set(jobs.log(job.job_id).split())
    assert {"PATH", "HOME", "MLCNC_GLOVE", "CUDA_VISIBLE_DEVICES", "PYTHONUNBUFFERED"} <= names
    assert "SECRET_TOKEN" not in names


@pytest.mark.parametrize(("device", "given"), [("cpu", "cpu"), ("auto", "cuda")])
def test_a_job_is_told_the_kind_of_its_device(jobs, monkeypatch, device, given):
    pretend_gpus(1)
    monkeypatch.setenv("MLCNC_DEVICE", "mps")  # of who asks: it is no setting of the job
    job = jobs.submit(stand_in("device", device=device))
    assert wait_for_state(jobs, job.job_id, "finished").headline == given


def test_a_download_is_told_no_device(jobs, monkeypatch):
    monkeypatch.setenv("MLCNC_DEVICE", "cpu")
    job = jobs.submit(JobRequest(kind="glove", out="x", after="device"))
    assert wait_for_state(jobs, job.job_id, "finished").headline == "none"


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
