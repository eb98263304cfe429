"""What holds for LDAM, the centroid loss and the graph of labels whatever the sizes and values."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mlcnc.losses import binary_cross_entropy_loss, centroid_loss, effective_number_weights, ldam_loss
from mlcnc.models.label_graph import label_edges, normalised_adjacency

EXACT = {"rtol": 1e-9, "atol": 1e-11}
sizes = st.tuples(st.integers(1, 7), st.integers(2, 6), st.integers(1, 5), st.integers(0, 10_000))
unhurried = settings(deadline=None, max_examples=40)


def batch_of(size):
    num_images, num_classes, dim, seed = size
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return {
        "logits": 4 * normal(num_images, num_classes),
        "targets": (torch.rand(num_images, num_classes, generator=generator) < 0.4).double(),
        "counts": torch.randint(1, 900, (num_classes,), generator=generator),
        "features": normal(num_images, dim),
        "centroids": normal(num_classes, dim),
        "generator": generator,
    }


def losses_of(batch):
    return torch.stack(
        [
            ldam_loss(batch["logits"], batch["targets"], class_counts=batch["counts"], scale=4.0),
            centroid_loss(batch["features"], batch["centroids"], batch["targets"]),
        ]
    )


@unhurried
@given(sizes)
def test_order_of_classes_and_of_images_does_not_matter(size):
    batch = batch_of(size)
    images, classes = (torch.randperm(number, generator=batch["generator"]) for number in size[:2])
    turned = {
        "logits": batch["logits"][images][:, classes],
        "targets": batch["targets"][images][:, classes],
        "counts": batch["counts"][classes],
        "features": batch["features"][images],
        "centroids": batch["centroids"][classes],
    }
    assert_close(losses_of(turned), losses_of(batch), **EXACT)


@unhurried
@given(sizes, st.floats(0.01, 2), st.floats(0.5, 40))
def test_margins_cost_something_and_at_most_their_size(size, largest, scale):
    batch = batch_of(size)
    plain = binary_cross_entropy_loss(batch["logits"], batch["targets"])
    found = ldam_loss(
        batch["logits"], batch["targets"], class_counts=batch["counts"], max_margin=largest, scale=scale
    )
    share = float(batch["targets"].mean())
    assert float(plain) - 1e-12 <= float(found) <= float(plain) + scale * largest * share + 1e-9


@unhurried
@given(sizes, st.integers(2, 50))
def test_margins_and_weights_know_ratios_of_counts_and_their_order(size, times):
    batch = batch_of(size)
    more = batch | {"counts": times * batch["counts"]}
    assert_close(losses_of(more), losses_of(batch), **EXACT)
    weights = effective_number_weights(batch["counts"].numpy(), 0.999)
    order = np.argsort(batch["counts"].numpy(), kind="stable")
    assert (np.diff(weights[order]) <= 1e-12).all()


@unhurried
@given(sizes, st.floats(-50, 50))
def test_distances_to_centroids_do_not_see_a_common_shift(size, step):
    batch = batch_of(size)
    moved = batch | {"features": batch["features"] + step, "centroids": batch["centroids"] + step}
    assert_close(losses_of(moved), losses_of(batch), rtol=1e-7, atol=1e-7)


@unhurried
@given(st.integers(0, 10_000), st.integers(2, 9), st.floats(0.01, 1), st.floats(0.01, 2))
def test_an_adjacency_is_finite_and_larger_thresholds_drop_edges(seed, num_classes, threshold, share):
    rng = np.random.default_rng(seed)
    targets = (rng.random((30, num_classes)) < 0.3).astype(np.int64)
    counts, together = targets.sum(axis=0), targets.T @ targets
    edges = label_edges(counts, together, threshold=threshold)
    found = normalised_adjacency(edges, neighbour_weight=share)
    assert np.isfinite(found).all()
    assert (found.diagonal() > 0).all()
    assert ((found > 0) == (edges.T | np.eye(num_classes, dtype=bool))).all()
    assert not (label_edges(counts, together, threshold=min(1.0, 2 * threshold)) & ~edges).any()
