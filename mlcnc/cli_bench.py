"""``mlcnc bench``: all methods on one bench, by the queue, with one command that goes on where it was left."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from typing import Any

from mlcnc.analysis.comparison.bench import VARIANTS, entries, legend, spreads, table
from mlcnc.analysis.runs.rows import BUCKETS
from mlcnc.cli_race import STOPPED, Race, add_race_options, numbers, rates, require_glove_file, words
from mlcnc.errors import ConfigError
from mlcnc.methods.settings.section import MOST_SEED
from mlcnc.named_paths import path_argument
from mlcnc.presets import BENCHES, bench_config, preset
from mlcnc.terminal_text import columns, printable

RATES = (0.004, 0.016, 0.064)
SEEDS = (0, 1, 2)


def add_bench(commands: Any) -> None:
    """Add ``mlcnc bench``."""
    parser = commands.add_parser(
        "bench",
        help="train every method on one bench and print the table",
        description="Trains every method with the same backbone, optimiser, schedule, epochs and number of\n"
        "images, one job after the other. Learning rates are tried at the first seed, beyond the given\n"
        "ones as long as the best is the lowest or the highest, and the one of the highest validation\n"
        "mAP is taken for the others. After Ctrl-C the queue goes on by itself; the same command waits\n"
        "for it again, and trains what is missing.",
        epilog="raced beside the methods:\n"
        + "\n".join(
            textwrap.fill(f"{variant.meaning}.", 78, initial_indent=f"  {key}: ", subsequent_indent=" " * 4)
            for key, variant in VARIANTS.items()
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--dataset", choices=list(BENCHES), default="pictogram-lt", help="[pictogram-lt]")
    parser.add_argument(
        "--methods",
        type=words,
        default=[],
        metavar="A,B",
        help="kinds of methods, and what is raced beside them, see below [all]",
    )
    parser.add_argument("--seeds", type=_seeds, default=SEEDS, metavar="A,B", help="[0,1,2]")
    parser.add_argument(
        "--rates",
        type=rates,
        default=RATES,
        metavar="A,B",
        help="learning rates to begin with; a single one is taken as it is [0.004,0.016,0.064]",
    )
    add_race_options(parser, "ML-GCN")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="start nothing, only say what is done and left, how long that takes (before a run has ended, "
        "as long as in the recorded race, on two cores), and what is missing for it",
    )
    parser.add_argument("--out", type=path_argument, metavar="FILE", help="write the table as JSON")
    parser.set_defaults(command=_bench, stopped=STOPPED)


def _bench(options: argparse.Namespace) -> int:
    out = options.out
    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigError(f"--out must be in a folder that exists, got {out}")
    require_glove_file(options)
    race = race_of(options)
    for line in race.plan(in_full=options.dry_run):
        print(printable(line))
    if not options.dry_run:
        race.run()
        tree = table(race.store, options.dataset, race.entries, options.rates, options.seeds)
        for line in _lines(tree):
            print(printable(line))
        if out is not None:
            out.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
            print(f"written to {out}")
    for sentence in race.failed.values():
        print(printable(sentence), file=sys.stderr)
    return 1 if race.failed else 0


def race_of(options: argparse.Namespace) -> Race:
    """Return the race that the command line asks for."""
    dataset = options.dataset
    return Race(
        entries(options.methods, frozen=preset(BENCHES[dataset]).model.frozen == "all"),
        dataset,
        options.seeds,
        lambda entry: options.rates,
        lambda entry: (BENCHES[dataset], bench_config(dataset, entry.kind)),
        options,
    )


def _lines(tree: dict[str, Any]) -> list[str]:
    """Return the table for a terminal: mean test mAP over seeds, lowest and highest; then what variants are."""
    rows = [("method", "rate", *BUCKETS)]
    for method in tree["methods"]:
        cells = [item.text for item in spreads(method).values()]
        rows.append((method["name"], f"{method['rate']:g}", *cells))
    explained = legend(method["key"] for method in tree["methods"])
    return [*columns(rows, right=range(1, len(rows[0]))), *explained]


def _seeds(text: str) -> tuple[int, ...]:
    return numbers(text, int, f"whole numbers of 0 to {MOST_SEED}", lambda seed: 0 <= seed <= MOST_SEED)
