"""Is a mean of paired differences more than seeds, and the choice of test images, explain?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95


def paired_interval(
    differences: Sequence[float], confidence: float = CONFIDENCE, *, image_error: float = 0.0
) -> tuple[float, float, float]:
    """Return mean, lower and upper end of Student's t interval of the mean of paired differences.

    The half width squared is that over seeds, (t s)^2 / n with n - 1 degrees of freedom, plus that of the test
    images, which all seeds share, (z e)^2: so the interval is never narrower than that of the seeds alone, and
    its level holds with two seeds too, where the degrees of freedom of Satterthwaite would promise more than
    two values can tell.

    Args:
        differences: (n,) finite; below two values the ends are NaN.
        confidence: of the interval, two-sided.
        image_error: standard error of the mean difference from the choice of test images; 0 where they are
            taken as given.

    Example:
        >>> [round(x, 3) for x in paired_interval([1.0, 2.0, 3.0])]
        [2.0, -0.484, 4.484]

    Source: Graybill and Wang (1980), confidence intervals on sums of variances.
    """
    values = np.asarray(differences, dtype=float)
    if values.size == 0:
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    if values.size < 2:
        return mean, math.nan, math.nan
    of_seeds = t_quantile(values.size - 1, confidence) * float(values.std(ddof=1)) / math.sqrt(values.size)
    half = math.hypot(of_seeds, t_quantile(math.inf, confidence) * image_error if image_error else 0.0)
    return mean, mean - half, mean + half


def t_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Return how many standard errors a two-sided t interval reaches to either side.

    Args:
        freedom: degrees of freedom, above 0; huge ones give the normal distribution.
        confidence: of the interval.
    """
    from scipy.special import stdtrit  # slow to import, which whoever only reads results does not pay

    return float(stdtrit(min(freedom, 1e9), (1.0 + confidence) / 2.0))
