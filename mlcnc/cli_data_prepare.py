"""``mlcnc data prepare``: brings the photographs of a data set to where it is looked for."""

from __future__ import annotations

import argparse
from typing import Any

from mlcnc import stopping
from mlcnc.data import dataset_facts
from mlcnc.data.sources import SOURCES
from mlcnc.errors import ConfigError
from mlcnc.named_paths import path_argument, path_in_variable


def add_prepare(actions: Any) -> None:
    """Add ``mlcnc data prepare``."""
    parser = actions.add_parser(
        "prepare",
        help="unpack or download the photographs of a data set",
        description="Unpack what is missing of a data set from archives that lie in the folder, or download "
        "it. Without --download it says what that would be. Stopped or broken off, the same command goes on.",
        allow_abbrev=False,
    )
    parser.add_argument("dataset", help=f"one of {', '.join(SOURCES)}")
    parser.add_argument(
        "--root",
        type=path_argument,
        metavar="DIR",
        help="folder of the data sets; default: the MLCNC_DATA variable",
    )
    parser.add_argument("--download", action="store_true", help="download what no archive in the folder has")
    parser.add_argument("--keep", action="store_true", help="keep downloaded archives after unpacking")
    parser.add_argument(
        "--boxes", action="store_true", help="coco-lt: the annotations too (253 MB); only boxes need them"
    )
    parser.set_defaults(command=_prepare, stopped="stopped; what came is kept, the same command goes on")


def _prepare(options: argparse.Namespace) -> int:
    stopping.listen()
    name = options.dataset
    if name not in SOURCES:
        dataset_facts(name)  # raises for an unknown one
    root = options.root or path_in_variable("MLCNC_DATA")
    if root is None and name in SOURCES:
        raise ConfigError(
            f"the photographs of {name} need a folder: name it with --root DIR, or by the MLCNC_DATA variable"
        )
    from mlcnc.data_download import prepare

    prepare(name, root or ".", download=options.download, keep=options.keep, boxes=options.boxes, say=_say)
    return 0


def _say(text: str) -> None:
    print(text, flush=True)
