"""A probe image with the attention of one class over it, in multiples of even attention."""

from __future__ import annotations

import io
from base64 import b64encode

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from app.figures.backdrop import add_backdrop
from app.figures.style import OPTIMUM_COLOUR, finished
from mlcnc.analysis.images.attention import NEARLY_EVEN, ProbeRecord, mass_cells, times_even

EVEN, LEAST_PEAK = 1.0, 2.0
"""Where the colour scale begins, and the least that it reaches, so that even attention does not look peaked."""

SHARE = 0.5
OUTLINE = {"color": "#FFFFFF", "width": 1.5}

RISING = [
    [0.0, "rgba(59,82,139,0.0)"],
    [0.1, "rgba(59,82,139,0.5)"],
    [0.4, "rgba(33,145,140,0.75)"],
    [0.7, "rgba(94,201,98,0.9)"],
    [1.0, "rgba(253,231,37,1.0)"],
]
"""Viridis that fades in, so that the picture stays clear where a class looks less than evenly."""

COLOUR_BAR = {
    "title": {"text": "times even attention", "side": "right"},
    "thickness": 12,
}


def attention_overlay(
    record: ProbeRecord, opacity: float, *, peak: float | None = None, backdrop: str | None = None
) -> go.Figure:
    """Return the image with its attention cells over it and the boxes of the class.

    Args:
        record: image, attention and boxes; an image that the run does not store is grey.
        opacity: of the attention, 0 to 1.
        peak: end of the colour scale in multiples of even attention; None takes the map's own largest cell.
        backdrop: address of a photograph in place of the image of the record.

    Returns:
        Cells below even attention are transparent; the white line surrounds the fewest cells that hold half
        of the attention.
    """
    height, width = record.size
    rows, columns = record.attention.shape
    figure = go.Figure()
    address = backdrop or (None if record.image is None else image_address(record.image))
    add_backdrop(figure, address, record.size, is_photograph=backdrop is not None)
    figure.add_heatmap(
        z=times_even(record.attention).round(3),
        x=(np.arange(columns) + 0.5) * width / columns,
        y=(np.arange(rows) + 0.5) * height / rows,
        zmin=EVEN,
        zmax=max(LEAST_PEAK, peak or record.peak),
        colorscale=RISING,
        opacity=opacity,
        colorbar=COLOUR_BAR,
        hovertemplate="%{z:.2f} times even attention<extra></extra>",
    )
    figure.add_scatter(
        **outline(record.attention, record.size),
        mode="lines",
        line=OUTLINE,
        hoverinfo="skip",
        showlegend=False,
    )
    for x0, y0, x1, y1 in record.boxes:
        figure.add_shape(
            type="rect", x0=x0, y0=y0, x1=x1, y1=y1, line={"color": OPTIMUM_COLOUR, "width": 3, "dash": "dash"}
        )
    figure.update_xaxes(range=[0, width], visible=False, constrain="domain")
    figure.update_yaxes(range=[height, 0], visible=False, scaleanchor="x", constrain="domain")
    return finished(figure, height=360, legend=False)


def outline(attention: NDArray[np.floating], size: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
    """Return the border of the cells that hold most attention, as pieces of lines in pixels; none if even."""
    if times_even(attention).max() <= NEARLY_EVEN:
        nothing = np.full(1, np.nan, dtype=np.float32)
        return {"x": nothing, "y": nothing}
    inside = np.pad(mass_cells(attention, SHARE), 1)
    (rows, columns), (tall, wide) = attention.shape, size
    flat, upright = np.argwhere(np.diff(inside, axis=0)), np.argwhere(np.diff(inside, axis=1))
    x = np.concatenate([_pieces(flat[:, 1] - 1, flat[:, 1]), _pieces(upright[:, 1], upright[:, 1])])
    y = np.concatenate([_pieces(flat[:, 0], flat[:, 0]), _pieces(upright[:, 0] - 1, upright[:, 0])])
    return {"x": x * np.float32(wide / columns), "y": y * np.float32(tall / rows)}


def _pieces(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return start, end and a gap for each piece of line, one after the other."""
    gaps = np.full(len(starts), np.nan)
    return np.stack([starts, ends, gaps], axis=1).astype(np.float32).ravel()


def image_address(image: NDArray[np.uint8]) -> str:
    """Return an image (H, W, 3) as a data address, without loss, in a tenth of the time that PNG takes."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "WEBP", lossless=True, method=0, quality=20)
    return f"data:image/webp;base64,{b64encode(stream.getvalue()).decode()}"


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a small picture (H, W, 3) with every pixel repeated, for browsers blur what they stretch."""
    factor = max(1, 256 // max(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
