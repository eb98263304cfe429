"""The classes all lessons speak about, with one colour and one mark each."""

from __future__ import annotations

FIVE = ("person", "dog", "horse", "bus", "cow")
"""The classes of every lesson."""

TEN = (*FIVE, "boat", "sheep", "sofa", "train", "bottle")
"""The same five as frequent classes and five rare ones, for the lessons on imbalance."""

COLOURS = {"person": "#CC6677", "dog": "#44AA99", "horse": "#999933", "bus": "#AA4499", "cow": "#6699CC"}
"""Tol's muted palette: none of them means an embedding kind, a bucket or the optimum elsewhere."""

MARKS = {"person": "circle", "dog": "square", "horse": "diamond", "bus": "cross", "cow": "triangle-up"}
