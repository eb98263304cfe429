"""Where a class looks in a probe image, and how much of it falls inside the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.images.stored_probes import has_probes, has_sizes, probe_size
from mlcnc.store import Run


@dataclass(frozen=True)
class ProbeRecord:
    """One probe image and the attention of one class in it.

    Attributes:
        image: (H, W, 3) uint8, None where the run does not store it.
        size: height and width of what the network saw, in pixels.
        image_index: of the image, into the test split.
        attention: (h, w) float64, sums to 1.
        present: whether the image has the class.
        labels: names of the classes it has.
        boxes: (M, 4) x0, y0, x1, y1 in pixels of the class's objects; empty where none or unknown.
        mass_in_box: share of attention inside the boxes, None without a box.
        chance: share of the image's area inside the boxes: what even attention would reach.
        epoch: from 0.
    """

    image: NDArray[np.uint8] | None
    size: tuple[int, int]
    image_index: int
    attention: NDArray[np.float64]
    present: bool
    labels: tuple[str, ...]
    boxes: NDArray[np.float64]
    mass_in_box: float | None
    chance: float | None
    epoch: int

    @property
    def peak(self) -> float:
        """The brightest cell, in multiples of even attention."""
        return float(times_even(self.attention).max())


def num_probes(run: Run) -> int:
    """Return how many probe images the run keeps."""
    samples = run.samples()
    return len(samples.get("probes/image_index")) if samples and "probes/image_index" in samples else 0


def probe_labels(run: Run) -> list[tuple[str, ...]]:
    """Return the class names of every probe image."""
    samples = run.samples()
    if samples is None or "probes/targets" not in samples:
        return []
    names = run.info.class_names
    return [tuple(names[i] for i in np.flatnonzero(row)) for row in samples.get("probes/targets")]


def attention_epochs(run: Run) -> list[int]:
    """Return the epochs at which attention was stored."""
    return run.array_epochs("probes/attention")


def probe_attention(run: Run, epoch: int, probe: int, class_index: int) -> ProbeRecord | None:
    """Return one attention map with its image, or None where the run stored none.

    Raises:
        RunFormatError: a file is damaged.
    """
    samples = run.samples()
    arrays = run.arrays(epoch)
    if not has_probes(samples) or "probes/attention" not in arrays:
        return None
    if not 0 <= probe < num_probes(run) or not 0 <= class_index < len(run.info.class_names):
        return None
    size = probe_size(samples)
    attention = arrays.get("probes/attention", probe)[class_index].astype(np.float64)
    attention = attention / max(float(attention.sum()), 1e-12)  # float16 does not quite sum to 1
    targets = samples.get("probes/targets", probe)
    boxes = _boxes(samples.get("probes/boxes") if "probes/boxes" in samples else None, probe, class_index)
    mass, chance = _inside(attention, size, boxes)
    return ProbeRecord(
        image=samples.get("probes/images", probe) if "probes/images" in samples else None,
        size=size,
        image_index=int(samples.get("probes/image_index", probe)),
        attention=attention,
        present=bool(targets[class_index]),
        labels=tuple(run.info.class_names[i] for i in np.flatnonzero(targets)),
        boxes=boxes,
        mass_in_box=mass,
        chance=chance,
        epoch=epoch,
    )


@dataclass(frozen=True)
class AttentionCourse:
    """The attention of one class in one probe image over the stored epochs.

    Attributes:
        image: (H, W, 3) uint8, None where the run does not store it.
        size: height and width of what the network saw, in pixels.
        epochs: (E,) from 0.
        maps: (E, h, w) float32, each sums to 1.
        boxes: (M, 4) x0, y0, x1, y1 in pixels of the class's objects; empty where none or unknown.
        mass_in_box: (E,) share of attention inside the boxes; NaN without a box.
        peak_in_box: (E,) whether the middle of the brightest cell lies inside a box.
        chance: share of the image's area inside the boxes; NaN without a box.
    """

    image: NDArray[np.uint8] | None
    size: tuple[int, int]
    epochs: tuple[int, ...]
    maps: NDArray[np.float32]
    boxes: NDArray[np.float64]
    mass_in_box: NDArray[np.float64]
    peak_in_box: NDArray[np.bool_]
    chance: float

    @property
    def peaks(self) -> NDArray[np.float64]:
        """(E,) the brightest cell, in multiples of even attention."""
        return times_even(self.maps).max(axis=(1, 2)).astype(np.float64)


def attention_course(run: Run, probe: int, class_index: int) -> AttentionCourse | None:
    """Return the attention of one class in one probe image over all stored epochs, or None without any.

    Raises:
        RunFormatError: a file is damaged.
    """
    epochs = attention_epochs(run)
    records = [probe_attention(run, epoch, probe, class_index) for epoch in epochs]
    kept = [record for record in records if record is not None]
    if not kept or len(kept) != len(epochs):
        return None
    first = kept[0]
    return AttentionCourse(
        image=first.image,
        size=first.size,
        epochs=tuple(epochs),
        maps=np.stack([record.attention for record in kept]).astype(np.float32),
        boxes=first.boxes,
        mass_in_box=np.array([np.nan if r.mass_in_box is None else r.mass_in_box for r in kept]),
        peak_in_box=np.array([_peak_inside(record.attention, record.size, first.boxes) for record in kept]),
        chance=float("nan") if first.chance is None else first.chance,
    )


NEARLY_EVEN = 1.1
"""Up to so many times its even share in the brightest cell, a map is called nearly even."""


def times_even(attention: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return how many times its even share each cell of maps (..., h, w) has: 1 where attention is even.

    Maps of other numbers of cells are comparable so, which shares of attention are not.

    Example:
        >>> times_even(np.array([[0.5, 0.1], [0.3, 0.1]])).tolist()
        [[2.0, 0.4], [1.2, 0.4]]
    """
    even: NDArray[np.floating] = attention * (attention.shape[-2] * attention.shape[-1])
    return even


