"""``mlcnc report``: the main charts of a few runs on one page, for a reader without Python."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mlcnc.errors import ConfigError
from mlcnc.files.writing import replace_file, write_all
from mlcnc.store import Run, RunStore


def report_page(runs: Sequence[Run], *, written_at: datetime) -> str:
    """Return the report of the runs as one HTML document.

    Args:
        runs: one or more, in the order of the report.
        written_at: stated on the page.

    Raises:
        StoreError: a run cannot be read.
    """
    from app.offline.page import offline_page
    from app.report.about import reported
    from app.report.results import report_sections
    from mlcnc import __version__

    about = reported(runs)
    names = [row.name for row in about.rows]
    datasets = {
        row.dataset: f"{row.dataset} ({len(run.info.class_names)} classes; train, validation and test images "
        f"{_counted(run.info.num_train)}, {_counted(run.info.num_validation)}, {_counted(run.info.num_test)})"
        for run, row in zip(about.runs, about.rows, strict=True)
    }
    lead = (
        f"{'Run' if len(names) == 1 else 'Runs'}: "
        + ", ".join(f"{row.name} ({row.state}, {row.num_logged} epochs)" for row in about.rows)
        + ".",
        f"{'Data set' if len(datasets) == 1 else 'Data sets'}: {'; '.join(datasets.values())}.",
        f"Written {written_at:%d %B %Y, %H:%M %Z} by mlcnc {__version__}.",
    )
    return offline_page(
        f"How far did {_listed(names)} collapse, and for which classes?",
        report_sections(about),
        lead=lead,
        names={*names, *(name for run in runs for name in run.info.class_names)},
    )


def write_report(options: argparse.Namespace) -> int:
    """Write the report that the options of ``mlcnc report`` ask for."""
    path: Path = options.out
    if path.is_dir():
        raise ConfigError(f"--out {path} is a folder; name a file, e.g. {path / 'report.html'}")
    if path.exists() and not options.force:
        raise ConfigError(f"{path} is there already; name another file, or give --force to replace it")
    if not path.parent.is_dir():
        raise ConfigError(f"--out {path} cannot be written: there is no folder {path.parent}")
    store = RunStore(options.runs)
    runs = [store.open(run_id) for run_id in dict.fromkeys(options.run_ids)]
    page = report_page(runs, written_at=datetime.now().astimezone())
    _replace(path, page)
    print(f"{path}: report on {len(runs)} {'run' if len(runs) == 1 else 'runs'}, {len(page) / 1e6:.1f} MB")
    return 0


def _replace(path: Path, text: str) -> None:
    try:
        replace_file(path, lambda aside: write_all(aside, text.encode()))
    except OSError as error:
        raise ConfigError(f"--out {path} cannot be written: {error.strerror}") from None


def _counted(number: int | None) -> str:
    return "unknown" if number is None else str(number)


def _listed(names: Sequence[str]) -> str:
    if len(names) > 4:
        return f"{len(names)} runs"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
