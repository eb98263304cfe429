"""MLC-NC: neural collapse for long-tailed multi-label image classification, and its measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["MLCNCHead", "MLCNCLoss", "RunStore", "RunWriter", "__version__", "simplex_etf"]

if TYPE_CHECKING:
    from mlcnc.etf import simplex_etf
    from mlcnc.losses import MLCNCLoss
    from mlcnc.models import MLCNCHead
    from mlcnc.store import RunStore, RunWriter

_HOMES = {
    "MLCNCHead": "mlcnc.models",
    "MLCNCLoss": "mlcnc.losses",
    "RunStore": "mlcnc.store",
    "RunWriter": "mlcnc.store",
    "simplex_etf": "mlcnc.etf",
}


def __getattr__(name: str) -> Any:
    # Resolved on first use, so that reading runs never pays for importing torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'mlcnc' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
