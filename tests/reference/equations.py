"""The equations of the paper as slow loops over NumPy arrays; nothing of mlcnc is imported here."""

from __future__ import annotations

import math

import numpy as np


def cosine(u, v):
    return float(np.dot(u, v) / (np.linalg.norm(u) * np.linalg.norm(v)))


def class_features(positions, label_embedding, temperature=1.0):
    """Eq. 3-5: positions (B, K, d), label_embedding (C, d) -> (B, C, d)."""
    images, num_positions, dim = positions.shape
    result = np.zeros((images, len(label_embedding), dim))
    for i in range(images):
        for c, label in enumerate(label_embedding):
            weights = [math.exp(cosine(positions[i, k], label) / temperature) for k in range(num_positions)]
            for k in range(num_positions):
                result[i, c] += weights[k] / sum(weights) * positions[i, k]
    return result


def multihead(memory, label_embedding, weights):
    """Cross-attention with label embeddings as queries: memory (B, K, d) -> (B, C, d)."""
    images, num_positions, dim = memory.shape
    heads = weights["heads"]
    width = dim // heads
    queries = label_embedding @ weights["q"].T + weights["qb"]
    result = np.zeros((images, len(label_embedding), dim))
    for i in range(images):
        keys = memory[i] @ weights["k"].T + weights["kb"]
        values = memory[i] @ weights["v"].T + weights["vb"]
        for c in range(len(label_embedding)):
            joined = np.zeros(dim)
            for head in range(heads):
                part = slice(head * width, (head + 1) * width)
                scores = [
                    np.dot(queries[c, part], keys[k, part]) / math.sqrt(width) for k in range(num_positions)
                ]
                top = max(scores)
                exponents = [math.exp(score - top) for score in scores]
                for k in range(num_positions):
                    joined[part] += exponents[k] / sum(exponents) * values[k, part]
            result[i, c] = weights["o"] @ joined + weights["ob"]
    return result


def projected(features, weight, bias):
    """Eq. 7: features (B, C, d), weight (C, d, p) -> unit vectors (B, C, p)."""
    images, num_classes, _ = features.shape
    result = np.zeros((images, num_classes, weight.shape[2]))
    for i in range(images):
        for c in range(num_classes):
            raw = features[i, c] @ weight[c] + bias[c]
            result[i, c] = raw / np.linalg.norm(raw)
    return result


def logits(mu, frame, scale):
    """Eq. 10: mu (B, C, p), frame (C, C*p) -> (B, C)."""
    images, num_classes, _ = mu.shape
    result = np.zeros((images, num_classes))
    for i in range(images):
        joined = np.concatenate([mu[i, c] for c in range(num_classes)])
        for c in range(num_classes):
            result[i, c] = scale * np.dot(joined, frame[c])
    return result


def alignment(features, label_embedding, targets, epsilon=1e-6):
    """Eq. 6."""
    images, num_classes, _ = features.shape
    total = 0.0
    for i in range(images):
        for c in range(num_classes):
            s = cosine(features[i, c], label_embedding[c])
            if targets[i, c]:
                total += math.log((1 + s) / 2 + epsilon)
            else:
                share = (num_classes - 1) / num_classes
                total += math.log(1 - share * abs(1 / (num_classes - 1) + s) + epsilon)
    return -total / (images * num_classes)


def calibration(mu, class_means, targets, tau_1=0.5, tau_2=0.5, per_pair=False):
    """Eq. 9."""
    images, num_classes, _ = mu.shape
    total, pairs = 0.0, 0
    for i in range(images):
        for c in range(num_classes):
            if targets[i, c]:
                pairs += 1
                below = sum(math.exp(cosine(mu[i, c], mean) / tau_2) for mean in class_means)
                total -= math.log(math.exp(cosine(mu[i, c], class_means[c]) / tau_1) / below)
    return total / (pairs if per_pair else images)


def binary_cross_entropy(scores, targets):
    """-(1/BC) sum [ y log p + (1-y) log(1-p) ], with p the sigmoid of the score."""
    total = 0.0
    for score, target in zip(scores.ravel(), targets.ravel(), strict=True):
        probability = 1 / (1 + math.exp(-score))
        total -= math.log(probability if target else 1 - probability)
    return total / scores.size


def two_way(scores, targets, temperature=4.0, of_all=False):
    """Eq. 11-13; rows without a positive leave the mean unless it is of all, then they count as 0."""

    def one_way(values, labels):
        terms = []
        for row, label in zip(values, labels, strict=True):
            positive, negative = row[label == 1], row[label == 0]
            if len(positive) == 0 or len(negative) == 0:
                terms += [0.0] if of_all or len(positive) else []
                continue
            inner = math.log(sum(math.exp(h) for h in negative))
            inner += temperature * math.log(sum(math.exp(-h / temperature) for h in positive))
            terms.append(math.log1p(math.exp(-abs(inner))) + max(inner, 0.0))
        return sum(terms) / max(len(terms), 1)

    return one_way(scores, targets) + one_way(scores.T, targets.T)
