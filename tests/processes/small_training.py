"""A training run of a fraction of a second on a few drawn images, for tests that need many whole runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlcnc.config import ExperimentConfig, override

NUM_CLASSES = 5
SIZES = {"train": 37, "validation": 11, "test": 13}
SMALL = {
    "data": {"num_samples": 23},
    "method": {"embedding_dim": 20, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 2},
    "training": {
        "epochs": 4,
        "batch_size": 8,
        "measure_every": 1,
        "arrays_every": 2,
        "num_sample_pairs": 17,
        "num_probes": 2,
        "num_pictures": 3,
        "num_threads": 1,
        "device": "cpu",
    },
}


def small_config(**changes: object) -> ExperimentConfig:
    """Return a config of four epochs, two of them warm-up, with nested changes applied."""
    return override(override(ExperimentConfig(), SMALL), changes)


def few_images(name: str, request: object = None):
    """Return a data set of five classes, in place of the one asked for."""
    from mlcnc.data.protocol import ArraySplit, MultiLabelDataset

    rng = np.random.default_rng([0, 71])

    def split(name):
        number = SIZES[name]
        targets = (rng.random((number, NUM_CLASSES)) < [0.6, 0.4, 0.3, 0.2, 0.15]).astype(np.uint8)
        targets[np.arange(number), np.arange(number) % NUM_CLASSES] = 1
        images = rng.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8)
        return ArraySplit(name, images, targets)

    names = tuple(f"class {number}" for number in range(NUM_CLASSES))
    return MultiLabelDataset(name, names, split("train"), split("validation"), split("test"), (15, 9))


def glove_file(folder: Path, dim: int = 20, words: Sequence[str] = ()) -> Path:
    """Write vectors for some words, else for those of the class names, and return the path."""
    rng = np.random.default_rng(5)
    words = words or ["class", *(str(number) for number in range(NUM_CLASSES))]
    lines = [" ".join([word, *(f"{value:.4f}" for value in rng.standard_normal(dim))]) for word in words]
    path = folder / "vectors.txt"
    # processes that train together write it at the same time, and none may read half of it
    aside = folder / f"vectors-{os.getpid()}.txt"
    aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return aside.replace(path)


def use_few_images(monkeypatch=None) -> None:
    """Let every training of this process run on the few images."""
    from mlcnc.training import build

    if monkeypatch is None:
        build.build_dataset = few_images
    else:
        monkeypatch.setattr(build, "build_dataset", few_images)


def weights_of(run_folder: Path) -> dict[str, object]:
    """Return all tensors of the last checkpoint by their place in it."""
    import torch

    found = {}

    def walk(place, value):
        if isinstance(value, torch.Tensor):
            found[place] = value
        elif isinstance(value, dict):
            for key, part in value.items():
                walk(f"{place}/{key}", part)
        elif isinstance(value, list | tuple):
            for key, part in enumerate(value):
                walk(f"{place}/{key}", part)
        else:
            found[place] = value

    walk("", torch.load(run_folder / "checkpoints" / "last.pt", weights_only=True))
    return found


def assert_same_run(expected: Path, found: Path) -> None:
    """Compare two run folders bit for bit: lines of metrics but for times, arrays, samples, last weights."""
    import torch

    from mlcnc.store import RunStore

    runs = [RunStore(folder.parent).open(folder.name) for folder in (expected, found)]
    lines, others = ([_timeless(line) for line in run.metrics()] for run in runs)
    assert [line["epoch"] for line in lines] == [line["epoch"] for line in others]
    for line, other in zip(lines, others, strict=True):
        assert line.keys() == other.keys()
        different = [name for name in line if not np.array_equal(line[name], other[name], equal_nan=True)]
        assert not different, (line["epoch"], different)
    assert runs[0].array_epochs() == runs[1].array_epochs()
    files = ["samples.safetensors", *(f"epochs/{epoch:04d}.safetensors" for epoch in runs[0].array_epochs())]
    for name in files:
        assert (expected / name).read_bytes() == (found / name).read_bytes(), name
    weights, other_weights = weights_of(expected), weights_of(found)
    assert weights.keys() == other_weights.keys()
    for place, value in weights.items():
        same = (
            torch.equal(value, other_weights[place])
            if isinstance(value, torch.Tensor)
            else value == other_weights[place]
        )
        assert same, place


def _timeless(line: dict[str, float]) -> dict[str, float]:
    return {
        name: value
        for name, value in line.items()
        if not name.startswith(("seconds", "images_per_second", "peak_memory"))
    }


def main() -> int:
    """Run the ``mlcnc`` command line on the few images; a slow drawing where SLOW_DRAWING says so."""
    import time

    from mlcnc.cli import main as command_line
    from mlcnc.training import build

    def drawn(*arguments, **named):
        print("drawing", flush=True)
        time.sleep(float(os.environ.get("SLOW_DRAWING", "0")))
        return few_images(*arguments, **named)

    build.build_dataset = drawn
    return command_line()
