"""The neural-collapse metrics as loops straight from their definitions; nothing of mlcnc is imported.

``rows`` is a list over classes of (n_c, d) arrays, ``features`` (N, C, d), ``targets`` (N, C).
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np


def rows_of(features, targets):
    return [
        np.array([features[i, c] for i in range(len(targets)) if targets[i, c]]).reshape(-1, features.shape[2])
        for c in range(targets.shape[1])
    ]


def mean(rows):
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total / len(rows)


def variance(rows):
    centre = mean(rows)
    return sum(float((row - centre) @ (row - centre)) for row in rows) / len(rows)


def centre(rows, centring, features=None):
    dim = rows[0].shape[1]
    used = [part for part in rows if len(part)]
    if centring == "none":
        return np.zeros(dim)
    if centring == "class":
        return sum(mean(part) for part in used) / len(used)
    if centring == "sample":
        return mean(np.concatenate(used))
    return mean(features.reshape(-1, dim))


def covariances(rows, within="class", between="class", centring="class", features=None):
    """The d x d matrices themselves."""
    used = [part for part in rows if len(part)]
    total = sum(len(part) for part in used)
    g = centre(rows, centring, features)
    dim = len(g)
    sigma_w, sigma_b = np.zeros((dim, dim)), np.zeros((dim, dim))
    for part in used:
        weight = {"class": 1 / len(used), "sample": len(part) / total}
        for row in part:
            sigma_w += weight[within] / len(part) * np.outer(row - mean(part), row - mean(part))
        sigma_b += weight[between] * np.outer(mean(part) - g, mean(part) - g)
    return sigma_w, sigma_b


def nc1_trace(rows, **conventions):
    sigma_w, sigma_b = covariances(rows, **conventions)
    return np.trace(sigma_w) / np.trace(sigma_b)


def nc1_pinv(rows, **conventions):
    sigma_w, sigma_b = covariances(rows, **conventions)
    used = sum(len(part) > 0 for part in rows)
    return np.trace(sigma_w @ np.linalg.pinv(sigma_b, rcond=1e-10)) / used


def nc1_per_class(rows):
    g = centre(rows, "class")
    return [
        variance(part) / float((mean(part) - g) @ (mean(part) - g)) if len(part) else math.nan for part in rows
    ]


def cdnv(rows, i, j):
    gap = mean(rows[i]) - mean(rows[j])
    return (variance(rows[i]) + variance(rows[j])) / (2 * float(gap @ gap))


def debiased_cdnv(rows, i, j):
    n, m = len(rows[i]), len(rows[j])
    if n < 2 or m < 2:
        return math.nan
    v, w = variance(rows[i]) * n / (n - 1), variance(rows[j]) * m / (m - 1)
    gap = mean(rows[i]) - mean(rows[j])
    distance = float(gap @ gap) - v / n - w / m
    return (v + w) / 2 / distance if distance > 0 else math.nan


def directional_cdnv(rows, i, j):
    gap = mean(rows[j]) - mean(rows[i])
    u = gap / math.sqrt(float(gap @ gap))
    along = [sum(float((row - mean(rows[c])) @ u) ** 2 for row in rows[c]) / len(rows[c]) for c in (i, j)]
    return sum(along) / (2 * float(gap @ gap))


def angle(u, v):
    cosine = float(u @ v) / math.sqrt(float(u @ u) * float(v @ v))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def gram_distance(vectors):
    number = len(vectors)
    gram = np.array([[float(a @ b) for b in vectors] for a in vectors])
    size = math.sqrt(sum(x * x for x in gram.ravel()))
    gap = 0.0
    for i in range(number):
        for j in range(number):
            ideal = ((i == j) - 1 / number) / math.sqrt(number - 1)
            gap += (gram[i, j] / size - ideal) ** 2
    return math.sqrt(gap)


def uniformity(vectors, power=1.0):
    unit = [v / math.sqrt(float(v @ v)) for v in vectors]
    distances = [math.sqrt(float((a - b) @ (a - b))) for a, b in combinations(unit, 2)]
    average = sum(distances) / len(distances)
    return {
        "mean": average,
        "variance": sum((d - average) ** 2 for d in distances) / len(distances),
        "log": sum(math.log(1 / d) for d in distances) / len(distances),
        "riesz": sum(d**-power for d in distances) / len(distances),
    }


def self_duality(weight, vectors):
    w = weight / math.sqrt((weight**2).sum())
    m = vectors / math.sqrt((vectors**2).sum())
    cosines = [
        float(a @ b) / math.sqrt(float(a @ a) * float(b @ b)) for a, b in zip(weight, vectors, strict=True)
    ]
    dots = [float(a @ b) for a, b in zip(weight, vectors, strict=True)]
    average = sum(dots) / len(dots)
    number = len(weight)
    product = weight @ vectors.T
    product = product / math.sqrt((product**2).sum())
    ideal = (np.eye(number) - 1 / number) / math.sqrt(number - 1)
    return {
        "frobenius_squared": ((w - m) ** 2).sum(),
        "cosines": cosines,
        "etf": math.sqrt(((product - ideal) ** 2).sum()),
        "dots": sum((x - average) ** 2 for x in dots) / (number - 1),
    }


def multiplicity_share(features, targets, c):
    by_level = {}
    for i in range(len(targets)):
        if targets[i, c]:
            by_level.setdefault(int(targets[i].sum()), []).append(features[i, c])
    every = np.array([row for level in by_level.values() for row in level])
    between = sum(
        len(level) * float((mean(np.array(level)) - mean(every)) @ (mean(np.array(level)) - mean(every)))
        for level in by_level.values()
    )
    return between / len(every) / variance(every)


def nearest(row, means):
    distances = [float((row - m) @ (row - m)) for m in means]
    return distances.index(min(distances))


def binary_agreement(features, targets, logits):
    """Share of agreeing cells per class: [(positive, negative), ...]."""
    result = []
    for c in range(targets.shape[1]):
        own = mean(np.array([features[i, c] for i in range(len(targets)) if targets[i, c]]))
        other = mean(np.array([features[i, c] for i in range(len(targets)) if not targets[i, c]]))
        cells = {0: [], 1: []}
        for i in range(len(targets)):
            x = features[i, c]
            nearer = float((x - own) @ (x - own)) < float((x - other) @ (x - other))
            cells[int(targets[i, c])].append(nearer == (logits[i, c] > 0))
        result.append((sum(cells[1]) / len(cells[1]), sum(cells[0]) / len(cells[0])))
    return result


def contrast(features, targets, weight):
    """Cosines of classifier row k with positive minus negative mean of the whole concatenation."""
    flat = features.reshape(len(features), -1)
    cosines, shares = [], []
    number, dim = targets.shape[1], features.shape[2]
    for k in range(number):
        gap = mean(flat[targets[:, k] > 0]) - mean(flat[targets[:, k] == 0])
        cosines.append(float(weight[k] @ gap) / math.sqrt(float(weight[k] @ weight[k]) * float(gap @ gap)))
        own = slice(k * dim, (k + 1) * dim)
        shares.append(float(weight[k, own] @ gap[own]) / float(weight[k] @ gap))
    return cosines, shares


def block_energy(weight, number):
    dim = weight.shape[1] // number
    return [
        [
            float(weight[k, c * dim : (c + 1) * dim] @ weight[k, c * dim : (c + 1) * dim])
            / float(weight[k] @ weight[k])
            for c in range(number)
        ]
        for k in range(number)
    ]


def tag_average(image_features, targets):
    """NC_m and the mean residual of pairs."""
    sets = {}
    for row, labels in zip(image_features, targets, strict=True):
        sets.setdefault(tuple(np.flatnonzero(labels)), []).append(row)
    means = {tags: mean(np.array(part)) for tags, part in sets.items()}
    single = {tags[0]: m for tags, m in means.items() if len(tags) == 1}
    pairs = [tags for tags in means if len(tags) == 2 and all(label in single for label in tags)]
    matched = [angle(means[i, j], single[i] + single[j]) for i, j in pairs]
    every = [
        angle(means[tags], single[i] + single[j]) for tags in pairs for i, j in combinations(sorted(single), 2)
    ]
    residuals = []
    for i, j in pairs:
        m, s = means[i, j], single[i] + single[j]
        best = float(m @ s) / float(s @ s)
        residuals.append(float((m - best * s) @ (m - best * s)) / float(m @ m))
    return sum(matched) / len(matched) / (sum(every) / len(every)), sum(residuals) / len(residuals)
