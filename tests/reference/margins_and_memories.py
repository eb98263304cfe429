"""LDAM, OLTR and ML-GCN as slow loops from their equations; nothing of mlcnc is imported here."""

from __future__ import annotations

import math

import numpy as np


def cross_entropy(score, label):
    """log(1 + e^h) - y h, without overflow."""
    return max(score, 0.0) + math.log1p(math.exp(-abs(score))) - label * score


def margins(counts, largest):
    """D_c = D n_c^(-1/4) / max_k n_k^(-1/4)."""
    powers = [count ** (-1 / 4) for count in counts]
    return [largest * power / max(powers) for power in powers]


def ldam(cosines, targets, counts, largest, scale, class_weights=None):
    """The mean of w_c b(s (z - D_c y), y)."""
    apart, total = margins(counts, largest), 0.0
    for row, labels in zip(cosines, targets, strict=True):
        for c, (z, y) in enumerate(zip(row, labels, strict=True)):
            weight = 1.0 if class_weights is None else class_weights[c]
            total += weight * cross_entropy(scale * (z - apart[c] * y), y)
    return total / cosines.size


def ldam_softmax(cosines, labels, counts, largest, scale):
    """The mean of -log of the softmax of the true class, whose cosine lost its margin."""
    apart, total = margins(counts, largest), 0.0
    for row, label in zip(cosines, labels, strict=True):
        scores = [scale * (z - apart[c] * (c == label)) for c, z in enumerate(row)]
        top = max(scores)
        total += top + math.log(sum(math.exp(score - top) for score in scores)) - scores[label]
    return total / len(cosines)


def effective_numbers(counts, beta):
    """(1 - beta) / (1 - beta^n) with the power as a product, scaled to sum to C."""
    weights = []
    for count in counts:
        power = 1.0
        for _ in range(count):
            power *= beta
        weights.append((1 - beta) / (1 - power))
    return [weight * len(counts) / sum(weights) for weight in weights]


def centroid(features, centroids, targets, margin, weight):
    """1/2 mean over positive pairs of |v - c|^2 + w max(0, m - (C-1)/C mean over negative pairs)."""
    near, far = [], []
    for feature, labels in zip(features, targets, strict=True):
        for mean, label in zip(centroids, labels, strict=True):
            gap = sum((a - b) ** 2 for a, b in zip(feature, mean, strict=True))
            (near if label else far).append(gap)
    number = len(centroids)
    attract = sum(near) / (2 * len(near)) if near else 0.0
    repel = max(0.0, margin - (number - 1) / number * sum(far) / len(far)) if far else 0.0
    return attract + weight * repel


def centre_rule(features, centroids, targets):
    """Of every centroid the sum of c - v over its images, over 1 + their number, over all positive pairs."""
    found = np.zeros_like(centroids)
    for k in range(len(centroids)):
        own = [feature for feature, labels in zip(features, targets, strict=True) if labels[k]]
        for feature in own:
            found[k] += (centroids[k] - feature) / (1 + len(own)) / targets.sum()
    return found


def meta_embedding(feature, plain_logits, selector, centroids):
    """Of one image: 10 / min_k |v - c_k| (v + e * sum_k softmax_k c_k)."""
    weights = np.exp(plain_logits - plain_logits.max())
    memory = np.zeros_like(feature)
    for weight, mean in zip(weights / weights.sum(), centroids, strict=True):
        memory += weight * mean
    nearest = min(np.linalg.norm(feature - mean) for mean in centroids)
    return 10 / nearest * (feature + selector * memory)


def modulated(feature_map, weights):
    """Of one map (d, h, w): x + a * W softmax(theta(x) phi(x)^T) g(x), position by position."""
    channels, height, width = feature_map.shape
    positions = feature_map.reshape(channels, -1).T  # (K, d)
    theta, phi, g = (positions @ weights[name].T + weights[f"{name}_bias"] for name in ("theta", "phi", "g"))
    where = weights["spatial"] @ feature_map.ravel() + weights["spatial_bias"]
    where = np.exp(where - where.max()) / np.exp(where - where.max()).sum()
    result = positions.copy()
    for i in range(len(positions)):
        scores = np.array([theta[i] @ phi[j] for j in range(len(positions))])
        shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        gathered = sum(shares[j] * g[j] for j in range(len(positions)))
        result[i] += where[i] * (weights["back"] @ gathered)
    return result.T.reshape(channels, height, width)


def adjacency(counts, together, threshold, share):
    """A_hat_ij = d_i A_ji d_j, entry by entry."""
    number = len(counts)
    edge = [[i != j and together[i][j] / counts[i] >= threshold for j in range(number)] for i in range(number)]
    plain = np.zeros((number, number))
    for i in range(number):
        for j in range(number):
            column = sum(edge[k][j] for k in range(number))
            plain[i, j] = share * edge[i][j] / (column + 1e-6) + (i == j)
    roots = [1 / math.sqrt(sum(plain[i])) for i in range(number)]
    return np.array([[roots[i] * plain[j, i] * roots[j] for j in range(number)] for i in range(number)])


def graph_rows(matrix, vectors, first, second):
    """H2 = A LeakyReLU_0.2(A E W1) W2, entry by entry."""

    def layer(rows, weight):
        mixed = [sum(matrix[i][k] * rows[k] for k in range(len(rows))) for i in range(len(rows))]
        return [row @ weight for row in mixed]

    hidden = [np.where(row > 0, row, 0.2 * row) for row in layer(list(vectors), first)]
    return np.array(layer(hidden, second))
