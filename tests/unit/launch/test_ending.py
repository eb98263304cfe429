import os
from contextlib import suppress

import pytest

from mlcnc.__main__ import _note
from mlcnc.files.processes import machine_id
from mlcnc.launch.ending import NEVER_BEGAN, ended, error_line, last_line, noted_exit
from mlcnc.launch.job import Job, StopReason
from mlcnc.launch.request import JobRequest
from mlcnc.store import RunStore, RunWriter

TRACEBACK = """device cpu
Traceback (most recent call last):
  File "a.py", line 3, in <module>
    raise ValueError("no")
torch.cuda.OutOfMemoryError: CUDA out of memory
"""


@pytest.mark.parametrize(
    ("text", "error", "last"),
    [
        ("", "", ""),
        ("all well\n\n", "", "all well"),
        ("mlcnc: the disk is full\n", "the disk is full", "mlcnc: the disk is full"),
        ("mlcnc: first\nmlcnc: second\nrest", "second", "rest"),
        (
            TRACEBACK,
            "torch.cuda.OutOfMemoryError: CUDA out of memory",
            "torch.cuda.OutOfMemoryError: CUDA out of memory",
        ),
        ("an Error: in a sentence\n", "", "an Error: in a sentence"),
        ("\x1b[31mmlcnc: red\x1b[0m\n", "red", "mlcnc: red"),
        ("1%\r 50%\r100%\n", "", "100%"),
    ],
)
def test_the_line_that_says_most(tmp_path, text, error, last):
    (tmp_path / "log.txt").write_text(text)
    assert error_line(tmp_path / "log.txt") == error
    assert last_line(tmp_path / "log.txt") == last


def test_a_headline_has_an_end(tmp_path):
    (tmp_path / "log.txt").write_text("mlcnc: " + "x" * 10_000)
    assert len(error_line(tmp_path / "log.txt")) <= 400


def job_of(folder, kind="train", **more):
    request = JobRequest(kind=kind, run_id="mine", max_minutes=5.0)
    known = {
        "number": 1,
        "host": "here",
        "machine": machine_id(),
        "created_at": "",
        "lane": "cpu",
        "run_id": "mine",
    }
    return Job(**known, request=request, state="running", folder=folder, **more)


@pytest.mark.parametrize(
    ("code", "stop", "state", "headline"),
    [
        (0, None, "finished", "mlcnc: said"),
        (0, "asked", "finished", "mlcnc: said"),
        (1, None, "failed", "said"),
        (1, "asked", "stopped", "stopped on request; nothing was logged yet"),
        (-15, "minutes", "stopped", "stopped after its limit of 5 minutes; nothing was logged yet"),
        (-15, None, "failed", "ended by signal 15 (SIGTERM): said"),
        (
            -9,
            None,
            "lost",
            "killed by signal 9 (SIGKILL), often because memory ran out; nothing was logged yet",
        ),
        (130, None, "stopped", "said"),
    ],
)
def test_an_end_that_was_seen(tmp_path, code, stop, state, headline):
    (tmp_path / "0001-train.log").write_text("mlcnc: said\n")
    end = ended(job_of(tmp_path, stop=stop), tmp_path, code)
    assert (end.state, end.headline, end.exit_code) == (state, headline, code)


@pytest.mark.parametrize("reason", StopReason)
def test_every_reason_has_its_words(tmp_path, reason):
    assert job_of(tmp_path, stop=reason).model_copy(update={"state": "stopped"}).headline.startswith("stopped ")


def test_an_end_without_a_word_is_said_plainly(tmp_path):
    job = job_of(tmp_path)
    assert ended(job, tmp_path, 3).headline == "ended with exit status 3 and said nothing; see its log"
    assert ended(job, tmp_path, 0).headline == "finished"


@pytest.mark.parametrize("code", [75, 255])
def test_no_exit_status_reads_as_never_begun(tmp_path, code):
    """Plugins end with whatever they like; what never began has noted a number that is no status."""
    job = job_of(tmp_path, pid=7)
    (tmp_path / "0001-train.exit").write_text(f"7 {code}\n")
    for seen in (code, None):
        end = ended(job, tmp_path, seen)
        assert end.headline == f"ended with exit status {code} and said nothing; see its log"
    (tmp_path / "0001-train.exit").write_text(f"7 {NEVER_BEGAN}\n")
    for seen in (1, None):
        end = ended(job, tmp_path, seen)
        assert (end.state, end.exit_code) == ("failed", None)
        assert end.headline.startswith("never began, as its worker was killed at that moment")
    assert NEVER_BEGAN not in range(256)


@pytest.fixture
def run(tmp_path):
    def write(error):
        with (
            suppress(ValueError, KeyboardInterrupt),
            RunWriter.create(tmp_path / "runs", "mine", class_names=["a"], class_counts=[3]) as writer,
        ):
            writer.log_epoch(0, {"train/loss": 0.5})
            if error is not None:
                raise error

    return write


@pytest.mark.parametrize(
    ("error", "state", "headline"),
    [
        (None, "finished", "finished"),
        (ValueError("too wide"), "failed", "ValueError: too wide"),
        (KeyboardInterrupt(), "stopped", "stopped from outside"),
    ],
)
def test_an_end_that_nobody_saw_is_told_by_the_run(tmp_path, run, error, state, headline):
    run(error)
    runs = tmp_path / "runs"
    job = job_of(runs / ".jobs", pid=os.getpid())
    end = ended(job, runs, None)
    assert (end.state, end.headline, end.exit_code) == (state, headline, None)
    # a run that another process wrote last says nothing about this one
    lost = "its process ended and nobody saw how; "
    for other, kept in (
        (job.model_copy(update={"pid": 2}), "what was logged is kept"),
        (job.model_copy(update={"run_id": "other"}), "nothing was logged yet"),
    ):
        end = ended(other, runs, None)
        assert (end.state, end.headline) == ("lost", lost + kept)
    asked = job.model_copy(update={"run_id": "other", "stop": StopReason.ASKED})
    assert ended(asked, runs, None).state == "stopped"
    assert RunStore(runs).open("mine").status.state == state


def test_a_job_leaves_its_exit_status(tmp_path, monkeypatch, capsys):
    path = tmp_path / "0001-layout.exit"
    monkeypatch.delenv("MLCNC_JOB", raising=False)
    monkeypatch.setattr("mlcnc.stopping.stop_listening", lambda: None)  # this process goes on
    _note(3)
    monkeypatch.setenv("MLCNC_JOB", str(tmp_path / "gone" / "0001-layout"))
    _note(3)
    assert "could not be noted" in capsys.readouterr().err
    assert not path.exists()
    monkeypatch.setenv("MLCNC_JOB", str(tmp_path / "0001-layout"))
    _note(0)
    assert noted_exit(path, os.getpid()) == 0
    assert noted_exit(path, os.getpid() + 1) is None
    assert ended(job_of(tmp_path, "layout", pid=os.getpid()), tmp_path, None).state == "finished"
    for damaged in ("", "[]", "3", f"{os.getpid()} x", f"{os.getpid()} 1e999", f"{os.getpid()} {'9' * 400}"):
        path.write_text(damaged)
        assert noted_exit(path, os.getpid()) is None
    path.unlink()
    path.symlink_to(tmp_path / "outside")
    _note(0)
    assert not (tmp_path / "outside").exists()
