import os

import pytest

from mlcnc.devices import device_lock
from mlcnc.errors import LaunchError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "locks"


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
    monkeypatch.setattr("mlcnc.devices._TEMPORARY", tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "one"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "two"))
    assert device_lock("cpu").parent == tmp_path / f"mlcnc-{os.getuid()}"


def test_a_part_of_a_gpu_has_locks_as_any_device_has(folder):
    part = "MIG-GPU-1f/7/0"
    assert device_lock(part) == folder / "device-MIG-GPU-1f-7-0.lock"


def test_a_system_without_such_locks_is_told_so(folder, monkeypatch):
    monkeypatch.delattr("os.getuid")
    with pytest.raises(LaunchError, match="jobs need file locks, which this system does not have"):
        device_lock("cpu")
