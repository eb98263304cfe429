"""Training: from a config to a run folder."""

from mlcnc.training.trainer import resume, train

__all__ = ["resume", "train"]
