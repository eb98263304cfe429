"""What every class gains or loses between two runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.figures.style import BUCKET_COLOURS, NEUTRAL, bucket_mark, finished
from mlcnc.analysis.comparison.class_differences import ClassDifferences, bucket_differences


def difference_dots(record: ClassDifferences, first: str, second: str) -> go.Figure:
    """Return a dot a class, most frequent first; above 0 the first run has the higher AP.

    Whiskers are the intervals where the record has them; thin lines the means of the buckets.
    """
    labels = np.array(
        [f"{name} ({n})" for name, n in zip(record.class_names, record.train_counts, strict=True)]
    )
    buckets = np.array(record.buckets)
    of_class, interval = [record.first, record.second], ""
    if record.low is not None and record.high is not None:
        of_class += [record.low, record.high]
        over = f"{record.first_runs} seeds" if record.over == "seeds" else record.over
        interval = f"<br>%{{customdata[2]:+.1f}} to %{{customdata[3]:+.1f}}, 95 % interval over {over}"
    figure = go.Figure()
    for bucket in dict.fromkeys(record.buckets):
        members = buckets == bucket
        figure.add_scatter(
            name=bucket,
            x=labels[members],
            y=record.difference[members],
            mode="markers",
            marker={
                "color": BUCKET_COLOURS.get(bucket, NEUTRAL),
                **bucket_mark(bucket, 11),
                "line": {"width": 1, "color": NEUTRAL},
            },
            error_y=_whiskers(record, members),
            customdata=np.stack(of_class, axis=1)[members],
            hovertemplate="%{x}: %{y:+.1f} points (%{customdata[0]:.1f} against %{customdata[1]:.1f} %)"
            f"{interval}<extra>%{{fullData.name}}</extra>",
        )
    means = bucket_differences(record)
    for bucket in dict.fromkeys(record.buckets):
        if bucket in means:
            own = labels[buckets == bucket]
            figure.add_scatter(
                name=f"mean of {bucket}: {means[bucket]:+.1f}",
                x=own,
                y=[means[bucket]] * len(own),
                mode="lines",
                line={"color": BUCKET_COLOURS.get(bucket, NEUTRAL), "width": 2, "dash": "dot"},
                hovertemplate=f"mean of {bucket} classes: %{{y:+.2f}} points<extra></extra>",
            )
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1.5})
    figure.update_xaxes(
        # below the classes nothing crosses it, and a long title of an upright axis is cut off
        title=f"class (training images), most frequent first<br>above 0: {first} is better"
        f"<br>below 0: {second} is better",
        tickangle=60,
        categoryorder="array",
        categoryarray=labels,
    )
    figure.update_yaxes(title="difference of AP (points)")
    return finished(figure, height=440)


def _whiskers(record: ClassDifferences, members: NDArray[np.bool_]) -> dict[str, Any] | None:
    if record.low is None or record.high is None:
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": (record.high - record.difference)[members],
        "arrayminus": (record.difference - record.low)[members],
        "color": NEUTRAL,
        "thickness": 1.2,
        "width": 2,
    }
