import json
import os
import sys

import pytest

from mlcnc.cli import main
from mlcnc.errors import LaunchError
from mlcnc.files.processes import process_name
from mlcnc.launch import Jobs
from mlcnc.launch.queue import Queue
from mlcnc.store import RunWriter


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Return a function that runs ``mlcnc jobs`` without a worker and returns status, output and errors."""
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(Jobs, "_start_worker", lambda self, lane: False)
    monkeypatch.setattr(sys.modules["mlcnc.devices"], "_gpus", lambda: ([], "none is here"))

    def tell(*words):
        status = main(["jobs", *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return tell


def change(tmp_path, number, **columns):
    Queue(tmp_path / "runs").change(number, **columns)


def me():
    name = process_name(os.getpid())
    return {"pid": name.pid, "start": name.start, "boot": name.boot}


def test_a_queue_is_worked_with_from_the_command_line(told, tmp_path):
    assert told("list") == (0, f"no jobs in {tmp_path}/runs; queue one with: mlcnc jobs start train\n", "")
    status, out, _ = told("start", "train", "--preset", "demo", "--epochs", "5", "--seed", "3", "--on", "cpu")
    assert status == 0
    assert out.splitlines()[0] == "0001-train: queued, place 1"
    assert out.splitlines()[1].startswith("mlcnc train --preset demo --training.epochs 5 --training.seed 3 ")
    told("start", "gallery", "--only", "etf", "--max-minutes", "3", "--on", "cpu")
    assert told("move", "0002-gallery", "-1") == (0, "0002-gallery: place 1\n", "")
    assert "no worker is there to start them; start one with: mlcnc jobs work" in told("list")[2]
    assert told("work") == (0, "0 workers started\n", "")
    (first, second) = json.loads(told("list", "--json")[1])
    assert (first["job_id"], first["place"], first["state"]) == ("0002-gallery", 1, "queued")
    assert second["run_id"] == "my-pictogram-lt-etf-s3"
    assert told("stop", "0002-gallery") == (0, "0002-gallery: stopped\n", "")
    lines = told("list")[1].splitlines()
    assert lines[0].split() == ["job", "state", "place", "device", "run", "what", "is", "known"]
    assert lines[1].split() == ["0002-gallery", "stopped", "stopped", "before", "it", "began"]
    assert lines[2].split() == ["0001-train", "queued", "1", "my-pictogram-lt-etf-s3"]
    # the id of a job stands for its run
    assert "there is no run 'my-pictogram-lt-etf-s3' in" in told("resume", "0001-train")[2]
    assert told("remove", "0001-train")[0] == 0
    (tmp_path / "runs/.jobs/0002-gallery.log").write_text("one\ntwo\n")
    assert told("logs", "0002-gallery", "--follow") == (0, "one\ntwo\n", "")
    assert told("logs", "0002-gallery", "--bytes", "5")[1] == "two\n"
    change(tmp_path, 2, request="{")
    status, _, errors = told("list")
    assert status == 0
    assert errors.startswith("mlcnc: job 0002 is damaged, request: ")
    assert told("remove", "0002-damaged")[0] == 0
    assert told("list")[2] == ""


def test_the_list_says_how_far_a_training_is(told, tmp_path):
    told("start", "train", "--preset", "demo", "--epochs", "5", "--on", "cpu", "--run-id", "live")
    run = RunWriter.create(tmp_path / "runs", "live", class_names=["a"], class_counts=[3], num_epochs=5)
    run.log_epoch(0, {"train/loss": 1.0})
    run._closed.set()
    change(tmp_path, 1, state="running", device="cpu", **me())
    assert told("list")[1].splitlines()[1].endswith("  live  1 of 5 epochs logged")
    (tree,) = json.loads(told("list", "--json")[1])
    assert (tree["epochs_logged"], tree["epochs_planned"]) == (1, 5)
    # another job may have gone on with the run of one that was stopped
    change(tmp_path, 1, state="stopped", said="asked")
    (tree,) = json.loads(told("list", "--json")[1])
    assert (tree["epochs_logged"], tree["epochs_planned"]) == (None, None)
    assert told("list")[1].splitlines()[1].endswith("  live  asked")


def test_columns_of_the_list_stand_below_their_names(told, tmp_path):
    long = "pictogram-lt-mlc-nc-db-focal-lr0p064-s10"
    told("start", "train", "--preset", "demo", "--on", "cpu", "--run-id", long)
    told("start", "gallery", "--on", "cpu")
    device = "cuda:0 of a long name"
    change(tmp_path, 2, state="stopped", device=device, said="asked")
    head, gallery, train = told("list")[1].splitlines()
    assert gallery[head.index("device") :].startswith(device)
    assert gallery[head.index("what is known") :] == "asked"
    assert train[head.index("run") :] == long


def test_words_from_files_are_shown_and_never_obeyed(told, tmp_path):
    told("start", "gallery", "--on", "cpu")
    change(tmp_path, 1, state="failed", said="bad\x1b[2J \u202etxet")
    (tmp_path / "runs/.jobs/0001-gallery.log").write_text("one\x07\x1b]0;title\x07two\n")
    assert told("list")[1].splitlines()[1].endswith("bad\ufffd[2J \ufffdtxet")
    assert told("logs", "0001-gallery")[1] == "one\ufffdtwo\n"
    change(tmp_path, 1, device="c\x1b[2Ju\n0002-train", said="two\nlines")
    assert told("list")[1].splitlines()[1].split() == [
        "0001-gallery",
        "failed",
        "c\ufffd[2Ju",
        "0002-train",
        "two",
        "lines",
    ]
    change(tmp_path, 1, request='{"\x1b[2J')
    assert "\x1b" not in told("list")[2]


def test_a_log_is_followed_to_its_last_line(told, tmp_path, monkeypatch):
    """Lines that come while others are printed, or just before the end, are not lost."""
    told("start", "gallery", "--on", "cpu")
    change(tmp_path, 1, state="running", **me())
    log = tmp_path / "runs/.jobs/0001-gallery.log"
    log.write_text("one\n")

    def sleep(seconds):
        with log.open("a") as stream:
            stream.write("two\n")
        if log.read_text().count("two") == 3:
            change(tmp_path, 1, state="finished")

    monkeypatch.setattr("mlcnc.cli_jobs.time.sleep", sleep)
    assert told("logs", "0001-gallery", "--follow") == (0, "one\ntwo\ntwo\ntwo\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stop", "0009-train"), "there is no job '0009-train' in"),
        (("stop", "../runs"), "a job id looks like 0001-train, got '../runs'"),
        (("logs", "0009-train"), "there is no job '0009-train' in"),
        (("logs", "0009-train", "--bytes", "0"), "--bytes must be at least 1, got 0"),
        (("move", "0009-train", "1"), "there is no job '0009-train' in"),
        (("resume", "mine"), "there is no run 'mine' in"),
        (
            ("start", "gallery", "--max-megabytes", "3", "--on", "cpu"),
            "max_megabytes limits the folder of one run",
        ),
        (("start", "evaluate", "mine", "--on", "cpu"), "there is no run 'mine' in"),
        (
            ("start", "layout", "mine", "--neighbours", "1"),
            "neighbours: input should be greater than or equal to 2",
        ),
        (("start", "train", "--on", "gpu"), "--on must be auto, cpu, mps, cuda:N or slurm, got 'gpu'"),
        (("start", "train", "--nodes", "2"), "only jobs of Slurm take --nodes; add --on slurm"),
        (("start", "train", "--on", "cuda:7"), "device 'cuda:7' is not on this machine"),
        (("start", "train", "--epochs", "0", "--on", "cpu"), "training.epochs: input should be greater than"),
        (("start", "train", "--run-id", "../x", "--on", "cpu"), "run_id: must be 1 to 64 of a-z"),
        (
            ("start", "train", "--batch_size", "100000", "--on", "cpu"),
            "training.batch_size 100000 is larger than",
        ),
        (
            ("start", "train", "--max-minutes", "-1", "--on", "cpu"),
            "max_minutes: input should be greater than 0",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(told, words, said):
    status, out, errors = told(*words)
    assert (status, out) == (1, "")
    assert errors.startswith(f"mlcnc: {said}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("begin",),
        ("stop",),
        ("move", "0001-train"),
        ("move", "0001-train", "up"),
        ("start",),
        ("start", "shell"),
    ],
)
def test_wrong_arguments_name_themselves(told, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        told(*words)
    assert "usage: mlcnc jobs" in capsys.readouterr().err


def test_help_names_every_action(told, capsys):
    with pytest.raises(SystemExit, match="0"):
        told("--help")
    shown = capsys.readouterr().out
    assert all(
        f"  {action} " in shown
        for action in ("list", "start", "resume", "stop", "move", "remove", "work", "logs")
    )


def test_a_job_that_is_queued_but_not_started_says_so(told, tmp_path, monkeypatch):
    def refuse(self, lane):
        raise LaunchError("no worker can be started: no memory")

    monkeypatch.setattr(Jobs, "_start_worker", refuse)
    status, out, errors = told("start", "gallery", "--on", "cpu")
    assert (status, out.splitlines()[0]) == (0, "0001-gallery: queued, place 1")
    assert errors.startswith("queued but not started, as no worker can be started: no memory; ")


def test_a_listing_reads_the_table_once(told, monkeypatch):
    told("start", "gallery", "--on", "cpu")
    read, times = Queue.read, []
    monkeypatch.setattr(Queue, "read", lambda queue, *which: times.append(which) or read(queue, *which))
    assert told("list")[0] == 0
    assert times == [()]
