"""``mlcnc jobs``: queue, watch and stop what runs in the background, without the dashboard."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from typing import Any

from mlcnc.analysis.runs.form_fields import changed_settings
from mlcnc.cli_runs import add_runs_folder
from mlcnc.cli_settings import add_settings, add_settings_parser, config_of
from mlcnc.errors import ConfigError, LaunchError, StoreError, counted
from mlcnc.files.growing import GrowingText
from mlcnc.launch import Job, argv_of, command_line
from mlcnc.launch.request import WRITES_RUN, request_of
from mlcnc.named_paths import path_argument
from mlcnc.presets import preset
from mlcnc.slurm import AllJobs, require_here
from mlcnc.slurm_request import SLURM, SlurmRequest
from mlcnc.store import RunStore
from mlcnc.terminal_text import columns, printable
from mlcnc.written_numbers import real, whole

FOLLOW_SECONDS = 0.5

_PLACE = re.compile(rf"auto|cpu|mps|cuda:\d{{1,2}}|{SLURM}")

_OF_SLURM = {
    "partition": ("--partition", "NAME"),
    "nodes": ("--nodes", "N"),
    "gpus_per_node": ("--gpus-per-node", "N"),
    "cpus_per_task": ("--cpus-per-task", "N"),
    "minutes": ("--time", "MINUTES"),
}
"""Options by field of a SlurmRequest."""


def add_jobs(commands: Any) -> None:
    """Add ``mlcnc jobs``."""
    parser = commands.add_parser(
        "jobs",
        help="queue, watch, stop and resume jobs in the background",
        description="Jobs run in processes of their own, one at a time on each device, and go on when the "
        "terminal or the dashboard is closed. With --on slurm the scheduler of a cluster starts them.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="one line a job, newest first")
    listing.add_argument("--json", action="store_true", help="print all fields as JSON")
    add_runs_folder(listing)
    listing.set_defaults(command=_list)
    _add_start(actions)
    resume = actions.add_parser("resume", help="queue the rest of an interrupted run")
    resume.add_argument("run_id", metavar="RUN", help="id of the run, or of a job that trained it")
    _add_common(resume, default=None, device="as its last job")
    resume.set_defaults(command=_resume)
    stop = actions.add_parser(
        "stop", help="end a job: politely, after 6 seconds (Slurm: its KillWait) by force"
    )
    _add_job(stop)
    stop.set_defaults(command=_stop)
    move = actions.add_parser("move", help="change the order of the queue")
    _add_job(move)
    move.add_argument("by", type=whole, help="places: -1 is one towards the front, 1 one towards the back")
    move.set_defaults(command=_move)
    remove = actions.add_parser("remove", help="take a job that waits or has ended off the list")
    _add_job(remove)
    remove.set_defaults(command=_remove)
    work = actions.add_parser("work", help="start the workers of waiting jobs, e.g. after a restart")
    add_runs_folder(work)
    work.set_defaults(command=_work)
    logs = actions.add_parser("logs", help="what a job printed")
    _add_job(logs)
    logs.add_argument("--follow", action="store_true", help="until the job ends")
    logs.add_argument("--bytes", type=whole, default=20_000, metavar="N", help="at most so many [20000]")
    logs.set_defaults(command=_logs)


def _add_start(actions: Any) -> None:
    start = actions.add_parser("start", help="queue a job")
    kinds = start.add_subparsers(required=True, metavar="KIND")
    train = add_settings_parser(kinds, "train", help="train a run; takes all settings of mlcnc train")
    train.add_argument("--run-id", help="folder name of the run; default: made from the settings")
    _add_common(train)
    add_settings(train)
    train.set_defaults(command=_start, kind="train")
    layout = kinds.add_parser("layout", help="compute the UMAP that the feature map shows")
    layout.add_argument("run_id")
    layout.add_argument("--space", help="features to place, of those that the run has [its own default]")
    layout.add_argument("--neighbours", type=whole, default=15, help="n_neighbors of UMAP [15]")
    layout.add_argument("--seed", type=whole, default=0, help="the same seed gives the same layout [0]")
    evaluate = kinds.add_parser("evaluate", help="measure the last checkpoint of a run again")
    evaluate.add_argument("run_id")
    gallery = kinds.add_parser("gallery", help="train the recorded runs of this project again")
    gallery.add_argument("--only", default="", metavar="TEXT", help="only runs whose id contains this")
    glove = kinds.add_parser("glove", help="download GloVe vectors")
    glove.add_argument("--out", type=path_argument, required=True, metavar="FOLDER", help="where they are put")
    data = kinds.add_parser("data", help="download the photographs of a data set")
    data.add_argument("dataset", help="see: mlcnc data prepare --help")
    data.add_argument("--out", type=path_argument, required=True, metavar="DIR", help="folder of the data sets")
    every = {"layout": layout, "evaluate": evaluate, "gallery": gallery, "glove": glove, "data": data}
    for kind, parser in every.items():
        _add_common(parser)
        parser.set_defaults(command=_start, kind=kind)


def _add_common(parser: argparse.ArgumentParser, default: str | None = "auto", device: str = "auto") -> None:
    parser.add_argument(
        "--on",
        dest="lane",
        default=default,
        metavar="DEVICE",
        help=f"auto, cpu, mps, cuda:N or slurm [{device}]",
    )
    parser.add_argument("--max-minutes", type=real, metavar="NUMBER", help="end the job after this")
    parser.add_argument("--max-megabytes", type=real, metavar="NUMBER", help="end it when its run is larger")
    slurm = parser.add_argument_group("with --on slurm")
    for name, (option, metavar) in _OF_SLURM.items():
        field = SlurmRequest.model_fields[name]
        kind = str if name == "partition" else whole
        slurm.add_argument(option, dest=name, type=kind, metavar=metavar, help=field.description)
    add_runs_folder(parser)


def _slurm_of(options: argparse.Namespace) -> dict[str, Any] | None:
    """Return what Slurm is asked for; None for a job on this machine.

    Raises:
        ConfigError: ``--on`` is no place, or Slurm is asked for something without it.
        LaunchError: Slurm is not on this machine.
    """
    if options.lane is not None and not _PLACE.fullmatch(options.lane):
        raise ConfigError(f"--on must be auto, cpu, mps, cuda:N or slurm, got {options.lane!r}")
    given = {name: value for name in _OF_SLURM if (value := getattr(options, name)) is not None}
    if options.lane == SLURM:
        require_here()  # before anything is asked for that would be of no use
        return given
    if given:
        options_given = ", ".join(_OF_SLURM[name][0] for name in given)
        raise ConfigError(f"only jobs of Slurm take {options_given}; add --on slurm")
    return None


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_id", help="see: mlcnc jobs list")
    add_runs_folder(parser)


def _list(options: argparse.Namespace) -> int:
    jobs = AllJobs(options.runs)
    found, wrong = jobs.read()
    problems = list(wrong.values())
    if options.json:
        print(json.dumps([_tree(job, jobs) for job in found], indent=1))
    elif not found:
        print(f"no jobs in {options.runs}; queue one with: mlcnc jobs start train")
    else:
        rows = [("job", "state", "place", "device", "run", "what is known")]
        for job in found:
            place = "" if job.place is None else str(job.place)
            rows.append((job.job_id, job.state, place, job.device or "", job.run_id or "", _known(job, jobs)))
        print("\n".join(columns(rows)))
    if any(job.is_unattended for job in found):
        problems.append("jobs wait and no worker is there to start them; start one with: mlcnc jobs work")
    for sentence in problems:
        print(f"mlcnc: {printable(sentence)}", file=sys.stderr)
    return 0


def _known(job: Job, jobs: AllJobs) -> str:
    """Return the headline of a job, and how far its training is while it runs."""
    logged, planned = _epochs(job, jobs)
    far = f"{logged} of {counted(planned, 'epoch')} logged" if planned else ""
    return ", ".join(part for part in (far, job.headline) if part)


def _epochs(job: Job, jobs: AllJobs) -> tuple[int | None, int | None]:
    """Return logged and planned epochs of the run that a job trains now; None where it trains none.

    A run goes on after a job of it was stopped, so that its numbers are not those of an ended job.
    """
    if job.run_id is None or job.request.kind not in WRITES_RUN or job.state not in ("running", "stopping"):
        return None, None
    try:
        status = RunStore(jobs.runs_root).open(job.run_id).status
    except StoreError:
        return None, None
    return 0 if status.epoch is None else status.epoch + 1, status.num_epochs


def _start(options: argparse.Namespace) -> int:
    names = ("run_id", "space", "neighbours", "seed", "only", "out", "dataset", "max_minutes", "max_megabytes")
    given = {name: getattr(options, name) for name in names if hasattr(options, name)}
    if "out" in given:
        given["out"] = str(given["out"])
    if options.kind == "train":
        changes = changed_settings(preset(options.preset), config_of(options))
        given |= {"preset": options.preset, "settings": changes}
    slurm = _slurm_of(options)
    if slurm is not None and "minutes" not in slurm:
        raise ConfigError("a job of Slurm needs a time limit: add --time with minutes")
    where = {"device": options.lane} if slurm is None else {"slurm": slurm}
    request = request_of({"kind": options.kind, **where, **given})
    jobs = AllJobs(options.runs)
    job = jobs.submit(request)
    _say_queued(jobs, job)
    return 0


def _say_queued(jobs: AllJobs, job: Job) -> None:
    if job.headline:
        print(printable(job.headline), file=sys.stderr)
    print(f"{job.job_id}: {job.state}" + (f", place {job.place}" if job.place else ""))
    print(command_line(argv_of(job.request, job.run_id, jobs.runs_root)))


def _resume(options: argparse.Namespace) -> int:
    jobs = AllJobs(options.runs)
    job = jobs.resume(
        _run_of(jobs, options.run_id),
        device=None if options.lane == SLURM else options.lane,
        max_minutes=options.max_minutes,
        max_megabytes=options.max_megabytes,
        slurm=_slurm_of(options),
    )
    _say_queued(jobs, job)
    return 0


def _run_of(jobs: AllJobs, name: str) -> str:
    """Return the run that is meant where the id of a job was given, else the name as it is."""
    known = {job.job_id: job.run_id for job in jobs.all()}
    return known.get(name) or name


def _stop(options: argparse.Namespace) -> int:
    jobs = AllJobs(options.runs)
    jobs.stop(options.job_id)
    print(f"{options.job_id}: {jobs.get(options.job_id).state}")
    return 0


def _work(options: argparse.Namespace) -> int:
    number = AllJobs(options.runs).start_workers()
    print(f"{number} worker{'' if number == 1 else 's'} started")
    return 0


def _move(options: argparse.Namespace) -> int:
    jobs = AllJobs(options.runs)
    jobs.move(options.job_id, options.by)
    place = jobs.get(options.job_id).place
    print(f"{options.job_id}: place {place}" if place else f"{options.job_id}: not queued any more")
    return 0


def _remove(options: argparse.Namespace) -> int:
    AllJobs(options.runs).remove(options.job_id)
    print(f"{options.job_id}: removed; its run, if it made one, stays")
    return 0


def _logs(options: argparse.Namespace) -> int:
    if options.bytes < 1:
        raise ConfigError(f"--bytes must be at least 1, got {options.bytes}")
    jobs = AllJobs(options.runs)
    job = jobs.get(options.job_id)
    reader = GrowingText(job.log, options.bytes)
    while options.follow and job.is_active:
        print(printable(reader.more()), end="", flush=True)
        time.sleep(FOLLOW_SECONDS)
        job = jobs.get(job.job_id)
    # looked at once more, as it may have printed its last lines just before it ended
    print(printable(reader.more(is_last=True)), end="", flush=True)
    return 0


def _tree(job: Job, jobs: AllJobs) -> dict[str, Any]:
    try:
        command = command_line(argv_of(job.request, job.run_id, jobs.runs_root))
    except (ConfigError, LaunchError):
        command = None  # settings of another version
    logged, planned = _epochs(job, jobs)
    return {
        "job_id": job.job_id,
        "kind": job.request.kind,
        "state": job.state,
        "place": job.place,
        "run_id": job.run_id,
        "device": job.device,
        "epochs_logged": logged,
        "epochs_planned": planned,
        "pid": job.pid,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "exit_code": job.exit_code,
        "headline": job.headline,
        "command": command,
    }
