"""OLTR."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import BinaryCrossEntropySettings
from mlcnc.methods.settings.registry import LossChoice, MethodSettings, register_method


@register_method
class OLTRSettings(MethodSettings):
    """OLTR: a plain classifier first, then a memory of class centroids that adds to the features of images.

    The second stage has attention on the map, a meta-embedding, a cosine classifier and class-aware sampling.

    Formula: h_k = s (v/(1+|v|) . w_k/|w_k| + b_k), v = 10 / min_k |f - c_k| (f + e * sum_k a_k c_k), e =
        tanh(W_s f + b_s), a = softmax(W_h f + b_h), f the mean of x + m * N(x) with N a non-local block and m
        the softmax over positions of a linear map of all of x. L = mean of b(h, y) + 0.01 L_cent, L_cent = 1/2
        mean over positive pairs of |f_i - c_k|^2 + 0.01 max(0, 10 - R), R = (C-1)/C mean over negative pairs
        of |f_i - c_k|^2.
    Source: Liu et al. (CVPR 2019), zhmiao/OpenLongTailRecognition-OLTR. As there W_h starts as the classifier
        of the first stage; it is the same layer here.
    Read: zhmiao/OpenLongTailRecognition-OLTR at 8132217, MetaEmbeddingClassifier.py, DiscCentroidsLoss.py and
        config/ImageNet_LT; CosNormClassifier.py at 52c3402, ModulatedAttLayer.py at 42dcb35, run_networks.py at
        1f6c296 and dataloader.py at d3f8238.
    Ours: the multi-label form, for which no public one was found: a sigmoid a class in place of a softmax,
        with a bias b_k, pairs of an image and one of its classes in L_cent, centroids that start as means over
        the images having a class. These are taken of the features as the first stage trains, of its last
        epoch, where theirs are taken afterwards. One optimiser, rate and schedule over both stages, where each
        part of theirs has its own; class-aware sampling draws one image of a class at a time (theirs 4), and
        an epoch has as many images in either stage. Centroids do not decay. The weight of L_cent scales all of
        its gradients; theirs leaves out that of the centroids by the first term.
    Not recorded: the multi-label form and the recipe of the published rows.
    """

    implementation: ClassVar[str] = "mlcnc.methods.oltr:OLTR"
    title: ClassVar[str] = "OLTR"
    extra_network: ClassVar[str] = "modulated attention, memory of centroids, cosine classifier"
    kind: Literal["oltr"] = "oltr"
    classification: LossChoice = Field(BinaryCrossEntropySettings(), description="loss of the logits")
    first_stage: float = Field(
        0.33,
        gt=0,
        lt=1,
        description="share of the epochs with the plain classifier and uniform sampling (paper 30 of 90)",
    )
    feature_dim: int | None = Field(
        None, ge=2, le=8192, description="outputs of a linear layer on the pooled map; none has no such layer"
    )
    logit_scale: float = Field(16.0, gt=0, le=1e3, description="s, of cosines and biases (paper 16)")
    class_bias: bool = Field(True, description="add b_k to the cosine of class k; not in the paper")
    centroid_weight: float = Field(0.01, ge=0, le=1e3, description="of L_cent (paper 0.01)")
    repel_margin: float = Field(10.0, ge=0, le=1e6, description="up to which R is pushed (public code 10)")
    repel_weight: float = Field(0.01, ge=0, le=1e3, description="of the pushing (public code 0.01)")

    def first_stage_epochs(self, num_epochs: int) -> int:
        """Return the epochs of the first stage, of so many in all."""
        return round(self.first_stage * num_epochs)

    def sampler_of(self, stream: int, epoch: int, num_epochs: int) -> str:
        """Return the uniform sampler in the first stage, then the class-aware one."""
        return "uniform" if epoch < self.first_stage_epochs(num_epochs) else "class_aware"

    def problem_with(self, num_epochs: int) -> str | None:
        """Return that a stage would have no epoch, where one would not."""
        first = self.first_stage_epochs(num_epochs)
        if 0 < first < num_epochs:
            return None
        return (
            f"first_stage must leave an epoch of training.epochs = {num_epochs} to either stage, got "
            f"{self.first_stage}, which is {first or 'none'} of them; "
            + ("give it another value, or more epochs" if num_epochs > 1 else "train at least 2 epochs")
        )
