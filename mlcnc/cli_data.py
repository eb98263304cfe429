"""``mlcnc data``: looks at a data set."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable
from itertools import chain
from typing import Any

from mlcnc import stopping
from mlcnc.cli_data_prepare import add_prepare
from mlcnc.data import DATASETS, DatasetRequest, build_dataset, contact_sheet, dataset_facts
from mlcnc.data.cache import cache_folder
from mlcnc.data.contact_sheet import MOST_ROWS
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.verification import class_table, damaged_files, splits_of, wrong_counts, wrong_labels
from mlcnc.errors import ConfigError, counted
from mlcnc.methods.settings import MOST_SEED
from mlcnc.named_paths import path_argument
from mlcnc.terminal_text import printable
from mlcnc.written_numbers import whole

_MOST_COLUMNS = 100
_MOST_PROBLEMS = 20
"""Of one kind, that are printed."""


def add_data(commands: Any) -> None:
    """Add ``mlcnc data`` with its actions."""
    parser = commands.add_parser("data", help="get, check and look at a data set")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    sheet = actions.add_parser("preview", help="write a contact sheet with examples of every class")
    _add_dataset(sheet)
    sheet.add_argument(
        "--out", type=path_argument, required=True, metavar="FILE", help="picture to write, e.g. sheet.png"
    )
    sheet.add_argument("--per-class", type=whole, default=10, help="images a row [10]")
    sheet.add_argument("--size", type=whole, help="side of the images in pixels [64; photographs 96]")
    sheet.add_argument("--boxes", action="store_true", help="draw the boxes of the row's class")
    sheet.set_defaults(command=_preview)
    check = actions.add_parser(
        "verify",
        help="compare counts and labels with the known ones and read every file",
        description="Print images a class and split, compare them and the labels with what is known, and "
        "decode every file; ends with 1 where something is wrong.",
    )
    _add_dataset(check)
    check.set_defaults(command=_verify)
    add_prepare(actions)
    kept = actions.add_parser("maps", help="list the cached maps of frozen backbones, or remove them")
    kept.add_argument("--remove", metavar="NAME", help="a folder of the list, or all; runs compute it anew")
    kept.set_defaults(command=_maps)


def _add_dataset(parser: Any) -> None:
    parser.add_argument("dataset", help=f"one of {', '.join(DATASETS)}")
    parser.add_argument(
        "--root", type=path_argument, metavar="DIR", help="folder of the photographs; default: MLCNC_DATA"
    )
    parser.add_argument(
        "--annotations", metavar="FILE", help="folder: labels as a CSV or COCO JSON, below the root"
    )
    parser.add_argument("--seed", type=whole, default=0, help="of drawn scenes, or of a split of folder [0]")


def _request(options: argparse.Namespace, size: int | None = None) -> DatasetRequest:
    if not 0 <= options.seed <= MOST_SEED:
        raise ConfigError(f"--seed must be from 0 to {MOST_SEED}, got {options.seed}")
    root = options.root
    return DatasetRequest(seed=options.seed, size=size, root=root, annotations=options.annotations)


def _preview(options: argparse.Namespace) -> int:
    if not 1 <= options.per_class <= _MOST_COLUMNS:
        raise ConfigError(f"--per-class must be from 1 to {_MOST_COLUMNS}, got {options.per_class}")
    dataset = build_dataset(options.dataset, _request(options, options.size))
    side = options.size or 96
    if isinstance(dataset.test, ImageFileSplit) and not 32 <= side <= 1024:
        raise ConfigError(f"--size must be between 32 and 1024, got {side}")
    sheet = contact_sheet(dataset, options.per_class, side=side, boxes=options.boxes)
    path = options.out
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--out {path} cannot be written: {reason}") from None
    split_sizes = {"train": len(dataset.train), "validation": 0, "test": len(dataset.test)}
    split_sizes |= {name: len(split) for name, split in splits_of(dataset).items()}
    sizes = ", ".join(f"{name} {size}" for name, size in split_sizes.items())
    shown = f" (the first {MOST_ROWS} are shown)" if dataset.num_classes > MOST_ROWS else ""
    print(f"{path}: test images of {dataset.name}, {dataset.num_classes} classes{shown}; images: {sizes}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    stopping.listen()
    from tqdm import tqdm

    dataset = build_dataset(options.dataset, _request(options))
    for line in dict.fromkeys((*class_table(dataset), *dataset.notes)):
        print(printable(line))
    splits = splits_of(dataset)
    wrong = _told("number", wrong_counts(dataset, dataset_facts(options.dataset)))
    # of one's own photographs labels and boxes are read from the same file
    if options.dataset != "folder":
        wrong += _told("label", chain.from_iterable(wrong_labels(split) for split in splits.values()))
    files = sum(len(split) for split in splits.values() if isinstance(split, ImageFileSplit))
    with tqdm(total=files, unit=" files", desc="decoding", disable=None) as bar:
        damaged = list(chain.from_iterable(damaged_files(split, bar.update) for split in splits.values()))
    wrong += _told("file", damaged)
    if files:
        print(f"{files - len(damaged):,} of {counted(files, 'file')} can be decoded")
    things = "thing is" if wrong == 1 else "things are"
    print(f"{options.dataset}: " + (f"{wrong:,} {things} wrong" if wrong else "nothing is wrong"))
    return 1 if wrong else 0


def _told(kind: str, problems: Iterable[str]) -> int:
    """Print the first problems of a kind and return how many there are."""
    number = 0
    for number, problem in enumerate(problems, start=1):
        if number <= _MOST_PROBLEMS:
            print(printable(f"wrong {kind}: {problem}"), file=sys.stderr)
    if number > _MOST_PROBLEMS:
        print(f"wrong {kind}: {number - _MOST_PROBLEMS:,} more", file=sys.stderr)
    return number


def _maps(options: argparse.Namespace) -> int:
    root = cache_folder() / "maps"
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if options.remove is not None:
        chosen = [path for path in folders if options.remove in ("all", path.name)]
        if not chosen and options.remove != "all":
            raise ConfigError(f"--remove must be all or a folder of mlcnc data maps, got {options.remove!r}")
        for path in chosen:
            shutil.rmtree(path)
            print(printable(f"removed {path}"))
        return 0
    for path in folders:
        size = sum(file.stat().st_size for file in path.iterdir())
        print(printable(f"{size / 1e6:8,.0f} MB  {path.name}"))
    many = counted(len(folders), "folder") if folders else "none"
    print(printable(f"maps of images: {many} in {root}"))
    return 0
