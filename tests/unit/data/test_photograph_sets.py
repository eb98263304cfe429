"""VOC-LT, COCO-LT and VG200 from trees in their layouts, whose files are copies of one generated picture."""

import json
import os
import pickle

import numpy as np
import pytest

from mlcnc.data import DatasetRequest, build_dataset, coco, dataset_facts, visual_genome, voc
from mlcnc.data.photographs import photograph_path
from mlcnc.errors import DataError
from tests.unit.data.trees import coco as write_coco
from tests.unit.data.trees import copies, picture, xml


@pytest.fixture(scope="module")
def voc_tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("voc")
    one = picture(root / "one.jpg", (50, 30))
    note = root / "one.xml"
    note.write_text(xml(("dog", 1, 1, 1, 250, 150), ("person", 0, 51, 31, 500, 300)))
    for listed, year in zip(voc.voc_lt_splits().values(), ("VOC2012", "VOC2007"), strict=True):
        folder = root / "voc-lt" / "VOCdevkit" / year
        copies(one, folder / "JPEGImages", [f"{image_id}.jpg" for image_id in listed.ids])
        copies(note, folder / "Annotations", [f"{image_id}.xml" for image_id in listed.ids])
    return root


@pytest.fixture(scope="module")
def coco_tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("coco")
    one = picture(root / "one.jpg", (50, 30))
    for listed in coco.coco_lt_splits().values():
        copies(one, root / listed.folders[0], [f"{image_id}.jpg" for image_id in listed.ids])
    return root


@pytest.fixture(scope="module")
def vg_tree(tmp_path_factory):
    """VG200 whose images are in two folders and whose labels are made so that the counts are the published ones."""
    root = tmp_path_factory.mktemp("vg")
    one = picture(root / "one.jpg", (50, 30))
    labels = {}
    for name, listed in visual_genome.vg200_splits().items():
        for row, image_id in enumerate(listed.ids):
            labels[f"{image_id}.jpg"] = [row % 200, 300]
            copies(one, root / ("VG_100K" if row % 3 else "VG_100K_2"), [f"{image_id}.jpg"])
        if name == "train":
            for index, count in enumerate(visual_genome.known_counts().tolist()):
                having = [image_id for row, image_id in enumerate(listed.ids) if row % 200 == index]
                others = [image_id for row, image_id in enumerate(listed.ids) if row % 200 != index]
                for image_id in others[: count - len(having)]:
                    labels[f"{image_id}.jpg"].append(index)
    (root / "vg_category_500_labels_index.json").write_text(json.dumps(labels))
    return root


def test_voc_lt_is_found_by_its_name_or_directly(voc_tree, monkeypatch):
    dataset = build_dataset("voc-lt", DatasetRequest(root=voc_tree))
    assert (len(dataset.train), dataset.validation, len(dataset.test)) == (1142, None, 4952)
    assert "voc-lt has no validation split: no epoch is chosen, the last one counts" in dataset.notes
    assert not dataset.may_be_copied
    assert {name: len(found) for name, found in dataset.groups.items()} == {"head": 6, "medium": 6, "tail": 8}
    assert dataset.train.image_id(0) == "train-2008_000023"
    assert dataset.test.image(4951).shape == (30, 50, 3)
    boxes = [[11, 0, 0, 25, 15], [14, 5, 3, 50, 30]]
    np.testing.assert_allclose(dataset.train.boxes(3), boxes, atol=1e-5)
    monkeypatch.setenv("MLCNC_DATA", str(voc_tree / "voc-lt"))
    assert dataset_facts("voc-lt").root(None) == voc_tree / "voc-lt"
    assert build_dataset("voc-lt").train.paths[0] == dataset.train.paths[0]
    again = pickle.loads(pickle.dumps(dataset.train))  # as workers get it
    np.testing.assert_allclose(again.boxes(3), boxes, atol=1e-5)


def test_without_difficult_objects_labels_and_boxes_are_fewer(voc_tree):
    with pytest.raises(
        DataError, match="19 of 20 classes of voc-lt have no training image: aeroplane, bicycle"
    ):
        build_dataset("voc-lt", DatasetRequest(root=voc_tree, difficult=False))  # all XML files say person
    pool = build_dataset("voc07-lt", DatasetRequest(root=voc_tree / "voc-lt", difficult=False))
    table = voc.voc2007_table()
    place = {image_id: row for row, image_id in enumerate(table.ids)}
    rows = [place[image_id] for image_id in pool.train.ids]
    np.testing.assert_array_equal(pool.train.targets, table.without_difficult()[rows])
    assert pool.train.boxes(0)[:, 0].tolist() == [14]


