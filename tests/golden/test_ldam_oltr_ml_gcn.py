"""LDAM, OLTR and ML-GCN against values of reference implementations; origin inside the file."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mlcnc.losses import centroid_loss, effective_number_weights, ldam_loss, ldam_softmax_loss
from mlcnc.losses.ldam import ldam_margins
from mlcnc.models.cosine_classifier import CosineClassifier
from mlcnc.models.label_graph import label_edges, normalised_adjacency
from mlcnc.models.visual_memory import meta_embedding

VECTORS = json.loads((Path(__file__).parent / "ldam_oltr_ml_gcn.json").read_text())["vectors"]


def cosine_classifier(weight, scale):
    classifier = CosineClassifier(weight.shape[1], len(weight), scale=scale, bias=False, squashed=True)
    classifier.weight = nn.Parameter(weight)
    return classifier


def value_of(vector, dtype):
    def tensor(key):
        return torch.tensor(vector[key], dtype=dtype)

    name, settings = vector["name"], vector["hyper_parameters"]
    if name.startswith("ldam_"):
        of = {"max_margin": settings["max_margin"], "scale": settings["s"]}
        counts, logits = torch.tensor(vector["class_counts"]), settings["s"] * tensor("logits")
        assert_close(
            ldam_margins(counts, len(counts), settings["max_margin"]),
            torch.tensor(vector["margins"], dtype=torch.float64),
            rtol=1e-12,
            atol=0,
        )
        if "softmax" in name:
            return ldam_softmax_loss(logits, torch.tensor(vector["labels"]), class_counts=counts, **of)
        return ldam_loss(logits, tensor("targets"), class_counts=counts, **of)
    if name.startswith("drw_"):
        return torch.as_tensor(effective_number_weights(np.array(vector["class_counts"]), settings["beta"]))
    if name.startswith("ml_gcn_"):
        edges = label_edges(
            np.array(vector["class_counts"]),
            np.array(vector["co_occurrence"]),
            threshold=settings["threshold_t"],
        )
        return torch.as_tensor(normalised_adjacency(edges, neighbour_weight=settings["p"]))
    features = tensor("image_features")
    if name.startswith("oltr_disc_centroids"):
        return centroid_loss(
            features,
            tensor("centroids"),
            nn.functional.one_hot(torch.tensor(vector["labels"]), len(vector["centroids"])),
            repel_margin=settings["margin"],
            repel_weight=settings["repel_weight"],
        )
    if name.startswith("oltr_meta"):
        weights = nn.functional.linear(features, tensor("plain_weight"), tensor("plain_bias")).softmax(dim=1)
        selector = nn.functional.linear(features, tensor("selector_weight"), tensor("selector_bias")).tanh()
        features = meta_embedding(features, weights, selector, tensor("centroids"))
    return cosine_classifier(tensor("classifier_weight"), settings["scale"])(features).detach()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-7), (torch.float32, 1e-5)])
def test_golden_values(vector, dtype, rtol):
    expected = torch.tensor(vector["expected"], dtype=torch.float64)
    found = value_of(vector, dtype).double()
    assert_close(found, expected, rtol=rtol, atol=1e-5 if dtype == torch.float32 else 1e-8)


def test_carried_values_are_those_of_the_shared_file(shared):
    whole = json.loads((shared / "reference" / "loss_vectors.json").read_text())["vectors"]
    kinds = ("ldam_", "drw_", "oltr_", "ml_gcn_")
    expected = {v["name"]: v["expected"] for v in whole if v["name"].startswith(kinds)}
    assert len(expected) == 14
    assert {vector["name"]: vector["expected"] for vector in VECTORS} == expected
