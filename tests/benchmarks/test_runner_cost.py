"""What heartbeat, telemetry and worker cost beside the training they look after: under 1 % of its time.

The processor time of the worker and of what it calls is divided by the seconds that went by, as if the
training ran on one thread; a heartbeat counts with all the time until it lies on the disk, although the training
goes on meanwhile. By letting the worker sleep in every other stretch of the same training it is also seen
what the training itself gets.
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
from tests.processes.stand_in import wait_until

SHARE = 0.01
STRETCH_SECONDS = 6.0
STRETCHES = 8
PATIENCE = 180.0


def processor_seconds(process):
    """Return the processor time of a process and its ended children so far."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def heartbeat_seconds(root):
    """Return the processor time and the whole time that one heartbeat takes, as medians of many."""
    busy, whole = [], []
    with RunWriter.create(root, "beats", class_names=["a"], class_counts=[3], num_epochs=9) as run:
        for batch in range(300):
            run.log_batch(batch, 300)
            started = time.thread_time(), time.perf_counter()
            run._update()
            busy.append(time.thread_time() - started[0])
            whole.append(time.perf_counter() - started[1])
    return statistics.median(busy), statistics.median(whole)


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Return a training job that runs longer than it is watched, and the jobs it belongs to."""
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    jobs = Jobs(tmp_path / "runs")
    settings = {"training": {"epochs": 2000, "warmup_epochs": 1, "arrays_every": 5}}
    job = jobs.submit(JobRequest(kind="train", run_id="cost", settings=settings, device="cpu"))
    yield jobs, job
    jobs.stop(job.job_id)
    wait_until(lambda: not jobs.get(job.job_id).is_active, PATIENCE)


def worker_of(root):
    """Return the process that looks after the jobs of a runs folder."""
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
        except psutil.Error:
            continue
        if "mlcnc.launch.worker" in arguments and str(root) in arguments:
            return process
    return None


def test_the_runner_takes_less_than_a_percent(job, tmp_path, say):
    jobs, job = job
    store = RunStore(tmp_path / "runs")
    wait_until(lambda: "cost" in store.run_ids() and store.open("cost").metrics(("train/loss",)), PATIENCE)
    trainer = psutil.Process(jobs.get(job.job_id).pid)
    worker = worker_of(tmp_path / "runs")
    begun = processor_seconds(worker), processor_seconds(trainer)
    rates = {True: [], False: []}
    spent = watched_seconds = 0.0
    try:
        for stretch in range(STRETCHES):
            watched = stretch % 2 == 0
            os.kill(worker.pid, signal.SIGCONT if watched else signal.SIGSTOP)
            before, ticks = processor_seconds(trainer), processor_seconds(worker)
            started = time.perf_counter()
            time.sleep(STRETCH_SECONDS)
            passed = time.perf_counter() - started
            rates[watched].append((processor_seconds(trainer) - before) / passed)
            if watched:
                spent += processor_seconds(worker) - ticks
                watched_seconds += passed
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    share_worker = spent / watched_seconds
    busy, whole = heartbeat_seconds(tmp_path)
    share_heartbeat = whole / HEARTBEAT_SECONDS
    slower = 1 - statistics.median(rates[True]) / statistics.median(rates[False])
    say(
        f"of the time that goes by: worker with telemetry and what it calls {100 * share_worker:.2f} %, "
        f"heartbeat {100 * share_heartbeat:.3f} % ({1000 * whole:.2f} ms each until it lies on the disk, "
        f"{1000 * busy:.2f} ms of processor); together at most 1 %. "
        f"Once: {begun[0]:.1f} s to start the worker, {begun[1]:.1f} s to the first epoch. "
        f"Processor time the training got per second: {statistics.median(rates[True]):.2f} watched, "
        f"{statistics.median(rates[False]):.2f} unwatched ({100 * slower:+.1f} %)"
    )
    assert share_worker + share_heartbeat < SHARE
