"""Losses of logits against values of reference implementations; origin inside the file."""

import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from mlcnc import losses
from tests import losses_of_counts

FILE = json.loads((Path(__file__).parent / "losses_of_logits.json").read_text())
VECTORS, INPUTS = FILE["vectors"], FILE["inputs"]

FUNCTIONS = {
    "erm_": (losses.binary_cross_entropy_loss, ()),
    "two_way_": (losses.two_way_loss, ()),
    "rw_": (losses.class_weighted_loss, ("class_counts", "num_images")),
    "focal_": (losses.focal_loss, ()),
    "cb_focal_": (losses.class_balanced_focal_loss, ("class_counts",)),
    "db_variant_": (losses_of_counts.class_wise_distribution_balanced, ("class_counts", "co_occurrence")),
    "db_": (losses_of_counts.distribution_balanced, ("class_counts", "num_images")),
    "rbce_": (losses_of_counts.distribution_balanced, ("class_counts", "num_images")),
    "asl_": (losses.asymmetric_loss, ()),
    "mfm_": (losses_of_counts.multi_focal, ("class_counts", "co_occurrence")),
}
OURS = {
    "alpha": "weight_floor",
    "beta": "weight_steepness",
    "mu": "weight_midpoint",
    "lambda": "negative_scale",
    "lambda_neg_scale": "negative_scale",
    "kappa": "shift_scale",
    "kappa_init_bias": "shift_scale",
    "gamma": "focal_gamma",
    "scale": "focal_scale",
    "gamma_neg": "negative_gamma",
    "gamma_pos": "positive_gamma",
    "clip": "margin",
    "T_p": "two_way_temperature",
}
"""Settings by the names of the reference file; what is not among them is said in words there and fixed here."""


def settings_of(vector):
    name, given = vector["name"], vector["hyper_parameters"]
    found = {OURS[key]: value for key, value in given.items() if key in OURS}
    if name.startswith("cb_focal_"):
        found["cb_beta"] = found.pop("weight_steepness")
    if name.startswith("rbce_"):
        found |= {"negative_scale": 1.0, "shift_scale": 0.0}
    if name.startswith(("asl_", "mfm_")):
        found["normalisation"] = "none"
    return found


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-6), (torch.float32, 1e-5)])
def test_golden_values(vector, dtype, rtol):
    function, statistics = next(found for start, found in FUNCTIONS.items() if vector["name"].startswith(start))
    given = INPUTS[vector["inputs"]]
    value = function(
        torch.tensor(given["logits"], dtype=dtype),
        torch.tensor(given["targets"]),
        **{name: torch.tensor(given[name]) for name in statistics},
        **settings_of(vector),
    )
    expected = torch.tensor(vector["expected"], dtype=dtype)
    assert_close(value, expected, rtol=rtol, atol=1e-6 if dtype == torch.float32 else 1e-8)


def test_carried_values_are_those_of_the_shared_file(shared):
    whole = json.loads((shared / "reference" / "loss_vectors.json").read_text())["vectors"]
    expected = {v["name"]: v["expected"] for v in whole if v["name"].startswith(tuple(FUNCTIONS))}
    assert {vector["name"]: vector["expected"] for vector in VECTORS} == expected
    for vector in whole:
        if vector["name"] in expected:
            carried = INPUTS[vector["name"][-1]]
            assert (carried["logits"], carried["targets"]) == (vector["logits"], vector["targets"])
