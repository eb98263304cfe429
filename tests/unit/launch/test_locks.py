import os
import subprocess
import sys

import pytest

from mlcnc.errors import LaunchError
from mlcnc.launch.locks import device_lock, is_lock_of, is_locked, try_lock


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "locks"


def test_a_lock_has_one_holder_and_ends_with_it(folder):
    path = device_lock("GPU-0")
    assert path == folder / "device-cuda-0.lock"
    assert not is_locked(path)
    first = try_lock(path)
    assert is_locked(path)
    assert try_lock(path) is None
    os.close(first)
    assert not is_locked(path)


def test_a_lock_lives_on_in_the_process_that_got_its_descriptor(folder):
    path = device_lock("cpu")
    descriptor = try_lock(path)
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
    )
    os.close(descriptor)
    assert try_lock(path) is None
    child.communicate(b"\n")
    os.close(try_lock(path))


def test_asking_leaves_the_lock_free(folder):
    path = device_lock("cpu")
    os.close(try_lock(path))
    assert not is_locked(path)
    os.close(try_lock(path))


def test_a_lock_is_that_of_the_file_that_was_opened(folder):
    path = device_lock("cpu")
    descriptor = try_lock(path)
    assert is_lock_of(descriptor, path)
    path.unlink()
    assert not is_lock_of(descriptor, path)
    other = try_lock(path)
    assert (is_lock_of(descriptor, path), is_lock_of(other, path)) == (False, True)
    os.close(descriptor)
    os.close(other)


def test_a_lock_file_that_a_cleaner_removed_is_made_anew(folder, monkeypatch):
    path = device_lock("cpu")
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


def test_the_folder_of_locks_is_ours_alone(folder):
    assert device_lock("cpu").parent.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(LaunchError, match="that no one else may write"):
        device_lock("cpu")
    folder.rmdir()
    (folder.parent / "other").mkdir()
    folder.symlink_to(folder.parent / "other")
    with pytest.raises(LaunchError, match="that no one else may write"):
        device_lock("cpu")


def test_all_processes_of_a_user_share_one_folder_whatever_their_temporary_folder_is(monkeypatch, tmp_path):
    monkeypatch.delenv("MLCNC_LOCKS", raising=False)
    monkeypatch.setattr("mlcnc.launch.locks._TEMPORARY", tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "one"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "two"))
    assert device_lock("cpu").parent == tmp_path / f"mlcnc-{os.getuid()}"


@pytest.mark.parametrize("name", ["os.getuid", "mlcnc.launch.locks.fcntl"])
def test_a_system_without_such_locks_is_told_so(folder, monkeypatch, name):
    monkeypatch.delattr(name) if name == "os.getuid" else monkeypatch.setattr(name, None)
    with pytest.raises(LaunchError, match="jobs need file locks, which this system does not have"):
        device_lock("cpu")


def test_what_cannot_be_locked_is_said(tmp_path):
    with pytest.raises(LaunchError, match=r"cannot be opened: No such file"):
        try_lock(tmp_path / "missing" / "worker.lock")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(LaunchError, match="cannot be opened"):
        try_lock(tmp_path / "link")
    assert not (tmp_path / "target").exists()