def test_files_that_are_missing_are_counted_and_the_first_is_named(voc_tree, tmp_path):
    root = tmp_path / "data"
    for year in ("VOC2012", "VOC2007"):
        (root / "VOCdevkit" / year / "JPEGImages").mkdir(parents=True)
    with pytest.raises(
        DataError,
        match=r"^1,142 of 1,142 photographs are missing, first .*2008_000023\.jpg; voc-lt needs",
    ):
        build_dataset("voc-lt", DatasetRequest(root=root))
    one = voc_tree / "voc-lt" / "VOCdevkit" / "VOC2007" / "JPEGImages" / "000001.jpg"
    copies(
        one, root / "VOCdevkit" / "VOC2007" / "JPEGImages", [f"{i}.jpg" for i in voc.voc2007_table().ids[:-1]]
    )
    with pytest.raises(
        DataError, match=r"^1 of 2,918 photographs is missing, first .*009963\.jpg; voc07-lt needs"
    ):
        build_dataset("voc07-lt", DatasetRequest(root=root))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("voc-lt", "VOCdevkit/VOC2012/JPEGImages is missing"),
        ("voc07-lt", "VOCdevkit/VOC2007/JPEGImages is missing"),
        ("coco-lt", "train2017 is missing"),
        ("vg200", "VG_100K or VG_100K_2 or images is missing"),
    ],
)
def test_an_empty_folder_is_told_what_belongs_there(name, words, tmp_path, monkeypatch):
    with pytest.raises(DataError) as error:
        build_dataset(name, DatasetRequest(root=tmp_path))
    assert f"the photographs of {name} are not in {tmp_path}: {words}; {name} needs " in str(error.value)
    monkeypatch.delenv("MLCNC_DATA", raising=False)
    with pytest.raises(DataError, match="MLCNC_DATA variable names, and neither is set"):
        dataset_facts(name).root(None)
    monkeypatch.setenv("MLCNC_DATA", str(tmp_path / "no"))
    with pytest.raises(DataError, match=r"MLCNC_DATA .*no is not a folder"):
        dataset_facts(name).root(None)


def test_damaged_annotations_are_named_when_their_boxes_are_asked_for(voc_tree, tmp_path):
    dataset = build_dataset("voc07-lt", DatasetRequest(root=voc_tree / "voc-lt"))
    path = voc_tree / "voc-lt" / "VOCdevkit" / "VOC2007" / "Annotations" / f"{dataset.test.ids[2]}.xml"
    text = path.read_text()
    path.unlink()
    try:
        for content in (None, text[:60], "<html/>", text.replace("<name>dog</name>", "")):
            if content is not None:
                path.write_text(content)
            with pytest.raises(DataError, match=rf"{path} cannot be read as a VOC annotation \("):
                dataset.test.boxes(2)
    finally:
        path.write_text(text)


def test_coco_lt_has_5000_or_4952_test_images_and_boxes_where_the_file_is_there(coco_tree):
    dataset = build_dataset("coco-lt", DatasetRequest(root=coco_tree))
    assert (len(dataset.train), dataset.validation, len(dataset.test)) == (1909, None, 5000)
    assert {name: len(found) for name, found in dataset.groups.items()} == {
        "head": 22,
        "medium": 33,
        "tail": 25,
    }
    assert dataset.test.boxes(0) is None
    assert dataset.test.image_id(0) == "test-000000397133"
    labelled = build_dataset("coco-lt", DatasetRequest(root=coco_tree, test_images="labelled"))
    assert len(labelled.test) == 4952
    assert labelled.test.targets.any(axis=1).all()

    last = int(labelled.test.ids[-1])
    path = write_coco(
        coco_tree / "annotations" / "instances_val2017.json",
        [(last, f"{last:012d}.jpg", 500, 300), (397133, "000000397133.jpg", 500, 300), (1, "other.jpg", 9, 9)],
        [(last, 90, [50, 30, 100, 60]), (last, 1, [0, 0, 500, 400]), (1, 2, [0, 0, 1, 1])],
        coco.categories(),
    )
    try:
        labelled = build_dataset("coco-lt", DatasetRequest(root=coco_tree, test_images="labelled"))
        np.testing.assert_allclose(labelled.test.boxes(4951), [[79, 5, 3, 15, 9], [0, 0, 0, 50, 30]], atol=1e-5)
        assert labelled.test.boxes(0).shape == (0, 5)
        assert labelled.test.boxes(1) is None  # an image that the file does not have
        assert labelled.train.boxes(0) is None
        path.write_text(path.read_text()[:-40])
        os.utime(path, ns=(1, 1))
        with pytest.raises(
            DataError, match=r"instances_val2017\.json cannot be read as a COCO annotation file"
        ):
            labelled.test.boxes(0)
    finally:
        path.unlink()


