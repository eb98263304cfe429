"""How long it takes to list a hundred runs, and that torch is not what takes it."""

from __future__ import annotations

from mlcnc.analysis.runs import run_rows
from mlcnc.store import RunStore, RunWriter
from tests.benchmarks.conftest import seconds


def test_listing_a_hundred_runs(tmp_path, say):
    for number in range(100):
        with RunWriter.create(tmp_path, f"r{number}", class_names=["a", "b"], class_counts=[9, 2]) as run:
            for epoch in range(30):
                run.log_epoch(epoch, {f"test/m{i}": float(i) for i in range(80)})
    store = RunStore(tmp_path)
    say(f"scanning 100 runs of 30 epochs: {seconds(lambda: list(store.scan())):.2f} s")
    say(f"rows of 100 runs, nothing cached: {seconds(lambda: run_rows(list(store.scan())), 2):.2f} s")
