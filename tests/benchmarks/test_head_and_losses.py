"""The head and its losses, forward and backward, against loops and against their bare matrix products.

The loops are written straight from the equations. Two are timed. The literal one computes all that belongs to f_i^c for every image and class, as
the equations read; the bound holds against it. The kinder one takes keys and values, which do not
depend on the class, once per image; its ratio is printed beside, so that nobody has to guess how much
of the first is owed to work that any careful loop would save.

The bare products are those that the head cannot do without, in shapes and layouts that suit the library and
into buffers that exist already; nothing elementwise.
"""

from __future__ import annotations

import math
import time

import pytest
import torch

from mlcnc.losses import MLCNCLoss
from mlcnc.models import MLCNCHead
from tests.benchmarks.alternation import alternate, steady  # noqa: F401  # a fixture, found by its name
from tests.benchmarks.conftest import seconds

BATCH, SIDE, PROJECTION = 64, 7, 20
CHANNELS, HEADS, MOST = 2048, 8, 1.25


def looped_step(head, feature_map, targets, class_means, *, keys_once):
    """One forward and backward pass, looping over images, classes and heads as the equations read."""
    attention = head.attention
    heads, width = attention.num_heads, attention.dim // attention.num_heads
    query_w, key_w, value_w = attention.in_projection.weight.chunk(3)
    query_b, key_b, value_b = attention.in_projection.bias.chunk(3)
    labels = head.label_embedding
    num_classes = len(labels)
    cosine = torch.nn.functional.cosine_similarity
    features, mus, logits = [], [], []
    for image in range(len(feature_map)):
        positions = feature_map[image].flatten(1).T
        memory = (positions @ attention.memory.weight.T + attention.memory.bias).relu()
        of_image, mu_of_image = [], []
        for c in range(num_classes):
            query = query_w @ labels[c] + query_b
            if c == 0 or not keys_once:
                keys = memory @ key_w.T + key_b
                values = memory @ value_w.T + value_b
            parts = []
            for h in range(heads):
                part = slice(h * width, (h + 1) * width)
                weights = (keys[:, part] @ query[part] / math.sqrt(width)).softmax(0)
                parts.append(weights @ values[:, part])
            feature = attention.out_projection.weight @ torch.cat(parts) + attention.out_projection.bias
            raw = feature @ head.projection.weight[c] + head.projection.bias[c]
            of_image.append(feature)
            mu_of_image.append(raw / raw.norm())
        features.append(of_image)
        mus.append(mu_of_image)
        joined = torch.cat(mu_of_image)
        logits.append([head.classifier.logit_scale * (joined @ v) for v in head.classifier.weight])
    alignment = calibration = 0.0
    for i in range(len(feature_map)):
        for c in range(num_classes):
            s = cosine(features[i][c], labels[c], dim=0)
            if targets[i, c]:
                alignment = alignment - ((1 + s) / 2 + 1e-6).log()
                own = [cosine(mus[i][c], mean, dim=0) for mean in class_means]
                below = sum((value / 0.5).exp() for value in own)
                calibration = calibration - ((own[c] / 0.5).exp() / below).log()
            else:
                share = (num_classes - 1) / num_classes
                alignment = alignment - (1 - share * (1 / (num_classes - 1) + s).abs() + 1e-6).log()
    two_way = 0.0
    table = torch.stack([torch.stack(row) for row in logits])
    for values, truth in ((table, targets), (table.T, targets.T)):
        terms = []
        for row, label in zip(values, truth, strict=True):
            if 0 < label.sum() < len(label):
                negative = sum(h.exp() for h in row[label == 0]).log()
                positive = sum((-h / 4).exp() for h in row[label == 1]).log()
                terms.append(torch.nn.functional.softplus(negative + 4 * positive))
        two_way = two_way + sum(terms) / max(1, int(truth.any(dim=1).sum()))
    size = len(feature_map)
    total = 0.5 * alignment / (size * num_classes) + 0.2 * calibration / size + two_way
    total.backward()
    return total.detach()


