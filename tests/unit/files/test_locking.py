import os
import subprocess
import sys

import pytest

from mlcnc.files.locking import is_lock_of, is_locked, try_lock


def test_a_lock_has_one_holder_and_ends_with_it(tmp_path):
    path = tmp_path / "device.lock"
    assert not is_locked(path)
    first = try_lock(path)
    assert is_locked(path)
    assert try_lock(path) is None
    os.close(first)
    assert not is_locked(path)


def test_a_lock_lives_on_in_the_process_that_got_its_descriptor(tmp_path):
    path = tmp_path / "device.lock"
    descriptor = try_lock(path)
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
    )
    os.close(descriptor)
    assert try_lock(path) is None
    child.communicate(b"\n")
    os.close(try_lock(path))


def test_asking_leaves_the_lock_free(tmp_path):
    path = tmp_path / "device.lock"
    os.close(try_lock(path))
    assert not is_locked(path)
    os.close(try_lock(path))


def test_a_lock_is_that_of_the_file_that_was_opened(tmp_path):
    path = tmp_path / "device.lock"
    descriptor = try_lock(path)
    assert is_lock_of(descriptor, path)
    path.unlink()
    assert not is_lock_of(descriptor, path)
    other = try_lock(path)
    assert (is_lock_of(descriptor, path), is_lock_of(other, path)) == (False, True)
    os.close(descriptor)
    os.close(other)


def test_a_lock_file_that_a_cleaner_removed_is_made_anew(tmp_path, monkeypatch):
    path = tmp_path / "device.lock"
    opened = os.open
    removed = []

    def open_then_remove(name, *more):
        descriptor = opened(name, *more)
        if name == path and not removed:
            removed.append(path.unlink())
        return descriptor

    monkeypatch.setattr("os.open", open_then_remove)
    descriptor = try_lock(path)
    assert os.fstat(descriptor).st_ino == path.stat().st_ino
    os.close(descriptor)


def test_what_cannot_be_locked_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        try_lock(tmp_path / "missing" / "worker.lock")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match=r"symbolic"):
        try_lock(tmp_path / "link")
    assert not (tmp_path / "target").exists()


def test_the_lock_of_another_user_is_held(tmp_path, monkeypatch):
    def closed(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", closed)
    assert is_locked(tmp_path / "lock")
