"""What ``mlcnc data verify`` says of a data set: its counts, and what is wrong with its files and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlcnc.data.damaged_files import reading_errors
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.long_tail import class_counts, long_tail_sentence
from mlcnc.data.protocol import DatasetFacts, ImageSplit, MultiLabelDataset
from mlcnc.data.visual_genome import known_counts
from mlcnc.errors import DataError


def splits_of(dataset: MultiLabelDataset) -> dict[str, ImageSplit]:
    """Return the splits that a data set has, by name."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {name: split for name, split in splits.items() if split is not None}


def class_table(dataset: MultiLabelDataset) -> list[str]:
    """Return lines with the images of each split and of each class, most frequent first, and a sentence."""
    splits = splits_of(dataset)
    counts = {name: class_counts(split.targets) for name, split in splits.items()}
    group = {index: name for name, indices in dataset.groups.items() for index in indices}
    width = max(5, *(len(name) for name in dataset.class_names))
    lines = [
        "images: " + ", ".join(f"{name} {len(split):,}" for name, split in splits.items()),
        f"{'class':{width}}  {'group':6}" + "".join(f"{name:>12}" for name in splits),
    ]
    for index in np.argsort(-counts["train"], kind="stable").tolist():
        numbers = "".join(f"{counts[name][index]:12,}" for name in splits)
        lines.append(f"{dataset.class_names[index]:{width}}  {group[index]:6}{numbers}")
    return [*lines, long_tail_sentence(dataset.train.targets, dataset.groups)]


def wrong_counts(dataset: MultiLabelDataset, facts: DatasetFacts) -> Iterator[str]:
    """Yield where the numbers of a data set are not the known ones.

    Args:
        dataset: as it was read.
        facts: of the data set; nothing is compared where they are not known.
    """
    known = {"train": facts.num_train, "validation": facts.num_validation, "test": facts.num_test}
    for name, split in splits_of(dataset).items():
        if facts.num_train and len(split) != known[name]:
            yield f"{name} has {len(split):,} images, {known[name]:,} are known"
    if dataset.name == "vg200":
        for index, (found, published) in enumerate(zip(dataset.class_counts, known_counts(), strict=True)):
            if found != published:
                yield f"class {index} has {found} training images, {published} are published"


def wrong_labels(split: ImageSplit) -> Iterator[str]:
    """Yield where the labels of an image are not the classes of its boxes, or where these cannot be read.

    Args:
        split: images without known boxes are passed over.
    """
    if not isinstance(split, ImageFileSplit) or split.object_boxes is None:
        return
    for index in range(len(split)):
        try:
            boxes = split.object_boxes(index)
        except DataError as error:
            yield str(error)
            continue
        if boxes is not None:
            annotated = np.unique(boxes[:, 0]).astype(int).tolist()
            listed = np.flatnonzero(split.targets[index]).tolist()
            if annotated != listed:
                yield f"{split.image_id(index)}: classes {listed} are listed, its annotation has {annotated}"


def damaged_files(split: ImageSplit, advance: Callable[[], object]) -> Iterator[str]:
    """Yield the files that cannot be read, decoding every one.

    Args:
        split: images that are no files are passed over.
        advance: called after every file.
    """
    if isinstance(split, ImageFileSplit):
        for error in reading_errors(split):
            advance()
            if error is not None:
                yield str(error)
