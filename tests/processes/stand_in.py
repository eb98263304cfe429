"""The runner with :mod:`stand_in_job` in place of the real commands; no request can ask for it."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from mlcnc.files.locking import is_locked
from mlcnc.launch import JobRequest, Jobs, worker
from mlcnc.launch.processes import JOB_VARIABLE
from mlcnc.launch.queue import Queue

LEDGER = "MLCNC_LEDGER"
PATIENCE = {"IDLE": "0.3", "GRACE": "1.5", "RETRY": "0.3", "HELD": "0.3"}
"""How many seconds a worker of stand-ins waits where one of real jobs waits longer, by the name of its constant."""
IDLE = "MLCNC_IDLE"
GPUS = "MLCNC_PRETENDED_GPUS"
JOB = Path(__file__).with_name("stand_in_job.py")


# a real command, begun when a file allows it
WHEN_ALLOWED = """
import os, sys, time
from mlcnc.__main__ import run
while not os.path.exists(os.environ["MLCNC_JOB"] + ".allowed"):
    time.sleep(0.02)
run()
"""


def command(request, run_id, runs_root):
    """Return the stand-in's command: its behaviour is a text that the job carries."""
    if request.only == "runs list":
        return [sys.executable, "-c", WHEN_ALLOWED, "runs", "list", "--runs", str(runs_root)]
    return [sys.executable, "-I", "-S", str(JOB), request.only or request.after, os.environ[LEDGER]]


class StandInJobs(Jobs):
    """Jobs whose workers run stand-ins."""

    def _worker_argv(self, lane, lock):
        return [sys.executable, "-m", "tests.processes.stand_in", str(self.runs_root), lane, str(lock)]


def stand_in(behaviour, **more):
    """Return the request of a stand-in job."""
    return JobRequest(kind="gallery", only=behaviour, **{"device": "cpu", **more})


def training(behaviour, **more):
    """Return the request of a stand-in for a training, which has a run and may limit its size."""
    return JobRequest(kind="train", after=behaviour, **{"device": "cpu", **more})


def submit(root, behaviour, device, variables):
    """Queue one stand-in, in whichever process this is called: a server of forks has older variables."""
    os.environ.update(variables)
    pretend()
    StandInJobs(root).submit(stand_in(behaviour, device=device))


def pretend_gpus(number, uuids=None):
    """Let this machine have so many GPUs, as far as this process and those it starts know."""
    os.environ[GPUS] = ",".join(uuids or [f"GPU-{index}" for index in range(number)])
    pretend()


def pretend():
    """Let this process know the GPUs that were said to be there; None were said of."""
    if GPUS in os.environ:
        found = [(lane, "Pretended GPU", None) for lane in os.environ[GPUS].split(",") if lane]
        sys.modules["mlcnc.devices"]._gpus = lambda: (found, "none is pretended")


def wait_until(claim, seconds=60.0):
    """Return what ``claim`` returns once that is true; fails when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = claim()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"not within {seconds} seconds: {claim.__doc__ or claim}")


def wait_for_state(jobs, job_id, *states, seconds=60.0):
    """Return the job once it is in one of the states."""
    deadline = time.monotonic() + seconds
    while True:
        job = jobs.get(job_id)
        if job.state in states:
            return job
        said = f"{job.state}, {job.headline!r}\n{jobs.log(job_id)}"
        assert time.monotonic() < deadline, f"{job_id} is {said}, not {states}"
        assert job.is_active, f"{job_id} ended as {said}, not {states}"
        time.sleep(0.03)


def written(jobs, job_id):
    """Return a job as the table has it, whatever became of its process."""
    queue = Queue(jobs.runs_root)
    (job,) = queue.read("number = ?", queue.number_of(job_id))[0]
    return job


def change(jobs, job_id, **columns):
    """Write columns of a job's record."""
    queue = Queue(jobs.runs_root)
    queue.change(queue.number_of(job_id), **columns)


def workers(root):
    """Return the live workers of a runs folder."""
    return [
        process
        for process in psutil.process_iter()
        if is_alive(process)
        and str(root) in arguments_of(process)
        and {"mlcnc.launch.worker", "tests.processes.stand_in"} & set(arguments_of(process))
    ]


def arguments_of(process):
    with suppress(psutil.Error, OSError):
        return process.cmdline()
    return []


def is_alive(process):
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill_workers(jobs):
    """Kill every worker of a runs folder, as a person with ``kill -9`` does, and wait until none holds its lock."""
    for process in workers(jobs.runs_root):
        process.kill()
    wait_until(lambda: not any(map(is_locked, Queue(jobs.runs_root).folder.glob("worker-*.lock"))))


def begun(jobs, behaviour, **more):
    """Queue a stand-in and return its job once the stand-in itself runs."""
    job = wait_for_state(jobs, jobs.submit(stand_in(behaviour, **more)).job_id, "running")
    wait_until(lambda: any(line[3] == str(job.pid) for line in ledger()))
    return job


def ledger():
    try:
        with open(os.environ[LEDGER]) as stream:
            return [line.split() for line in stream]
    except FileNotFoundError:
        return []


def group_members(pid):
    """Return the live processes of a group."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == pid and is_alive(process):
                found.append(process)
    return found


def clear(folder, *spared):
    """Kill every worker and every process of a job under a folder, but for the spared pids."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            of_job = process.environ().get(JOB_VARIABLE, "").startswith(str(folder))
            of_queue = any(word.startswith(str(folder)) for word in process.cmdline()[1:])
            if (of_job or of_queue) and process.pid not in (os.getpid(), *spared):
                os.kill(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    pretend()
    for name, seconds in PATIENCE.items():
        setattr(worker, f"{name}_SECONDS", float(os.environ.get(f"MLCNC_{name}", seconds)))
    worker.Worker(sys.argv[1], sys.argv[2], int(sys.argv[3]), command).run()
