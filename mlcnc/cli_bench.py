"""``mlcnc bench``: all methods on one bench, by the queue, with one command that goes on where it was left."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mlcnc.analysis.bench import (
    Entry,
    best_rate,
    diverged,
    ended,
    entries,
    require_settings,
    spreads,
    table,
    tried_rates,
)
from mlcnc.analysis.form_fields import changed_settings
from mlcnc.analysis.runs import BUCKETS
from mlcnc.cli_runs import add_runs_folder
from mlcnc.config import ExperimentConfig, override
from mlcnc.errors import ConfigError, LaunchError, StoreError
from mlcnc.launch import Job, JobRequest, Jobs
from mlcnc.presets import BENCHES, bench_config, preset
from mlcnc.store import RunStore
from mlcnc.terminal_text import printable

N = TypeVar("N", int, float)
POLL_SECONDS = 2.0
RATES = (0.004, 0.016, 0.064)
SEEDS = (0, 1, 2)


def add_bench(commands: Any) -> None:
    """Add ``mlcnc bench``."""
    parser = commands.add_parser(
        "bench",
        help="train every method on one bench and print the table",
        description="Trains every method with the same backbone, optimiser, schedule, epochs and number of "
        "images, one job after the other. Learning rates are tried at the first seed, beyond the given ones as "
        "long as the best is the lowest or the highest, and the one of the highest validation mAP is taken for "
        "the others. After Ctrl-C the queue goes on by itself; the same command waits for it again, and trains "
        "what is missing. ML-GCN needs GloVe vectors (MLCNC_GLOVE).",
        allow_abbrev=False,
    )
    parser.add_argument("--dataset", choices=list(BENCHES), default="pictogram-lt", help="[pictogram-lt]")
    parser.add_argument(
        "--methods",
        type=_words,
        default=[],
        metavar="A,B",
        help="kinds of methods, mlc_nc+asl with another loss [all]",
    )
    parser.add_argument("--seeds", type=_seeds, default=SEEDS, metavar="A,B", help="[0,1,2]")
    parser.add_argument(
        "--rates",
        type=_rates,
        default=RATES,
        metavar="A,B",
        help="learning rates to begin with; a single one is taken as it is [0.004,0.016,0.064]",
    )
    parser.add_argument("--root", metavar="DIR", help="folder of photographs [MLCNC_DATA]")
    parser.add_argument("--out", metavar="FILE", help="write the table as JSON")
    add_runs_folder(parser)
    parser.set_defaults(
        command=_bench,
        stopped="stopped waiting; the queue goes on (mlcnc jobs list), and the same command waits for it again",
    )


def _bench(options: argparse.Namespace) -> int:
    out = None if options.out is None else Path(options.out)
    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigError(f"--out must be in a folder that exists, got {out}")
    race = _Race(options)
    while race.waits():
        time.sleep(POLL_SECONDS)
    tree = table(race.store, options.dataset, race.entries, options.rates, options.seeds)
    for line in _lines(tree):
        print(printable(line))
    if out is not None:
        out.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
        print(f"written to {out}")
    for sentence in race.failed.values():
        print(printable(sentence), file=sys.stderr)
    return 1 if race.failed else 0


class _Race:
    """The runs of a race: what of them is trained, what waits, and what failed.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        frozen = preset(BENCHES[options.dataset]).model.frozen == "all"
        self.entries = entries(options.methods, frozen=frozen)
        self.store = RunStore(options.runs)
        self.jobs = Jobs(options.runs)
        self.failed: dict[str, str] = {}
        self._queued: set[str] = set()
        self._done: set[str] = set()

    def waits(self) -> bool:
        """Queue what can be trained by now, say what has ended, and return whether anything is left."""
        jobs = {job.run_id: job for job in reversed(self.jobs.all())}
        left = False
        for entry in self.entries:
            for rate, seed in self._due(entry):
                left = self._look_after(entry, rate, seed, jobs) or left
        return left

    def _due(self, entry: Entry) -> list[tuple[float, int]]:
        """Return rate and seed of the runs of a method that can be trained by now."""
        dataset, (first, *others) = self.options.dataset, self.options.seeds
        validation, left = tried_rates(self.store, dataset, entry, self.options.rates, first)
        if left is not None:
            return [(rate, first) for rate in dict.fromkeys((*self.options.rates, left))]
        return [(rate, first) for rate in validation] + [(best_rate(validation), seed) for seed in others]

    def _look_after(self, entry: Entry, rate: float, seed: int, jobs: Mapping[str | None, Job]) -> bool:
        """Queue a run that is not, and return whether it is to be waited for."""
        run_id = entry.run_id(self.options.dataset, rate, seed)
        if run_id in self._done or run_id in self.failed:
            return False
        job = jobs.get(run_id)
        try:
            preset_name, config = self._config(entry, rate, seed)
            if run_id in self.store.run_ids():
                run = self.store.open(run_id)
                require_settings(run, config)
                if ended(run):
                    self._done.add(run_id)
                    if run_id in self._queued:
                        words = "its loss became infinite" if diverged(run) else "finished"
                        print(f"{run_id}: {words}, {len(self._done)} runs so far")
                    return True  # what it reached decides what comes next
            if job is not None and job.is_active:
                self._queued.add(run_id)
            elif run_id in self._queued:
                self.failed[run_id] = f"{run_id}: {job.headline if job else 'its job was removed'}"
                return False
            else:
                self._queue(run_id, preset_name, config)
        except (LaunchError, ConfigError, StoreError) as error:
            self.failed[run_id] = f"{run_id}: {error}"
            return False
        return True

    def _config(self, entry: Entry, rate: float, seed: int) -> tuple[str, ExperimentConfig]:
        """Return preset and settings of a run."""
        bench = bench_config(self.options.dataset, entry.kind)
        if self.options.root is not None:
            bench = override(bench, {"data": {"root": self.options.root}})
        return BENCHES[self.options.dataset], entry.config(bench, rate, seed)

    def _queue(self, run_id: str, preset_name: str, config: ExperimentConfig) -> None:
        """Queue a run, or the rest of one that was interrupted."""
        self._queued.add(run_id)
        if run_id in self.store.run_ids():
            try:
                self.jobs.resume(run_id)
            except (LaunchError, ConfigError, StoreError):
                self.store.delete(run_id)  # it ended before its first checkpoint
            else:
                return
        settings = changed_settings(preset(preset_name), config)
        self.jobs.submit(JobRequest(kind="train", run_id=run_id, preset=preset_name, settings=settings))


def _lines(tree: dict[str, Any]) -> list[str]:
    """Return the table for a terminal: mean test mAP over the seeds, lowest and highest."""
    names = [method["name"] for method in tree["methods"]]
    width = max(map(len, names), default=6)
    lines = [f"{'method':{width}}  {'rate':>6}  " + "  ".join(f"{bucket:>21}" for bucket in BUCKETS)]
    for method in tree["methods"]:
        cells = "  ".join(f"{item.text:>21}" for item in spreads(method).values())
        lines.append(f"{method['name']:{width}}  {method['rate']:>6g}  {cells}")
    return lines


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _rates(text: str) -> tuple[float, ...]:
    return _numbers(text, float, "learning rates above 0", lambda rate: rate > 0)


def _seeds(text: str) -> tuple[int, ...]:
    return _numbers(text, int, "whole numbers of at least 0", lambda seed: seed >= 0)


def _numbers(text: str, kind: Callable[[str], N], what: str, fits: Callable[[N], bool]) -> tuple[N, ...]:
    try:
        numbers = tuple(dict.fromkeys(kind(word) for word in _words(text)))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(fits, numbers)):
        raise argparse.ArgumentTypeError(f"must be {what} with commas between them, got {text!r}")
    return numbers
