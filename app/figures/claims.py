"""Claims as intervals: how far runs support each of them, and what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from app.figures.style import NEUTRAL, OPTIMUM_COLOUR, finished
from mlcnc.evidence.claims import published_words

VERDICT_MARKS = {
    "reproduced": ("#0072B2", "circle"),
    "not reproduced": ("#D55E00", "x"),
    "undecided": (NEUTRAL, "circle-open"),
}
"""Colour and form of each verdict that has a value."""

ROW_PIXELS = 46

CAP_PIXELS = 9
"""Half the height of the ends of an interval, so that they stand out from a mark that covers the interval."""


def claim_intervals(claims: Sequence[Mapping[str, Any]], unit: str) -> go.Figure:
    """Return a row a claim, the first on top: mean difference, its interval, and the published difference.

    Below the claim stands whether the interval holds the published difference.

    Args:
        claims: of one quantity, as results hold them; those without a value have an empty row.
        unit: of the quantity, for the axis.
    """
    # what all of them are about stands above the chart already
    about = {claim["text"].rpartition(": ")[2] for claim in claims}
    short = [claim["text"].rpartition(": ")[0] if len(about) == 1 else claim["text"] for claim in claims]
    texts = ["<br>".join(wrap(text or claim["text"], 52)) for text, claim in zip(short, claims, strict=True)]
    figure = go.Figure()
    for label, (colour, symbol) in VERDICT_MARKS.items():
        own = [(text, c) for text, c in zip(texts, claims, strict=True) if c["verdict"] == label]
        if not own:
            continue
        means = [c["mean"] for _, c in own]
        ends = [(c["low"], c["high"]) if c["low"] is not None else (c["mean"], c["mean"]) for _, c in own]
        figure.add_scatter(
            name=label,
            x=means,
            y=[text for text, _ in own],
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 9, "line": {"color": colour, "width": 2}},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - mean for mean, (_, high) in zip(means, ends, strict=True)],
                "arrayminus": [mean - low for mean, (low, _) in zip(means, ends, strict=True)],
                "color": colour,
                "thickness": 2,
                "width": CAP_PIXELS,
            },
            customdata=[
                [f"{low:+.3g} to {high:+.3g}", c["n"], "; ".join(filter(None, (c["why"], published_words(c))))]
                for (_, c), (low, high) in zip(own, ends, strict=True)
            ],
            hovertemplate="%{x:+.3g} (%{customdata[0]}, %{customdata[1]} seeds): %{customdata[2]}"
            "<extra>%{fullData.name}</extra>",
        )
    beside = [published_words(claim) for claim in claims]
    published = [
        (text, c["published"], said or "no interval to hold it against")
        for text, c, said in zip(texts, claims, beside, strict=True)
        if c["published"] is not None
    ]
    if published:
        figure.add_scatter(
            name="published difference",
            x=[value for _, value, _ in published],
            y=[text for text, _, _ in published],
            customdata=[said for _, _, said in published],
            mode="markers",
            marker={"color": OPTIMUM_COLOUR, "symbol": "diamond-open", "size": 11, "line": {"width": 2}},
            hovertemplate="published: %{x:+.4g}; our interval: %{customdata}<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1.5, "dash": "dash"})
    # a narrow window has no room for it in one line
    title = "<br>".join(wrap(f"difference as claimed: {unit}", 28))
    figure.update_xaxes(title=title, zeroline=False)
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=texts[::-1],
        range=[-0.6, len(texts) - 0.4],
        tickvals=texts,
        ticktext=[
            f"{text}<br><i>{said}</i>" if said else text for text, said in zip(texts, beside, strict=True)
        ],
    )
    return finished(figure, height=185 + ROW_PIXELS * len(claims))
