"""Does the alignment loss align: its share of the gradient beside what the features came to, a record a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlcnc.analysis.curves.loss_shares import LossShares, loss_shares
from mlcnc.analysis.verdict import Verdict, run_verdicts
from mlcnc.store import Run

SPACE = "f"
"""In which the alignment loss compares features with label embeddings."""


@dataclass(frozen=True)
class AlignmentCase:
    """What one run shows of its alignment loss, at its last measured epoch.

    Attributes:
        run_id: of which.
        shares: of the terms of its loss in the gradient, over epochs.
        share: last one of the alignment loss, 0 to 1.
        train, test: mean cosine of class features f with their own label embedding, images with the class.
        variability: verdict on NC1 of test features f against its null; None where it is not defined.
    """

    run_id: str
    shares: LossShares
    share: float
    train: float
    test: float
    variability: Verdict | None


def alignment_cases(runs: Sequence[Run]) -> list[AlignmentCase]:
    """Return the finished runs that measured shares and cosines, the smallest share of the alignment first.

    Raises:
        StoreError: a run cannot be read.
    """
    found = []
    for run in runs:
        shares = loss_shares(run) if run.status.state == "finished" else None
        if shares is None or "alignment" not in shares.shares:
            continue
        train, test = (_last(run, f"{split}.{SPACE}/alignment_positive") for split in ("train", "test"))
        if math.isfinite(train) and math.isfinite(test):
            share = float(shares.shares["alignment"][-1])
            verdict = run_verdicts(run, split="test", space=SPACE).variability
            found.append(AlignmentCase(run.run_id, shares, share, train, test, verdict))
    return sorted(found, key=lambda case: case.share)


def _last(run: Run, name: str) -> float:
    values = [line[name] for line in run.metrics([name]) if name in line]
    return float(values[-1]) if values else math.nan
