"""The command line: ``mlcnc`` or ``python -m mlcnc``."""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import distributions
from itertools import chain
from typing import Any, TypedDict

from mlcnc import __version__, stopping
from mlcnc.cli_bench import add_bench
from mlcnc.cli_data import add_data
from mlcnc.cli_glove import add_glove
from mlcnc.cli_jobs import add_jobs
from mlcnc.cli_layout import add_layout
from mlcnc.cli_parser import CommandParser
from mlcnc.cli_reproduce import add_reproduce
from mlcnc.cli_runs import GROUPS, add_analyze, add_runs, add_runs_folder
from mlcnc.cli_settings import add_settings, add_settings_parser, config_of, given_settings
from mlcnc.config import default_stem
from mlcnc.errors import ConfigError, MlcncError, StoreError, counted, number_or_dash
from mlcnc.launch import command_line
from mlcnc.named_paths import named_path, path_in_variable
from mlcnc.plugins import load_plugins
from mlcnc.presets import at_raced_rate, raced_rate_sentence
from mlcnc.store import RunStore, new_run_id, require_runs_folder
from mlcnc.terminal_text import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for a known error, 130 after Ctrl-C."""
    # what a terminal cannot show is spelled out, and a log shows each line when it is said
    for stream, each_line in ((sys.stdout, True), (sys.stderr, None)):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=each_line)
    try:
        load_plugins()
    except MlcncError as error:
        print(printable(f"mlcnc: {error}"), file=sys.stderr)
        return 1
    options = build_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a log shows each line when it is said; a terminal of few characters gets names of classes as escapes
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        os.getcwd()
    except OSError:
        print("mlcnc: the current folder does not exist any more; go to another one", file=sys.stderr)
        return 1
    try:
        return command(options)
    except KeyboardInterrupt:
        return _stopped(options)
    except BrokenPipeError:
        # the reader of our output went away, e.g. head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # compiled code and half-done imports raise errors of their own when they are interrupted
        if stopping.was_raised():
            return _stopped(options)
        if _is_of_the_output(error):
            return _output_lost(error)
        if not isinstance(error, MlcncError):
            raise
        print(printable(f"mlcnc: {error}"), file=sys.stderr)
        return 1


def _is_of_the_output(error: BaseException) -> bool:
    """Return whether nothing more can be printed: a full disk behind it, a terminal that went away."""
    return (
        isinstance(error, OSError)
        and error.filename is None
        and error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT)
    )


def _output_lost(error: BaseException) -> int:
    # what is still buffered would be written at the end, and fail again
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(f"mlcnc: the output cannot be written: {getattr(error, 'strerror', error)}", file=sys.stderr)
    return 1


def _stopped(options: argparse.Namespace) -> int:
    said = getattr(options, "stopped", "stopped")
    print(printable(f"mlcnc: {said(options) if callable(said) else said}"), file=sys.stderr)
    return stopping.EXIT_STATUS


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the options of ``train`` are made from the config's fields."""
    parser = CommandParser(
        prog="mlcnc", description="Train multi-label methods, log runs, look after them.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"mlcnc {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    add_runs(commands)
    add_jobs(commands)
    add_data(commands)
    add_analyze(commands)
    add_layout(commands)
    add_bench(commands)
    add_reproduce(commands)
    _add_gallery(commands)
    add_glove(commands)
    _add_installed(commands)
    return parser


COMMAND_GROUP = "mlcnc.commands"
"""Entry points of what is installed with this package: each adds a command to the sub-parsers."""

_FROM_THE_DASHBOARD = {
    "dashboard": "open the dashboard in the browser",
    "report": "write the main charts of runs as one page that opens offline",
}


def _add_installed(commands: Any) -> None:
    added: set[str] = set()
    # all copies of the metadata: an old one in the project's folder must not hide the installed one
    entries = [copy.entry_points.select(group=COMMAND_GROUP) for copy in distributions(name="mlcnc")]
    for entry in chain.from_iterable(entries):
        if entry.name in added:
            continue
        try:
            entry.load()(commands)
        except (ImportError, AttributeError):  # what another version named
            continue
        added.add(entry.name)
    for name in _FROM_THE_DASHBOARD.keys() - added:
        # no character starts an option here, so that whatever follows ends in one clear sentence
        parser = commands.add_parser(
            name, help=_FROM_THE_DASHBOARD[name], prefix_chars="\0", add_help=False, allow_abbrev=False
        )
        parser.add_argument("rest", nargs="*")
        parser.set_defaults(command=_not_installed, missing=name)


def _not_installed(options: argparse.Namespace) -> int:
    raise ConfigError(
        f"the command {options.missing} comes with the dashboard, of which this installation does not know; "
        "install again in the project's folder with: pip install -e ."
    )


def _add_train(commands: Any) -> None:
    parser = add_settings_parser(
        commands,
        "train",
        help="train a run and log every epoch",
        description="Train a run and log every epoch. Settings: command line over --config over --preset.",
    )
    parser.add_argument("--run-id", help="folder name of the run; default: made from the settings")
    parser.add_argument("--resume", metavar="RUN_ID", help="go on with an interrupted run")
    parser.add_argument(
        "--quiet", action="store_true", help="no progress bar; a log gets one line an epoch anyway"
    )
    add_runs_folder(parser)
    add_settings(parser)
    parser.set_defaults(command=_train, stopped=_stopped_training)


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="measure the last checkpoint of a run again")
    parser.add_argument("run_id")
    parser.add_argument("--json", action="store_true", help="print all metrics as JSON, epoch from 0")
    add_runs_folder(parser)
    parser.set_defaults(command=_evaluate)


def _add_gallery(commands: Any) -> None:
    parser = commands.add_parser("record-gallery", help="train the recorded runs of this project again")
    parser.add_argument("--glove", metavar="PATH", help="GloVe vectors; default: the MLCNC_GLOVE variable")
    parser.add_argument("--only", metavar="TEXT", default="", help="only runs whose id contains this")
    parser.add_argument("--list", action="store_true", help="only print the ids")
    add_runs_folder(parser)
    parser.set_defaults(
        command=_record_gallery, stopped="stopped; the same command records the runs that are missing"
    )


def _train(options: argparse.Namespace) -> int:
    stopping.listen()
    # settings are judged before torch is loaded
    if options.resume:
        given = given_settings(options)
        devices = given.pop(("training", "devices"), None)
        settings = {".".join(path) for path in given} | ({"config"} if options.config else set())
        if settings:
            raise ConfigError(
                f"--resume takes the settings of the run itself, but for training.devices; leave out "
                f"{', '.join(sorted(settings))}"
            )
        # of the kind that the setting is of
        devices = config_of(options).training.devices if devices is not None else None
        from mlcnc.training import resume

        resume(options.resume, runs_root=options.runs, devices=devices, **_progress(options.quiet))
        return 0
    config = config_of(options)
    # of several processes of a training, which all come this way, the first one speaks
    if os.environ.get("LOCAL_RANK", "0") == "0" and (raced := at_raced_rate(config)) is not None:
        taken = f"--lr {raced.training.lr:g} --weight_decay {raced.training.weight_decay:g}"
        print(printable(f"{raced_rate_sentence(config)}: take them with {taken}"), file=sys.stderr)
    from mlcnc.training import train

    require_runs_folder(options.runs)
    run_id = options.run_id or new_run_id(options.runs, default_stem(config))
    if run_id not in RunStore(options.runs).run_ids():
        options.begins = run_id
    train(config, runs_root=options.runs, run_id=run_id, **_progress(options.quiet))
    return 0


def _stopped_training(options: argparse.Namespace) -> str:
    """Return what a training that was stopped has left, and the command that goes on."""
    run_id = options.resume or getattr(options, "begins", None)
    try:
        run = RunStore(options.runs).open(run_id or "")
        num_logged = len(run.metrics())
        saves = run.info.config.get("training", {}).get("checkpoint", True)
    except StoreError:
        return "stopped before a run had begun; the same command begins it"
    logged = (
        f"{counted(num_logged, 'epoch')} of {run_id} logged" if num_logged else f"{run_id} logged nothing yet"
    )
    if not saves:
        return f"stopped, {logged}; without training.checkpoint it cannot be resumed"
    command = ["mlcnc", "train", "--resume", run.run_id, "--runs", str(options.runs)]
    return f"stopped, {logged}; go on with: {command_line(command)}"


class _Progress(TypedDict):
    show_progress: bool
    epoch_lines: bool


def _progress(quiet: bool) -> _Progress:
    """Return how progress is shown: a bar on a terminal, lines in a log."""
    on_terminal = sys.stderr.isatty()
    return {"show_progress": on_terminal and not quiet, "epoch_lines": not on_terminal}


_OF_A_SPACE = {
    "nc1_trace": "NC1 trace {:.3f}",
    "angle_min_class": "smallest angle (class-mean centred) {:.1f} degrees",
}
"""What is printed of each space that a run measures."""


def _evaluate(options: argparse.Namespace) -> int:
    stopping.listen()
    from mlcnc.training.evaluation import evaluate

    print(f"measuring the last checkpoint of {options.run_id} ...", file=sys.stderr, flush=True)
    metrics, epoch = evaluate(
        options.run_id, runs_root=options.runs, say=lambda text: print(printable(text), file=sys.stderr)
    )
    if options.json:
        print(json.dumps({"epoch": epoch, **metrics}, indent=1))
        return 0
    print(f"run {options.run_id}, weights after epoch {epoch + 1}")
    for split in ("validation", "test"):
        parts = [f"{group} {number_or_dash(metrics[f'{split}/map_{group}'], 2)}" for group in GROUPS]
        print(f"  {split} mAP: {' / '.join(parts)}")
    for space in RunStore(options.runs).open(options.run_id).spaces:
        known = {name: metrics.get(f"test.{space.name}/{name}") for name in _OF_A_SPACE}
        words = [_OF_A_SPACE[name].format(value) for name, value in known.items() if value is not None]
        if words:
            print(f"  test.{space.name}: {', '.join(words)}")
    return 0


def _record_gallery(options: argparse.Namespace) -> int:
    stopping.listen()
    from mlcnc.training.gallery import record_gallery

    glove = named_path(options.glove) if options.glove else path_in_variable("MLCNC_GLOVE")
    record_gallery(
        options.runs,
        glove_path=None if glove is None else str(glove),
        only=options.only,
        dry_run=options.list,
        **_progress(quiet=False),
    )
    return 0
