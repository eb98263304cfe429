"""``mlcnc bench``: all methods on one bench, by the queue, with one command that goes on where it was left."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from mlcnc.analysis.comparison.bench import (
    VARIANTS,
    Entry,
    diverged,
    ended,
    entries,
    legend,
    require_settings,
    spreads,
    table,
    validation_map,
)
from mlcnc.analysis.comparison.bench_plan import PlannedRun, planned_runs, run_seconds, seconds_left
from mlcnc.analysis.runs.form_fields import changed_settings
from mlcnc.analysis.runs.rows import BUCKETS
from mlcnc.cli_runs import add_runs_folder
from mlcnc.config import ExperimentConfig, override
from mlcnc.errors import ConfigError, LaunchError, StoreError, counted
from mlcnc.launch import Job, JobRequest, Jobs
from mlcnc.methods.settings.section import LARGEST, MOST_SEED, SMALLEST
from mlcnc.named_paths import path_argument
from mlcnc.obstacles import obstacles
from mlcnc.presets import BENCHES, RACED, bench_config, preset
from mlcnc.store import RunStore
from mlcnc.terminal_text import columns, printable
from mlcnc.written_numbers import plain_number

N = TypeVar("N", int, float)
POLL_SECONDS = 2.0
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
        type=_words,
        default=[],
        metavar="A,B",
        help="kinds of methods, and what is raced beside them, see below [all]",
    )
    parser.add_argument("--seeds", type=_seeds, default=SEEDS, metavar="A,B", help="[0,1,2]")
    parser.add_argument(
        "--rates",
        type=_rates,
        default=RATES,
        metavar="A,B",
        help="learning rates to begin with; a single one is taken as it is [0.004,0.016,0.064]",
    )
    parser.add_argument("--root", type=path_argument, metavar="DIR", help="folder of photographs [MLCNC_DATA]")
    parser.add_argument(
        "--glove", type=path_argument, metavar="PATH", help="GloVe vectors, for ML-GCN [MLCNC_GLOVE]"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="start nothing, only say what is done and left, how long that takes (before a run has ended, "
        "as long as in the recorded race, on two cores), and what is missing for it",
    )
    parser.add_argument("--out", type=path_argument, metavar="FILE", help="write the table as JSON")
    add_runs_folder(parser)
    parser.set_defaults(
        command=_bench,
        stopped="stopped waiting; the queue goes on (mlcnc jobs list), and the same command waits for it again",
    )


def _bench(options: argparse.Namespace) -> int:
    out = options.out
    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigError(f"--out must be in a folder that exists, got {out}")
    if options.glove is not None and not options.glove.is_file():
        raise ConfigError(f"--glove must be a file of vectors, got {options.glove}; get one with: mlcnc glove")
    race = _Race(options)
    for line in race.plan(in_full=options.dry_run):
        print(printable(line))
    if not options.dry_run:
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
        self.failed: dict[str, str] = {}
        self._given_up: set[str] = set()  # keys of methods of which a run failed
        self._queued: set[str] = set()
        self._seconds: dict[str, tuple[str, float]] = {}  # of a run that ended, with the key of its method

    @cached_property
    def jobs(self) -> Jobs:
        """The queue, which a dry run does not touch."""
        return Jobs(self.options.runs)

    def plan(self, *, in_full: bool) -> list[str]:
        """Return how many runs are done and left, and about how long these take; in full by method."""
        options, planned = self.options, self._planned()
        for each in planned:
            if each.rate is not None:
                try:
                    self._note_if_ended(each.entry, each.rate, each.seed)
                except (ConfigError, StoreError) as error:
                    self._fail(each.entry, each.rate, each.seed, str(error))
        rates, seeds = (",".join(f"{number:g}" for number in each) for each in (options.rates, options.seeds))
        more = "; more where the best rate is the lowest or the highest" if len(options.rates) > 1 else ""
        lines = [
            f"{counted(len(self.entries), 'method')} on {options.dataset}, rates {rates}, seeds {seeds}: "
            f"{counted(len(planned), 'run')}, {self._progress(planned)}{more}"
        ]
        if not in_full:
            return lines
        rows = [("method", "what it is", "done", "left", "these take")]
        for entry in self.entries:
            own = [each for each in planned if each.entry == entry]
            left = self._left(own)
            done = sum(key == entry.key for key, _ in self._seconds.values())
            rows.append((entry.key, entry.name, str(done), str(len(left)), self._duration(left)))
        return [*lines, *columns(rows, right=[2, 3]), *self._obstacles(planned)]

    def _obstacles(self, planned: Sequence[PlannedRun]) -> list[str]:
        """Return a sentence for everything for which runs that are left would fail at once, such as vectors."""
        stopped: dict[str, list[str]] = {}
        for entry in {entry.key: entry for entry in self._left(planned)}.values():
            config = self._config(entry, self.options.rates[0], self.options.seeds[0])[1]
            for sentence in obstacles(config, self.options.runs):
                stopped.setdefault(sentence, []).append(entry.name)
        every = len({entry.key for entry in self._left(planned)})
        return [
            f"cannot be trained yet: {'all of these' if len(names) == every else ', '.join(names)}, for {why}"
            for why, names in stopped.items()
        ]

    def waits(self) -> bool:
        """Queue what can be trained by now, say what has ended, and return whether anything is left."""
        self.jobs.start_workers()  # one that was killed meanwhile would hold up the race
        jobs = {job.run_id: job for job in reversed(self.jobs.all())}
        left = False
        for each in self._planned():
            if each.rate is not None:
                left = self._look_after(each.entry, each.rate, each.seed, jobs) or left
        return left

    def _planned(self) -> list[PlannedRun]:
        dataset, rates, seeds = self.options.dataset, self.options.rates, self.options.seeds
        return [
            each for entry in self.entries for each in planned_runs(self.store, dataset, entry, rates, seeds)
        ]

    def _left(self, planned: Sequence[PlannedRun]) -> list[Entry]:
        """Return the method of each run that is left; of one of which a run failed nothing is."""
        return [
            each.entry
            for each in planned
            if each.entry.key not in self._given_up
            and (each.rate is None or self._run_id(each.entry, each.rate, each.seed) not in self._seconds)
        ]

    def _progress(self, planned: Sequence[PlannedRun]) -> str:
        left = self._left(planned)
        words = f" ({self._duration(left)})" if left else ""
        return f"{len(self._seconds)} done, {len(left)} left{words}"

    def _duration(self, left: Sequence[Entry]) -> str:
        """Return about how long runs of these methods take, by those that ended."""
        measured: dict[str, list[float]] = {}
        for key, taken in self._seconds.values():
            measured.setdefault(key, []).append(taken)
        if not left:
            return ""
        raced = {key: [float(of.seconds)] for key, of in RACED[self.options.dataset].items()}
        # of a folder in which none has ended yet, those of the recorded race tell at least the size
        seconds = seconds_left(left, measured or raced)
        minutes = max(1, round(seconds / 60))
        words = f"about {minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"about {minutes} min"
        return words if measured else f"{words} as recorded"

    def _run_id(self, entry: Entry, rate: float, seed: int) -> str:
        return entry.run_id(self.options.dataset, rate, seed)

    def _note_if_ended(self, entry: Entry, rate: float, seed: int) -> str | None:
        """Return what a run that ended reached, None of others."""
        run_id = self._run_id(entry, rate, seed)
        if run_id not in self.store.run_ids():
            return None
        run = self.store.open(run_id)
        require_settings(run, self._config(entry, rate, seed)[1])
        if not ended(run):
            return None
        seconds = run_seconds(run)
        self._seconds[run_id] = (entry.key, seconds)
        reached = "its loss became infinite" if diverged(run) else f"validation mAP {validation_map(run):.1f}"
        return f"{entry.name}, seed {seed}, rate {rate:g}: {reached}, {seconds:.0f} s"

    def _fail(self, entry: Entry, rate: float, seed: int, why: str) -> None:
        run_id = self._run_id(entry, rate, seed)
        self.failed[run_id] = f"{run_id}: {why}"
        self._given_up.add(entry.key)

    def _look_after(self, entry: Entry, rate: float, seed: int, jobs: Mapping[str | None, Job]) -> bool:
        """Queue a run that is not, and return whether it is to be waited for."""
        run_id = self._run_id(entry, rate, seed)
        if run_id in self._seconds or run_id in self.failed:
            return False
        job = jobs.get(run_id)
        try:
            if (said := self._note_if_ended(entry, rate, seed)) is not None:
                print(printable(f"{said}; {self._progress(self._planned())}"))
                return True  # what it reached decides what comes next
            if job is not None and job.is_active:
                self._queued.add(run_id)
            elif run_id in self._queued:
                raise LaunchError(job.headline if job else "its job was removed")
            else:
                self._queue(run_id, *self._config(entry, rate, seed))
        except (LaunchError, ConfigError, StoreError) as error:
            self._fail(entry, rate, seed, str(error))
            print(printable(f"{entry.name}, seed {seed}, rate {rate:g}: not trained, {error}"))
            return False
        return True

    def _config(self, entry: Entry, rate: float, seed: int) -> tuple[str, ExperimentConfig]:
        """Return preset and settings of a run."""
        bench = bench_config(self.options.dataset, entry.kind)
        if self.options.root is not None:
            bench = override(bench, {"data": {"root": str(self.options.root)}})
        if self.options.glove is not None and bench.method.needs_glove:
            path = str(self.options.glove.absolute())
            bench = override(bench, {"method": {"glove_path": path}})
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
    """Return the table for a terminal: mean test mAP over seeds, lowest and highest; then what variants are."""
    rows = [("method", "rate", *BUCKETS)]
    for method in tree["methods"]:
        cells = [item.text for item in spreads(method).values()]
        rows.append((method["name"], f"{method['rate']:g}", *cells))
    explained = legend(method["key"] for method in tree["methods"])
    return [*columns(rows, right=range(1, len(rows[0]))), *explained]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _rates(text: str) -> tuple[float, ...]:
    what = f"learning rates of {SMALLEST:.1e} to {LARGEST:.1e}"
    return _numbers(text, float, what, lambda rate: SMALLEST <= rate <= LARGEST)


def _seeds(text: str) -> tuple[int, ...]:
    return _numbers(text, int, f"whole numbers of 0 to {MOST_SEED}", lambda seed: 0 <= seed <= MOST_SEED)


def _numbers(text: str, kind: Callable[[str], N], what: str, fits: Callable[[N], bool]) -> tuple[N, ...]:
    try:
        numbers = tuple(dict.fromkeys(kind(plain_number(word)) for word in _words(text)))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(fits, numbers)):
        raise argparse.ArgumentTypeError(f"must be {what} with commas between them, got {text!r}")
    return numbers
