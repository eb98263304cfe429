"""The one place where torchvision is imported.

A torchvision wheel from the package index is compiled against the CUDA build of torch. Beside a
CPU-only torch its extension library cannot load, and the import fails while registering fake kernels
for the missing operators. Models, transforms and data sets need none of those operators, so the
registration alone is skipped, and only during this import.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch


def import_torchvision(module: str = "torchvision") -> Any:
    """Return torchvision or the named module of it, with or without its compiled operators."""
    register = torch.library.register_fake

    def register_if_known(name: str, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        try:
            return register(name, *args, **kwargs)
        except RuntimeError:
            return lambda function: function

    def tolerant(name: str, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        decorator = register_if_known(name, *args, **kwargs)

        def apply(function: Any) -> Any:
            try:
                return decorator(function)
            except RuntimeError:
                return function

        return apply

    torch.library.register_fake = tolerant  # type: ignore[assignment]
    try:
        return importlib.import_module(module)
    finally:
        torch.library.register_fake = register
