"""Which loss trains: the share of each term in the gradient, over the measured epochs of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.curves.curve import metric_names
from mlcnc.store import Run

PREFIX = "gradient_share/"


@dataclass(frozen=True)
class LossShares:
    """Shares of the terms of a loss in the sum of their gradients' norms.

    Attributes:
        run_id: of the run.
        epochs: (n,) from 1, those that measured them.
        shares: by term, (n,) from 0 to 1; 0 where the term was not trained.
    """

    run_id: str
    epochs: NDArray[np.int64]
    shares: Mapping[str, NDArray[np.float64]]


def loss_shares(run: Run) -> LossShares | None:
    """Return the shares over epochs, or None where the run logged none.

    So it is of a loss of one term, of runs of several processes, and of runs before they were measured.
    """
    names = [name for name in metric_names([run]) if name.startswith(PREFIX)]
    lines = [line for line in run.metrics(names) if any(np.isfinite(line.get(name, np.nan)) for name in names)]
    if not lines:
        return None
    epochs = np.array([int(line["epoch"]) + 1 for line in lines], dtype=np.int64)
    shares = {
        name.removeprefix(PREFIX): np.nan_to_num(np.array([line.get(name, 0.0) for line in lines]))
        for name in names
    }
    return LossShares(run.run_id, epochs, shares)


def shares_sentence(found: LossShares) -> str:
    """Return the shares at the last measured epoch, the largest first."""
    last = sorted(((float(values[-1]), term) for term, values in found.shares.items()), reverse=True)
    said = ", ".join(f"{term.replace('_', ' ')} {100 * share:.2g} %" for share, term in last)
    return f"at epoch {int(found.epochs[-1])} {said} of the gradient of what is trained beside the backbone"
