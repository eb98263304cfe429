"""ML-GCN."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import BinaryCrossEntropySettings
from mlcnc.methods.settings.registry import LossChoice, MethodSettings, register_method


@register_method
class MLGCNSettings(MethodSettings):
    """ML-GCN: a graph of classes that occur together makes the classifier out of their GloVe vectors.

    Formula: h = x H2^T with x the maximum of the map, H2 = A LeakyReLU(A E W1) W2, E the GloVe vectors;
        A_ij = d_i B_ji d_j, d_i = (sum_j B_ij)^(-1/2), B_ij = p Q_ij / (sum_k Q_kj + 1e-6) + [i = j],
        Q_ij = [M_ij / n_i >= t] with M_ij the training images having both, Q_ii = 0. L = mean of b(h, y).
    Source: Chen et al. (CVPR 2019), megvii-research/ML-GCN, whose sums run along columns, unlike the printed
        formula; the same head in wutong16/DistributionBalancedLoss.
    Read: megvii-research/ML-GCN at 311f521, models.py, util.py, engine.py and demo_voc2007_gcn.py;
        wutong16/DistributionBalancedLoss at 13f5111, gcn_head.py as built.
    Ours: the graph is that of the long-tailed training set.
    Not recorded: backbone, pooling, threshold and schedule of the published rows; the head of their trainer has
        t = 0 by default, at which every pair is an edge.
    """

    implementation: ClassVar[str] = "mlcnc.methods.ml_gcn:MLGCN"
    title: ClassVar[str] = "ML-GCN"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "co_occurrence")
    label_vectors: ClassVar[str] = "GloVe"
    extra_network: ClassVar[str] = "graph network over classes"
    kind: Literal["ml_gcn"] = "ml_gcn"
    classification: LossChoice = Field(BinaryCrossEntropySettings(), description="loss of the logits")
    glove_path: str | None = Field(
        None, description="text file of GloVe vectors; none means the MLCNC_GLOVE variable"
    )
    edge_threshold: float = Field(
        0.4, gt=0, le=1, description="t: an edge from i to j where at least this share of i's images has j"
    )
    neighbour_weight: float = Field(
        0.25, gt=0, le=1e3, description="p, of all neighbours of a class beside its own 1 (public code 0.25)"
    )
    graph_dim: int = Field(1024, ge=1, le=65536, description="outputs of the first graph layer (paper 1024)")
    pooling: Literal["max", "mean"] = Field("max", description="of the map: max (paper) or mean (DB's head)")

    @property
    def needs_glove(self) -> bool:
        """True: its label vectors are GloVe's."""
        return True
