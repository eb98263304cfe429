"""A probe image with the attention of one class over it."""

from __future__ import annotations

import io
from base64 import b64encode

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from app.figures.backdrop import add_backdrop
from app.figures.style import OPTIMUM_COLOUR, finished
from mlcnc.analysis.images.attention import ProbeRecord

RISING = [
    [0.0, "rgba(68,1,84,0.0)"],
    [0.25, "rgba(59,82,139,0.45)"],
    [0.5, "rgba(33,145,140,0.7)"],
    [0.75, "rgba(94,201,98,0.9)"],
    [1.0, "rgba(253,231,37,1.0)"],
]
"""Viridis that fades in, so that the picture stays clear where nobody looks."""


def attention_overlay(
    record: ProbeRecord, opacity: float, *, peak: float | None = None, backdrop: str | None = None
) -> go.Figure:
    """Return the image with its attention cells over it and the boxes of the class.

    Args:
        record: image, attention and boxes; an image that the run does not store is grey.
        opacity: of the attention, 0 to 1.
        peak: end of the colour scale as share of attention; None takes the map's own largest cell.
        backdrop: address of a photograph in place of the image of the record.
    """
    height, width = record.size
    rows, columns = record.attention.shape
    figure = go.Figure()
    address = backdrop or (None if record.image is None else image_address(record.image))
    add_backdrop(figure, address, record.size, is_photograph=backdrop is not None)
    figure.add_heatmap(
        z=(100 * record.attention).round(3),
        x=(np.arange(columns) + 0.5) * width / columns,
        y=(np.arange(rows) + 0.5) * height / rows,
        zmin=0,
        zmax=100 * (peak or float(record.attention.max())),
        colorscale=RISING,
        opacity=opacity,
        colorbar={"title": {"text": "% of attention"}, "thickness": 12},
        hovertemplate="%{z:.1f} % of attention<extra></extra>",
    )
    for x0, y0, x1, y1 in record.boxes:
        figure.add_shape(
            type="rect", x0=x0, y0=y0, x1=x1, y1=y1, line={"color": OPTIMUM_COLOUR, "width": 3, "dash": "dash"}
        )
    figure.update_xaxes(range=[0, width], visible=False, constrain="domain")
    figure.update_yaxes(range=[height, 0], visible=False, scaleanchor="x", constrain="domain")
    return finished(figure, height=360, legend=False)


def image_address(image: NDArray[np.uint8]) -> str:
    """Return an image (H, W, 3) as a data address, without loss, in a tenth of the time that PNG takes."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "WEBP", lossless=True, method=0, quality=20)
    return f"data:image/webp;base64,{b64encode(stream.getvalue()).decode()}"


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a small picture (H, W, 3) with every pixel repeated, for browsers blur what they stretch."""
    factor = max(1, 256 // max(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
