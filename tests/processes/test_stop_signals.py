"""SIGTERM at any moment: the run is recorded as stopped, the exit status is 130, and a second one is harmless."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mlcnc.errors import counted
from mlcnc.store import RunProblem, RunStore
from tests.conftest import ROOT
from tests.processes.small_training import SMALL, assert_same_run
from tests.processes.stand_in import wait_until

pytestmark = pytest.mark.xdist_group("trainings")


def stopped_at(nursery, root, whole, number, **order):
    """Stop a training at one point, check how it ended, and go on with it."""
    run_id = f"at-{number}"
    ended = nursery.run(root, run_id, kill_at=number, signal="SIGTERM", **order)
    store = RunStore(root)
    assert not [found for found in store.scan() if isinstance(found, RunProblem)]
    assert not list(root.rglob("*.tmp"))
    place = f"point {number}, {whole.points[number - 1]}"
    if ended == 130:
        if run_id in store.run_ids():
            assert store.open(run_id).status.state == "stopped", place
            assert store.open(run_id).warnings == (), place
            assert nursery.run(root, run_id, resume=True) == 0, place
        else:
            assert nursery.run(root, run_id) == 0, place
    else:
        # everything was done: nothing was left to stop
        assert (ended, store.open(run_id).status.epoch) == (0, 3), place
    assert store.open(run_id).status.state == "finished"
    assert_same_run(whole.folder, root / run_id)
    return ended


CHOSEN = (r"before mkdir \S*\.tmp", r"half of \S*\.status", r"half a line")


@pytest.mark.parametrize(
    "pattern", [r"before replace \S*last.pt", *(pytest.param(name, marks=pytest.mark.slow) for name in CHOSEN)]
)
def test_stopped_inside_a_write(nursery, whole, tmp_path, pattern):
    numbers = [n for n, name in enumerate(whole.points, start=1) if re.match(pattern, name)]
    assert stopped_at(nursery, tmp_path, whole, numbers[len(numbers) // 2]) == 130


def test_stopped_from_within_a_heartbeat(nursery, whole, tmp_path):
    run_id = "beat"
    order = {"kill_at": 3, "thread": "mlcnc-heartbeat", "beat": 0.02, "signal": "SIGTERM"}
    assert nursery.run(tmp_path, run_id, **order) == 130
    assert RunStore(tmp_path).open(run_id).status.state == "stopped"
    assert nursery.run(tmp_path, run_id, resume=True) == 0
    assert_same_run(whole.folder, tmp_path / run_id)


@pytest.mark.slow
def test_stopped_at_every_point_where_files_change(nursery, whole, tmp_path):
    ends = [stopped_at(nursery, tmp_path, whole, number) for number in range(1, len(whole.points) + 1)]
    assert ends.count(130) > 80
    # only what comes after the last epoch's checkpoint finds nothing to stop
    assert 0 not in ends[: len(ends) - 40]


class Command:
    """A real ``mlcnc train`` on few images, in a process group of its own."""

    def __init__(self, root, *more, resume=None, **environment):
        settings = [
            text
            for section, values in SMALL.items()
            for name, value in values.items()
            for text in (f"--{section}.{name}", str(value))
        ]
        new = ["--resume", resume] if resume else ["--run-id", "run", *settings, *more]
        command = ["train", "--runs", str(root), "--quiet", *new]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.few_images_command", *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def stop_group(self):
        """Send SIGTERM to the group twice, as a scheduler that is in a hurry does, and return how it ended."""
        os.killpg(self.process.pid, signal.SIGTERM)
        os.killpg(self.process.pid, signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def close(self):
        """Kill what is left and close its pipes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        if not self.process.stdout.closed:
            self.process.communicate()


@pytest.fixture
def command(request):
    """Return how to start a real training that does not outlive the test."""
    started = []

    def start(*arguments, **environment):
        started.append(Command(*arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.slow
def test_stopped_while_data_are_drawn_there_is_no_run(command, tmp_path):
    training = command(tmp_path, SLOW_DRAWING="300")
    assert training.process.stdout.readline() == "drawing\n"
    status, errors = training.stop_group()
    assert status == 130
    assert errors.splitlines()[-1] == "mlcnc: stopped before a run had begun; the same command begins it"
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_group_that_is_stopped_while_it_trains_is_gone_and_recorded(command, tmp_path):
    training = command(tmp_path, "--epochs", "5000")
    lines = tmp_path / "run" / "metrics.jsonl"
    wait_until(lines.exists, 120)
    started = time.monotonic()
    status, errors = training.stop_group()
    assert status == 130
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.killpg(training.process.pid, 0)
    run = RunStore(tmp_path).open("run")
    logged = counted(len(run.metrics()), "epoch")
    assert errors.splitlines()[-1] == (
        f"mlcnc: stopped, {logged} of run logged; go on with: mlcnc train --resume run --runs {tmp_path}"
    )
    assert run.status.state == "stopped"
    assert run.warnings == ()
    assert len(run.metrics()) == run.status.epoch + 1


@pytest.mark.slow
def test_of_two_that_go_on_with_a_run_at_once_one_is_refused(command, nursery, whole, tmp_path):
    for number in range(3):
        root = tmp_path / str(number)
        assert nursery.run(root, "run", kill_at=70) == -signal.SIGKILL
        both = [command(root, resume="run") for _ in range(2)]
        ends = [one.process.communicate(timeout=120)[1] for one in both]
        assert sorted(one.process.returncode for one in both) == [0, 1]
        (said,) = [text for text, one in zip(ends, both, strict=True) if one.process.returncode]
        assert said.startswith("mlcnc: run run is")
        assert "being written by" in said
        assert_same_run(whole.folder, root / "run")


@pytest.mark.slow
def test_stopped_at_random_moments_from_the_first_import_on(command, tmp_path):
    rng = np.random.default_rng(3)
    started = time.monotonic()
    assert command(tmp_path / "whole").process.wait(timeout=120) == 0
    seconds = time.monotonic() - started
    for number in range(20):
        root = tmp_path / str(number)
        training = command(root)
        time.sleep(rng.uniform(0.5, seconds))
        status, errors = training.stop_group()
        assert "Traceback" not in errors
        runs = list(RunStore(root).scan())
        assert not [found for found in runs if isinstance(found, RunProblem)]
        if status == 0:
            assert runs[0].status.state == "finished"
        elif status == -signal.SIGTERM:
            assert runs == []  # Python itself was still starting
        else:
            assert status == 130
            assert [run.status.state for run in runs] in ([], ["stopped"])
