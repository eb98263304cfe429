import json
import os
from contextlib import suppress

import pytest

from mlcnc.launch import outcome
from mlcnc.launch.exit_note import note_exit, noted_exit
from mlcnc.launch.log_file import LogReader, error_line, last_line, read_tail
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


def test_the_tail_is_whole_lines_of_text(tmp_path):
    path = tmp_path / "log.txt"
    assert read_tail(path, 100) == ""
    path.write_bytes("first line\nzweite Zeile mit ä\r\nlast".encode() + b"\xff\n")
    assert read_tail(path, 1000) == "first line\nzweite Zeile mit ä\nlast\ufffd\n"
    assert read_tail(path, 12) == "last\ufffd\n"
    path.write_text("x" * 50)
    assert read_tail(path, 10) == "x" * 10
    path.unlink()
    os.mkfifo(path)
    assert read_tail(path, 100) == ""


def test_a_headline_has_an_end(tmp_path):
    (tmp_path / "log.txt").write_text("mlcnc: " + "x" * 10_000)
    assert len(error_line(tmp_path / "log.txt")) <= 400


@pytest.mark.parametrize(
    ("code", "reason", "state", "headline"),
    [
        (0, None, "finished", "mlcnc: said"),
        (0, "asked", "finished", "mlcnc: said"),
        (1, None, "failed", "said"),
        (1, "asked", "stopped", "asked"),
        (-15, "asked", "stopped", "asked"),
        (-15, None, "failed", "ended by signal 15 (SIGTERM): said"),
        (
            -9,
            None,
            "lost",
            "killed by signal 9 (SIGKILL), often because memory ran out; what was logged is kept",
        ),
        (130, None, "stopped", "said"),
    ],
)
def test_an_end_that_was_seen(tmp_path, code, reason, state, headline):
    (tmp_path / "log.txt").write_text("mlcnc: said\n")
    assert outcome.seen("train", tmp_path, code, reason) == (state, headline)


def test_an_end_without_a_word_is_said_plainly(tmp_path):
    assert outcome.seen("train", tmp_path, 3, None) == (
        "failed",
        "ended with exit status 3 and said nothing; see its log",
    )
    assert outcome.seen("train", tmp_path, 0, None) == ("finished", "finished")


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
    assert outcome.unseen("train", tmp_path, runs, "mine", os.getpid(), None) == (state, headline)
    # a run that another process wrote last says nothing about this one
    lost = ("lost", "its process ended and nobody saw how; what was logged is kept")
    assert outcome.unseen("resume", tmp_path, runs, "mine", 1, None) == lost
    assert outcome.unseen("train", tmp_path, runs, "other", os.getpid(), None) == lost
    assert outcome.unseen("train", tmp_path, runs, "other", os.getpid(), "asked") == ("stopped", "asked")
    assert RunStore(runs).open("mine").status.state == state


def test_a_job_leaves_its_exit_status(tmp_path, monkeypatch):
    monkeypatch.delenv("MLCNC_JOB_FOLDER", raising=False)
    assert note_exit(3) == 3
    monkeypatch.setenv("MLCNC_JOB_FOLDER", str(tmp_path / "gone"))
    assert note_exit(3) == 3
    monkeypatch.setenv("MLCNC_JOB_FOLDER", str(tmp_path))
    assert note_exit(0) == 0
    assert noted_exit(tmp_path, os.getpid()) == 0
    assert noted_exit(tmp_path, os.getpid() + 1) is None
    assert outcome.unseen("layout", tmp_path, tmp_path, "mine", os.getpid(), None)[0] == "finished"
    for damaged in ("", "[]", '{"pid": 3}', json.dumps({"pid": os.getpid(), "exit_code": "x"})):
        (tmp_path / "exit.json").write_text(damaged)
        assert noted_exit(tmp_path, os.getpid()) is None


def test_what_a_terminal_would_obey_is_left_out(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text(
        "\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b]8;;\x1b\\c\x1b[2Jd\x1b[?25le\x1bPq\x1b\\f\x1b(Bg\x1bch\x1b]cut\ni\n"
    )
    assert read_tail(path, 1000) == "abcdefgh\ni\n"


def test_a_log_is_read_while_it_grows_without_cut_letters_or_lines(tmp_path):
    path = tmp_path / "log.txt"
    reader = LogReader(path, 12)
    assert reader.more() == ""
    path.write_bytes("long ago\nnow ä\n".encode())
    assert reader.more() == "now ä\n"
    whole = "ein Wörtchen\r\n".encode()
    for at in range(len(whole)):
        with path.open("ab") as stream:
            stream.write(whole[at : at + 1])
        assert reader.more() == ("ein Wörtchen\n" if at == len(whole) - 1 else "")
    with path.open("ab") as stream:
        stream.write(b"die letzte Zeile\xc3")
    assert reader.more() == ""
    assert reader.more(is_last=True) == "die letzte Zeile\ufffd"
    assert reader.more(is_last=True) == ""
    path.write_text("x" * 50)
    assert LogReader(path, 10).more(is_last=True) == "x" * 10


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_only_a_file_is_read_as_a_log(tmp_path, kind):
    path = tmp_path / "log.txt"
    (tmp_path / "other").write_text("not meant\n")
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(tmp_path / "other")
    assert LogReader(path, 100).more(is_last=True) == ""
