"""Starting the supervisor of a runs folder as a process that outlives whoever starts it."""

from __future__ import annotations

import os
import subprocess
import threading
import time

from mlcnc.errors import LaunchError
from mlcnc.launch.active_job import package_folder
from mlcnc.launch.job_folder import JobFolder
from mlcnc.launch.log_file import last_line
from mlcnc.launch.processes import JOB_VARIABLE
from mlcnc.launch.regular_file import open_to_append

AGAIN_SECONDS = 10.0
_LOG = "supervisor.log"
_MOST_LOG_BYTES = 1_000_000


class SupervisorStart:
    """Starts supervisors, and remembers one that failed at once.

    Args:
        folder: the jobs of a runs folder.
    """

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        self._log = folder.path / _LOG
        self._last: tuple[subprocess.Popen[bytes], float] | None = None

    def start(self, argv: list[str]) -> None:
        """Start one; another that is at work already lets it go again.

        Raises:
            LaunchError: it cannot be started, or the last one failed a moment ago.
        """
        self._refuse_after_failure()
        try:
            with open(open_to_append(self._log), "ab") as log:
                if os.fstat(log.fileno()).st_size > _MOST_LOG_BYTES:
                    log.truncate(0)
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd=package_folder(),
                    # started from within a job it is none of the job's processes
                    env={name: value for name, value in os.environ.items() if name != JOB_VARIABLE},
                )
        except OSError as error:
            raise LaunchError(
                f"the supervisor of {self._folder.runs_root} cannot be started: {error.strerror or error}"
            ) from None
        self._last = (process, time.monotonic())
        # someone has to wait for it, or it stays a zombie for as long as this server lives
        threading.Thread(target=process.wait, name="mlcnc-supervisor", daemon=True).start()

    def _refuse_after_failure(self) -> None:
        if self._last is None or time.monotonic() - self._last[1] > AGAIN_SECONDS:
            return
        # one that left in order or was killed may be followed at once; one that failed would fail again
        if (self._last[0].returncode or 0) > 0:
            raise LaunchError(
                f"the supervisor of {self._folder.runs_root} ended at once: "
                f"{last_line(self._log) or 'it said nothing'}; it is tried again in {AGAIN_SECONDS:.0f} s"
            )
