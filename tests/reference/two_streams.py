"""BBN, URS and PLM as slow loops over NumPy arrays; nothing of mlcnc is imported here."""

from __future__ import annotations

import math

import numpy as np


def entropy_of(score, target):
    """log(1 + e^h) - y h, without overflow."""
    return max(score, 0.0) + math.log1p(math.exp(-abs(score))) - target * score


def bilateral_mixing(f_c, f_r, weight, bias, y_c, y_r, epoch, num_epochs):
    """BBN's loss at an epoch from 1: alpha L(h, y_c) + (1 - alpha) L(h, y_r)."""
    alpha = 1 - ((epoch - 1) / num_epochs) ** 2
    total = 0.0
    for i in range(len(f_c)):
        joined = np.concatenate([2 * alpha * f_c[i], 2 * (1 - alpha) * f_r[i]])
        for c in range(len(weight)):
            score = float(np.dot(weight[c], joined) + bias[c])
            total += alpha * entropy_of(score, y_c[i, c]) + (1 - alpha) * entropy_of(score, y_r[i, c])
    return total / y_c.size


def keep_probability(targets, ideal, counts, num_images):
    """PLM: with what probability every entry is kept."""
    kept = np.ones(targets.shape)
    for i, c in np.ndindex(targets.shape):
        ratio = counts[c] / num_images
        if targets[i, c] == 1 and ratio > ideal[c]:
            kept[i, c] = ideal[c] / ratio
        if targets[i, c] == 0 and ratio < ideal[c]:
            kept[i, c] = ratio / ideal[c]
    return kept


def masked_cross_entropy(scores, targets, mask):
    """PLM: the mean over all entries of mask times binary cross-entropy."""
    total = 0.0
    for place in np.ndindex(scores.shape):
        total += mask[place] * entropy_of(float(scores[place]), targets[place])
    return total / scores.size


def moved_ratio(ideal, probabilities, targets, rate):
    """PLM: the ideal ratios after an epoch of these predictions."""
    num_classes = targets.shape[1]
    divergences = {0: {}, 1: {}}
    for label in (0, 1):
        for c in range(num_classes):
            values = [p for p, y in zip(probabilities[:, c], targets[:, c], strict=True) if y == label]
            if not values:
                continue
            predicted, _ = np.histogram(values, bins=10, range=(0, 1))
            truth, _ = np.histogram([label] * len(values), bins=10, range=(0, 1))
            predicted, truth = predicted / predicted.sum(), truth / truth.sum()
            divergences[label][c] = sum(
                p * math.log(p / (q if q else np.finfo(float).eps))
                for p, q in zip(predicted, truth, strict=True)
                if p
            )
    result = np.array(ideal, dtype=float)
    for label, sign in ((0, -1), (1, 1)):
        known = list(divergences[label].values())
        for c, value in divergences[label].items():
            if np.std(known) > 0:
                result[c] *= math.exp(sign * rate * (value - np.mean(known)) / np.std(known))
    return result


def compensated(scores, targets, counts, num_images, compensation, weighted=True):
    """URS: the mean of omega log-losses of s h + m; compensation (4, C) s, m of positives, s, m of negatives."""
    total = 0.0
    for i, c in np.ndindex(scores.shape):
        rho = counts[c] / num_images
        if targets[i, c] == 1:
            omega, score = math.exp(1 - rho), compensation[0, c] * scores[i, c] + compensation[1, c]
        else:
            omega, score = math.exp(rho), compensation[2, c] * scores[i, c] + compensation[3, c]
        total += (omega if weighted else 1.0) * entropy_of(float(score), targets[i, c])
    return total / scores.size


def consistency(scores, others):
    """URS: the mean squared difference."""
    return (
        sum((float(a) - float(b)) ** 2 for a, b in zip(scores.ravel(), others.ravel(), strict=True))
        / scores.size
    )
