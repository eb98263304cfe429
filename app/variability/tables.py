"""The numbers behind the charts of the variability page, as tables to download."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlcnc.analysis.curves.curve import Curve
from mlcnc.analysis.geometry.variability import VariabilityRecord
from mlcnc.analysis.runs.rows import RunRow


def variability_frame(
    runs: Sequence[tuple[RunRow, Sequence[VariabilityRecord], Curve]], epochs: Sequence[int]
) -> pd.DataFrame:
    """Return NC1 of every class: a row a class, run and epoch (from 1)."""
    parts = [
        pd.DataFrame(
            {
                "run": row.run_id,
                "epoch": epoch + 1,
                "stored epoch shown": record.epoch + 1,
                "class": record.class_names,
                "bucket": record.buckets,
                "training images": record.train_counts,
                "features": record.sample_counts,
                "NC1": record.nc1,
                "NC1 with labels shuffled": record.shuffled,
                "NC1 of as many images without the class": np.nan
                if record.query_only is None
                else record.query_only,
            }
        )
        for row, records, _ in runs
        for epoch, record in zip(epochs, records, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def curve_frame(curves: Sequence[tuple[RunRow, Curve]]) -> pd.DataFrame:
    """Return the curves: a row a run and epoch (from 1)."""
    parts = [
        pd.DataFrame({"run": row.run_id, "epoch": item.epochs, "value": item.values}) for row, item in curves
    ]
    return pd.concat(parts, ignore_index=True)
