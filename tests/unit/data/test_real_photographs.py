"""Loaders on the photographs of the shared data: 4,952 of voc07-lt, 109 of VOC and 47 of COCO in their own layouts."""

import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest

from mlcnc.data import DatasetRequest, build_dataset, coco
from mlcnc.data.damaged_files import reading_errors
from mlcnc.data.verification import splits_of, wrong_counts, wrong_labels
from mlcnc.data.voc_xml import CLASS_NAMES
from tests.conftest import shared_data


def folder_copy(name, tmp_path):
    """Return a copy of shared data, whose links and files may be changed."""
    root = tmp_path / name
    shutil.copytree(shared_data(name), root, copy_function=shutil.copyfile)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return root


@pytest.fixture(scope="module")
def voc07():
    return build_dataset("voc07-lt", DatasetRequest(root=shared_data("voc07-lt")))


def voc_boxes(path, size):
    """Return the boxes of an XML file in pixels of a picture of (width, height), straight from its text."""
    tree = ElementTree.parse(path)
    factors = [size[i] / int(tree.find("size").findtext(side)) for i, side in enumerate(("width", "height"))]
    rows = []
    for found in tree.iterfind("object"):
        corners = [float(found.find("bndbox").findtext(side)) for side in ("xmin", "ymin", "xmax", "ymax")]
        # the first pixel is called 1, and the last one belongs to the box
        corners = np.array([corners[0] - 1, corners[1] - 1, corners[2], corners[3]]) * np.tile(factors, 2)
        rows.append([CLASS_NAMES.index(found.findtext("name")), *corners])
    return np.array(rows)


def test_all_photographs_of_voc07_lt_decode_and_their_labels_are_those_of_the_annotations(voc07):
    assert [len(split) for split in splits_of(voc07).values()] == [1234, 800, 2918]
    assert {name: len(found) for name, found in voc07.groups.items()} == {"head": 6, "medium": 6, "tail": 8}
    for split in splits_of(voc07).values():
        assert [error for error in reading_errors(split) if error] == []
        assert list(wrong_labels(split)) == []
    without = build_dataset("voc07-lt", DatasetRequest(root=shared_data("voc07-lt"), difficult=False))
    for split in splits_of(without).values():
        assert list(wrong_labels(split)) == []
    assert without.class_counts.sum() < voc07.class_counts.sum()


def test_boxes_of_voc07_lt_are_scaled_to_the_smaller_photographs(voc07):
    folder = shared_data("voc07-lt") / "VOCdevkit" / "VOC2007" / "Annotations"
    for index in range(0, 2918, 97):
        height, width, _ = voc07.test.image(index).shape
        assert min(height, width) == 224
        expected = voc_boxes(folder / f"{voc07.test.ids[index]}.xml", (width, height))
        np.testing.assert_allclose(voc07.test.boxes(index), expected, atol=1e-3)


def test_a_voc_tree_of_one_s_own_is_read_in_its_original_size(tmp_path):
    root = folder_copy("voc-sample", tmp_path)
    main = root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main"
    for name in ("train", "test"):
        (main / f"sample_{name}.txt").rename(main / f"{name}.txt")
    dataset = build_dataset("folder", DatasetRequest(root=root))
    assert dataset.class_names == CLASS_NAMES
    assert (len(dataset.train), dataset.validation, len(dataset.test)) == (65, None, 44)
    assert dataset.class_counts.min() >= 4
    assert dataset.test.targets.sum(axis=0).min() >= 2
    for split in (dataset.train, dataset.test):
        assert [error for error in reading_errors(split) if error] == []
        for index in range(len(split)):
            height, width, _ = split.image(index).shape
            path = root / split.ids[index].replace("JPEGImages", "Annotations").replace(".jpg", ".xml")
            np.testing.assert_allclose(split.boxes(index), voc_boxes(path, (width, height)), atol=1e-3)


def test_coco_files_of_one_s_own_are_read_as_they_are():
    root = shared_data("coco-sample")
    dataset = build_dataset("folder", DatasetRequest(root=root))
    assert (len(dataset.train), dataset.validation, len(dataset.test)) == (25, None, 22)
    assert "44 of 80 categories have no training image" in " ".join(dataset.notes)
    assert (dataset.train.targets.sum(axis=1) == 0).sum() == 1
    for split, file in ((dataset.train, "train2017"), (dataset.test, "val2017")):
        assert [error for error in reading_errors(split) if error] == []
        content = json.loads((root / "annotations" / f"instances_{file}.json").read_text())
        names = {category["id"]: category["name"] for category in content["categories"]}
        for index, image_id in enumerate(split.ids):
            (image,) = [found for found in content["images"] if image_id == f"{file}/{found['file_name']}"]
            height, width, _ = split.image(index).shape
            assert (width, height) == (image["width"], image["height"])
            expected = []
            for found in content["annotations"]:
                name = names[found["category_id"]]
                if found["image_id"] == image["id"] and name in dataset.class_names:
                    x, y, w, h = found["bbox"]
                    expected.append([dataset.class_names.index(name), x, y, x + w, y + h])
            np.testing.assert_allclose(split.boxes(index), np.reshape(expected, (-1, 5)), atol=1e-3)


def test_labels_of_the_sample_of_coco_val_are_those_of_the_list():
    root, table = shared_data("coco-sample"), coco.coco_table("test")
    content = json.loads((root / "annotations" / "instances_val2017.json").read_text())
    place = {category: index for index, (category, _) in enumerate(coco.categories())}
    for image in content["images"]:
        annotated = {place[a["category_id"]] for a in content["annotations"] if a["image_id"] == image["id"]}
        assert set(np.flatnonzero(table.targets[table.ids.index(str(image["id"]))])) == annotated


def test_known_numbers_and_labels_that_differ_are_told(voc07, tmp_path):
    from dataclasses import replace

    from mlcnc.data import dataset_facts
    from mlcnc.data.damaged_files import rows_of

    facts = dataset_facts("voc07-lt")
    assert list(wrong_counts(voc07, facts)) == []
    fewer = replace(voc07, test=rows_of(voc07.test, np.arange(7)))
    assert list(wrong_counts(fewer, facts)) == ["test has 7 images, 2,918 are known"]
    targets = fewer.test.targets.copy()
    targets[3] = 0
    wrong = replace(fewer.test, targets=targets)
    (sentence,) = wrong_labels(wrong)
    assert sentence.startswith(f"{wrong.image_id(3)}: classes [] are listed, its annotation has [")
