"""Small runs that have every kind of file, written by the real writer from real metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from mlcnc.store import RunStore
from mlcnc.store.layouts import StoredLayout, write_layout
from tests.app.conftest import write_run
from tests.photograph_tree import id_arrays

EPOCHS = 2
SECRET = "what lies outside of the runs folder"
SECRET_NUMBER = 271828.0


def write_whole_run(root: Path, run_id: str) -> Path:
    """Write a run with all kinds of files and arrays, the same bytes each time, and return its folder."""
    number = 5
    table = np.full((number, number), 3) + np.diag([497, 117, 37, 9, 1])
    write_run(root, run_id, epochs=EPOCHS, co_occurrence=table).finish()
    folder = root / run_id
    rng = np.random.default_rng(7)
    for path in sorted((folder / "epochs").iterdir()):
        arrays = load_file(path)
        arrays["label_embedding/weight"] = rng.normal(size=(number, 8)).astype(np.float32)
        arrays["label_embedding/drift_cosine"] = np.linspace(0.9, 1, number, dtype=np.float32)
        arrays["classifier/weight"] = rng.normal(size=(number, 6 * number)).astype(np.float32)
        arrays["class_means_used"] = rng.normal(size=(number, 6)).astype(np.float32)
        for split in ("train", "test"):
            arrays[f"{split}.concat/positive_means"] = rng.normal(size=(number, 6 * number)).astype(np.float32)
            arrays[f"{split}.concat/overall_mean"] = rng.normal(size=6 * number).astype(np.float32)
        if path.name != "0000.safetensors":
            arrays = {name: array for name, array in arrays.items() if not name.startswith("train")}
        save_file(arrays, path)
    samples = load_file(folder / "samples.safetensors")
    named = id_arrays("test", [f"test-{image}" for image in range(90)]) | {"probes/size": np.array([16, 16])}
    save_file(
        {**samples, **named, **id_arrays("train", ["train-0", "", "train-2é"])}, folder / "samples.safetensors"
    )
    pairs = len(samples["samples/split"])
    for space in ("f", "mu"):
        coordinates = rng.normal(size=(EPOCHS, pairs, 2)).astype(np.float32)
        layout = StoredLayout(
            coordinates,
            (0, 1),
            "umap",
            space,
            0,
            {"n_neighbors": 15, "metric": "cosine"},
            {"umap-learn": "0.5"},
        )
        write_layout(root, run_id, f"umap-{space}", layout)
    RunStore(root).open(run_id).write_notes(
        {"name": f"The {run_id} one", "tags": ["a", "b"], "notes": "two\nlines"}
    )
    _change(folder / "run.json", {"created_at": "2026-01-01T00:00:00.000+00:00", "versions": {"python": "3"}})
    times = dict.fromkeys(("started_at", "finished_at", "heartbeat_at"), "2026-01-01T00:00:00.000+00:00")
    _change(folder / "status.json", {**times, "pid": 4_000_000, "process_start_time": 1.0})
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.pt").write_bytes(b"PK\x03\x04 no pickle is read by the dashboard")
    return folder


def write_secrets(outside: Path, run: Path) -> None:
    """Write a folder that nobody may open: a file of each name, all valid, that would tell if it was read."""
    outside.mkdir()
    for name in ("epochs", "layouts", "checkpoints"):
        (outside / name).mkdir()
    for path in sorted(run.rglob("*")):
        target = outside / path.relative_to(run)
        if path.suffix == ".safetensors":
            arrays = {name: np.full_like(array, 1) for name, array in load_file(path).items()}
            save_file(arrays | {"secret": np.array([SECRET_NUMBER])}, target)
            save_file(arrays | {"secret": np.array([SECRET_NUMBER])}, outside / path.name)
        elif path.suffix in (".json", ".jsonl"):
            target.write_bytes(path.read_bytes().replace(b"The victim one", SECRET.encode()))


def _change(path: Path, changes: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=1) + "\n")
