"""File locks: one running job a device, one supervisor a runs folder, one change of a queue at a time.

Devices are locked among the processes of one user of the machine. All are ``flock`` locks: the kernel
drops them with the last process that holds the descriptor, so that no crash leaves one behind.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlcnc.errors import LaunchError

try:
    import fcntl
except ImportError:  # not on Windows, where all but the jobs works
    fcntl = None  # type: ignore[assignment]

PATIENCE_SECONDS = 20.0
"""For the lock of a queue, which everyone gives back within milliseconds."""

_NO_LOCKS = "jobs need file locks, which this system does not have; use: mlcnc train"
# not that of TMPDIR, which differs between logins and jobs of one user: two folders would lock nothing
_TEMPORARY = Path("/tmp")
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def lock_folder() -> Path:
    """Return the folder of this user's device locks on this machine; made if missing.

    Raises:
        LaunchError: it belongs to someone else, is a link or others may write it.
    """
    if fcntl is None or not hasattr(os, "getuid"):
        raise LaunchError(_NO_LOCKS)
    given = os.environ.get("MLCNC_LOCKS")
    folder = Path(given) if given else _TEMPORARY / f"mlcnc-{os.getuid()}"
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
    return folder


def device_lock_path(device: str) -> Path:
    """Return the lock file of a device, e.g. ``device-cuda-0.lock``."""
    return lock_folder() / f"device-{device.replace(':', '-')}.lock"


def try_lock(path: Path) -> int | None:
    """Return the descriptor of the locked file, None where another process holds it.

    Raises:
        LaunchError: the file cannot be opened or its disk knows no locks.
    """
    while True:
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            raise _no_lock(path, error) from None
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


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock of a file, waiting for it, and give its descriptor.

    Raises:
        LaunchError: the file cannot be opened, its disk knows no locks, or someone keeps it.
    """
    descriptor = _opened(path)
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # a holder that a person has halted must not halt the dashboard too
                if time.monotonic() > deadline:
                    raise LaunchError(
                        f"{path} was held by another process for {PATIENCE_SECONDS:.0f} seconds; "
                        "see whether one of them was halted"
                    ) from None
                time.sleep(0.005)
            except OSError as error:
                raise _no_lock(path, error) from None
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock; asking disturbs no one who asks at the same time."""
    try:
        # opening a pipe in its place would wait for ever
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _opened(path: Path) -> int:
    if fcntl is None:
        raise LaunchError(_NO_LOCKS)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
    except OSError as error:
        raise LaunchError(f"{path} cannot be opened: {error.strerror}") from None


def _no_lock(path: Path, error: OSError) -> LaunchError:
    return LaunchError(
        f"{path} cannot be locked: {error.strerror}; put the runs folder on a disk that knows file locks"
    )
