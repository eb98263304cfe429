"""Class means of a run that is being trained: their angles and their places, as Vega-Lite, swapped in place."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from app.figures.angle_matrix import MOST_TICKS, REACH_DEGREES
from app.figures.style import ANGLE_SCALE, BUCKET_COLOURS, NEUTRAL, OPTIMUM_COLOUR
from mlcnc.analysis.geometry.angles import AngleRecord
from mlcnc.analysis.geometry.class_ring import ClassRing

PICTURE_HEIGHT = 400
_SHAPES = {"head": "circle", "medium": "square", "tail": "triangle-up"}
_REACH, _FARTHEST = 2.2, 1.3
"""How far the plane goes, in radii of the ring, and at most in lengths of an arrow."""

_NAMES_AT, _LEVEL, _NAMES_ABREAST, _UPRIGHT = 1.35, 0.24, 12, 0.5
"""Names stand so far out, in radii, where few means lie, and by so much further at the next distance; so many
go around at one distance; beyond this sine of an angle they are beside, not above each other."""


def angles_table(above: AngleRecord, below: AngleRecord) -> pa.Table:
    """Return the angles of one epoch, one row a pair of classes; what is not defined has no row.

    Args:
        above, below: of the pairs above and below the diagonal, e.g. of training and of test features; of the
            same classes in the same order.
    """
    angles = np.where(np.triu(np.ones(above.angles.shape, dtype=bool)), above.angles, below.angles)
    np.fill_diagonal(angles, np.nan)
    rows, columns = np.nonzero(np.isfinite(angles))
    names = pa.array(above.class_names, pa.string())

    def of_class(places: Any) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(places.astype(np.int8 if len(names) < 128 else np.int16), names)

    return pa.table(
        {
            "class": of_class(rows),
            "other": of_class(columns),
            "tenths": (10 * angles[rows, columns]).round().astype(np.int16),
        }
    )


def angles_spec(record: AngleRecord) -> dict[str, Any]:
    """Return the spec of the matrix, the same at every epoch of a run: white is the angle of a simplex ETF."""
    optimum = 90.0 if np.isnan(record.optimum) else record.optimum
    names = list(record.class_names)
    scale = {
        "domain": [optimum + (2 * float(str(share)) - 1) * REACH_DEGREES for share, _ in ANGLE_SCALE],
        "range": [colour for _, colour in ANGLE_SCALE],
        "interpolate": "rgb",
        "clamp": True,
    }
    legend = {
        "title": None,
        "values": [optimum - 60, optimum - 30, optimum, optimum + 30, optimum + 60],
        # an expression, for a number format cannot name the optimum
        "labelExpr": f"format(datum.value, '.0f') + '°' + (abs(datum.value - {optimum}) < 1 ? ' ETF' : '')",
        "gradientLength": 200,
        "offset": 8,
    }
    axis: dict[str, Any] = {"title": None, "grid": False, "ticks": False, "domain": False}
    if len(names) > MOST_TICKS:
        axis["labels"] = False
    return {
        # what shows through is the diagonal, and classes that were not seen
        "view": {"fill": NEUTRAL, "stroke": None},
        "transform": [{"calculate": "datum.tenths / 10", "as": "angle"}],
        "mark": {"type": "rect"},
        "encoding": {
            "x": {
                "field": "other",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": names, "padding": 0},
                "axis": None,
            },
            "y": {
                "field": "class",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": names, "padding": 0},
                "axis": {**axis, "labelLimit": 110, "labelOverlap": False, "labelFontSize": 11},
            },
            "color": {"field": "angle", "type": "quantitative", "scale": scale, "legend": legend},
            "tooltip": [
                {"field": "class"},
                {"field": "other"},
                {"field": "angle", "type": "quantitative", "format": ".1f"},
            ],
        },
    }


def ring_table(ring: ClassRing) -> pa.Table:
    """Return where every class lies, one row a class: its vertex, and its mean of each split."""

    def column(values: Any) -> pa.Array:
        rounded = np.asarray(values, dtype=np.float32).round(3)
        return pa.array(rounded, pa.float32(), mask=~np.isfinite(rounded))

    places = {"ideal": ring.ideal, "name": _name_places(ring.ideal), **ring.points}
    return pa.table(
        {
            "class": pa.array(ring.class_names, pa.string()),
            "bucket": pa.array(ring.buckets).dictionary_encode(),
            **{
                f"{name}_{axis}": column(of[:, i]) for name, of in places.items() for i, axis in enumerate("xy")
            },
        }
    )


def _name_places(ideal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the names of the vertices stand, (C, 2): outside, near top and bottom at several distances.

    There, neighbours would stand side by side and on each other.
    """
    angles = np.arctan2(ideal[:, 1], ideal[:, 0])
    levels = max(1, -(-len(ideal) // _NAMES_ABREAST))
    level = np.argsort(np.argsort(angles)) % levels
    level[np.abs(np.sin(angles)) < _UPRIGHT] = 0
    # the wide ring of a few classes leaves less room beside it
    nearest = _NAMES_AT if _REACH * np.linalg.norm(ideal[0]) <= _FARTHEST else 1.15
    return (nearest + _LEVEL * level)[:, None] * ideal


def ring_spec(ring: ClassRing) -> dict[str, Any]:
    """Return the spec of the plane, the same at every epoch of a run.

    Crosses are the vertices of a simplex ETF; an open mark is the mean of training features, a filled one that
    of test features. Lines join those of a class.
    """
    radius = float(np.linalg.norm(ring.ideal[0]))
    reach = min(_FARTHEST, _REACH * radius)
    scale = {"domain": [-reach, reach], "nice": False, "zero": False, "clamp": True}

    place = {"type": "quantitative", "scale": scale, "axis": None}

    def at(name: str) -> dict[str, Any]:
        return {axis: {"field": f"{name}_{axis}"} for axis in "xy"}

    bucket = {
        "field": "bucket",
        "type": "nominal",
        "sort": None,
        "legend": {"orient": "top", "title": None, "offset": 0, "padding": 0},
    }
    looks = {
        "color": {
            **bucket,
            "scale": {"domain": list(BUCKET_COLOURS), "range": list(BUCKET_COLOURS.values())},
        },
        "shape": {**bucket, "scale": {"domain": list(_SHAPES), "range": list(_SHAPES.values())}},
    }
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "point", "shape": "cross", "size": 50, "color": OPTIMUM_COLOUR, "opacity": 0.9},
            "encoding": at("ideal"),
        }
    ]
    if len(ring.class_names) <= MOST_TICKS:
        layers += [
            {
                "transform": [{"filter": f"datum.ideal_x {'>=' if side == 'left' else '<'} 0"}],
                "mark": {"type": "text", "align": side, "color": NEUTRAL, "fontSize": 10},
                "encoding": {**at("name"), "text": {"field": "class"}},
            }
            for side in ("left", "right")
        ]
    # from the vertex to the mean of training features, and on to that of test features
    stations = [("ideal", OPTIMUM_COLOUR), *((split, NEUTRAL) for split in ring.points)]
    for (start, colour), (end, _) in pairwise(stations):
        ends = {f"{axis}2": {"field": f"{end}_{axis}"} for axis in "xy"}
        layers.append(
            {
                "transform": [{"filter": f"isValid(datum.{start}_x) && isValid(datum.{end}_x)"}],
                "mark": {"type": "rule", "color": colour, "opacity": 0.5},
                "encoding": {**at(start), **ends},
            }
        )
    for split in ring.points:
        layers.append(
            {
                "transform": [{"filter": f"isValid(datum.{split}_x)"}],
                "mark": {"type": "point", "filled": split == "test", "size": 70, "opacity": 1},
                "encoding": {
                    **at(split),
                    **looks,
                    "tooltip": [{"field": "class"}, {"field": "bucket"}],
                },
            }
        )
    # what all layers share is sent once
    return {"view": {"stroke": None}, "encoding": {"x": place, "y": place}, "layer": layers}
