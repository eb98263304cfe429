"""A signal at the n-th place where it could meet a process while that changes files: SIGKILL, or SIGTERM.

Every call that changes something under the runs folder counts as points: before it, half-way where it writes
bytes, and after it. Counting one thread alone makes the same n the same place in every repetition.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import ModuleType


class WritePoints:
    """Counts the points of one thread and kills the process at one of them.

    Args:
        root: changes elsewhere do not count.
        kill_at: the point, from 1; None only counts.
        thread: name of the thread that counts.
        number: SIGKILL, as the kernel sends it where memory is short, or SIGTERM, twice.

    Attributes:
        names: of the points so far.
    """

    def __init__(
        self,
        root: Path,
        kill_at: int | None,
        thread: str = "MainThread",
        number: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.root = f"{root.resolve()}/"
        self.kill_at = kill_at
        self.thread = thread
        self.number = number
        self.names: list[str] = []

    def reached(self, name: str) -> bool:
        """Count a point and return whether it is the one to die at."""
        self.names.append(name)
        return len(self.names) == self.kill_at

    def hit(self) -> None:
        """Send the signal to this process."""
        os.kill(os.getpid(), self.number)
        os.kill(os.getpid(), self.number)

    def counts(self, path: object) -> bool:
        """Return whether a change of the path counts."""
        place = os.path.realpath(os.path.dirname(os.fspath(path)))
        return threading.current_thread().name == self.thread and f"{place}/".startswith(self.root)

    def install(self) -> None:
        """Wrap every call of this process that changes files."""
        from mlcnc.store import files
        from mlcnc.training import checkpoint

        for name in ("replace", "rename", "mkdir", "unlink", "rmdir"):
            self._wrap_call(name)
        self._wrap_write()
        self._wrap_fsync()
        for module in (files, checkpoint):
            self._wrap_write_all(module)

    def _wrap_call(self, name: str) -> None:
        real = getattr(os, name)

        def call(path, *arguments, **named):
            if not isinstance(path, str | os.PathLike) or not self.counts(path):
                return real(path, *arguments, **named)
            if self.reached(f"before {name} {path}"):
                self.hit()
            result = real(path, *arguments, **named)
            if self.reached(f"after {name} {path}"):
                self.hit()
            return result

        setattr(os, name, call)

    def _wrap_write(self) -> None:
        real = os.write

        def write(descriptor, data):
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if not self.counts(path):
                return real(descriptor, data)
            if self.reached(f"half a line of {path}"):
                if self.number == signal.SIGKILL:
                    real(descriptor, data[: len(data) // 2])
                self.hit()
            result = real(descriptor, data)
            if self.reached(f"a line of {path}"):
                self.hit()
            return result

        os.write = write

    def _wrap_fsync(self) -> None:
        real = os.fsync

        def fsync(descriptor):
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if self.counts(path) and self.reached(f"before fsync {path}"):
                self.hit()
            return real(descriptor)

        os.fsync = fsync

    def _wrap_write_all(self, module: ModuleType) -> None:
        real = module.write_all

        def write_all(path, content):
            real(path, content)
            if self.counts(path):
                if self.reached(f"half of {path}"):
                    if self.number == signal.SIGKILL:
                        os.truncate(path, os.path.getsize(path) // 2)
                    self.hit()
                if self.reached(f"all of {path}"):
                    self.hit()

        module.write_all = write_all
