"""mAP by bucket with the spread over seeds, and metrics over epochs."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.figures.style import NEUTRAL, OPTIMUM_COLOUR, embedding_colour, finished, run_colour
from mlcnc.analysis.comparison import SeedGroup
from mlcnc.analysis.curves import Band, Curve
from mlcnc.analysis.runs import BUCKETS, RunRow


def bucket_bars(groups: Sequence[SeedGroup]) -> go.Figure:
    """Return bars of mean test mAP per bucket; whiskers span the seeds, dots are single runs."""
    figure = go.Figure()
    for group in groups:
        spreads = [group.map_percent[bucket] for bucket in BUCKETS]
        several = [item.num_runs > 1 for item in spreads]
        figure.add_bar(
            name=f"{group.label} (n={max(item.num_runs for item in spreads)})",
            x=list(BUCKETS),
            y=[item.mean for item in spreads],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [i.high - i.mean if s else 0 for i, s in zip(spreads, several, strict=True)],
                "arrayminus": [i.mean - i.low if s else 0 for i, s in zip(spreads, several, strict=True)],
                "visible": any(several),
                "color": "#808080",
            },
            marker={
                "color": embedding_colour(group.embedding),
                "pattern": {
                    "shape": "" if group.recipe == group.embedding else "/",
                    "fillmode": "overlay",
                    "fgcolor": "white",
                    "fgopacity": 0.7,
                },
            },
            customdata=[[item.low, item.high, item.num_runs] for item in spreads],
            hovertemplate="%{x} mAP %{y:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}, "
            "n=%{customdata[2]})<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_yaxes(title="test mAP (%)", range=[0, 100])
    figure.update_xaxes(title="bucket of classes by training images")
    return finished(figure, height=380)


def metric_curves(
    curves: Sequence[tuple[RunRow, Curve]],
    label: str,
    *,
    log: bool,
    optimum: float | None = None,
    baseline: float | None = None,
) -> go.Figure:
    """Return one line a run over epochs; optimum and shuffle baseline, where there are, are dashed lines."""
    figure = go.Figure()
    for row, item in curves:
        figure.add_scatter(
            name=row.name,
            x=item.epochs,
            y=item.values,
            mode="lines+markers" if len(item.epochs) < 3 else "lines",
            line={
                "color": run_colour(row),
                "dash": "solid" if row.recipe == row.embedding else "dash",
                "width": 2,
            },
            hovertemplate="epoch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
        )
    epochs = [epoch for _, item in curves for epoch in item.epochs]
    if baseline is not None and epochs:
        # a trace, not a shape: annotations of shapes are misplaced on a logarithmic axis
        figure.add_scatter(
            name=f"labels shuffled ({baseline:.3g}): no collapse at all",
            x=[min(epochs), max(epochs)] if min(epochs) < max(epochs) else [epochs[0] - 0.5, epochs[0] + 0.5],
            y=[baseline, baseline],
            mode="lines",
            line={"dash": "dash", "color": NEUTRAL, "width": 1.5},
            hovertemplate="%{y:.3g} with labels shuffled<extra></extra>",
        )
    return _axes(figure, label, log, optimum)


def metric_bands(
    bands: Sequence[tuple[SeedGroup, Band]], label: str, *, log: bool, optimum: float | None = None
) -> go.Figure:
    """Return the mean over seeds with the range of the seeds; a single seed has no band."""
    figure = go.Figure()
    for group, item in bands:
        colour = embedding_colour(group.embedding)
        if item.num_runs > 1:
            figure.add_scatter(
                x=[*item.epochs, *item.epochs[::-1]],
                y=[*item.high, *item.low[::-1]],
                fill="toself",
                fillcolor=colour,
                opacity=0.2,
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
            )
        figure.add_scatter(
            name=f"{group.label} (n={item.num_runs})",
            x=item.epochs,
            y=item.mean,
            mode="lines",
            line={"color": colour, "width": 2, "dash": "solid" if group.recipe == group.embedding else "dash"},
            hovertemplate="epoch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
        )
    return _axes(figure, label, log, optimum)


def _axes(figure: go.Figure, label: str, log: bool, optimum: float | None) -> go.Figure:
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title=label, type="log" if log else "linear")
    if optimum is not None:
        figure.add_hline(
            y=optimum,
            line={"dash": "dash", "color": OPTIMUM_COLOUR},
            annotation_text=f"optimum {optimum:.4g}",
            annotation_position="bottom right",
        )
    return finished(figure, height=360)
