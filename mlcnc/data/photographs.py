"""The photograph that an image id of a run stands for, if the lists of the data set name it."""

from __future__ import annotations

from pathlib import Path

from mlcnc.data import coco, folder, visual_genome, voc
from mlcnc.errors import DataError

_LISTED = {
    "voc-lt": (voc.VOC_LT, voc.voc_lt_splits),
    "voc07-lt": (voc.VOC07_LT, voc.voc07_lt_splits),
    "coco-lt": (coco.COCO_LT, coco.coco_lt_splits),
    "vg200": (visual_genome.VG200, visual_genome.vg200_splits),
}


def photograph_path(name: str, root: Path | None, image_id: str, annotations: str | None = None) -> Path | None:
    """Return the file of a photograph, or None.

    Args:
        name: of a data set.
        root: as ``data.root``; None takes MLCNC_DATA.
        image_id: as a run stores it, e.g. ``test-000002``.
        annotations: as ``data.annotations``, of ``folder``.

    Returns:
        A file that the data set's own lists name, never another one; None where they do not name it, or where
        the photographs are not there (``dataset_facts(name).root(root)`` raises the sentence that says so).
    """
    split, _, stem = image_id.partition("-")
    try:
        if name == "folder":
            return folder.photograph(root, stem, annotations)
        if name not in _LISTED:
            return None
        layout, splits = _LISTED[name]
        listed = splits().get(split)
        return None if listed is None else listed.path(layout(root), stem)
    except DataError:
        return None
