"""Names of session keys and cached readers; the only place where pages touch the disk."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import streamlit as st

from mlcnc.analysis.runs.rows import Choice, RunRow, RunSummary, row_at, summary
from mlcnc.devices import Device, devices
from mlcnc.errors import StoreError
from mlcnc.named_paths import RUNS_VARIABLE, named_path, path_in_variable
from mlcnc.slurm import AllJobs
from mlcnc.store import Run, RunProblem, RunStore

P = ParamSpec("P")
R = TypeVar("R")

RUNS_KEY = "r"
CHOICE_KEY = "at"
READ_NAMES = "names_that_plotly_reads"
"""Session key: names of runs and classes that charts must escape; set where runs are picked."""
PROJECT = Path(__file__).resolve().parent.parent


def runs_root() -> Path:
    """Return the runs folder: ``--runs`` after ``--``, else MLCNC_RUNS, else the project's own."""
    given = _argument("--runs")
    return named_path(given) if given else path_in_variable(RUNS_VARIABLE) or PROJECT / "runs"


def data_root() -> str | None:
    """Return the folder of photographs: ``--data-root`` after ``--``, else MLCNC_DATA, else None."""
    given = _argument("--data-root")
    named = named_path(given) if given else path_in_variable("MLCNC_DATA")
    return str(named.absolute()) if named else None


def _argument(name: str) -> str | None:
    arguments = sys.argv[1:]
    for index, argument in enumerate(arguments):
        if argument == name and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}=")
    return None


def scanned() -> tuple[list[Run], list[RunProblem]]:
    """Return all readable runs and what is wrong with the other folders."""
    runs: list[Run] = []
    problems: list[RunProblem] = []
    for item in _store(runs_root()).scan():
        if isinstance(item, RunProblem):
            problems.append(item)
        else:
            runs.append(item)
    return runs, problems


def number_of_runs() -> int:
    """Return how many folders of runs there are, without reading one."""
    return len(_store(runs_root()).run_ids())


def row_of(run: Run, choice: Choice) -> RunRow:
    """Return the row of a run without warnings; its files are read again only when they changed."""
    # the state of a running run hangs on the clock, not on its files, so only the summary is kept
    return row_at(_kept_summary(run.folder, run.identity()), choice, run.status)


def rows_of(runs: list[Run], choice: Choice) -> tuple[list[RunRow], list[RunProblem]]:
    """Return the rows of all runs, and a problem for each that could not be read after all."""
    rows: list[RunRow] = []
    problems: list[RunProblem] = []
    for run in runs:
        try:
            rows.append(row_of(run, choice))
        except (StoreError, OSError) as error:
            problems.append(RunProblem.of(run.run_id, error))
    return rows, problems


def jobs() -> AllJobs:
    """Return the jobs of the runs folder."""
    return _jobs(runs_root())


def opened_run(run_id: str | None) -> Run | None:
    """Return a readable run of the runs folder, or None."""
    if run_id is None:
        return None
    try:
        run = _store(runs_root()).open(run_id)
        _ = run.status
    except (StoreError, OSError):
        return None
    return run


def known_devices() -> list[Device]:
    """Return the devices of this machine, the one that auto takes first."""
    return devices()


@lru_cache(maxsize=4)
def _jobs(root: Path) -> AllJobs:
    return AllJobs(root)


# plain caches, for a page of 200 runs asks them 200 times and what they hold cannot be changed
@lru_cache(maxsize=4)
def _store(root: Path) -> RunStore:
    return RunStore(root)


@lru_cache(maxsize=5000)
def _kept_summary(folder: Path, identity: tuple[tuple[str | int, ...], ...]) -> RunSummary:
    return summary(Run(folder))


def remembered(function: Callable[P, R], *args: P.args, **settings: P.kwargs) -> R:
    """Return what an analysis function gives, computed again only when a file of its runs changed.

    Args:
        function: of ``mlcnc``, a pure function of runs and plain values.
        args, settings: its arguments: runs, numbers, texts, None, and tuples of them.

    Raises:
        TypeError: an argument is of another kind.
        MlcncError: what the function raises; errors are not remembered.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    # one text, for a page asks dozens of times and Streamlit's walk through arguments costs it milliseconds
    key = repr((name, known_by(args), known_by(tuple(sorted(settings.items())))))
    return cast(R, _remembered(key, function, args, settings))


def run_identity(run: Run) -> tuple[str, tuple[tuple[str | int, ...], ...]]:
    """Return what a cache tells states of a run apart by."""
    return str(run.folder), run.identity()


def known_by(part: object) -> object:
    """Return what a cache tells an argument apart by: of a run the state of its files, else its value.

    Raises:
        TypeError: neither a run nor a plain value nor a tuple of them.
    """
    if isinstance(part, Run):
        return run_identity(part)
    if isinstance(part, tuple):
        return tuple(known_by(item) for item in part)
    if part is None or isinstance(part, str | Real):
        return part
    raise TypeError(f"expected a run, a plain value or a tuple of them, got {type(part).__name__}")


@st.cache_data(max_entries=2000, max_size="256MB", show_spinner=False)
def _remembered(
    key: str, _function: Callable[..., Any], _args: tuple[Any, ...], _settings: dict[str, Any]
) -> Any:
    return _function(*_args, **_settings)
