"""Asking torch which devices there are without waiting for it."""

from __future__ import annotations

import subprocess
import time

from mlcnc.launch.devices import AGAIN_SECONDS, PROBE_SECONDS, probe_argv, probe_environment, remember


class DeviceSearch:
    """One question at a time, in a process of its own; the answer is then known to all."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._until = 0.0
        self._not_before = 0.0

    def advance(self) -> None:
        """Ask where nobody does, or look whether the answer is there; a failed question is asked again later.

        Raises:
            LaunchError: the folder of device locks cannot be used.
        """
        if self._process is None:
            if time.monotonic() >= self._not_before:
                self._ask()
        elif self._process.poll() is not None:
            answer = self._process.communicate()[0]
            self._process = None
            if not remember(answer.decode(errors="replace")):
                self._not_before = time.monotonic() + AGAIN_SECONDS
        elif time.monotonic() > self._until:
            self.close()
            self._not_before = time.monotonic() + AGAIN_SECONDS

    def close(self) -> None:
        """End a question that has no answer yet."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _ask(self) -> None:
        self._until = time.monotonic() + PROBE_SECONDS
        self._not_before = time.monotonic() + AGAIN_SECONDS
        try:
            self._process = subprocess.Popen(
                probe_argv(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=probe_environment(),
            )
        except OSError:
            return  # no memory for it now; asked again later
