"""Average precision as a loop over thresholds; nothing of mlcnc is imported."""


def average_precision(scores, targets):
    total, positives, before = 0.0, sum(int(t) for t in targets), 0
    for threshold in sorted({float(s) for s in scores}, reverse=True):
        taken = [int(t) for s, t in zip(scores, targets, strict=True) if float(s) >= threshold]
        hits = sum(taken)
        total += (hits - before) / positives * hits / len(taken)
        before = hits
    return total
