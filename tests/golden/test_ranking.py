"""Mean average precision over classes and over images against values of others; origin inside the file."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mlcnc.metrics import average_precision, global_map, mean_average_precision

FILE = json.loads((Path(__file__).parent / "ranking.json").read_text())
VECTORS, INPUTS = FILE["vectors"], FILE["inputs"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_golden_values(vector, kind):
    given = INPUTS[vector["inputs"]]
    scores, targets = kind(given["scores"]), kind(given["targets"])
    if vector["name"].startswith("g_map_"):
        value = global_map(scores, targets)
    else:
        found = mean_average_precision(average_precision(scores, targets), given["groups"])
        value = [found[f"map_{group}"] for group in ("total", "head", "medium", "tail")]
    assert value == pytest.approx(vector["expected"], rel=1e-7)


def test_carried_values_are_those_of_the_shared_file(shared):
    whole = json.loads((shared / "reference" / "loss_vectors.json").read_text())["vectors"]
    of_file = {v["name"]: v for v in whole if v["name"].startswith(("map_", "g_map_"))}
    assert {vector["name"]: vector["expected"] for vector in VECTORS} == {
        name: vector["expected"] for name, vector in of_file.items()
    }
    for name, vector in of_file.items():
        carried = INPUTS[name[-1]]
        assert (carried["scores"], carried["targets"]) == (vector["scores"], vector["truth"])
