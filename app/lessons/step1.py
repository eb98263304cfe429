"""Step 1, the simplex ETF: vectors as far apart as they can be."""

from __future__ import annotations

from app.lessons.frame import toy


def show() -> None:
    """Draw the lesson."""
    toy()
