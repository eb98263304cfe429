"""Arrows that push each other apart until they are a simplex ETF, moving in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.figures.angle_matrix import REACH_DEGREES
from app.figures.style import ANGLE_SCALE, OPTIMUM_COLOUR

_HERE = Path(__file__)
_ARROWS = st.components.v2.component(
    "mlcnc_relaxing_arrows",
    html="""<div class="toy" role="group" aria-label="Arrows that push each other apart">
<div class="views">
<svg class="view" viewBox="0 0 320 320" role="group"></svg>
<div class="side">
<div class="readout"></div>
<svg class="strip" viewBox="0 0 400 120" role="img"
aria-label="Every angle between two arrows, from 0 to 180 degrees"></svg>
<div class="buttons">
<button type="button" class="play">Relax</button>
<button type="button" class="scatter">Scatter anew</button>
<button type="button" class="reset">Reset</button>
</div>
<p role="status" aria-live="polite"></p>
</div>
</div>
</div>""",
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def relaxing_arrows(number: int, names: Sequence[str], colours: Sequence[str], *, key: str) -> None:
    """Draw the toy: exact arrows for 2 to 4 vectors, a matrix of their angles for more.

    Args:
        number: of unit vectors, from 2; in 2 dimensions or, where that is more, number - 1.
        names, colours: of the first four at least.
        key: unique on the page.
    """
    _ARROWS(
        key=key,
        data={
            "number": number,
            "names": list(names),
            "colours": list(colours),
            "scale": ANGLE_SCALE,
            "reach": REACH_DEGREES,
            "optimumColour": OPTIMUM_COLOUR,
        },
    )
