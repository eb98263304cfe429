"""What a process may do while it reads damaged folders: nothing but open files for reading, inside of them."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FORBIDDEN = (
    "subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system",
    "os.startfile", "pty.spawn", "socket.connect", "socket.bind", "shutil.rmtree", "shutil.copyfile",
    "shutil.move", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "os.utime", "os.putenv", "os.unsetenv", "pickle.find_class",
    "ctypes.dlopen", "code.__new__", "webbrowser.open", "urllib.Request", "http.client.connect",
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Records what Python's audit events tell, while it is switched on.

    Args:
        allowed: folders below which files may be opened for reading.
    """

    def __init__(self, allowed: list[Path]) -> None:
        self.allowed = tuple(f"{os.path.realpath(folder)}/" for folder in allowed)
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._heard)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what happens inside."""
        self.on = True
        try:
            yield
        finally:
            self.on = False

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, _, flags = args
            if isinstance(path, int):
                return
            name = os.fsdecode(path)
            place = os.path.realpath(name)
            if isinstance(flags, int) and flags & getattr(os, "O_NOFOLLOW", 0):
                # a link is refused by the system, not followed
                place = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))
            if isinstance(flags, int) and flags & WRITING:
                self.seen.append(f"opened {place} for writing")
            elif not f"{place}/".startswith(self.allowed):
                self.seen.append(f"opened {place}")
        elif event in ("os.listdir", "os.scandir"):
            place = os.path.realpath(os.fsdecode(args[0] or ".")) if not isinstance(args[0], int) else ""
            if place and not f"{place}/".startswith(self.allowed):
                self.seen.append(f"listed {place}")
        elif event in ("exec", "compile"):
            # imports of installed modules execute their code; whatever comes from a run folder has no such file
            name = getattr(args[0], "co_filename", args[1] if event == "compile" and len(args) > 1 else "?")
            if not str(name).startswith(
                (sys.prefix, sys.base_prefix, "<frozen", "<string>", "<__array", "<attrs")
            ):
                self.seen.append(f"{event} of {name}")
            elif str(name) == "<string>" and not _from_library():
                self.seen.append(f"{event} of a string")
        elif event in FORBIDDEN:
            self.seen.append(f"{event}{args!r}"[:300])


def _from_library() -> bool:
    # dataclasses and named tuples of libraries are made from strings
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.endswith(("dataclasses.py", f"collections{os.sep}__init__.py")):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class Inotify:
    """Hears of every opening of files below some folders, by whatever library; Linux only."""

    OPEN = 0x20
    FOLDER = 0x40000000

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify is not available")
        for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            if libc.inotify_add_watch(self._descriptor, os.fsencode(place), self.OPEN) < 0:
                raise OSError(ctypes.get_errno(), "inotify is not available")

    def heard(self) -> list[str]:
        """Return names of what was opened since the last call."""
        try:
            raw = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return []
        names = []
        while raw:
            _, mask, _, length = struct.unpack("iIII", raw[:16])
            # folders are listed by Python alone, which the audit events tell, and by whoever else looks around
            if not mask & self.FOLDER:
                names.append(raw[16 : 16 + length].rstrip(b"\0").decode(errors="replace"))
            raw = raw[16 + length :]
        return names


def limit_memory(extra: int) -> None:
    """Let this process allocate at most so many bytes more than it has now."""
    status = Path("/proc/self/status").read_text()
    now = int(status.split("VmData:")[1].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (now + extra, now + extra))
