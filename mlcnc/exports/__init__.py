"""What a run logged, written for other tools: TensorBoard, W&B, MLflow, JSON and spreadsheets."""

from mlcnc.exports.archive import export_archive
from mlcnc.exports.formats import FORMATS, export_run

__all__ = ["FORMATS", "export_archive", "export_run"]
