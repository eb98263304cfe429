"""The queue under kills at random moments, with figures.

``MLCNC_SOAK_MINUTES`` sets how long trainings are killed and resumed, 10 by default:
``pytest -m slow -n0 -s tests/soak/test_queue.py``.
"""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import pytest

from mlcnc.launch import JobRequest, Jobs
from mlcnc.store import RunStore
from mlcnc.store.metrics_file import epoch_of
from tests.processes.conftest import jobs, locks  # noqa: F401
from tests.processes.small_training import assert_same_run
from tests.processes.stand_in import (
    group_members,
    kill_workers,
    ledger,
    stand_in,
    wait_for_state,
    wait_until,
    workers,
)
from tests.processes.test_runner_crashes import DIGITS

pytestmark = pytest.mark.slow

MINUTES = float(os.environ.get("MLCNC_SOAK_MINUTES", "10"))
KILLS = 17
EPOCHS = 12
SETTINGS = {**DIGITS, "training": {**DIGITS["training"], "epochs": EPOCHS}}


def test_kills_of_the_worker_neither_lose_nor_repeat_a_job_nor_give_a_device_twice(jobs):  # noqa: F811
    random.seed(17)
    ids = [jobs.submit(stand_in("rest:0.3")).job_id for _ in range(2 * KILLS)]
    killed = 0
    while killed < KILLS and any(job.is_active for job in jobs.all()):
        jobs.start_workers()
        wait_until(lambda: workers(jobs.runs_root))
        time.sleep(random.random() * 1.5)
        killed += bool(workers(jobs.runs_root))
        kill_workers(jobs)
        assert not [job for job in jobs.all() if job.state == "running" and not group_members(job.pid)]
    wait_until(lambda: jobs.start_workers() or not any(job.is_active for job in jobs.all()), 120)
    wait_until(lambda: not any(job.is_active for job in jobs.all()), 120)
    states = Counter(jobs.get(job_id).state for job_id in ids)
    lines = sorted(ledger(), key=lambda line: float(line[2]))
    begins = [line[3] for line in lines if line[0] == "begin"]
    overlaps = sum(line[0] != ("begin", "end")[place % 2] for place, line in enumerate(lines))
    print(
        f"\n{killed} kills of the worker: {len(ids)} jobs {dict(states)}, begun {len(begins)}, overlaps {overlaps}"
    )
    assert killed == KILLS
    assert set(states) <= {"finished", "lost"}
    assert len(begins) == len(set(begins)) <= len(ids)
    assert overlaps == 0


def logged(root, run_id):
    """Return the epochs of a run's metrics, whole lines only; one logged again after a kill counts once."""
    try:
        lines = (root / run_id / "metrics.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return sorted({epoch for line in lines if (epoch := epoch_of(line)) is not None})


def test_trainings_that_are_killed_or_stopped_and_resumed_are_the_uninterrupted_one(tmp_path, locks):  # noqa: F811
    rng = random.Random(int(os.environ.get("MLCNC_SOAK_SEED", "1")))
    whole = Jobs(tmp_path / "whole")
    reference = whole.submit(JobRequest(kind="train", run_id="run", settings=SETTINGS, device="cpu"))
    wait_for_state(whole, reference.job_id, "finished", seconds=300)
    counted = Counter()
    until = time.monotonic() + 60 * MINUTES
    while time.monotonic() < until:
        counted["runs"] += 1
        root = tmp_path / f"runs-{counted['runs']}"
        one_run(Jobs(root), root, rng, counted, until)
        assert_same_run(tmp_path / "whole" / "run", root / "run")
        counted["runs equal to the uninterrupted one"] += 1
    print(f"\n{dict(counted)} in {MINUTES:g} minutes; logged epochs lost: {counted['lost epochs']}")
    assert counted["lost epochs"] == 0


def wait_for_end_of(pid):
    wait_until(lambda: not group_members(pid))


def one_run(jobs, root, rng, counted, until):  # noqa: F811
    """Train one run to its end, hit at random moments."""
    job = jobs.submit(JobRequest(kind="train", run_id="run", settings=SETTINGS, device="cpu"))
    while True:
        seconds = rng.uniform(0.5, 12.0)
        began = time.monotonic()
        while time.monotonic() - began < seconds and jobs.get(job.job_id).is_active:
            time.sleep(0.05)
        job = jobs.get(job.job_id)
        if job.state == "finished":
            assert logged(root, "run") == list(range(EPOCHS))
            return
        assert job.is_active, f"{job.state}: {job.headline}\n{jobs.log(job.job_id)}"
        before = logged(root, "run")
        how = rng.choice(["job", "job and worker", "worker and job", "stop"])
        if how == "stop" and job.state == "running":
            jobs.stop(job.job_id)
            wait_for_end_of(job.pid)
        else:
            if how == "worker and job":
                kill_workers(jobs)
            if job.pid is not None:
                with suppress(ProcessLookupError):
                    os.killpg(job.pid, signal.SIGKILL)
                wait_for_end_of(job.pid)
            if how == "job and worker":
                kill_workers(jobs)
        # whoever looks at any moment from now on is told no living job where there is none
        job = jobs.get(job.job_id)
        assert job.state not in ("running", "stopping") or group_members(job.pid), job
        counted[how] += 1
        after = logged(root, "run")
        counted["lost epochs"] += len(set(before) - set(after))
        if job.state == "finished":
            continue
        if job.is_active:
            # it waits, or began after it was looked at and so was not hit
            jobs.start_workers()
            continue
        if "run" in RunStore(root).run_ids():
            wait_until(lambda: RunStore(root).open("run").status.state != "running")
            if RunStore(root).open("run").status.state == "finished":
                # killed between its last line and its end
                jobs.start_workers()
                assert after == list(range(EPOCHS))
                return
            job = jobs.resume("run")
            counted["resumed"] += 1
        else:
            job = jobs.submit(JobRequest(kind="train", run_id="run", settings=SETTINGS, device="cpu"))
            counted["begun anew"] += 1