def mass_cells(attention: NDArray[np.floating], share: float = 0.8) -> NDArray[np.bool_]:
    """Return the smallest set of cells (h, w) that holds at least ``share`` of the attention.

    Of equal cells those further up, then further left come first.

    Example:
        >>> mass_cells(np.array([[0.5, 0.1], [0.3, 0.1]]), 0.8).tolist()
        [[True, False], [True, False]]
    """
    flat = attention.astype(np.float64).ravel()
    order = np.argsort(-flat, kind="stable")
    # float32 cells that should reach the share exactly may fall short of it by rounding
    enough = np.cumsum(flat[order]) >= share * flat.sum() * (1 - 1e-6)
    inside = np.zeros(flat.shape, dtype=bool)
    inside[order[: int(np.argmax(enough)) + 1]] = True
    return inside.reshape(attention.shape)


@dataclass(frozen=True)
class Localisation:
    """How well attention finds objects, over all probe images and the classes in them.

    Attributes:
        mass: mean share of attention inside the object's box.
        hits: share of objects whose brightest cell has its middle inside the box.
        chance: mean share of the image inside the box: both would be this with attention at random.
        num_objects: how many image-class pairs entered.
    """

    mass: float
    hits: float
    chance: float
    num_objects: int


def localisation(run: Run, epoch: int, class_index: int | None = None) -> Localisation | None:
    """Return how much attention lies on the objects of the probe images, or None without boxes.

    Args:
        run, epoch: of which; the epoch counts from 0.
        class_index: only objects of this class; None takes all.

    Raises:
        RunFormatError: a file is damaged.
    """
    samples, arrays = run.samples(), run.arrays(epoch)
    if not has_sizes(samples) or "probes/boxes" not in samples or "probes/attention" not in arrays:
        return None
    maps, table = arrays.get("probes/attention").astype(np.float64), samples.get("probes/boxes")
    size = probe_size(samples)
    named = sorted({(int(row[0]), int(row[1])) for row in table})
    if not all(0 <= probe < len(maps) and 0 <= label < maps.shape[1] for probe, label in named):
        raise samples.damaged("probes/boxes names an image or a class that there is not")
    rows = []
    for probe, label in named:
        if class_index not in (None, label):
            continue
        attention = maps[probe, label]
        boxes = _boxes(table, probe, label)
        mass, chance = _inside(attention, size, boxes)
        rows.append((mass, float(_peak_inside(attention, size, boxes)), chance))
    if not rows:
        return None
    mass, hits, chance = np.array(rows, dtype=np.float64).mean(axis=0)
    return Localisation(float(mass), float(hits), float(chance), len(rows))


def localisation_sentence(found: Localisation, class_name: str | None = None) -> str:
    """Return mass and hits against chance in one sentence, of one class where it is named."""
    whole = "objects" if class_name is None else f"{class_name} objects"
    return (
        f"Over all {found.num_objects} {whole} of the probe images: {100 * found.mass:.0f} % of attention lies "
        f"in the object's box, and of {100 * found.hits:.0f} % of the objects the brightest cell lies there; "
        f"chance is {100 * found.chance:.0f} % for both."
    )


def attention_sentence(record: ProbeRecord, class_name: str) -> str:
    """Return how much attention lies on the object, against chance."""
    where = "is in the image" if record.present else "is not in the image"
    if record.mass_in_box is None or record.chance is None:
        return f"{class_name} {where}; no box is known, so there is nothing to compare the map with."
    return (
        f"{class_name} {where}; {100 * record.mass_in_box:.0f} % of its attention lies inside the object's "
        f"box, where even attention would put {100 * record.chance:.0f} %."
    )


def _boxes(table: NDArray[np.float32] | None, probe: int, class_index: int) -> NDArray[np.float64]:
    if table is None or len(table) == 0:
        return np.empty((0, 4))
    rows = table[(table[:, 0] == probe) & (table[:, 1] == class_index)]
    return rows[:, 2:].astype(np.float64)


def _peak_inside(attention: NDArray[np.float64], size: tuple[int, ...], boxes: NDArray[np.float64]) -> bool:
    row, column = np.unravel_index(int(attention.argmax()), attention.shape)
    y, x = (row + 0.5) * size[0] / attention.shape[0], (column + 0.5) * size[1] / attention.shape[1]
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes)


def _inside(
    attention: NDArray[np.float64], size: tuple[int, ...], boxes: NDArray[np.float64]
) -> tuple[float | None, float | None]:
    if len(boxes) == 0:
        return None, None
    height, width = size
    inside = np.zeros((height, width), dtype=bool)
    for x0, y0, x1, y1 in boxes.round().astype(int):
        inside[y0:y1, x0:x1] = True
    rows, columns = attention.shape
    # each cell spreads its weight evenly over the pixels it covers
    row_of = np.arange(height) * rows // height
    column_of = np.arange(width) * columns // width
    pixels = attention[np.ix_(row_of, column_of)]
    return float(pixels[inside].sum() / pixels.sum()), float(inside.mean())
