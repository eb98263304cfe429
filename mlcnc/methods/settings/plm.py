"""PLM."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.pooled import NeckSettings
from mlcnc.methods.settings.registry import register_method


@register_method
class PLMSettings(NeckSettings):
    """PLM: labels left out at random, so that every class is seen at a ratio that follows its predictions.

    Partial label masking: some positives of frequent classes, or negatives of rare ones, do not enter the loss,
    so that the ratio r of positives becomes an ideal one r*. After each epoch r* of a class rises where its
    positives are predicted worse, against other classes, than its negatives.

    Formula: an entry is kept with probability min(1, r*/r) where y = 1, min(1, r/r*) where y = 0; L = mean of
        b(h, y) over the kept, divided by all entries. After an epoch r* <- r* exp(lambda (D+ - D-)), D the
        divergences KL of predicted probabilities and labels in ten bins, standardised over classes.
    Source: Duarte et al. (CVPR-W 2021), whose text was not at hand, by the re-implementation
        mamo3gr/partial_label_masking.
    Read: mamo3gr/partial_label_masking, src/plm.py and src/plm_keras.py at 37faa4f, the examples of MLRSNet at
        2cff445 and of MNIST at 2e5543c. The NumPy version is followed: the Keras class adds two of its four
        histograms to the wrong ones.
    Ours: the probabilities are those of the training steps, from before each step; r* stays from 1/N to 1.
    Not recorded: r* at the start and lambda. Of what was read, the Keras class and the MLRSNet example start
        from r and the MNIST example from 0.5; lambda is 0.01 in both examples, 0.1 in another
        re-implementation.
    """

    implementation: ClassVar[str] = "mlcnc.methods.plm:PLM"
    title: ClassVar[str] = "PLM"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "num_images")
    kind: Literal["plm"] = "plm"
    ratio_rate: float = Field(0.1, ge=0, le=10, description="lambda, by which the ideal ratios move an epoch")
    initial_ratio: Literal["positive_ratio", "half"] = Field(
        "positive_ratio", description="r* at the start: r, which masks nothing in the first epoch, or 0.5"
    )
