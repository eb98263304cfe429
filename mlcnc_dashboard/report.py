"""``mlcnc report``: the main charts of a few runs on one page."""

from __future__ import annotations

import argparse
from typing import Any

from mlcnc.cli_runs import add_runs_folder
from mlcnc.named_paths import path_argument
from mlcnc_dashboard.place import prefer_own_app


def add_report(commands: Any) -> None:
    """Add ``report`` to the command line."""
    parser = commands.add_parser(
        "report",
        help="write the main charts of runs as one page that opens offline",
        description="Write the main charts of one or more runs as one HTML page of about 5 MB. It opens in any "
        "browser without a network and without Python.",
        allow_abbrev=False,
    )
    parser.add_argument("run_ids", nargs="+", metavar="RUN", help="run ids, see: mlcnc runs list")
    parser.add_argument(
        "--out", type=path_argument, required=True, metavar="FILE", help="page to write, e.g. report.html"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")
    add_runs_folder(parser)
    parser.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> int:
    prefer_own_app()
    from app.report.command import write_report

    return write_report(options)
