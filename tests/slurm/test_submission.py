"""Jobs of plain commands on a real Slurm: given, watched, cancelled, put back, refused."""

from __future__ import annotations

import os
import sys
import time

import pytest

from mlcnc.errors import LaunchError
from mlcnc.slurm.commands import cancel, states
from mlcnc.slurm.ending import Traces, ending, noted_status, stage
from mlcnc.slurm.submission import Task, remove_files, submit
from mlcnc.slurm_request import SlurmRequest

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("cluster")]

STOPS_POLITELY = """
import os, signal, sys, time
from pathlib import Path

def stop(number, frame):
    print("asked to stop", flush=True)
    Path(os.environ["NOTE"] + ".exit").write_text(f"{os.getpid()} 130")
    os._exit(130)

signal.signal(signal.SIGTERM, stop)
Path(sys.argv[1]).mkdir(exist_ok=True)
Path(sys.argv[1], "run.json").touch()
print("began" if len(sys.argv) == 2 else "went on", flush=True)
time.sleep(60)
"""


@pytest.fixture
def given(tmp_path):
    """Return a function that gives a Python program to Slurm and returns number and log."""

    def give(program, *arguments, again=(), run_folder=None, name="plain", **request):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        log = tmp_path / f"{name} 100%j.log"
        task = Task(command, [*command, *again], {}, ("NOTE", str(log.with_suffix(""))), log)
        number = submit(
            SlurmRequest(minutes=5, **request),
            task,
            name=name,
            run_folder=run_folder,
            files=tmp_path / "files" / name,
        )
        return number, log

    return give


def wait_for(number, wanted, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = states([number]).get(number)
        if stage(found) == wanted:
            return found
        time.sleep(0.2)
    raise AssertionError(f"job {number} is {found}, not {wanted}")


def wait_for_text(log, text, times=1, seconds=30):
    deadline = time.monotonic() + seconds
    while not log.exists() or log.read_text().count(text) < times:
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
        time.sleep(0.1)


def test_two_nodes_run_one_process_each(given, tmp_path):
    # in one piece, for both processes write into one log
    word = 'f\'rank {os.environ["SLURM_PROCID"]} on {os.environ["SLURMD_NODENAME"]} \''
    number, log = given(f"import os; os.write(1, {word}.encode())", nodes=2)
    found = wait_for(number, "ended")
    assert (found.word, found.nodes) == ("COMPLETED", "n[1-2]")
    text = log.read_text()
    assert "rank 0 on n1" in text
    assert "rank 1 on n2" in text
    assert ending(found, Traces(last_line="done"), 5) == ("finished", "done")
    assert list((tmp_path / "files" / "plain").glob(f"{number}_*"))
    remove_files(tmp_path / "files" / "plain")
    assert not list((tmp_path / "files").iterdir())


def test_a_failed_job_is_told_apart(given):
    number, log = given("raise SystemExit('mlcnc: no such thing')")
    found = wait_for(number, "ended")
    assert found.word == "FAILED"
    assert ending(found, Traces(noted_status(log), error="no such thing"), 5) == ("failed", "no such thing")


def test_a_cancelled_job_is_asked_first_and_one_that_waits_says_why(given, tmp_path):
    number, log = given(STOPS_POLITELY, tmp_path / "run", nodes=2)
    wait_for_text(log, "began", times=2)
    waiting, _ = given("pass", name="second", nodes=2)
    found = wait_for(waiting, "queued")
    assert found.reason in ("Resources", "Priority", "None")
    cancel(waiting)
    assert ending(wait_for(waiting, "ended"), Traces(), 5) == (
        "stopped",
        "cancelled in Slurm",
    )
    cancel(number)
    found = wait_for(number, "ended")
    # what the process on the other node says then may be lost with srun
    assert "asked to stop" in log.read_text()
    assert (found.word, noted_status(log)) == ("CANCELLED", 130)


def test_a_preempted_job_that_obeys_in_its_time_of_grace_comes_back_on_both_nodes(given, tmp_path):
    run = tmp_path / "run's"
    number, log = given(STOPS_POLITELY, run, again=["again"], run_folder=run, partition="graceful", nodes=2)
    wait_for_text(log, "began", times=2)
    urgent, _ = given("import time; time.sleep(1)", name="urgent", partition="urgent", nodes=2)
    wait_for_text(log, "asked to stop")
    wait_for_text(log, "went on", times=2)
    assert noted_status(log) is None  # that of the first start says nothing any more
    assert log.read_text().count("began") == 2
    assert stage(states([urgent])[urgent]) == "ended"
    cancel(number)


@pytest.mark.parametrize(
    ("request_of", "words"),
    [
        ({"partition": "nowhere"}, "invalid partition specified: nowhere"),
        ({"gpus_per_node": 3}, r"Invalid generic resource \(gres\) specification"),
    ],
)
def test_what_slurm_refuses_is_said_in_its_words(given, request_of, words, capfd):
    with pytest.raises(LaunchError, match=f"^Slurm does not take the job: .*{words}") as raised:
        given("pass", **request_of)
    assert "sbatch: " not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""


def test_a_variable_that_would_go_before_the_request_is_refused(given, monkeypatch):
    monkeypatch.setenv("SBATCH_TIMELIMIT", "1")
    with pytest.raises(LaunchError, match=r"^the variable SBATCH_TIMELIMIT would go before"):
        given("pass")
    monkeypatch.delenv("SBATCH_TIMELIMIT")
    monkeypatch.setenv("SBATCH_PARTITION", "urgent")
    number, _ = given("pass")  # it asks for none
    wait_for(number, "ended")


def test_a_job_given_from_within_another_takes_nothing_of_it(given, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1")
    number, log = given("import os; print('memory', os.environ.get('SLURM_MEM_PER_CPU'))")
    # nor do variables of whoever asks hide it
    monkeypatch.setenv("SQUEUE_PARTITION", "urgent")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    found = wait_for(number, "ended")
    assert found.started.endswith("+00:00")
    assert "memory None" in log.read_text()
    assert (os.environ["SLURM_JOB_ID"], os.environ["SLURM_MEM_PER_CPU"]) == ("7", "1")


def test_a_job_that_slurm_does_not_know_is_not_there(given):
    number, _ = given("pass")
    wait_for(number, "ended")
    assert set(states([number, 99_999_998, 99_999_999])) == {number}
    assert states([99_999_999]) == {}
    assert states([]) == {}
