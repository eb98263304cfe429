"""Many training processes without the seconds in which each would load torch: they are forked from one that has.

``python -m tests.processes.nursery`` reads one order a line, forks a process for it and answers with its pid,
then with how it ended. The children train on one thread, so that no thread pool has to survive the fork.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlcnc.errors import MlcncError
from tests.conftest import ROOT
from tests.processes.small_training import small_config, use_few_images
from tests.processes.write_points import WritePoints


@dataclass(frozen=True)
class Whole:
    """A run that nobody touched.

    Attributes:
        folder: of the run.
        points: names of all places where a signal could have met a change of files, in order.
        seconds: it took.
    """

    folder: Path
    points: list[str]
    seconds: float


class Nursery:
    """The other end: starts the process that forks, and gives it orders."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._handle: int | None = None
        self._pending = False
        assert self._answer() == "ready"

    def begin(self, root: Path, run_id: str, **order: object) -> None:
        """Start a training; one that a failed test left running is killed first.

        Args:
            root: the runs folder.
            run_id: of the run.
            order: ``resume``; ``kill_at``, ``thread`` and the name of the ``signal`` of :class:`WritePoints`; ``points``, a file that
                receives their names; ``changes`` to the config; ``beat``, seconds between heartbeats;
                ``largest_file`` in bytes; ``errors``, a file that receives the sentence of a known error.
        """
        if self._pending:
            self.send(signal.SIGKILL)
            self.end()
        self._process.stdin.write(json.dumps({"root": str(root), "run_id": run_id, **order}) + "\n")
        self._process.stdin.flush()
        pid = int(self._answer())
        self._pending = True
        with suppress(ProcessLookupError):
            self._handle = os.pidfd_open(pid)  # a number alone could be another process by then

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the training, if it still is there."""
        if self._handle is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def end(self) -> int:
        """Wait for the training and return its exit status, below zero for the signal that killed it."""
        status = int(self._answer())
        self._pending = False
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        return status

    def run(self, root: Path, run_id: str, **order: object) -> int:
        """Start a training, wait for it and return its exit status."""
        self.begin(root, run_id, **order)
        return self.end()

    def close(self) -> None:
        """End the process that forks and every child it has."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _answer(self) -> str:
        answer = self._process.stdout.readline().strip()
        assert answer, "the process that forks has died"
        return answer


def train_once(order: dict[str, object]) -> None:
    """Do one order in a forked child."""
    from mlcnc import stopping
    from mlcnc.store import writer
    from mlcnc.training import resume, train

    root, run_id = Path(str(order["root"])), str(order["run_id"])
    root.mkdir(parents=True, exist_ok=True)
    writer.HEARTBEAT_SECONDS = float(order.get("beat", 5.0))
    number = signal.Signals[str(order.get("signal", "SIGKILL"))]
    if "largest_file" in order:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(order["largest_file"]), resource.RLIM_INFINITY))
    points = WritePoints(root, order.get("kill_at"), str(order.get("thread", "MainThread")), number)
    points.install()
    stopping.listen()
    quiet = {"runs_root": root, "say": lambda text: None, "show_progress": False}
    if order.get("resume"):
        resume(run_id, **quiet)
    else:
        train(small_config(**order.get("changes", {})), run_id=run_id, **quiet)
    if "points" in order:
        Path(str(order["points"])).write_text("\n".join(points.names))


def main() -> None:
    """Fork a child for every order on standard input."""
    import torch

    torch.set_num_threads(1)
    use_few_images()
    from mlcnc.training.build import build

    build(small_config())  # loads what is loaded on first use
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                train_once(json.loads(line))
                status = 0
            except KeyboardInterrupt:
                status = 130
            except MlcncError as error:
                Path(json.loads(line)["errors"]).write_text(str(error), encoding="utf-8")
            finally:
                os._exit(status)
        print(child, flush=True)
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


if __name__ == "__main__":
    main()
