"""Runs that are trained one after the other by the queue, and go on where they were left."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from mlcnc.analysis.comparison.bench import Entry, diverged, ended, require_settings, validation_map
from mlcnc.analysis.comparison.bench_plan import PlannedRun, planned_runs, run_seconds, seconds_left
from mlcnc.analysis.runs.form_fields import changed_settings
from mlcnc.cli_runs import add_runs_folder
from mlcnc.config import ExperimentConfig, override
from mlcnc.errors import ConfigError, LaunchError, StoreError, counted
from mlcnc.launch import Job, JobRequest
from mlcnc.launch.resuming import has_checkpoint
from mlcnc.methods.settings.section import LARGEST, SMALLEST
from mlcnc.named_paths import path_argument
from mlcnc.obstacles import obstacles
from mlcnc.presets import RACED, preset
from mlcnc.slurm import AllJobs
from mlcnc.store import RunStore
from mlcnc.terminal_text import columns, printable
from mlcnc.written_numbers import plain_number

N = TypeVar("N", int, float)
POLL_SECONDS = 2.0
STOPPED = "stopped waiting; the queue goes on (mlcnc jobs list), and the same command waits for it again"


def add_race_options(parser: argparse.ArgumentParser, what_takes_glove: str) -> None:
    """Add what every command has that trains a set of runs."""
    parser.add_argument("--root", type=path_argument, metavar="DIR", help="folder of photographs [MLCNC_DATA]")
    parser.add_argument(
        "--glove",
        type=path_argument,
        metavar="PATH",
        help=f"GloVe vectors, for {what_takes_glove} [MLCNC_GLOVE]",
    )
    add_runs_folder(parser)


def require_glove_file(options: argparse.Namespace) -> None:
    """Check that the file of vectors that a command names is there.

    Raises:
        ConfigError: it is not.
    """
    if options.glove is not None and not options.glove.is_file():
        raise ConfigError(f"--glove must be a file of vectors, got {options.glove}; get one with: mlcnc glove")


def rates(text: str) -> tuple[float, ...]:
    """Return the learning rates of a text such as ``0.001,0.004``."""
    what = f"learning rates of {SMALLEST:.1e} to {LARGEST:.1e}"
    return numbers(text, float, what, lambda rate: SMALLEST <= rate <= LARGEST)


class Race:
    """The runs of a race: what of them is trained, what waits, and what failed.

    Args:
        entries: what is raced.
        dataset: its name.
        seeds: of the training; at the first, learning rates are tried.
        rates: with which each entry begins.
        settings: of each entry, before its changes: the name of a preset, and the settings of the bench.
        options: of the command line: ``runs``, ``root`` and ``glove``.
        what: is raced, in a word.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        dataset: str,
        seeds: Sequence[int],
        rates: Callable[[Entry], Sequence[float]],
        settings: Callable[[Entry], tuple[str, ExperimentConfig]],
        options: argparse.Namespace,
        what: str = "method",
    ) -> None:
        self.entries = list(entries)
        self.dataset = dataset
        self.seeds = seeds
        self.rates = rates
        self.settings = settings
        self.options = options
        self.what = what
        self.store = RunStore(options.runs)
        self.failed: dict[str, str] = {}
        self._given_up: set[str] = set()  # keys of methods of which a run failed
        self._queued: set[str] = set()
        self._seconds: dict[str, tuple[str, float]] = {}  # of a run that ended, with the key of its method

    @cached_property
    def jobs(self) -> AllJobs:
        """The queue, which a dry run does not touch."""
        return AllJobs(self.options.runs)

    def plan(self, *, in_full: bool) -> list[str]:
        """Return how many runs are done and left, and about how long these take; in full by method."""
        planned = self._planned()
        for each in planned:
            if each.rate is not None:
                try:
                    self._note_if_ended(each.entry, each.rate, each.seed)
                except (ConfigError, StoreError) as error:
                    self._fail(each.entry, each.rate, each.seed, str(error))
        tried = list(
            dict.fromkeys(",".join(f"{rate:g}" for rate in self.rates(entry)) for entry in self.entries)
        )
        more = (
            "; more where the best rate is the lowest or the highest"
            if any("," in text for text in tried)
            else ""
        )
        rates = tried[0] if len(tried) == 1 else "of each"
        seeds = ",".join(map(str, self.seeds))
        lines = [
            f"{counted(len(self.entries), self.what)} on {self.dataset}, rates {rates}, seeds {seeds}: "
            f"{counted(len(planned), 'run')}, {self._progress(planned)}{more}"
        ]
        if not in_full:
            return lines
        rows = [(self.what, "what it is", "done", "left", "these take")]
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
            config = self._config(entry, self.rates(entry)[0], self.seeds[0])[1]
            for sentence in obstacles(config, self.options.runs):
                stopped.setdefault(sentence, []).append(entry.name)
        every = len({entry.key for entry in self._left(planned)})
        return [
            f"cannot be trained yet: {'all of these' if len(names) == every else ', '.join(names)}, for {why}"
            for why, names in stopped.items()
        ]

    def run(self) -> None:
        """Train what is missing, and return when nothing is left."""
        while self.waits():
            time.sleep(POLL_SECONDS)

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
        return [
            each
            for entry in self.entries
            for each in planned_runs(self.store, self.dataset, entry, self.rates(entry), self.seeds)
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
        raced = {key: [float(of.seconds)] for key, of in RACED.get(self.dataset, {}).items()}
        # of a folder in which none has ended yet, those of the recorded race tell at least the size
        if not (measured or raced):
            return "how long is not known yet"
        seconds = seconds_left(left, measured or raced)
        minutes = max(1, round(seconds / 60))
        words = f"about {minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"about {minutes} min"
        return words if measured else f"{words} as recorded"

    def _run_id(self, entry: Entry, rate: float, seed: int) -> str:
        return entry.run_id(self.dataset, rate, seed)

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
        preset_name, bench = self.settings(entry)
        config = entry.config(bench, rate, seed)
        if self.options.root is not None:
            config = override(config, {"data": {"root": str(self.options.root)}})
        if self.options.glove is not None and config.method.needs_glove:
            config = override(config, {"method": {"glove_path": str(self.options.glove.absolute())}})
        return preset_name, config

    def _queue(self, run_id: str, preset_name: str, config: ExperimentConfig) -> None:
        """Queue a run, or the rest of one that was interrupted."""
        self._queued.add(run_id)
        if run_id in self.store.run_ids():
            if has_checkpoint(self.store.open(run_id)):
                self.jobs.resume(run_id)
                return
            self.store.delete(run_id)  # it ended before its first checkpoint
        settings = changed_settings(preset(preset_name), config)
        self.jobs.submit(JobRequest(kind="train", run_id=run_id, preset=preset_name, settings=settings))


def words(text: str) -> list[str]:
    """Return what stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str, kind: Callable[[str], N], what: str, fits: Callable[[N], bool]) -> tuple[N, ...]:
    """Return the different numbers of a text, in its order.

    Raises:
        ArgumentTypeError: one of them is none, or does not fit.
    """
    try:
        found = tuple(dict.fromkeys(kind(plain_number(word)) for word in words(text)))
    except ValueError:
        found = ()
    if not found or not all(map(fits, found)):
        raise argparse.ArgumentTypeError(f"must be {what} with commas between them, got {text!r}")
    return found
