"""Losses of logits as slow loops straight from their equations; nothing of mlcnc is imported here.

All take logits and targets (B, C) as NumPy arrays, then by name what they need of counts n_c (C,), images N,
co-occurrence (C, C) and settings.
"""

from __future__ import annotations

import math

import numpy as np


def sigmoid(value):
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def entropy(logit, label):
    """b(h, y) = log(1 + exp(h)) - y h."""
    return max(logit, 0.0) + math.log1p(math.exp(-abs(logit))) - label * logit


def entries(targets):
    return [(i, c) for i in range(targets.shape[0]) for c in range(targets.shape[1])]


def class_weighted(logits, targets, *, class_counts, num_images, weight_power=0.5):
    total = 0.0
    for i, c in entries(targets):
        total += (num_images / class_counts[c]) ** weight_power * entropy(logits[i, c], targets[i, c])
    return total / targets.size


def focal_entry(logit, label, gamma):
    true = sigmoid(logit if label else -logit)
    return (1 - true) ** gamma * entropy(logit, label)


def focal(logits, targets, *, focal_gamma=2.0, focal_scale=2.0):
    total = 0.0
    for i, c in entries(targets):
        total += focal_scale * focal_entry(logits[i, c], targets[i, c], focal_gamma)
    return total / targets.size


def class_balanced_focal(logits, targets, *, class_counts, cb_beta=0.9, focal_gamma=2.0, focal_scale=2.0):
    of_class = [(1 - cb_beta) / (1 - cb_beta ** float(n)) for n in class_counts]
    total = 0.0
    for i in range(len(targets)):
        own = [of_class[c] for c in range(targets.shape[1]) if targets[i, c]] or of_class
        for c in range(targets.shape[1]):
            weight = focal_scale * sum(own) / len(own)
            total += weight * focal_entry(logits[i, c], targets[i, c], focal_gamma)
    return total / targets.size


def rebalanced_weight(row, c, class_counts, floor, steepness, midpoint):
    drawn = sum(1 / class_counts[j] for j in range(len(row)) if row[j])
    if not drawn:
        return floor + 1
    return floor + sigmoid(steepness * (1 / class_counts[c] / drawn - midpoint))


def tolerant(logit, label, shift, scale, gamma=0.0):
    shifted = logit - shift
    return focal_entry(shifted, 1, gamma) if label else focal_entry(scale * shifted, 0, gamma) / scale


def distribution_balanced(
    logits,
    targets,
    *,
    class_counts,
    num_images,
    weight_floor=0.1,
    weight_steepness=10.0,
    weight_midpoint=0.3,
    negative_scale=5.0,
    shift_scale=0.05,
    focal_gamma=0.0,
    focal_scale=1.0,
):
    total = 0.0
    for i, c in entries(targets):
        weight = rebalanced_weight(targets[i], c, class_counts, weight_floor, weight_steepness, weight_midpoint)
        shift = shift_scale / negative_scale * math.log(num_images / class_counts[c] - 1)
        entry = tolerant(logits[i, c], targets[i, c], shift, negative_scale, focal_gamma)
        total += focal_scale * weight * entry
    return total / targets.size


def class_wise_distribution_balanced(
    logits,
    targets,
    *,
    class_counts,
    co_occurrence,
    weight_floor=0.1,
    weight_steepness=10.0,
    weight_midpoint=0.2,
    negative_scale=5.0,
    shift_scale=0.05,
):
    total = 0.0
    for i, c in entries(targets):
        inverse = sum(1 / n for k, n in enumerate(co_occurrence[:, c]) if k != c and n)
        weight = weight_floor + 1
        if inverse:
            ratio = 1 / class_counts[c] / inverse
            weight = weight_floor + sigmoid(weight_steepness * (ratio - weight_midpoint))
        prior = class_counts[c] / sum(class_counts)
        shift = shift_scale * math.log(1 / prior - 1)
        total += weight * tolerant(logits[i, c], targets[i, c], shift, negative_scale)
    return total / targets.size


def divisor(targets, normalisation):
    return {"entry": targets.size, "image": len(targets), "none": 1}[normalisation]


def asymmetric(
    logits,
    targets,
    *,
    negative_gamma=4.0,
    positive_gamma=0.0,
    margin=0.05,
    normalisation="entry",
    powers_at=None,
):
    """``powers_at``: logits of which the powers are, where they are constants."""
    at = logits if powers_at is None else powers_at
    total = 0.0
    for i, c in entries(targets):
        p, held = sigmoid(logits[i, c]), sigmoid(at[i, c])
        if targets[i, c]:
            total -= (1 - held) ** positive_gamma * math.log(max(p, 1e-8))
        else:
            q, q_held = min(1.0, 1 - p + margin), min(1.0, 1 - held + margin)
            total -= (1 - q_held) ** negative_gamma * math.log(max(q, 1e-8))
    return total / divisor(targets, normalisation)


def affinity(row, co_occurrence):
    num_classes = len(row)
    shares = np.zeros((num_classes, num_classes))
    for j in range(num_classes):
        whole = sum(co_occurrence[k, j] for k in range(num_classes) if k != j)
        for k in range(num_classes):
            if k != j and whole:
                shares[k, j] = co_occurrence[k, j] / whole
    labels = [k for k in range(num_classes) if row[k]]
    mean = sum((shares[k] for k in labels), np.zeros(num_classes)) / max(len(labels), 1)
    return mean / mean.sum() if mean.sum() else mean


def multi_focal(
    logits,
    targets,
    *,
    class_counts,
    co_occurrence,
    negative_gamma=3.0,
    positive_gamma=0.0,
    margin=0.05,
    normalisation="entry",
    powers_at=None,
):
    at = logits if powers_at is None else powers_at
    total = 0.0
    for i, c in entries(targets):
        weight = (1 - math.log(class_counts[c] / max(class_counts))) ** (1 / 3)
        related = affinity(targets[i], co_occurrence)[c]

        def reached(logit, i=i, c=c, related=related):
            p = sigmoid(logit)
            if targets[i, c]:
                return p * (1 - related)
            q = min(1.0, 1 - p + margin)
            return min(1.0, 1.2 * q) if related > 0 else q

        power = positive_gamma if targets[i, c] else negative_gamma + weight
        total -= weight * (1 - reached(at[i, c])) ** power * math.log(max(reached(logits[i, c]), 1e-8))
    return total / divisor(targets, normalisation)
