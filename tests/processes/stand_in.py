"""The runner with :mod:`stand_in_job` in place of the real commands; no request can ask for it."""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from mlcnc.launch import JobRequest, Jobs, supervisor
from mlcnc.launch.devices import _torch_version
from mlcnc.launch.locks import is_locked
from mlcnc.launch.processes import JOB_VARIABLE, boot_id

LEDGER = "MLCNC_LEDGER"
IDLE = "MLCNC_IDLE"
JOB = Path(__file__).with_name("stand_in_job.py")


# a real command, begun when a file allows it
WHEN_ALLOWED = """
import os, sys, time
from mlcnc.__main__ import run
while not os.path.exists(os.path.join(os.environ["MLCNC_JOB_FOLDER"], "allowed")):
    time.sleep(0.02)
run()
"""


def command(request, run_id, runs_root):
    """Return the stand-in's command: its behaviour is a text that the job carries."""
    if request.only == "runs list":
        return [sys.executable, "-c", WHEN_ALLOWED, "runs", "list", "--runs", str(runs_root)]
    return [sys.executable, "-I", "-S", str(JOB), request.only or request.after, os.environ[LEDGER]]


class StandInJobs(Jobs):
    """Jobs whose supervisor runs stand-ins."""

    def _supervisor_argv(self):
        return [sys.executable, "-m", "tests.processes.stand_in", str(self.runs_root)]


def stand_in(behaviour, **more):
    """Return the request of a stand-in job."""
    return JobRequest(kind="gallery", only=behaviour, **{"device": "cpu", **more})


def training(behaviour, **more):
    """Return the request of a stand-in for a training, which has a run and may limit its size."""
    return JobRequest(kind="train", after=behaviour, **{"device": "cpu", **more})


def submit(root, behaviour, device):
    """Queue one stand-in, in whichever process this is called."""
    StandInJobs(root).submit(stand_in(behaviour, device=device))


def pretend_gpus(number):
    """Let this machine have so many GPUs, as far as the runner knows."""
    key = [_torch_version(), boot_id(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), sys.executable]
    facts = {"cuda": [["Pretended GPU", 8 * 2**30, ""]] * number, "mps": False, "why": ""}
    Path(os.environ["MLCNC_LOCKS"], "devices.json").write_text(json.dumps({"key": key, "facts": facts}))


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


def supervisors(root):
    """Return the live supervisors of a runs folder."""
    return [
        process
        for process in psutil.process_iter()
        if is_alive(process)
        and str(root) in arguments_of(process)
        and {"mlcnc.launch.supervisor", "tests.processes.stand_in"} & set(arguments_of(process))
    ]


def arguments_of(process):
    with suppress(psutil.Error, OSError):
        return process.cmdline()
    return []


def is_alive(process):
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill_supervisors(jobs):
    """Kill every supervisor of a runs folder, as a person with ``kill -9`` does, and wait until it is gone."""
    for process in supervisors(jobs.runs_root):
        process.kill()
    wait_until(
        lambda: not supervisors(jobs.runs_root) and not is_locked(jobs.runs_root / ".jobs/supervisor.lock")
    )


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


def change_state(job, **changes):
    path = job.folder / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def group_members(pid):
    """Return the live processes of a group."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == pid and is_alive(process):
                found.append(process)
    return found


def clear(folder):
    """Kill every supervisor and every process of a job under a folder."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            of_job = process.environ().get(JOB_VARIABLE, "").startswith(str(folder))
            of_queue = any(word.startswith(str(folder)) for word in process.cmdline()[1:])
            if (of_job or of_queue) and process.pid != os.getpid():
                os.kill(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    supervisor.IDLE_SECONDS = float(os.environ.get(IDLE, supervisor.IDLE_SECONDS))
    supervisor.Supervisor(sys.argv[1], command).run()
