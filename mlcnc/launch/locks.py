"""File locks: one running job a device, one worker a device and runs folder.

Devices are locked among the processes of one user of the machine. All are ``flock`` locks: the kernel
drops them with the last process that holds the descriptor, so that no crash leaves one behind.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mlcnc.errors import LaunchError
from mlcnc.named_paths import path_in_variable

try:
    import fcntl
except ImportError:  # not on Windows, where all but the jobs works
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = "jobs need file locks, which this system does not have; use: mlcnc train"
# not that of TMPDIR, which differs between logins and jobs of one user: two folders would lock nothing
_TEMPORARY = Path("/tmp")
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def device_lock(lane: str) -> Path:
    """Return the lock file of a device, in the folder of this user's locks on this machine, made if missing.

    Raises:
        LaunchError: the folder belongs to someone else, is a link or others may write it.
    """
    if fcntl is None or not hasattr(os, "getuid"):
        raise LaunchError(_NO_LOCKS)
    given = path_in_variable("MLCNC_LOCKS")
    folder = given if given else _TEMPORARY / f"mlcnc-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=bool(given), exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise LaunchError(f"the folder of device locks {folder} cannot be made: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise LaunchError(
            f"the folder of device locks {folder} must be a folder of your own that no one else may write; "
            "remove it or set MLCNC_LOCKS to another folder"
        )
    # as earlier versions call it: one of them may run beside this one
    name = lane.replace("GPU-", "cuda-", 1) if lane.startswith("GPU-") else lane
    return folder / f"device-{name}.lock"


def try_lock(path: Path) -> int | None:
    """Return the descriptor of the locked file, None where another process holds it.

    Raises:
        LaunchError: the file cannot be opened or its disk knows no locks.
    """
    if fcntl is None:
        raise LaunchError(_NO_LOCKS)
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        except OSError as error:
            raise LaunchError(f"{path} cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            raise LaunchError(
                f"{path} cannot be locked: {error.strerror}; put the runs folder on a disk with file locks"
            ) from None
        if is_lock_of(descriptor, path):
            return descriptor
        # a cleaner of temporary files removed it between opening and locking
        os.close(descriptor)


def is_lock_of(descriptor: int, path: Path) -> bool:
    """Return whether the file of this name is still the one that was opened, not a later one in its place."""
    try:
        opened, found = os.fstat(descriptor), path.stat()
    except OSError:
        return False
    return (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock; who tries to lock it at that moment has to try again."""
    try:
        # opening a pipe in its place would wait for ever
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except PermissionError:  # of another user, whose worker it is
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