def test_vg200_takes_labels_below_200_and_groups_by_rank(vg_tree):
    dataset = build_dataset("vg200", DatasetRequest(root=vg_tree))
    assert (len(dataset.train), dataset.validation, len(dataset.test)) == (1000, None, 4000)
    assert dataset.class_counts.tolist() == visual_genome.known_counts().tolist()
    assert [len(dataset.groups[name]) for name in ("head", "medium", "tail")] == [30, 140, 30]
    assert dataset.class_names[199] == "VG 199"
    assert "the classes of vg200 are called by number, since no file names them" in dataset.notes
    assert {"VG_100K", "VG_100K_2"} == {path.split("/")[-2] for path in dataset.train.paths[:3]}
    names = vg_tree / visual_genome.NAMES_FILE
    names.write_text("".join(f"name {index}\n" for index in range(200)))
    try:
        named = build_dataset("vg200", DatasetRequest(root=vg_tree))
        assert named.class_names[199] == "name 199"
        assert not any("number" in note for note in named.notes)
        names.write_text("window\n" * 200)
        with pytest.raises(
            DataError, match=r"must hold 200 different class names, .* got 200 lines with 1 names"
        ):
            build_dataset("vg200", DatasetRequest(root=vg_tree))
    finally:
        names.unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda labels: labels.pop("2385068.jpg"), "1 of 5000 images have no labels, first 2385068.jpg"),
        (
            lambda labels: labels.update({"2385068.jpg": [3, "4"]}),
            "labels of 2385068.jpg must be class indices",
        ),
        (lambda labels: labels.update({"2385068.jpg": [-1]}), "labels of 2385068.jpg must be class indices"),
    ],
)
def test_labels_of_vg200_that_do_not_fit_are_refused(vg_tree, change, words):
    labels = json.loads((vg_tree / "vg_category_500_labels_index.json").read_text())
    change(labels)
    path = vg_tree / "vg_category_200_labels_index.json"  # goes before the other one
    path.write_text(json.dumps(labels))
    try:
        with pytest.raises(DataError, match=words):
            build_dataset("vg200", DatasetRequest(root=vg_tree))
    finally:
        path.unlink()


def test_only_photographs_of_the_lists_are_given_out(voc_tree, coco_tree, vg_tree):
    images = voc_tree / "voc-lt" / "VOCdevkit"
    assert (
        photograph_path("voc-lt", voc_tree, "test-000002") == images / "VOC2007" / "JPEGImages" / "000002.jpg"
    )
    train = images / "VOC2012" / "JPEGImages" / "2008_000023.jpg"
    assert photograph_path("voc-lt", voc_tree, "train-2008_000023") == train
    assert photograph_path("coco-lt", coco_tree, "test-000000397133").parent.name == "val2017"
    assert photograph_path("vg200", vg_tree, "train-2360596").parent.name == "VG_100K_2"
    picture(images / "VOC2007" / "JPEGImages" / "secret.jpg")
    for image_id in (
        "test-secret", "train-000002", "validation-000002", "test-../JPEGImages/000002", "test-000002.jpg", "", "test",
    ):  # fmt: skip
        assert photograph_path("voc-lt", voc_tree, image_id) is None
    assert photograph_path("voc-lt", coco_tree, "test-000002") is None  # not there
    assert photograph_path("pictogram-lt", voc_tree, "test-000002") is None
    assert photograph_path("unheard-of", voc_tree, "test-000002") is None
