"""From the splits of photographs to a data set: damaged files left out on request, and what is to be said."""

from __future__ import annotations

from collections.abc import Mapping

from mlcnc.data.damaged_files import without_damaged
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.protocol import Damaged, MultiLabelDataset, Normalisation
from mlcnc.errors import DataError

IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's photographs, for backbones that do not name their own."""


def photograph_set(
    name: str,
    class_names: tuple[str, ...],
    splits: Mapping[str, ImageFileSplit],
    damaged: Damaged,
    *,
    class_groups: Mapping[str, list[int]] | None = None,
    may_be_copied: bool = False,
    notes: tuple[str, ...] = (),
) -> MultiLabelDataset:
    """Return a data set of photographs.

    Args:
        name: of the data set.
        class_names: C names.
        splits: ``train``, ``test`` and, where the data have one, ``validation``.
        damaged: ``skip`` reads every file now, some seconds a thousand, and leaves out those that cannot be.
        class_groups: where a file names them.
        may_be_copied: whether runs may keep small pictures.
        notes: sentences for the run.

    Raises:
        DataError: a split has no image left, or a class no training image.
    """
    if "validation" not in splits:
        notes += (f"{name} has no validation split: no epoch is chosen, the last one counts",)
    if damaged == "skip":
        splits, left_out = without_damaged(splits)
        notes += left_out
    for split, images in splits.items():
        if not len(images):
            raise DataError(f"{name} has no {split} images; name some, or restore their files")
    without = [
        class_names[c] for c, count in enumerate(splits["train"].targets.sum(axis=0, dtype=int)) if not count
    ]
    if without:
        more = f" and {len(without) - 5} more" if len(without) > 5 else ""
        raise DataError(
            f"{len(without)} of {len(class_names)} classes of {name} have no training image: "
            f"{', '.join(without[:5])}{more}; label some, or leave the class out of the labels"
        )
    return MultiLabelDataset(
        name=name,
        class_names=class_names,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        normalisation=IMAGENET,
        class_groups=class_groups,
        may_be_copied=may_be_copied,
        notes=notes,
    )
