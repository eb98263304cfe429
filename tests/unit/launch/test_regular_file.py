"""What is written beside jobs reaches nothing but regular files in their folder."""

import os
import sys

import pytest

from mlcnc.errors import LaunchError, StoreError
from mlcnc.launch import Jobs, telemetry
from mlcnc.launch.active_job import spawn
from mlcnc.launch.exit_note import note_exit
from mlcnc.launch.job_folder import JobFolder, ask_to_cancel
from mlcnc.launch.regular_file import open_to_append, read_end, read_from
from tests.app.job_files import write_job


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside.txt"
    path.write_text("x" * 2_000_000)
    return path


def in_place_of(path, kind, outside):
    path.unlink(missing_ok=True)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(outside)


KINDS = pytest.mark.parametrize("kind", ["link", "pipe"])


def untouched(outside):
    return outside.read_text() == "x" * 2_000_000


@KINDS
def test_the_log_of_a_supervisor_is_a_file(tmp_path, outside, monkeypatch, kind):
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    write_job(tmp_path)
    in_place_of(tmp_path / ".jobs/supervisor.log", kind, outside)
    with pytest.raises(LaunchError, match=r"cannot be started: supervisor\.log is a link or no regular file"):
        Jobs(tmp_path).ensure_supervisor()
    assert untouched(outside)


@KINDS
def test_the_log_of_a_job_is_a_file(tmp_path, outside, kind):
    in_place_of(tmp_path / "log.txt", kind, outside)
    argv = [sys.executable, "-I", "-S", "-c", "print('written')"]
    with pytest.raises(OSError, match=r"log\.txt is a link or no regular file"):
        spawn(argv, tmp_path, "cpu", 0, lambda: None).wait()
    assert untouched(outside)


@KINDS
def test_telemetry_is_written_to_a_file_or_not_at_all(tmp_path, outside, kind):
    in_place_of(tmp_path / "telemetry.jsonl", kind, outside)
    telemetry.append(tmp_path, telemetry.sample_of(1.0, 2.0, 3, None))
    assert untouched(outside)
    (tmp_path / "telemetry.jsonl").unlink()
    telemetry.append(tmp_path, telemetry.sample_of(1.0, 2.0, 3, None))
    telemetry.append(tmp_path, telemetry.sample_of(2.0, 2.0, 4, None))
    assert [sample.rss_bytes for sample in telemetry.read(tmp_path, 9)] == [3, 4]


@KINDS
def test_the_exit_status_of_a_job_is_written_to_a_file_or_not_at_all(tmp_path, outside, monkeypatch, kind):
    monkeypatch.setenv("MLCNC_JOB_FOLDER", str(tmp_path))
    in_place_of(tmp_path / "exit.json", kind, outside)
    assert note_exit(1) == 1
    assert untouched(outside)


def test_the_last_resort_to_ask_for_a_stop_makes_no_file_elsewhere(tmp_path, monkeypatch):
    def full(path, tree):
        raise StoreError("no space left")

    monkeypatch.setattr("mlcnc.launch.job_folder.write_json", full)
    (tmp_path / "cancel").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="cancel is a link"):
        ask_to_cancel(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_appended_to_and_read_from_any_place(tmp_path):
    path = tmp_path / "log.txt"
    for text in (b"one ", b"two"):
        with open(open_to_append(path), "ab") as stream:
            stream.write(text)
    assert read_end(path, 5) == (b"e two"[-5:], False)
    assert (read_from(path, 4, 2), read_from(path, 4, 99), read_from(path, 99, 1)) == (b"tw", b"two", b"")
    with pytest.raises(IsADirectoryError):
        open_to_append(tmp_path)


def test_numbers_of_jobs_are_never_given_again(tmp_path):
    folder = JobFolder(tmp_path)
    for _ in range(2):
        write_job(tmp_path)
    folder.delete("0002-train")
    assert write_job(tmp_path) == "0003-train"
    for damaged in ("", "nonsense", "-4", "9" * 12, "[3]"):
        folder.last_number.write_text(damaged)
        assert folder.next_number() == 4
