"""``mlcnc reproduce``: a table, a figure or a study, from training to verdicts, with one command."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mlcnc.analysis.comparison.bench import Entry
from mlcnc.cli_race import STOPPED, Race, add_race_options, rates, require_glove_file
from mlcnc.config import ExperimentConfig, override
from mlcnc.errors import ConfigError
from mlcnc.evidence.experiments import EXPERIMENTS
from mlcnc.evidence.quantities import QUANTITIES
from mlcnc.evidence.results import FOLDER, as_csv, fullness, read_results, results, spread_text
from mlcnc.evidence.rows import DATASETS, MLC_NC, PAPER_SETS, base_config, rates_of
from mlcnc.files.writing import replace_file, write_all
from mlcnc.named_paths import path_argument
from mlcnc.store import RunStore
from mlcnc.terminal_text import columns, printable

MOST_SEEDS = 100


def add_reproduce(commands: Any) -> None:
    """Add ``mlcnc reproduce``."""
    parser = commands.add_parser(
        "reproduce",
        help="train the rows of a table, figure or study, and say which claims they support",
        description="Trains what is missing of a table or figure of the paper, or of a study, one job\n"
        "after the other, prints it with a verdict on every claim and writes it as JSON and CSV, which\n"
        "the page Compare shows. Learning rates are chosen on validation images at the first seed. After\n"
        "Ctrl-C the queue goes on by itself; the same command waits for it again.",
        epilog="\n".join(f"  {key:<11} {each.question}" for key, each in EXPERIMENTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("experiment", choices=list(EXPERIMENTS), metavar="WHAT", help=", ".join(EXPERIMENTS))
    parser.add_argument("--dataset", choices=list(DATASETS), help="[pictogram-lt]")
    parser.add_argument("--seeds", type=_number_of_seeds, metavar="N", help="seeds 0 to N-1 [3]")
    parser.add_argument(
        "--rates",
        type=rates,
        default=(),
        metavar="A,B",
        help="learning rates to try, a single one is taken as it is [what is known of a method, else "
        "0.0005,0.001,0.002]",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="in which every run is trained; bfloat16 is some two times as fast where the processor has it "
        "[bfloat16 on CUDA, else float32]",
    )
    add_race_options(parser, "GloVe label embeddings and ML-GCN")
    parser.add_argument(
        "--dry-run", action="store_true", help="start nothing, only say what is done, left and missing"
    )
    parser.add_argument(
        "--no-training",
        action="store_true",
        help="train nothing, make the results of the runs that are there, or print stored ones of more runs",
    )
    parser.add_argument(
        "--race",
        type=path_argument,
        metavar="FILE",
        help="table1: take what mlcnc bench wrote, and train nothing",
    )
    parser.add_argument(
        "--out",
        type=path_argument,
        metavar="DIR",
        help="where results are written [folder _results of the runs]",
    )
    parser.set_defaults(command=_reproduce, stopped=STOPPED)


def _reproduce(options: argparse.Namespace) -> int:
    require_glove_file(options)
    if options.race is not None:
        return _of_race(options)
    options.dataset, options.seeds = options.dataset or "pictogram-lt", options.seeds or 3
    experiment, dataset, seeds = options.experiment, options.dataset, tuple(range(options.seeds))
    if len(options.rates) > 1 and dataset in PAPER_SETS:
        raise ConfigError(f"--rates must be one rate on {dataset}, which has no validation images to choose by")
    chosen = EXPERIMENTS[experiment]
    race = Race(
        [row.entry for row in chosen.rows(dataset)],
        dataset,
        seeds,
        lambda entry: options.rates or rates_of(dataset, entry, raced=chosen.raced),
        lambda entry: _settings(dataset, entry, options.precision),
        options,
        what="row",
    )
    print(printable(f"{chosen.title}: {chosen.question}"))
    for line in race.plan(in_full=options.dry_run):
        print(printable(line))
    if not options.dry_run:
        if not options.no_training:
            race.run()
        _tell(
            results(race.store, experiment, dataset, seeds, rates=options.rates, command=_command(options)),
            options,
        )
    for sentence in race.failed.values():
        print(printable(sentence), file=sys.stderr)
    return 1 if race.failed else 0


def _settings(dataset: str, entry: Entry, precision: str | None) -> tuple[str, ExperimentConfig]:
    preset_name, config = base_config(dataset, entry.kind)
    return preset_name, override(config, {"training": {"precision": precision}} if precision else {})


def _of_race(options: argparse.Namespace) -> int:
    if options.dataset or options.seeds or options.rates or options.precision:
        raise ConfigError(
            "--race has data set, seeds, rates and precision in its file; leave --dataset, --seeds, --rates "
            "and --precision out"
        )
    try:
        race = json.loads(options.race.read_text(encoding="utf-8"))
        dataset, seeds, keys = race["dataset"], race["seeds"], {method["key"] for method in race["methods"]}
        tried = ",".join(f"{rate:g}" for rate in race["rates"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"--race must be a file that mlcnc bench wrote, got {options.race}: {error}"
        ) from None
    if options.experiment != "table1" or MLC_NC not in keys:
        raise ConfigError(
            f"--race goes with table1 and a race that MLC-NC took part in, got {options.experiment}"
        )
    bench = (
        f"mlcnc bench --dataset {dataset} --rates {tried} --seeds {','.join(map(str, seeds))} --out race.json"
    )
    command = f"{bench} && mlcnc reproduce table1 --race race.json"
    _tell(results(RunStore(options.runs), "table1", dataset, seeds, command=command, race=race), options)
    return 0


def _tell(tree: Mapping[str, Any], options: argparse.Namespace) -> None:
    folder = options.out or Path(options.runs) / FOLDER
    known = [each for each in read_results(folder.parent)[0] if folder.name == FOLDER]
    same = [each for each in known if all(each[name] == tree[name] for name in ("experiment", "dataset"))]
    fuller = same[0] if same and fullness(same[0]) > fullness(tree) else None
    for line in lines_of(fuller if fuller and options.no_training else tree):
        print(printable(line))
    if fuller and options.no_training:
        print(
            printable(f"as stored in {folder}, by {fullness(fuller)} runs, of which {fullness(tree)} are here")
        )
    elif fuller:
        counts = f"{fullness(fuller)} runs stand behind it, {fullness(tree)} behind these"
        print(printable(f"not written: {folder} has fuller results ({counts}); name another folder with --out"))
    else:
        for path in _written(tree, folder):
            print(printable(f"written to {path}"))


def lines_of(tree: Mapping[str, Any]) -> list[str]:
    """Return results for a terminal: the rows, then every claim with its verdict, then the rule."""
    keys = list(tree["quantities"])
    rows: list[tuple[str, ...]] = [("row", "rate", *keys)]
    for row in tree["rows"]:
        cells = [spread_text(row["values"].get(key), key) for key in keys]
        rate = "not trained" if row["rate"] is None else f"{row['rate']:g}"
        if row["diverged"]:
            rate = f"diverged at seed {row['diverged'][0]}"
        rows.append((row["name"], rate, *cells))
    claims = [("verdict", "difference", "claim")]
    for claim in tree["claims"]:
        claims.append((claim["verdict"], _interval(claim), f"{claim['text']} ({claim['why']})"))
    return [
        *columns(rows, right=range(1, len(rows[0]))),
        "",
        *columns(claims, right=[]),
        "",
        *textwrap.wrap(tree["rule"], 110),
    ]


def _interval(claim: Mapping[str, Any]) -> str:
    digits = QUANTITIES[claim["quantity"]].digits
    if claim["mean"] is None:
        return "-"
    if claim["low"] is None:
        return f"{claim['mean']:+.{digits}f} (n={claim['n']})"
    low, high = (f"{claim[end]:+.{digits}f}" for end in ("low", "high"))
    return f"{claim['mean']:+.{digits}f} ({low} to {high}, n={claim['n']})"


def _written(tree: Mapping[str, Any], folder: Path) -> list[Path]:
    stem = f"{tree['experiment']}-{tree['dataset']}"
    folder.mkdir(parents=True, exist_ok=True)
    content = {".json": json.dumps(tree, indent=1, allow_nan=False) + "\n", ".csv": as_csv(tree)}
    paths = []
    for suffix, text in content.items():
        path = folder / f"{stem}{suffix}"
        replace_file(path, partial(write_all, content=text.encode()))
        paths.append(path)
    return paths


def _command(options: argparse.Namespace) -> str:
    """Return the command that makes the results again, without the places of files on this machine."""
    words = [
        "mlcnc",
        "reproduce",
        options.experiment,
        "--dataset",
        options.dataset,
        "--seeds",
        str(options.seeds),
    ]
    if options.rates:
        words += ["--rates", ",".join(f"{rate:g}" for rate in options.rates)]
    if options.precision:
        words += ["--precision", options.precision]
    return " ".join(words)


def _number_of_seeds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"must be how many seeds, 1 to {MOST_SEEDS}, got {text!r}")
    return int(text)
