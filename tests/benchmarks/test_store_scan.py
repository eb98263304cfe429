"""How long it takes to list a hundred runs, and that torch is not what takes it."""

from __future__ import annotations

import json
import shutil
import time

from streamlit.testing.v1 import AppTest

from mlcnc.analysis.runs.rows import run_rows
from mlcnc.store import RunStore, RunWriter
from tests.benchmarks.conftest import seconds
from tests.conftest import ROOT


def once(work):
    """Return wall and processor seconds of the first call, in words."""
    started, busy = time.perf_counter(), time.process_time()
    work()
    return f"{time.perf_counter() - started:.2f} s ({time.process_time() - busy:.2f} s of processor)"


def test_listing_a_hundred_runs(tmp_path, say):
    for number in range(100):
        with RunWriter.create(tmp_path, f"r{number}", class_names=["a", "b"], class_counts=[9, 2]) as run:
            for epoch in range(30):
                run.log_epoch(epoch, {f"test/m{i}": float(i) for i in range(80)})
    store = RunStore(tmp_path)
    say(f"scanning 100 runs of 30 epochs: {seconds(lambda: list(store.scan())):.2f} s")
    say(f"rows of 100 runs, nothing cached: {seconds(lambda: run_rows(list(store.scan())), 2):.2f} s")


def test_two_hundred_recorded_runs(tmp_path, say, monkeypatch):
    """Copies of a recorded run, 480 KB of metrics each; cold is with empty caches, imports included."""
    source = ROOT / "runs" / "pictogram-etf-s1"
    tree = json.loads((source / "run.json").read_text())
    for number in range(200):
        folder = tmp_path / f"run-{number:03d}"
        folder.mkdir()
        for name in ("metrics.jsonl", "status.json"):
            shutil.copy(source / name, folder)
        tree |= {"run_id": folder.name, "name": folder.name, "seed": number}
        (folder / "run.json").write_text(json.dumps(tree))
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    from app import session

    def analysis():
        runs, _ = session.scanned()
        assert len(session.rows_of(runs, "best")[0]) == 200

    say(f"listing 200 recorded runs, cold: {once(analysis)}")
    say(f"listing 200 recorded runs, warm: {seconds(analysis, 5):.3f} s")
    session._kept_summary.cache_clear()
    session._store.cache_clear()
    page = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60)
    say(f"page script of 200 runs, cold: {once(page.run)}")
    say(f"page script of 200 runs, warm: {seconds(page.run, 5):.3f} s")
    assert not page.exception
