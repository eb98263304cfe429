"""What heartbeat, telemetry and supervisor cost beside the training they look after: under 1 %.

Processor time is what is compared, because on a busy machine the wall clock measures the other programs. The
wall clock is asked too, by letting the supervisor sleep in every other stretch of the same training.
"""

from __future__ import annotations

import os
import signal
import statistics
import time

import psutil
import pytest

from mlcnc.launch import JobRequest, Jobs
from mlcnc.store import RunStore, RunWriter
from mlcnc.store.liveness import HEARTBEAT_SECONDS

SHARE = 0.01
STRETCH_SECONDS = 6.0
STRETCHES = 8


def processor_seconds(process):
    """Return the processor time of a process so far."""
    times = process.cpu_times()
    return times.user + times.system


def heartbeat_seconds(root):
    """Return the processor time that one heartbeat takes, as the median of many."""
    times = []
    with RunWriter.create(root, "beats", class_names=["a"], class_counts=[3], num_epochs=9) as run:
        for batch in range(300):
            run.log_batch(batch, 300)
            started = time.thread_time()
            run._update()
            times.append(time.thread_time() - started)
    return statistics.median(times)


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Return a training job that runs longer than it is watched, and the jobs it belongs to."""
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    jobs = Jobs(tmp_path / "runs")
    settings = {"training": {"epochs": 2000, "warmup_epochs": 1, "arrays_every": 5}}
    job = jobs.submit(JobRequest(kind="train", run_id="cost", settings=settings, device="cpu"))
    yield jobs, job
    jobs.stop(job.job_id)
    wait_for(lambda: not jobs.get(job.job_id).is_active)


def wait_for(claim, seconds=180):
    """Return what ``claim`` returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (value := claim()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


def supervisor_of(root):
    """Return the process that looks after the jobs of a runs folder."""
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
        except psutil.Error:
            continue
        if "mlcnc.launch.supervisor" in arguments and str(root) in arguments:
            return process
    return None


def test_the_runner_takes_less_than_a_percent(job, tmp_path, say):
    jobs, job = job
    store = RunStore(tmp_path / "runs")
    wait_for(lambda: "cost" in store.run_ids() and store.open("cost").metrics(("train/loss",)))
    trainer = psutil.Process(jobs.get(job.job_id).pid)
    supervisor = wait_for(lambda: supervisor_of(tmp_path / "runs"))
    begun = processor_seconds(supervisor), processor_seconds(trainer)
    rates = {True: [], False: []}
    spent = 0.0
    try:
        for stretch in range(STRETCHES):
            watched = stretch % 2 == 0
            os.kill(supervisor.pid, signal.SIGCONT if watched else signal.SIGSTOP)
            before, ticks = processor_seconds(trainer), processor_seconds(supervisor)
            time.sleep(STRETCH_SECONDS)
            worked = processor_seconds(trainer) - before
            if watched:
                spent += (processor_seconds(supervisor) - ticks) / STRETCH_SECONDS
            rates[watched].append(worked / STRETCH_SECONDS)
    finally:
        os.kill(supervisor.pid, signal.SIGCONT)
    supervised = sum(rates[True])
    share_supervisor = spent / supervised
    beat = heartbeat_seconds(tmp_path)
    share_heartbeat = beat / HEARTBEAT_SECONDS / (supervised / len(rates[True]))
    slower = 1 - statistics.median(rates[True]) / statistics.median(rates[False])
    say(
        f"processor time against that of the training: supervisor with telemetry {100 * share_supervisor:.2f} %, "
        f"heartbeat {100 * share_heartbeat:.3f} % ({1000 * beat:.2f} ms each); together at most 1 %. "
        f"Once: {begun[0]:.1f} s to start the supervisor, {begun[1]:.1f} s to the first epoch. "
        f"Processor time the training got per second: {statistics.median(rates[True]):.2f} watched, "
        f"{statistics.median(rates[False]):.2f} unwatched ({100 * slower:+.1f} %)"
    )
    assert share_supervisor + share_heartbeat < SHARE
