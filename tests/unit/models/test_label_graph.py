"""The graph of labels of ML-GCN, on the published label matrices, and the classifier that it makes."""

import csv
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mlcnc.data.label_lists import read_lines, read_table
from mlcnc.models.backbone import Backbone
from mlcnc.models.graph_classifier import GraphClassifier, LabelGraphNetwork
from mlcnc.models.label_graph import label_edges, normalised_adjacency
from tests.conftest import shared_data
from tests.reference import margins_and_memories as loops

COUNTS = np.array([120, 60, 25, 8, 3])
TOGETHER = np.array([[0, 30, 12, 5, 0], [30, 0, 6, 1, 0], [12, 6, 0, 2, 0], [5, 1, 2, 0, 0], [0, 0, 0, 0, 0]])
EDGES = {"voc-lt": 29, "coco-lt": 205}


def edges_of(targets):
    targets = targets.astype(np.int64)
    return label_edges(targets.sum(axis=0), targets.T @ targets, threshold=0.4)


@pytest.mark.parametrize("name", EDGES)
def test_edges_of_the_lists_of_the_package(name):
    num_classes = len(read_lines(f"{name}/classes.txt"))
    edges = edges_of(read_table(f"{name}/train.txt", num_classes).targets)
    assert edges.sum() == EDGES[name]
    assert not edges.diagonal().any()


@pytest.mark.parametrize("name", EDGES)
def test_edges_of_the_shared_tables(name):
    folder = shared_data(name)
    with (folder / "class_counts.csv").open() as stream:
        counts = np.array([int(row["train_images"]) for row in csv.DictReader(stream)])
    with (folder / "co_occurrence.csv").open() as stream:
        together = np.array([[int(value) for value in row[1:]] for row in list(csv.reader(stream))[1:]])
    assert (together.diagonal() == counts).all()  # the diagonal holds counts, and is no co-occurrence
    assert label_edges(counts, together, threshold=0.4).sum() == EDGES[name]


@pytest.mark.parametrize(("threshold", "share"), [(0.4, 0.25), (0.05, 0.7)])
def test_the_adjacency_equals_the_loop_and_a_lonely_class_keeps_to_itself(threshold, share):
    edges = label_edges(COUNTS, TOGETHER + np.diag(COUNTS), threshold=threshold)
    found = normalised_adjacency(edges, neighbour_weight=share)
    expected = loops.adjacency(COUNTS.tolist(), TOGETHER.tolist(), threshold, share)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert (found[4] == [0, 0, 0, 0, 1]).all()
    assert (found[:, 4] == [0, 0, 0, 0, 1]).all()


def test_a_class_without_images_has_no_edge():
    edges = label_edges(np.array([4, 0]), np.array([[4, 0], [0, 0]]))
    assert not edges.any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: label_edges(COUNTS, TOGETHER[:4]), "co_occurrence must have shape (5, 5) like class_counts"),
        (
            lambda: label_edges(COUNTS, TOGETHER, threshold=0.0),
            "threshold must be above 0 and at most 1, got 0",
        ),
        (lambda: normalised_adjacency(np.zeros((2, 3), bool)), "edges must have shape (2, 2)"),
        (
            lambda: normalised_adjacency(np.zeros((2, 2), bool), neighbour_weight=0),
            "neighbour_weight must be above 0, got 0",
        ),
    ],
)
def test_what_the_docstrings_do_not_allow_is_refused(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


@pytest.fixture
def graph():
    torch.manual_seed(3)
    matrix = torch.as_tensor(normalised_adjacency(label_edges(COUNTS, TOGETHER, threshold=0.05)))
    return LabelGraphNetwork(torch.randn(5, 7, dtype=torch.float64), matrix, 11, 3).double()


def test_its_rows_equal_the_loop(graph):
    parts = (graph.adjacency, graph.label_vectors, graph.first, graph.second)
    expected = loops.graph_rows(*(part.detach().numpy() for part in parts))
    assert_close(graph().detach(), torch.as_tensor(expected))


def test_its_weights_start_within_their_bounds_and_its_constants_do_not_train(graph):
    assert float(graph.first.detach().abs().max()) <= 11**-0.5
    assert float(graph.second.detach().abs().max()) <= 3**-0.5
    assert {name for name, _ in graph.named_parameters()} == {"first", "second"}
    assert graph.state_dict().keys() == {"first", "second", "label_vectors"}


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_logits_are_products_of_the_pooled_map_and_the_rows(graph, pooling):
    maps = torch.randn(4, 3, 2, 5, dtype=torch.float64)
    logits, pooled = GraphClassifier(Backbone(nn.Identity(), 3), graph, pooling)(maps)
    expected = maps.flatten(2).max(dim=2).values if pooling == "max" else maps.flatten(2).mean(dim=2)
    assert_close(pooled, expected)
    assert_close(logits, expected @ graph().T)
    with pytest.raises(ValueError, match="pooling must be one of"):
        GraphClassifier(Backbone(nn.Identity(), 3), graph, "sum")
