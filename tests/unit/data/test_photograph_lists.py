"""The lists that travel with the package, against the tables from which they were made; no photograph is needed."""

import csv
import json

import numpy as np
import pytest

from mlcnc.data import coco, dataset_facts, visual_genome, voc
from mlcnc.data.label_lists import read_table
from mlcnc.data.long_tail import class_counts, co_occurrence, frequency_groups, tail_with_head
from mlcnc.data.pictograms import COUNTS
from mlcnc.data.voc_xml import CLASS_NAMES
from tests.conftest import shared_data

TABLES = {"voc-lt": voc.voc_lt_table, "coco-lt": lambda: coco.coco_table("train")}


def rows_of(path):
    return {row[0]: [int(c) for c in row[1:]] for row in map(str.split, path.read_text().splitlines())}


def columns(name):
    with (shared_data(name) / "class_counts.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {key: [row[key] for row in rows] for key in rows[0]}


def labels(targets):
    return [np.flatnonzero(row).tolist() for row in targets]


@pytest.mark.parametrize("name", TABLES)
def test_training_counts_groups_and_co_occurrence_are_the_published_ones(name):
    table, known = TABLES[name](), columns(name)
    counts = class_counts(table.targets)
    assert counts.tolist() == [int(count) for count in known["train_images"]]
    groups = frequency_groups(counts)
    assert [next(g for g in groups if c in groups[g]) for c in range(len(counts))] == known["split"]
    assert tuple(known["class"]) == dataset_facts(name).class_names
    lines = (shared_data(name) / "co_occurrence.csv").read_text().splitlines()[1:]
    together = [[int(count) for count in line.split(",")[1:]] for line in lines]
    np.testing.assert_array_equal(co_occurrence(table.targets), together)


def test_the_share_of_tail_images_with_a_head_class_is_that_of_the_paper():
    for name, expected in {"voc-lt": (71, 71), "coco-lt": (267, 269)}.items():
        targets = TABLES[name]().targets
        assert tail_with_head(targets, frequency_groups(class_counts(targets))) == expected


def test_voc_labels_are_those_of_the_tables_with_and_without_difficult_objects():
    folder, known = shared_data("voc-lt"), columns("voc-lt")
    train, test = voc.voc_lt_table(), voc.voc2007_table()
    assert dict(zip(train.ids, labels(train.targets), strict=True)) == rows_of(folder / "train_labels.txt")
    assert list(train.ids) == (folder / "img_id.txt").read_text().split()
    for targets, suffix in ((test.targets, ""), (test.without_difficult(), "_without_difficult")):
        table = rows_of(folder / f"voc2007_test_labels{suffix}.txt")
        assert dict(zip(test.ids, labels(targets), strict=True)) == table
        assert class_counts(targets).tolist() == [int(n) for n in known[f"voc2007_test_images{suffix}"]]


def test_coco_labels_are_those_of_the_tables():
    folder = shared_data("coco-lt")
    for split, file in {"train": "train_labels.txt", "test": "val2017_labels.txt"}.items():
        table = coco.coco_table(split)
        assert list(zip(table.ids, labels(table.targets), strict=True)) == list(rows_of(folder / file).items())
    assert (coco.coco_table("test").targets.sum(axis=1) == 0).sum() == 48
    assert class_counts(coco.coco_table("test").targets).tolist() == list(
        map(int, columns("coco-lt")["val2017_images"])
    )
    rows = [f"{i} {c} {name}" for i, (c, name) in enumerate(coco.categories())]
    assert rows == (folder / "classes.txt").read_text().splitlines()


def test_vg200_groups_counts_and_lists_are_the_published_ones():
    folder, known = shared_data("vg200"), columns("vg200")
    assert visual_genome.known_counts().tolist() == [int(count) for count in known["train_images"]]
    split = json.loads((folder / "class_split.json").read_text())
    groups = visual_genome.class_groups()
    assert groups == {name: split[name] for name in ("head", "medium", "tail")}
    assert [len(groups[name]) for name in ("head", "medium", "tail")] == [30, 140, 30]
    for name, file in {"train": "train_list_first1000", "test": "test_list_first4000"}.items():
        listed = (folder / f"{file}.txt").read_text().split()
        assert [f"{image_id}.jpg" for image_id in visual_genome.vg200_splits()[name].ids] == listed


def test_voc07_lt_is_the_split_of_its_lists_and_takes_every_photograph_once():
    folder, splits = shared_data("voc07-lt"), voc.voc07_lt_splits()
    for name, file in {"train": "train", "validation": "val", "test": "test"}.items():
        assert list(splits[name].ids) == (folder / f"{file}.txt").read_text().split()
    everything = [image_id for listed in splits.values() for image_id in listed.ids]
    assert sorted(everything) == list(voc.voc2007_table().ids)
    table = voc.voc2007_table()
    rows = [table.ids.index(image_id) for image_id in splits["train"].ids]
    expected = [
        352 if name == "chair" else 140 if name == "diningtable" else COUNTS[c]
        for c, name in enumerate(CLASS_NAMES)
    ]
    assert class_counts(table.targets[rows]).tolist() == expected


@pytest.mark.parametrize("name", ["voc-lt", "voc07-lt", "coco-lt", "vg200"])
def test_sizes_are_known_before_anything_is_read(name):
    module = {"coco-lt": coco.coco_lt_splits, "vg200": visual_genome.vg200_splits, "voc-lt": voc.voc_lt_splits}
    splits, facts = module.get(name, voc.voc07_lt_splits)(), dataset_facts(name)
    sizes = [len(splits[split].ids) if split in splits else 0 for split in ("train", "validation", "test")]
    assert [facts.num_train, facts.num_validation, facts.num_test] == sizes
    ids = [image_id for listed in splits.values() for image_id in listed.ids]
    assert len(set(ids)) == len(ids)


def test_a_shared_table_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        read_table("voc-lt/train.txt", 20).targets[0, 0] = 1
