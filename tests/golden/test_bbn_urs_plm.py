"""BBN, URS and PLM against values of reference implementations; origin inside the file."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from mlcnc.losses.bilateral_mixing import bilateral_mixing_loss, mixed_features, mixing_weight
from mlcnc.losses.ideal_ratio import probability_histograms, updated_ratio
from mlcnc.losses.logit_compensation import consistency_loss, frequency_weights, logit_compensation_loss
from mlcnc.losses.partial_label_masking import keep_probability, partial_label_masking_loss

VECTORS = json.loads((Path(__file__).parent / "bbn_urs_plm.json").read_text())["vectors"]


def bbn(tensor, settings):
    epoch, num_epochs = settings["epoch_1_based"] - 1, settings["max_epoch"]
    alpha = mixing_weight(epoch, num_epochs)
    assert alpha == settings["alpha"]
    features = mixed_features(tensor("f_conventional"), tensor("f_rebalancing"), alpha)
    return bilateral_mixing_loss(
        functional.linear(features, tensor("W"), tensor("b")),
        tensor("targets_conventional"),
        tensor("targets_rebalancing"),
        alpha=alpha,
    )


def urs(tensor, settings, vector):
    compensation = torch.stack([tensor(key) for key in ("sigma_p", "mu_p", "sigma_n", "mu_n")])
    weights = frequency_weights(tensor("class_counts"), vector["num_train_images"])
    total = settings["lambda"] * consistency_loss(tensor("u"), tensor("u_hat"))
    total = total + settings["lambda"] * consistency_loss(tensor("r"), tensor("r_hat"))
    for logits, targets in (("u", "targets_uniform"), ("r", "targets_rebalanced")):
        total = total + logit_compensation_loss(tensor(logits), tensor(targets), compensation, weights=weights)
    return total


def plm_keep(tensor):
    return keep_probability(
        tensor("targets"),
        tensor("ideal_ratio"),
        class_counts=tensor("class_counts"),
        num_images=tensor("num_train_images"),
    )


def value_of(vector, dtype):
    def tensor(key):
        return torch.tensor(vector[key], dtype=dtype)

    name, settings = vector["name"], vector["hyper_parameters"]
    if name.startswith("bbn_mix"):
        return bbn(tensor, settings)
    if name.startswith("urs"):
        return urs(tensor, settings, vector)
    if name.startswith("plm_keep"):
        return plm_keep(tensor)
    if name.startswith("plm_expected"):
        return partial_label_masking_loss(tensor("logits"), tensor("targets"), plm_keep(tensor))
    histograms = probability_histograms(tensor("epoch_probabilities"), tensor("epoch_targets")).to(dtype)
    rate = settings["change_rate_lambda"]
    return updated_ratio(tensor("ideal_ratio_before"), histograms, rate=rate, lowest=1e-3)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-7), (torch.float32, 1e-5)])
def test_golden_values(vector, dtype, rtol):
    expected = torch.tensor(vector["expected"], dtype=dtype)
    assert_close(value_of(vector, dtype), expected, rtol=rtol, atol=1e-6 if dtype == torch.float32 else 1e-8)


def test_carried_values_are_those_of_the_shared_file(shared):
    whole = json.loads((shared / "reference" / "loss_vectors.json").read_text())["vectors"]
    expected = {v["name"]: v["expected"] for v in whole if v["name"].startswith(("bbn_", "urs_", "plm_"))}
    assert {vector["name"]: vector["expected"] for vector in VECTORS} == expected
