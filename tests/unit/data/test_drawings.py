"""Drawings stay what they were when the recorded runs were made."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from mlcnc.data import build_dataset
from mlcnc.data.pen import Pen
from mlcnc.data.pictograms import DRAWINGS, NUM_VARIANTS, VERSION

HERE = Path(__file__).resolve().parent
RUNS = HERE.parents[2] / "runs"
RECORDED = HERE / "drawings.json"


def fingerprints() -> dict[str, list[list[int]]]:
    """Return per class and variant the mean red, green, blue and alpha of a 3 x 3 grid, 36 numbers.

    Write them to ``drawings.json``, with the new ``VERSION``, when a drawing changes on purpose.
    """
    found = {}
    for name, drawing in DRAWINGS.items():
        found[name] = []
        for variant in range(NUM_VARIANTS):
            pen = Pen(96, np.random.default_rng(1), (196, 62, 54), (70, 124, 196))
            drawing(pen, variant)
            ground = Image.new("RGBA", pen.image.size, (120, 120, 120, 0))
            pixels = np.asarray(Image.alpha_composite(ground, pen.image), dtype=np.float64)
            grid = pixels.reshape(3, 32, 3, 32, 4).mean(axis=(1, 3))
            found[name].append(np.rint(grid).astype(int).ravel().tolist())
    return found


def test_no_drawing_changes_without_a_new_version():
    recorded = json.loads(RECORDED.read_text())
    assert recorded["version"] == VERSION, "draw the table anew: fingerprints() says how"
    for name, variants in fingerprints().items():
        for variant, numbers in enumerate(variants):
            change = np.abs(np.subtract(numbers, recorded["drawings"][name][variant])).max()
            # two units leave room for another release of Pillow
            assert change <= 2, f"{name}, variant {variant} is drawn differently: raise VERSION"


@pytest.mark.parametrize(
    ("dataset_name", "run_id"),
    [
        ("pictogram-lt", "pictogram-etf-s0"),
        ("pictogram-lt", "pictogram-glove-s0"),
        ("digits-lt", "digits-etf-s0"),
    ],
)
def test_recorded_runs_saw_the_scenes_that_are_drawn_today(dataset_name, run_id):
    recorded = load_file(RUNS / run_id / "samples.safetensors")
    dataset = build_dataset(dataset_name)
    np.testing.assert_array_equal(recorded["test/targets"], dataset.test.targets)
    splits = (dataset.train, dataset.test)
    for index, split, image, targets in zip(
        recorded["probes/image_index"],
        recorded["probes/split"],
        recorded["probes/images"],
        recorded["probes/targets"],
        strict=True,
    ):
        drawn = splits[int(split)]
        np.testing.assert_array_equal(drawn.targets[index], targets)
        difference = np.abs(drawn.image(int(index)).astype(float) - image).mean()
        assert difference < 0.2, f"{drawn.image_id(int(index))} differs from the recorded one"
