"""Folders of runs as large as users may have: many copies of a recorded run, and one run of the size of COCO-LT."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from mlcnc.metrics import measure_split
from mlcnc.store import RunWriter


def many_runs(root, number, *, slim, full=()):
    """Fill ``root`` with ``number`` runs: hard links to recorded ones, under ids and seeds of their own.

    Args:
        root: folder to create.
        number: of runs in all.
        slim: folder of a run without arrays, copied until there are enough.
        full: folders of runs with arrays, one copy each.
    """
    for folder in full:
        _linked(Path(folder), root / Path(folder).name, Path(folder).name, None)
    for index in range(number - len(full)):
        _linked(Path(slim), root / f"many-{index:03d}", f"many-{index:03d}", index)


def _linked(source, target, run_id, seed):
    shutil.copytree(source, target, copy_function=_link)
    tree = json.loads((source / "run.json").read_text())
    tree |= {"run_id": run_id, "name": run_id}
    if seed is not None:
        tree["seed"] = seed
        tree["config"]["training"]["seed"] = seed
        # every fifth copy opens a recipe of its own, so that seeds are grouped
        tree["config"]["training"]["lr"] = 0.001 * (1 + seed // 5)
    (target / "run.json").unlink()  # a link: writing to it would change the recorded run
    (target / "run.json").write_text(json.dumps(tree))


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def coco_sized_run(
    root,
    run_id="coco-lt",
    *,
    classes=80,
    epochs=100,
    arrays_every=5,
    pairs=4000,
    test_images=5000,
    measured_images=300,
    probes=24,
    seed=0,
    embedding="etf",
):
    """Write a run of the size of COCO-LT, by the real writer and the real measurement of random features.

    Features draw together around their class while epochs pass. Class statistics are measured on
    ``measured_images`` images only, which keeps their size and saves minutes.
    """
    rng = np.random.default_rng(seed)
    counts = np.unique(np.geomspace(1200, 4, classes).astype(int))[::-1]
    counts = np.concatenate([counts, np.full(classes - len(counts), 4)]).tolist()
    names = [f"class {index:02d}" for index in range(classes)]
    targets = (rng.random((test_images, classes)) < 2.9 / classes).astype(np.uint8)
    targets[:classes] |= np.eye(classes, dtype=np.uint8)
    measured = targets[:measured_images]
    rows, labels = np.nonzero(targets)
    chosen = rng.choice(len(rows), size=min(pairs, len(rows)), replace=False)
    rows, labels = rows[chosen], labels[chosen]
    config = {
        "data": {"dataset": "synthetic-coco-lt"},
        "model": {
            "label_embedding": embedding,
            "attention": "multihead",
            "classifier": "fixed",
            "embedding_dim": 64,
            "projection_dim": 48,
        },
        "training": {"seed": seed, "lr": 0.001},
    }
    run = RunWriter.create(
        root, run_id, class_names=names, class_counts=counts, config=config, seed=seed, num_epochs=epochs,
        num_train=1900, num_validation=measured_images, num_test=test_images, device="cpu",
    )  # fmt: skip
    run.log_samples(
        {
            "test/targets": targets,
            "probes/images": rng.integers(0, 255, (probes, 64, 64, 3), dtype=np.uint8),
            "probes/image_index": np.arange(probes),
            "probes/split": np.ones(probes, np.uint8),
            "probes/targets": targets[:probes],
            "probes/boxes": np.array([[p, int(targets[p].argmax()), 8, 8, 40, 40] for p in range(probes)], np.float32),
            "samples/image_index": rows,
            "samples/class_index": labels,
            "samples/split": np.ones(len(rows), np.uint8),
            **_pictures(test_images, rng),
        }
    )  # fmt: skip
    centres = {"f": rng.normal(size=(classes, 64)), "mu": rng.normal(size=(classes, 48))}
    metrics: dict[str, float] = {}
    for epoch in range(epochs):
        stored = epoch % arrays_every == 0 or epoch == epochs - 1
        arrays = None
        if stored:
            pull = 0.2 + 1.5 * epoch / epochs
            metrics, arrays = _measured(rng, centres, pull, targets, measured, run.info.groups, rows, labels)
            arrays["label_embedding/gram"] = np.eye(classes, dtype=np.float32)
            arrays["classifier/gram"] = np.eye(classes, dtype=np.float32)
            maps = rng.random((probes, classes, 14, 14)) ** (4 * pull)
            arrays["probes/attention"] = (maps / maps.sum(axis=(2, 3), keepdims=True)).astype(np.float16)
        run.log_epoch(epoch, metrics | {"train/loss": 3.0 / (1 + epoch)}, arrays)
    run.finish()
    return run.folder


def _measured(rng, centres, pull, targets, measured, groups, rows, labels):
    metrics, arrays = {}, {}
    spaces = {
        space: (rng.normal(size=(len(measured), *centre.shape)) + pull * centre).astype(np.float32)
        for space, centre in centres.items()
    }
    scores = rng.normal(size=targets.shape) + (1 + pull) * targets
    for split in ("train", "validation", "test"):
        found, stored = measure_split(
            split, targets=measured, groups=groups, scores=None, spaces={} if split == "validation" else spaces
        )
        metrics |= found
        arrays |= stored
        if split != "train":
            number = len(measured if split == "validation" else targets)
            found, stored = measure_split(
                split, targets=targets[:number], groups=groups, scores=scores[:number], spaces={}
            )
            metrics |= found
            arrays |= stored
    for space, centre in centres.items():
        drawn = rng.normal(size=(len(rows), centre.shape[1])) + pull * centre[labels]
        arrays[f"samples/{space}"] = drawn.astype(np.float16)
    return metrics, arrays


def _pictures(number, rng):
    encoded = []
    for _ in range(40):
        stream = io.BytesIO()
        coarse = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8))
        coarse.resize((48, 48), Image.Resampling.BICUBIC).save(stream, "WEBP", quality=60)
        encoded.append(stream.getvalue())
    chosen = [encoded[index % len(encoded)] for index in range(number)]
    return {
        "pictures/split": np.ones(number, np.uint8),
        "pictures/index": np.arange(number),
        "pictures/ends": np.cumsum([len(part) for part in chosen]),
        "pictures/bytes": np.frombuffer(b"".join(chosen), np.uint8),
    }
