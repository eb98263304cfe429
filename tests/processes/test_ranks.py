"""Several processes train as one does: the same losses, measurements and files, and one sentence where one dies."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from mlcnc.cli import main
from mlcnc.store import RunStore
from tests.conftest import ROOT
from tests.processes.shared_steps import CASES, LONG, SHORT, config_of, epochs_of, steps_of
from tests.processes.small_training import SMALL, use_few_images

TWO = ("--training.devices", "2")
SETTINGS = {
    "preset": "quick",
    **{f"{part}.{name}": value for part, values in SMALL.items() for name, value in values.items()},
    "training.sync_batchnorm": True,
    "training.epochs": 5,
}


@pytest.fixture
def start(tmp_path):
    """Start the command line on a few images; return its process, whose output goes to ``tmp_path/said``."""
    started = []

    def start(*arguments, by=("-m", "tests.processes.few_images_command"), environment=()):
        environment = os.environ | {"TORCH_CPP_LOG_LEVEL": "ERROR", "OMP_NUM_THREADS": "1"} | dict(environment)
        with (tmp_path / "said").open("a") as said:
            process = subprocess.Popen(
                [sys.executable, *by, *arguments, "--runs", str(tmp_path / "runs")],
                cwd=ROOT, stdout=said, stderr=said, env=environment, start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def options(**changes):
    return [part for name, value in (SETTINGS | changes).items() for part in (f"--{name}", str(value))]


def wait_for_epoch(folder, epoch):
    deadline = time.monotonic() + 120
    path = folder / "metrics.jsonl"
    while not (path.is_file() and path.read_bytes().count(b"\n") > epoch):
        assert time.monotonic() < deadline, "no such epoch"
        time.sleep(0.02)


def children_of(process, number):
    """Return the processes that it started which train, once there are so many."""
    deadline = time.monotonic() + 60
    while len(found := psutil.Process(process.pid).children()) < number:
        assert time.monotonic() < deadline, "no such child"
        time.sleep(0.02)
    return found


def lines_of(tmp_path, run_id):
    return RunStore(tmp_path / "runs").open(run_id).metrics()


def assert_close_runs(lines, others, tolerance=1e-4):
    assert [line["epoch"] for line in lines] == [line["epoch"] for line in others]
    for line, other in zip(lines, others, strict=True):
        # shares of the gradient are measured by a process that is alone
        line, other = (
            {
                name: value
                for name, value in each.items()
                if not name.startswith("gradient") and name != "seconds_gradients"
            }
            for each in (line, other)
        )
        assert line.keys() == other.keys()
        # ranks and estimates without bias are as good as their last digit; of losses every digit counts
        for name in (name for name in line if name.startswith("train/") or name == "logit_scale"):
            assert other[name] == pytest.approx(line[name], rel=tolerance, abs=tolerance), name


# ---- the same numbers ---------------------------------------------------------------------------------------


def of_processes(number, least, folder):
    """Return what so many processes find, by case; see :mod:`tests.processes.shared_steps`."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(number)]
    done = subprocess.run(
        [*command, "-m", "tests.processes.shared_steps", str(folder), str(least)],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((folder / f"{number}.json").read_text())


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return of_processes(2, SHORT, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    return of_processes(4, LONG, tmp_path_factory.mktemp("four"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("number", ["two", pytest.param("four", marks=pytest.mark.slow)])
@pytest.mark.xdist_group("ranks")
def test_losses_and_measurements_are_those_of_one_process(request, tmp_path, monkeypatch, case, number):
    found = request.getfixturevalue(number)[case]
    use_few_images(monkeypatch)
    config = config_of(case, tmp_path, epochs_of(case, SHORT if number == "two" else LONG))
    expected, _ = steps_of(config)
    assert len(expected) == len(found["steps"]) == 3 * config.training.epochs
    tolerance = 1e-5 if config.training.sync_batchnorm else 0.2
    for step, (own, others) in enumerate(zip(expected, found["steps"], strict=True)):
        assert own.keys() == others.keys()
        for name, value in own.items():
            assert others[name] == pytest.approx(value, rel=tolerance, abs=tolerance), (step, name)
    assert found["equal"]
    # arrays are stored in float32 or less
    far = {name: value for name, value in found["far"].items() if value > (1e-6 if is_array(name) else 1e-10)}
    assert len(found["far"]) > 100
    assert not far


def is_array(name):
    return "/" in name and name.rsplit("/", 1)[1] in ("class_means", "negative_means")


# ---- whole runs ---------------------------------------------------------------------------------------------


@pytest.mark.xdist_group("ranks")
def test_killed_in_one_process_it_ends_with_one_sentence_and_goes_on_in_another_number(
    tmp_path, start, monkeypatch
):
    process = start("train", *options(**{"training.epochs": 12}), "--run-id", "two", *TWO)
    wait_for_epoch(tmp_path / "runs" / "two", 1)
    (other,) = children_of(process, 1)
    other.kill()
    assert process.wait(timeout=60) == 1
    said = (tmp_path / "said").read_text()
    assert said.count("process 2 of 2 ended (SIGKILL)") == 1
    assert said.rstrip().endswith(f"go on with: mlcnc train --resume two --runs {tmp_path / 'runs'}")
    assert "Traceback" not in said
    status = RunStore(tmp_path / "runs").open("two").status
    assert (status.state, status.error.type) == ("failed", "ProcessLostError")
    use_few_images(monkeypatch)
    runs = ("--runs", str(tmp_path / "runs"))
    assert main(["train", "--resume", "two", "--training.devices", "1", *runs]) == 0
    assert main(["train", *options(**{"training.epochs": 12}), "--run-id", "one", *runs]) == 0
    assert_close_runs(lines_of(tmp_path, "one"), lines_of(tmp_path, "two"))


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_without_its_first_process_the_other_one_says_so(tmp_path, start):
    process = start("train", *options(**{"training.epochs": 500}), "--run-id", "two", *TWO)
    wait_for_epoch(tmp_path / "runs" / "two", 0)
    (other,) = children_of(process, 1)
    process.kill()
    process.wait()
    psutil.wait_procs([other], timeout=60)
    assert not other.is_running()
    assert (tmp_path / "said").read_text().count("go on with: mlcnc train --resume two") == 1
    assert RunStore(tmp_path / "runs").open("two").status.state == "lost"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.xdist_group("ranks")
def test_asked_to_stop_all_of_them_do(tmp_path, start, number):
    process = start("train", *options(**{"training.epochs": 500}), "--run-id", "two", *TWO)
    wait_for_epoch(tmp_path / "runs" / "two", 0)
    others = children_of(process, 1)
    os.killpg(process.pid, number)
    assert process.wait(timeout=60) == 130
    psutil.wait_procs(others, timeout=60)
    said = (tmp_path / "said").read_text()
    assert said.count("mlcnc: stopped, ") == 1
    assert "Traceback" not in said
    assert RunStore(tmp_path / "runs").open("two").status.state == "stopped"
    # more processes than before
    process = start("train", "--resume", "two", "--training.devices", "3")
    wait_for_epoch(tmp_path / "runs" / "two", len(lines_of(tmp_path, "two")) + 1)


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_torchrun_starts_them_and_one_writes(tmp_path, start):
    by = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
    process = start("tests.processes.few_images_command", "train", *options(), by=by)
    assert process.wait(timeout=120) == 0, (tmp_path / "said").read_text()
    (run_id,) = (folder.name for folder in (tmp_path / "runs").iterdir() if folder.is_dir())
    process = start("train", *options(), "--run-id", "one")
    assert process.wait(timeout=120) == 0
    assert_close_runs(lines_of(tmp_path, "one"), lines_of(tmp_path, run_id))
    said = (tmp_path / "said").read_text()
    assert said.count("2 processes (started by torchrun)") == 1
    assert said.count("epoch 5/5") == 2  # one of each run


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_what_srun_says_is_read_and_what_a_batch_script_says_is_not(tmp_path, start):
    of_the_job = {
        "SLURM_JOB_ID": "77123",
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": "2",
        "SLURM_NNODES": "1",
        "SLURM_NODELIST": "127.0.0.1",
        "SLURM_NODEID": "0",
    }
    of_the_step = of_the_job | {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1"}
    processes = [
        start(
            "train", *options(), "--run-id", "two",
            environment=of_the_step | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    process = start("train", *options(), "--run-id", "one", environment=of_the_job | {"SLURM_PROCID": "0"})
    assert process.wait(timeout=120) == 0
    assert_close_runs(lines_of(tmp_path, "one"), lines_of(tmp_path, "two"))
    assert (tmp_path / "said").read_text().count("2 processes (started by srun)") == 1


BEGINNING = """
import os, sys, time
from mlcnc.errors import DataError
from mlcnc.training import epoch, ranks
from tests.processes.small_training import main

ranks.GRACE_SECONDS = 1.0
real = epoch.update

def update(experiment):
    {instead}
    real(experiment)

epoch.update = update
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_that_they_do_not_find_each_other_is_said_and_nobody_goes_on_looking(tmp_path, start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(taken.getsockname()[1]),
            "MLCNC_JOB": str(tmp_path / "none"),
        }
        process = start("train", *options(), *TWO, environment=where)
        assert process.wait(timeout=120) == 1
        assert "mlcnc: the 2 processes of this run do not find each other: " in (tmp_path / "said").read_text()
        assert not alive_in_group(process.pid)


def alive_in_group(group):
    """Return the living processes of a session."""
    found = []
    for other in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(other.pid) == group and other.status() != psutil.STATUS_ZOMBIE:
                found.append(other.pid)
    return found


def start_changed(start, tmp_path, instead):
    """Start two processes that do something else before their first update."""
    script = tmp_path / "changed.py"
    script.write_text(BEGINNING.format(instead=instead))
    environment = {"PYTHONPATH": str(ROOT)}
    return start("train", *options(), "--run-id", "two", *TWO, by=(str(script),), environment=environment)


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_what_another_process_fails_of_is_what_the_run_says(tmp_path, start):
    instead = 'if os.environ.get("LOCAL_RANK") == "1": raise DataError("photograph 7 is damaged")'
    process = start_changed(start, tmp_path, instead)
    assert process.wait(timeout=120) == 1
    said = (tmp_path / "said").read_text()
    assert said.count("photograph 7 is damaged") == 1
    assert "mlcnc: process 2 ended: photograph 7 is damaged; the epochs before" in said
    assert "photograph 7" in RunStore(tmp_path / "runs").open("two").status.error.message


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_where_the_first_one_hears_nothing_it_ends_all_the_same(tmp_path, start):
    instead = 'if os.environ.get("LOCAL_RANK") == "0": print("asleep", flush=True), time.sleep(600)'
    process = start_changed(start, tmp_path, instead)
    deadline = time.monotonic() + 60
    while "asleep" not in (tmp_path / "said").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (other,) = children_of(process, 1)
    other.kill()
    assert process.wait(timeout=30) == 1
    assert (tmp_path / "said").read_text().count("process 2 of 2 ended (SIGKILL)") == 1
    assert RunStore(tmp_path / "runs").open("two").status.state == "lost"


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_they_go_on_without_whoever_started_them(tmp_path, start):
    command = [
        sys.executable,
        "-m",
        "tests.processes.few_images_command",
        "train",
        *options(),
        "--run-id",
        "two",
        *TWO,
    ]
    wrapper = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"
    process = start(*command, by=("-c", wrapper))
    wait_for_epoch(tmp_path / "runs" / "two", 0)
    process.kill()
    wait_for_epoch(tmp_path / "runs" / "two", 4)
    deadline = time.monotonic() + 30
    while RunStore(tmp_path / "runs").open("two").status.state != "finished":
        assert time.monotonic() < deadline
        time.sleep(0.05)
