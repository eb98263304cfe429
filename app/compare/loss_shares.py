"""Which loss trains: the terms' shares of the gradient of every picked run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from app.figures.loss_shares import share_areas
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from mlcnc.analysis.curves.loss_shares import LossShares, loss_shares, shares_sentence
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.store import Run

READING = (
    "At every measured epoch, on its last batch: the norm of the gradient of each term of the loss, "
    "**weighted as in the total**, with respect to all trained parameters beside the backbone, over the sum "
    "of these norms. A term with a share near 0 trains nothing, however large its value in the loss is; a "
    "small value may have a large share. Gradients of two terms may point against each other, which shares "
    "do not show.\n\nEpochs of warm-up that train one term alone have no shares."
)


def show_loss_shares(picked: Sequence[tuple[Run, RunRow]]) -> None:
    """Draw the shares of the runs that measured them, and name the others."""
    found = [(row, remembered(loss_shares, run)) for run, row in picked]
    drawn = [(row, shares) for row, shares in found if shares is not None]
    st.subheader("Which loss trains?")
    lacking = ", ".join(plain(row.name) for row, shares in found if shares is None)
    if lacking:
        st.caption(
            f"No shares of {lacking}: a loss of one term has none, several processes measure none, and runs "
            "recorded earlier did not."
        )
    if not drawn:
        return
    said = [f"{row.name}: {shares_sentence(shares)}." for row, shares in drawn]
    show_chart(
        drawing_of(share_areas, drawn),
        key="loss_shares",
        title="Share of each loss term in the gradient",
        alt=" ".join(said),
        reading=READING,
        frame=partial(shares_frame, drawn),
    )
    st.caption(plain(" ".join(said)))


def shares_frame(drawn: Sequence[tuple[RunRow, LossShares]]) -> pd.DataFrame:
    """Return the drawn shares: a row a run, term and epoch (from 1)."""
    parts = [
        pd.DataFrame({"run": row.run_id, "term": term, "epoch": shares.epochs, "share": values})
        for row, shares in drawn
        for term, values in shares.shares.items()
    ]
    return pd.concat(parts, ignore_index=True)
