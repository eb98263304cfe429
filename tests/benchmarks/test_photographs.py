"""The preset on real photographs: what it reaches, and how long it takes once the maps are there."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import shared_data

LEAST_MAP, MOST_SECONDS = 72.0, 120.0


def test_forty_epochs_from_cached_maps(tmp_path, say):
    root = shared_data("voc07-lt")
    command = [sys.executable, "-m", "mlcnc", "train", "--preset", "voc07-lt", "--root", str(root)]
    subprocess.run([*command, "--runs", str(tmp_path), "--run-id", "etf", "--quiet"], check=True)
    epochs = [json.loads(line) for line in (tmp_path / "etf" / "metrics.jsonl").read_text().splitlines()]
    measured = [epoch for epoch in epochs if epoch.get("validation/map_total") is not None]
    best = max(measured, key=lambda epoch: epoch["validation/map_total"])
    seconds = sum(epoch["seconds"] for epoch in epochs)
    groups = " / ".join(f"{best[f'test/map_{group}']:.1f}" for group in ("total", "head", "medium", "tail"))
    say(
        f"voc07-lt from cached maps, MLC-NC with an ETF: {len(epochs)} epochs in {seconds:.0f} s "
        f"(at most {MOST_SECONDS:.0f}), test mAP {groups} (at least {LEAST_MAP:.0f} in total), cosine of train f "
        f"with the label embedding {measured[-1]['train.f/nc3_label_embedding_none']:.2f}"
    )
    assert best["test/map_total"] >= LEAST_MAP
    assert seconds <= MOST_SECONDS
