"""ASL: positives and negatives are turned down by different powers, and easy negatives dropped."""

from __future__ import annotations

from torch import Tensor

from mlcnc.losses.arguments import require_asymmetry, require_logits_and_labels
from mlcnc.losses.focusing import Normalisation, asymmetric_sum, share_of
from mlcnc.losses.known_gradient import with_gradient
from mlcnc.precision import at_least_float32

LEAST_POWER = 1e-30


def asymmetric_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    negative_gamma: float = 4.0,
    positive_gamma: float = 0.0,
    margin: float = 0.05,
    stop_gradient: bool = True,
    normalisation: Normalisation = "entry",
) -> Tensor:
    """Return -sum [ y (1-p)^{g+} log max(p, e) + (1-y) (1-q)^{g-} log max(q, e) ], q = min(1, 1 - p + m).

    ``p`` is the sigmoid of a logit and e = 1e-8. A negative with p <= m has no loss.

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1.
        negative_gamma: g-, at least 0.
        positive_gamma: g+, at least 0.
        margin: m, at least 0 and below 1.
        stop_gradient: whether the powers are constants of the step, as in its training script; if not, the
            gradient flows through them too, as the formula says.
        normalisation: divide the sum by images times classes (``entry``), by the images (``image``), or
            by nothing (``none``, paper), where it grows with the batch.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Ridnik et al. (ICCV 2021), Alibaba-MIIL/ASL.

    Departures: the mean of entries is the default, theirs is the sum; with all powers and the margin 0 it is
        the binary cross-entropy of plain training, up to e.
    """
    require_logits_and_labels(logits, targets)
    require_asymmetry(negative_gamma, positive_gamma, margin)
    values = at_least_float32(logits)
    labels = targets.to(values.dtype)
    # x^0 = 1 but for x = 0, which is cut off
    negative_gamma = max(negative_gamma, LEAST_POWER)
    total, gradient = asymmetric_sum(
        values.detach(),
        labels,
        positive_gamma,
        negative_gamma,
        margin=margin,
        weight=-share_of(logits.shape, normalisation),
        stop_gradient=stop_gradient,
    )
    return with_gradient(values, total, gradient)
