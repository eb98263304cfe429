"""SIGKILL at any moment of a training: what was logged stays, and a resumed run is the uninterrupted one."""

import re
import signal
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from mlcnc.store import RunProblem, RunStore
from mlcnc.store.metrics_file import epoch_of, read_metrics
from tests.processes.small_training import assert_same_run

BEAT = 0.02
"""Seconds between heartbeats, so that a kill by the clock often lands in one."""


pytestmark = pytest.mark.xdist_group("trainings")


@dataclass
class Tally:
    """What happened over many kills."""

    kills: int = 0
    before_the_folder: int = 0
    finished_first: int = 0
    half_lines: int = 0
    kept_epochs: int = 0
    leftovers: int = 0
    slowest_verdict: float = 0.0
    moments: list[str] = field(default_factory=list)

    def __str__(self):
        return (
            f"{self.kills} kills: {self.before_the_folder} before there was a run folder, "
            f"{self.finished_first} after the end; {self.kept_epochs} logged epochs kept, {self.half_lines} half lines "
            f"and {self.leftovers} half-written files left behind; recorded as lost after at most "
            f"{1000 * self.slowest_verdict:.0f} ms"
        )


def check_dead_run(root, run_id, tally):
    """Check what a killed trainer left behind, as everybody else sees it."""
    tally.kills += 1
    store = RunStore(root)
    assert not [found for found in store.scan() if isinstance(found, RunProblem)]
    if run_id not in store.run_ids():
        tally.before_the_folder += 1
        assert not (root / run_id).exists()
        return []
    started = time.monotonic()
    while (state := store.open(run_id).status.state) == "running":
        assert time.monotonic() - started < 20
        time.sleep(0.01)
    tally.slowest_verdict = max(tally.slowest_verdict, time.monotonic() - started)
    if state == "finished":
        tally.finished_first += 1
    else:
        assert state == "lost"
    run = store.open(run_id)
    path = run.folder / "metrics.jsonl"
    raw = path.read_bytes() if path.exists() else b""
    tally.half_lines += bool(raw) and not raw.endswith(b"\n")
    lines = run.metrics()
    written = {epoch_of(line) for line in raw.split(b"\n")[:-1]}  # one trained again has two lines
    assert {line["epoch"] for line in lines} >= written, "a line that was written whole cannot be read"
    assert [line["epoch"] for line in lines] == list(range(len(lines)))
    tally.kept_epochs += len(lines)
    allowed = ("it was cut off", "the last line of metrics.jsonl is half-written")
    assert all(any(words in warning for words in allowed) for warning in run.warnings), run.warnings
    for epoch in run.array_epochs():
        assert run.arrays(epoch).keys()
    tally.leftovers += len(list(run.folder.rglob("*.tmp")))
    return lines


def go_on(nursery, root, run_id, lines, whole):
    """Resume a dead run, or start it where it had not begun, and compare it with the uninterrupted one."""
    begun = run_id in RunStore(root).run_ids()
    assert nursery.run(root, run_id, resume=begun) == 0
    run = RunStore(root).open(run_id)
    assert run.status.state == "finished"
    assert run.warnings == ()
    assert_same_run(whole.folder, run.folder)
    # what was readable stayed as it was, times included, unless the epoch was trained again
    later = run.metrics()
    kept = [line for line in lines if line in later]
    assert len(kept) >= len(lines) - 1
    assert not list(root.rglob("*.tmp"))


def killed_at(nursery, root, whole, number, tally, **order):
    """Kill a training at one point and go on with it."""
    name = whole.points[number - 1]
    run_id = f"at-{number}"
    assert nursery.run(root, run_id, kill_at=number, **order) == -signal.SIGKILL, name
    tally.moments.append(name)
    try:
        go_on(nursery, root, run_id, check_dead_run(root, run_id, tally), whole)
    except AssertionError as error:
        raise AssertionError(f"killed at point {number}, {name}: {error}") from error


CHOSEN = (
    r"before rename \S*\.tmp",
    r"half of \S*/\.samples",
    r"half of \S*/epochs/\.0002",
    r"half a line of \S*/metrics.jsonl",
    r"before fsync \S*/metrics.jsonl",
    r"after replace \S*/checkpoints/last.pt",
)


def test_killed_where_it_hurts_most(nursery, whole, tmp_path):
    """In a new folder, samples, arrays, a line, between line and checkpoint, between a checkpoint's two renames."""
    tally = Tally()
    for pattern in CHOSEN:
        numbers = [n for n, name in enumerate(whole.points, start=1) if re.match(pattern, name)]
        killed_at(nursery, tmp_path, whole, numbers[len(numbers) // 2], tally)
    assert tally.kills == len(CHOSEN)
    assert tally.before_the_folder == 1
    assert tally.half_lines >= 1
    assert tally.leftovers >= 2


@pytest.mark.slow
def test_killed_at_every_point_where_files_change(nursery, whole, tmp_path, capsys):
    tally = Tally()
    for number in range(1, len(whole.points) + 1):
        killed_at(nursery, tmp_path, whole, number, tally)
    with capsys.disabled():
        print(f"\nevery point: {tally}")


@pytest.mark.slow
def test_killed_inside_heartbeats(nursery, whole, tmp_path, capsys):
    tally = Tally()
    for number in range(3, 303, 15):
        run_id = f"beat-{number}"
        ended = nursery.run(root=tmp_path, run_id=run_id, kill_at=number, thread="mlcnc-heartbeat", beat=BEAT)
        if ended == 0:
            break  # so many heartbeats there were not
        assert ended == -signal.SIGKILL
        go_on(nursery, tmp_path, run_id, check_dead_run(tmp_path, run_id, tally), whole)
    assert tally.kills >= 5
    with capsys.disabled():
        print(f"\nheartbeats: {tally}")


def kill_at_random(nursery, rng, whole, root, run_id, first, **order):
    """Start a training, kill it at a random moment and return how it ended.

    A quarter of the moments lies before the first epoch that is logged, a quarter before the second, and so on,
    however busy the machine is.
    """
    nursery.begin(root, run_id, beat=BEAT, **order)
    path, epochs = root / run_id / "metrics.jsonl", int(rng.integers(min(first, 3), 4))
    deadline = time.monotonic() + 120
    while len(read_metrics(path)[0]) < epochs:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(rng.uniform(0, whole.seconds / 4))
    nursery.send(signal.SIGKILL)
    return nursery.end()


@pytest.mark.slow
def test_killed_at_a_hundred_random_moments(nursery, whole, tmp_path, capsys):
    """By the clock; every third run is killed a second time while it goes on."""
    rng = np.random.default_rng(20)
    tally = Tally()
    number = 0
    while tally.kills < 100:
        number += 1
        run_id = f"random-{number}"
        if kill_at_random(nursery, rng, whole, tmp_path, run_id, 0) == 0:
            continue  # it was quicker than the clock
        lines = check_dead_run(tmp_path, run_id, tally)
        if number % 3 == 0 and run_id in RunStore(tmp_path).run_ids():
            ended = kill_at_random(nursery, rng, whole, tmp_path, run_id, len(lines), resume=True)
            if ended == -signal.SIGKILL:
                after = check_dead_run(tmp_path, run_id, tally)
                assert len(after) >= len(lines)  # what was logged before is still there
                lines = after
        go_on(nursery, tmp_path, run_id, lines, whole)
    with capsys.disabled():
        print(f"\nrandom moments: {tally}")
