"""Giving a job to Slurm by submitit: one process a device, which is the command itself.

submitit writes the batch script and the pickle of :class:`Task`, which the nodes read from the shared folder. A
task replaces itself by the command, so that Slurm's signals reach ``mlcnc`` and nobody between.

What happens around a stop, tried on Slurm 22.05:

- ``scancel``, ``scontrol requeue`` and preemption without a time of grace send SIGTERM to every task and
  SIGKILL after KillWait. Of the last two Slurm itself puts the job back into the queue, where it waits for the
  lifetime of a credential (two minutes as a rule) before it may start again under the same number.
- Preemption with a time of grace sends SIGTERM, and a job that obeys at once counts as complete and does not
  come back. The script therefore asks Slurm after a polite stop whether the job was preempted, and requeues it.
- Before the time limit comes, SIGUSR2 is sent: the run stops politely and can be resumed by hand. It is not
  requeued, for a limit is a limit.
- A job that begins again finds its run and goes on with it; that is decided once, in the script, for all tasks.
- Whoever waits for sbatch may die, or give up, and Slurm takes the job all the same. The script therefore ends
  at once where its files are gone, for then nobody knows of the job.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlcnc.errors import LaunchError
from mlcnc.slurm.commands import require_here, said
from mlcnc.slurm_request import SlurmRequest, warned_seconds

_AGAIN = "MLCNC_SLURM_AGAIN"
_STOPPED = 130
_UNKNOWN = "this job is on no list of jobs any more, so that it does nothing"
_GOES_BEFORE = {
    "SBATCH_PARTITION": "partition",
    "SBATCH_TIMELIMIT": "minutes",
    "SBATCH_GPUS_PER_NODE": "gpus_per_node",
}
"""Variables that go before what a batch script asks for, by field of the request."""
_OF_CLUSTERS = {"SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT"}
_LEFT_BEHIND_SECONDS = 300
"""So long after one process has ended the others are left alone; then Slurm ends what still waits for it."""

_one_at_a_time = threading.Lock()
"""Of two threads that each replace standard error for a while, one would leave its own there for good."""


@dataclass(frozen=True)
class Task:
    """What each process of a job does: it becomes the command.

    Attributes:
        first: arguments of the command.
        again: those after a requeue, where the run has begun.
        variables: set for all.
        exit_note: where the first process leaves its exit status, as value of the variable of this name.
        log: the first process appends to it by itself: what goes through srun is lost when srun is ended.
    """

    first: Sequence[str]
    again: Sequence[str]
    variables: Mapping[str, str]
    exit_note: tuple[str, str]
    log: Path

    def __call__(self) -> None:
        os.environ.update(self.variables)
        name, value = self.exit_note
        os.environ.pop(name, None)
        if os.environ.get("SLURM_PROCID", "0") == "0":
            os.environ[name] = value
            descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            for stream in (1, 2):
                os.dup2(descriptor, stream)
            os.close(descriptor)
        argv = list(self.again if os.environ.get(_AGAIN) else self.first)
        os.execv(argv[0], argv)


def submit(
    request: SlurmRequest,
    task: Task,
    *,
    name: str,
    run_folder: Path | None,
    files: Path,
) -> int:
    """Give a job to Slurm and return its number there.

    Args:
        request: what it needs.
        task: what each of its processes does.
        name: for people, in the lists of Slurm.
        run_folder: where this exists when the job starts, it goes on with the run; None begins anew always.
        files: folder of this job for script and pickle, which the nodes must see.

    Raises:
        LaunchError: Slurm or submitit is not here, or Slurm refuses; then in its words.
    """
    require_here()
    try:
        import submitit
        from submitit.core.utils import FailedJobError
    except ImportError:
        raise LaunchError(
            "jobs of Slurm need the package submitit, which is not installed: pip install mlcnc[slurm]"
        ) from None
    for variable, asked in _GOES_BEFORE.items():
        if os.environ.get(variable) and getattr(request, asked) is not None:
            raise LaunchError(f"the variable {variable} would go before what this job asks Slurm for; unset it")
    # Slurm puts numbers in the place of %j and the like
    output = str(task.log).replace("%", "%%")
    begun = (
        []
        if run_folder is None
        else [f"[ -e {shlex.quote(str(run_folder / 'run.json'))} ] && export {_AGAIN}=1"]
    )
    executor = submitit.SlurmExecutor(folder=files, max_num_timeout=0)
    executor.update_parameters(
        job_name=name,
        nodes=request.nodes,
        ntasks_per_node=request.tasks_per_node,
        cpus_per_task=request.cpus_per_task,
        time=request.minutes,
        signal_delay_s=warned_seconds(request.minutes),
        stderr_to_stdout=True,
        setup=[
            f"[ -d {shlex.quote(str(files))} ] || {{ echo 'mlcnc: {_UNKNOWN}'; exit 1; }}",
            f"unset {_AGAIN}",
            *begun,
            f"rm -f {shlex.quote(str(task.log.with_suffix('.exit')))}",
        ],
        # later options win: all print into the one log
        srun_args=[
            f"--output={output}",
            "--open-mode=append",
            f"--cpus-per-task={request.cpus_per_task}",
            f"--wait={_LEFT_BEHIND_SECONDS}",
        ],
        teardown=[
            "status=$?",
            f"if [ $status -eq {_STOPPED} ] && "
            "scontrol -o show job \"$SLURM_JOB_ID\" | grep -q 'PreemptTime=[0-9]'; then",
            '  scontrol requeue "$SLURM_JOB_ID"',
            "fi",
            "exit $status",
        ],
        additional_parameters={
            "output": output,
            "requeue": True,
            # no file called like a module, in a folder of data, is run in its place
            "chdir": str(Path(__file__).resolve().parent.parent.parent),
        },
        **({"partition": request.partition} if request.partition else {}),
        **({"gpus_per_node": request.gpus_per_node} if request.gpus_per_node else {}),
    )
    try:
        # what sbatch says is printed by submitit, and comes with the error too
        with _one_at_a_time, _outside_of_jobs(), contextlib.redirect_stderr(io.StringIO()):
            return int(executor.submit(task).job_id)
    except FailedJobError as error:
        raise LaunchError(f"Slurm does not take the job: {said(str(error)) or 'sbatch failed'}") from None
    except OSError as error:
        raise LaunchError(f"the job cannot be given to Slurm: {error.strerror or error}") from None


@contextlib.contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide what Slurm says of the job in which this process runs; srun would believe it of the next one."""
    hidden = {name for name in os.environ if name.startswith("SLURM")} - _OF_CLUSTERS
    before = {name: os.environ.pop(name) for name in hidden}
    try:
        yield
    finally:
        os.environ.update(before)


def remove_files(files: Path) -> None:
    """Remove the folder with script and pickle of a job that has ended, or never began."""
    shutil.rmtree(files, ignore_errors=True)
