"""What a run logged, written for other tools: TensorBoard, W&B, MLflow, JSON and spreadsheets."""

from mlcnc.exports.formats import FORMATS, export_run

__all__ = ["FORMATS", "export_run"]