@pytest.mark.parametrize(("num_classes", "dim"), [(20, 768), (80, 2048)])
def test_head_and_losses_against_the_loop(num_classes, dim, say):
    torch.manual_seed(0)
    head = MLCNCHead(dim, num_classes, embedding_dim=dim, dropout=0.0, projection_dim=PROJECTION)
    feature_map = torch.randn(BATCH, dim, SIDE, SIDE).relu()
    targets = (torch.rand(BATCH, num_classes) < 0.1).float()
    targets[:, 0], targets[:, 1], targets[0, 0] = 1, 0, 0  # so that every image has both kinds of label
    targets[0, 2] = 1
    class_means = torch.nn.functional.normalize(torch.randn(num_classes, PROJECTION), dim=1)
    loss = MLCNCLoss()

    def vectorised():
        head.zero_grad()
        total = loss(head(feature_map), targets, class_means=class_means).total
        total.backward()
        return total.detach()

    def looped(images, keys_once):
        head.zero_grad()
        started = time.perf_counter()
        total = looped_step(head, feature_map[:images], targets[:images], class_means, keys_once=keys_once)
        return total, (time.perf_counter() - started) * BATCH / images

    quick = seconds(vectorised, repeats=3)
    # all 64 images of the kinder loop; of the literal one a few, scaled up and said so
    total, kind_seconds = looped(BATCH, keys_once=True)
    gradient = head.projection.weight.grad.clone()
    torch.testing.assert_close(vectorised(), total, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(head.projection.weight.grad, gradient, rtol=1e-3, atol=1e-5)
    images = 4 if num_classes == 20 else 1
    _, literal_seconds = looped(images, keys_once=False)
    say(
        f"head + losses, forward and backward, B={BATCH} C={num_classes} d={dim} 7x7: ours {quick:.3f} s; "
        f"literal loop {literal_seconds:.1f} s (measured on {images} images, scaled), "
        f"ratio {literal_seconds / quick:.0f} (at least 20); "
        f"loop with keys and values once an image {kind_seconds:.1f} s (all {BATCH} images), "
        f"ratio {kind_seconds / quick:.0f}"
    )
    assert literal_seconds / quick >= 20


def products(num_classes, dim):
    """Return (matrices, rows, inner, columns, gradients needed) of every product of a forward pass."""
    positions, width = SIDE * SIDE, dim // HEADS
    after = HEADS * num_classes * positions * dim + num_classes * dim * dim
    before = positions * dim * dim + num_classes * positions * dim
    values = (
        [(BATCH, HEADS * num_classes, positions, dim, 2), (HEADS, BATCH * num_classes, dim, width, 2)]
        if after < before
        else [(1, BATCH * positions, dim, dim, 2), (BATCH * HEADS, num_classes, positions, width, 2)]
    )
    return [
        (1, BATCH * positions, CHANNELS, dim, 2),  # the map's linear layer
        (1, num_classes, dim, dim, 1),  # queries of a label embedding that is not trained
        (HEADS, num_classes, width, dim, 2),  # queries through the key projection
        (1, BATCH * positions, dim, HEADS * num_classes, 2),  # scores
        *values,  # weighted sum and value projection, whichever order multiplies less
        (1, BATCH * num_classes, dim, dim, 2),  # output projection
        (num_classes, BATCH, dim, PROJECTION, 2),  # projection of every class
        (1, BATCH, num_classes * PROJECTION, num_classes, 1),  # classifier that is not trained
    ]


def bare_step(num_classes, dim):
    """Return a function that takes all products of a forward and backward pass into buffers of its own."""
    work = []
    for number, rows, inner, columns, gradients in products(num_classes, dim):
        left, right = torch.randn(number, rows, inner), torch.randn(number, inner, columns)
        upstream = torch.randn(number, rows, columns)
        pairs = [(left, right), (left.mT, upstream), (upstream, right.mT)][: 1 + gradients]
        if number == 1:
            pairs = [(one[0], other[0]) for one, other in pairs]
        work += [(one, other, one @ other) for one, other in pairs]

    def step():
        for one, other, out in work:
            torch.matmul(one, other, out=out)

    return step


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(("num_classes", "dim", "rounds"), [(20, 768, 15), (80, 2048, 5)])
def test_head_and_losses_against_their_bare_products(num_classes, dim, rounds, say):
    torch.manual_seed(0)
    head = MLCNCHead(CHANNELS, num_classes, embedding_dim=dim, projection_dim=PROJECTION, num_heads=HEADS)
    feature_map = torch.randn(BATCH, CHANNELS, SIDE, SIDE).relu()
    # as the trainer's backbones leave it
    feature_map = feature_map.to(memory_format=torch.channels_last).requires_grad_()
    targets = (torch.rand(BATCH, num_classes) < 0.1).float()
    class_means = torch.nn.functional.normalize(torch.randn(num_classes, PROJECTION), dim=1)
    loss = MLCNCLoss()

    def whole():
        head.zero_grad()
        feature_map.grad = None
        loss(head(feature_map), targets, class_means=class_means).total.backward()

    ours, bare = alternate((whole, bare_step(num_classes, dim)), rounds)
    ratio = ours.over(bare)
    say(
        f"head + losses with dropout, forward and backward, B={BATCH} C={num_classes} d={dim} 7x7 of {CHANNELS}, "
        f"one thread: best rounds ours {min(ours.wall):.3f} s, bare products {min(bare.wall):.3f} s; "
        f"ratio of processor time {ratio:.3f} (at most {MOST})"
    )
    if ratio > MOST:
        with torch.profiler.profile() as profile:
            whole()
        say(profile.key_averages(group_by_input_shape=True).table(sort_by="self_cpu_time_total", row_limit=20))
    assert ratio <= MOST
