"""Losses that take prepared statistics, as functions of the counts of a training set."""

from functools import wraps

from mlcnc import losses


def of_counts(prepare, function):
    """Return the loss of logits, targets, ``class_counts``, a second statistic and settings."""

    @wraps(function)
    def loss(logits, targets, **given):
        names = ("class_counts", "co_occurrence", "num_images")
        counts = {name: given.pop(name) for name in names if name in given}
        return function(logits, targets, **prepare(**counts), **given)

    return loss


distribution_balanced = of_counts(losses.distribution_balanced_statistics, losses.distribution_balanced_loss)
class_wise_distribution_balanced = of_counts(
    losses.class_wise_statistics, losses.class_wise_distribution_balanced_loss
)
multi_focal = of_counts(losses.multi_focal_statistics, losses.multi_focal_loss)
