"""Losses and class features of MLC-NC against values of reference implementations; origin inside the file."""

import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from mlcnc.losses import collapse_calibration_loss, feature_alignment_loss
from mlcnc.models.class_attention import attend_by_cosine

VECTORS = json.loads((Path(__file__).parent / "mlc_nc_losses.json").read_text())["vectors"]


def value_of(vector, dtype):
    def tensor(key):
        return torch.tensor(vector[key], dtype=dtype)

    name, settings = vector["name"], vector["hyper_parameters"]
    if name.startswith("mlc_nc_fla"):
        return feature_alignment_loss(tensor("class_features"), tensor("label_embedding"), tensor("targets"))
    if name.startswith("mlc_nc_fpc"):
        return collapse_calibration_loss(
            tensor("projected_features"),
            tensor("class_means"),
            tensor("targets"),
            positive_temperature=settings["tau_1"],
            contrast_temperature=settings["tau_2"],
            normalisation="pair" if "code" in name else "image",
        )
    return attend_by_cosine(tensor("positions"), tensor("label_embedding"))[0]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-7), (torch.float32, 1e-5)])
def test_golden_values(vector, dtype, rtol):
    expected = torch.tensor(vector["expected"], dtype=dtype)
    assert_close(value_of(vector, dtype), expected, rtol=rtol, atol=1e-6 if dtype == torch.float32 else 1e-8)


def test_carried_values_are_those_of_the_shared_file(shared):
    whole = json.loads((shared / "reference" / "loss_vectors.json").read_text())["vectors"]
    expected = {v["name"]: v["expected"] for v in whole if v["name"].startswith("mlc_nc_")}
    assert {vector["name"]: vector["expected"] for vector in VECTORS} == expected
