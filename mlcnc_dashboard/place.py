"""Where the dashboard is, and how its package is imported whatever else is called ``app``."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
FOLDER = _HERE if (_HERE / "app").is_dir() else _HERE.parent
"""Holds the folder ``app``."""


def prefer_own_app() -> None:
    """Let ``import app`` find the dashboard, for the rest of this process."""
    loaded = sys.modules.get("app")
    if loaded is not None and list(getattr(loaded, "__path__", [])) != [str(FOLDER / "app")]:
        for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
            del sys.modules[name]
    if sys.path[0] != str(FOLDER):
        sys.path.insert(0, str(FOLDER))
