"""Minority collapse: do the tail classes fall together?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics.geometry import angles_of, pairwise_cosines
from mlcnc.metrics.namespace import Array, check_groups, checked_means, to_numpy


@dataclass(frozen=True)
class MinorityCollapse:
    """Cosines and angles among the classes of one group.

    Attributes:
        cosine_mean: over pairs; 1 is complete collapse.
        angle_mean, angle_min: degrees; 0 is complete collapse.
        num_pairs: pairs of present classes in the group.
    """

    cosine_mean: float
    angle_mean: float
    angle_min: float
    num_pairs: int


def minority_collapse(centred_rows: Array, members: Sequence[int]) -> MinorityCollapse:
    r"""Return how close the classes of a group are to each other; for the tail, minority collapse.

    Args:
        centred_rows: (C, d) class means minus the reference of ALL classes, or classifier rows; rows
            of NaN are left out.
        members: class indices of the group, e.g. ``groups["tail"]``.

    Returns:
        NaN where the group has fewer than two present classes.

    Formula: mean of $\cos(r_i,r_j)$, mean and minimum of the angle, over i<j in the group.
    Range: [-1, 1] and [0, 180] degrees; at an ETF -1/(C-1) and its angle. Angle towards 0 in the tail
        only, with the head apart, is minority collapse.
    Convention: show centrings ``none`` and ``class`` both; never centre by the group's own mean. The
        rows of a fixed classifier are constant by construction: a check, not a result.
    Source: Fang et al. (2021), minority collapse.
    """
    _, rows = checked_means(centred_rows, "centred_rows")
    check_groups({"members": members}, len(rows))
    return collapse_among(to_numpy(pairwise_cosines(rows)), members)


def collapse_among(cosines: NDArray[np.float64], members: Sequence[int]) -> MinorityCollapse:
    """Return :func:`minority_collapse` from the (C, C) cosines of all classes."""
    cosines = cosines[np.ix_(list(members), list(members))]
    angles = angles_of(cosines)
    upper = np.triu_indices(len(cosines), k=1)
    values, degrees = cosines[upper], angles[upper]
    defined = ~np.isnan(values)
    if not defined.any():
        nan = float("nan")
        return MinorityCollapse(nan, nan, nan, 0)
    return MinorityCollapse(
        cosine_mean=float(values[defined].mean()),
        angle_mean=float(degrees[defined].mean()),
        angle_min=float(degrees[defined].min()),
        num_pairs=int(defined.sum()),
    )
