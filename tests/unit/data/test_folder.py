"""The user's own photographs: tables, COCO JSON, VOC XML, and everything that may be wrong with them."""

import pickle
import shutil
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcnc.data import DatasetRequest, build_dataset
from mlcnc.data.photographs import photograph_path
from mlcnc.data.seeded_split import seeded_split
from mlcnc.errors import DataError
from tests.unit.data.trees import coco, picture, xml


def folder(root, **more):
    return build_dataset("folder", DatasetRequest(root=root, **more))


def table(root, text, name="labels.csv"):
    (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def pictures(tmp_path):
    """A folder with pictures a.png to e.png, the first of them in a folder of its own."""
    for seed, name in enumerate(["in/a", "b", "c", "d", "e"]):
        picture(tmp_path / f"{name}.png", (7 + seed, 5), seed)
    return tmp_path


SPLIT = "path,labels,split\nin/a.png,cat; traffic light,train\nb.png,dog|cat,Training\nc.png,,test\nd.png,dog,test\n"


def test_a_table_names_paths_labels_and_splits(pictures):
    dataset = folder(table(pictures, "\ufeff" + SPLIT + "e.png,cat,val\n\n"))
    assert dataset.class_names == ("cat", "dog", "traffic light")
    assert dataset.train.targets.tolist() == [[1, 0, 1], [1, 1, 0]]
    assert dataset.validation.targets.tolist() == [[1, 0, 0]]
    assert dataset.test.targets.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert dataset.train.image(0).shape == (5, 7, 3)
    assert dataset.train.image_id(0) == "train-in/a.png"
    assert dataset.may_be_copied
    assert dataset.test.boxes(0) is None
    (note,) = dataset.notes
    assert note == (
        "2 training images with 2.00 labels each; images a class 1 to 2, imbalance 2.0; classes: head 0, medium 0, "
        "tail 3; 0 of 2 images with a tail class also have a head class"
    )


def test_paths_of_windows_and_tables_elsewhere_are_read(pictures):
    table(pictures, SPLIT.replace("in/a", "in\\a"), "in/mine.csv")
    table(pictures, "nothing")  # not looked at
    assert len(folder(pictures, annotations="in/mine.csv").train) == 2


def test_a_split_that_is_not_named_is_drawn_by_the_seed(tmp_path):
    names = [f"{i:02d}.png" for i in range(40)]
    for name in names:
        picture(tmp_path / name)
    table(
        tmp_path,
        "path,labels\n" + "".join(f"{name},{'rare;' * (i == 7)}common\n" for i, name in enumerate(names)),
    )
    dataset = folder(tmp_path)
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [28, 4, 8]
    assert dataset.train.targets.sum(axis=0).tolist() == [28, 1]
    assert dataset.notes[0].endswith("labels.csv: one is drawn by data.seed 0")
    assert dataset.train.ids == folder(tmp_path).train.ids
    assert dataset.train.ids != folder(tmp_path, seed=1).train.ids


@given(st.integers(1, 7).flatmap(lambda c: st.lists(st.lists(st.booleans(), min_size=c, max_size=c), min_size=3, max_size=40)), st.integers(0, 9))  # fmt: skip
def test_a_drawn_split_leaves_every_class_an_image_to_train_on(rows, seed):
    targets = np.array(rows, np.uint8)
    names = np.array(seeded_split(targets, seed))
    assert set(names) <= {"train", "validation", "test"}
    trained = targets[names == "train"].any(axis=0)
    np.testing.assert_array_equal(trained, targets.any(axis=0))
    assert (names == "test").sum() <= max(1, round(0.2 * len(rows)))
    assert (names == "validation").sum() <= round(0.1 * len(rows))
    assert (names == "train").sum() >= len(rows) - max(1, round(0.2 * len(rows))) - round(0.1 * len(rows))


def test_validation_is_the_test_set_where_no_other_is_named_and_never_both(pictures):
    dataset = folder(table(pictures, SPLIT.replace("test", "val")))
    assert dataset.validation is None
    assert len(dataset.test) == 2
    assert dataset.notes[0].startswith("no test images are named in ")
    assert "folder has no validation split: no epoch is chosen, the last one counts" in dataset.notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must begin with a line path,labels or path,labels,split, got ''"),
        ("file,labels\n", "must begin with a line path,labels or path,labels,split, got 'file,labels'"),
        ("path,labels\n", r"labels\.csv names no image; put labels\.csv there"),
        ("path,labels\nb.png,cat,dog\n", "line 2, has another number of columns than the first"),
        ("path,labels,split\nb.png,cat,dev\n", "line 2: split must be train, validation or test, got 'dev'"),
        ("path,labels,split\nb.png,cat,\n", "line 2: split must be train, validation or test, got ''"),
        ("path,labels\nb.png,cat\nb.png,dog\n", r"names b\.png twice"),
        ("path,labels\nb.png,cat\n./b.png,dog\n", r"names b\.png twice"),
        ("path,labels,split\nb.png,cat;dog,train\n", "leaves no test images of 1; name some in its split test"),
        ("path,labels,split\nb.png,cat;dog,test\n", "leaves no training images of 1"),
        ("path,labels,split\nb.png,cat;cow,train\nc.png,dog,test\n", "1 of 3 classes of folder have no training image: dog; "),
        ("path,labels\nb.png,cat\nc.png,cat\n", "names 1 classes with training images; two are needed"),
        ("path,labels\nb.png,cat\nno.png,dog\n", r"1 of 2 photographs is missing, first .*no\.png; restore"),
        ("path,labels\nno/b.png,cat\n", r"1 of 1 photographs is missing, first .*no/b\.png; restore"),
        ("path,labels\n../b.png,cat\n", r"line 2, names '\.\./b\.png', which is no path below"),
        ("path,labels\nin/../../b.png,cat\n", "which is no path below the data set's folder"),
        ("path,labels\n/etc/hosts,cat\n", "line 2, names '/etc/hosts', which is no path below"),
        ("path,labels\nC:\\b.png,cat\n", "which is no path below"),
        ("path,labels\n,cat\n", "line 2, names '', which is no path below"),
        ("path,labels\n\"b.png,cat\n", "cannot be read as a table"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_told_where(pictures, text, words):
    with pytest.raises(DataError, match=words):
        folder(table(pictures, text))


def test_other_encodings_are_refused(pictures):
    (pictures / "labels.csv").write_bytes("path,labels\nb.png,möwe\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"cannot be read as a table .*; save it as CSV in UTF-8"):
        folder(pictures)


def test_links_out_of_the_folder_are_refused_and_those_within_are_not(pictures, tmp_path_factory):
    outside = picture(tmp_path_factory.mktemp("outside") / "x.png")
    table(pictures, SPLIT + "link.png,cat,test\n")
    (pictures / "link.png").symlink_to(pictures / "e.png")
    assert len(folder(pictures).test) == 3
    (pictures / "link.png").unlink()
    (pictures / "link.png").symlink_to(outside)
    with pytest.raises(DataError, match=r"names link\.png, a link out of"):
        folder(pictures)
    (pictures / "way").symlink_to(outside.parent)
    table(pictures, SPLIT + "way/x.png,cat,test\n")
    with pytest.raises(DataError, match=r"names way, a link out of"):
        folder(pictures)
    (pictures / "labels.csv").unlink()
    (pictures / "labels.csv").symlink_to(table(outside.parent, SPLIT) / "labels.csv")
    with pytest.raises(DataError, match=r"names labels\.csv, a link out of"):
        folder(pictures)


def test_labels_are_looked_for_and_several_are_not_guessed_between(pictures, monkeypatch):
    monkeypatch.delenv("MLCNC_DATA", raising=False)
    with pytest.raises(DataError, match=r"holds no labels; put labels\.csv there"):
        folder(pictures)
    table(pictures, SPLIT)
    table(pictures, SPLIT, "old.csv")
    with pytest.raises(
        DataError, match=r"several files of labels: labels\.csv, old\.csv; name one with data\.annotations"
    ):
        folder(pictures)
    assert len(folder(pictures, annotations="old.csv").train) == 2
    for name in ("no.csv", "b.png", "in", ".."):
        with pytest.raises(DataError, match=r"data\.annotations"):
            folder(pictures, annotations=name)
    with pytest.raises(DataError, match=r"data\.root must name the folder of your photographs"):
        build_dataset("folder")
    monkeypatch.setenv("MLCNC_DATA", str(pictures.parent))
    with pytest.raises(DataError, match="/folder is not a folder"):
        build_dataset("folder")


CATEGORIES = [(7, "dog"), (3, "cat"), (90, "cow")]


def test_coco_files_of_splits_are_joined_and_boxes_keep_their_class(pictures):
    for split, name, box in (
        ("train", "b", [1, 1, 2, 3]),
        ("val", "c", [0, 0, 4, 5]),
        ("test", "d", [2, 0, 5, 5]),
    ):
        picture(pictures / split / f"{name}.png", (10, 5))
        annotations = [(5, 7, box), (5, 7, box), (5, 3, [], {"iscrowd": 1})]
        if split == "test":
            annotations = [(5, 7, box), (5, 90, box), (5, 3, box, {"ignore": 1})]
        coco(
            pictures / "annotations" / f"instances_{split}.json",
            [(5, f"{name}.png", 10, 5)],
            annotations,
            CATEGORIES,
        )
    dataset = folder(pictures)
    assert dataset.class_names == ("cat", "dog")  # by category id; no training image has the third
    assert "1 of 3 categories have no training image and are left out: cow" in dataset.notes
    assert dataset.train.targets.tolist() == [[1, 1]]
    assert dataset.test.targets.tolist() == [[0, 1]]
    np.testing.assert_allclose(dataset.train.boxes(0), [[1, 1, 1, 3, 4]] * 2, atol=1e-6)
    np.testing.assert_allclose(dataset.validation.boxes(0), [[1, 0, 0, 4, 5]] * 2, atol=1e-6)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(dataset.test)).boxes(0), [[1, 2, 0, 7, 5]], atol=1e-6)
    assert dataset.test.image_id(0) == "test-test/d.png"


def test_one_coco_file_is_split_by_the_seed(pictures):
    images = [(f"id{name}", f"{name}.png", 0, 0) for name in "bcde"]
    annotations = [(f"id{name}", category, [0, 0, 1, 1]) for name in "bcde" for category in (7, 3)]
    coco(pictures / "all.json", images, annotations, CATEGORIES)
    dataset = folder(pictures)
    assert (len(dataset.train), dataset.validation, len(dataset.test)) == (3, None, 1)
    assert dataset.test.boxes(0) is None  # the file says no size of the image
    marked = "\ufeff" + (pictures / "all.json").read_text()
    (pictures / "all.json").write_text(marked, encoding="utf-8")
    assert folder(pictures).class_names == dataset.class_names


@pytest.mark.parametrize(
    ("images", "annotations", "categories", "words"),
    [
        ([], [], CATEGORIES, "names no image"),
        ([(1, "b.png", 7, 5)], [(2, 7, [0, 0, 1, 1])], CATEGORIES, "image_id 2 is not among the images"),
        ([(1, "b.png", 7, 5)], [(1, 8, [0, 0, 1, 1])], CATEGORIES, "category_id 8 is not among the categories"),
        ([(1, "b.png", 7, 5)], [(1, 7, [0, 0, 1])], CATEGORIES, "not enough values"),
        ([(1, "b.png", 7, 5)], [(1, 7, [0, 0, float("nan"), 1])], CATEGORIES, "annotation 0 has a box that is not finite"),
        ([(1, "b.png", 7, 5), (1, "c.png", 7, 5)], [], CATEGORIES, "image id 1 stands there twice"),
        ([(1, "b.png", 7, 5), (2, "b.png", 7, 5)], [], CATEGORIES, r"names b\.png twice"),
        ([(1, "../b.png", 7, 5)], [], CATEGORIES, "which is no path below"),
        ([(1, "b.png", 7, 5)], [], [(1, "cat"), (2, "cat")], "gives several categories one name"),
        ([(1, "b.png", "wide", 5)], [], CATEGORIES, "could not convert string"),
        ([(1, "b.png", 10**400, 5)], [], CATEGORIES, "too large to convert to float"),
    ],
)  # fmt: skip
def test_a_coco_file_that_does_not_fit_is_told(pictures, images, annotations, categories, words):
    coco(pictures / "instances.json", images, annotations, categories)
    with pytest.raises(DataError, match=words):
        folder(pictures)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": [], "annotations": 3', "[" * 100_000])
def test_what_is_no_coco_file_is_named(pictures, text):
    (pictures / "instances.json").write_text(text)
    with pytest.raises(DataError, match=r"instances\.json cannot be read as a COCO annotation file \("):
        folder(pictures)


@pytest.fixture
def tree(tmp_path):
    """A VOC tree of four pictures with the classes dog, cat and aeroplane, the last always marked difficult."""
    base = tmp_path / "VOCdevkit" / "VOC2012"
    for seed, stem in enumerate("wxyz"):
        picture(base / "JPEGImages" / f"{stem}.{'png' if seed else 'JPG'}", (50, 30))
        (base / "Annotations").mkdir(exist_ok=True)
        objects = [("dog", 0, 1, 1, 250, 150), ("cat", 0, 51, 31, 500, 300), ("aeroplane", 1, 0, 0, 600, 400)]
        (base / "Annotations" / f"{stem}.xml").write_text(xml(*objects))
    return base


def lists(tree, **splits):
    main = tree / "ImageSets" / "Main"
    main.mkdir(parents=True, exist_ok=True)
    for name, stems in splits.items():
        (main / f"{name}.txt").write_text("".join(f"{stem}\n" for stem in stems))


def test_a_voc_tree_is_read_with_its_lists_and_in_the_order_of_voc(tree, tmp_path):
    lists(tree, train="xy", test="w")
    dataset = folder(tmp_path)
    assert dataset.class_names == ("aeroplane", "cat", "dog")
    assert dataset.train.ids == ["VOCdevkit/VOC2012/JPEGImages/x.png", "VOCdevkit/VOC2012/JPEGImages/y.png"]
    boxes = [[2, 0, 0, 25, 15], [1, 5, 3, 50, 30], [0, 0, 0, 50, 30]]
    np.testing.assert_allclose(dataset.test.boxes(0), boxes, atol=1e-5)
    assert dataset.test.image(0).shape == (30, 50, 3)
    fewer = folder(tree, difficult=False)  # the tree itself is a root as well
    assert fewer.class_names == ("cat", "dog")
    assert fewer.test.boxes(0)[:, 0].tolist() == [1, 0]
    path = tree / "Annotations" / "w.xml"
    path.write_text(path.read_text().replace("<name>dog", "<name>Dog"))
    lists(tree, train="wx", test="y")
    assert folder(tmp_path).class_names == ("Dog", "aeroplane", "cat", "dog")


def test_a_voc_tree_without_lists_is_split_and_its_faults_are_named(tree, tmp_path):
    assert len(folder(tmp_path).train) == 3
    lists(tree, train="xy", test="yz")
    with pytest.raises(DataError, match=r"names VOCdevkit/VOC2012/JPEGImages/y\.png twice"):
        folder(tmp_path)
    lists(tree, train="xy", test="wq")
    with pytest.raises(DataError, match=r"Annotations/q\.xml cannot be read as a VOC annotation"):
        folder(tmp_path)
    lists(tree, train="xy", test="w")
    (tree / "JPEGImages" / "x.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 photographs is missing, first .*JPEGImages/x\.jpg"):
        folder(tmp_path)
    path = tree / "Annotations" / "w.xml"
    path.write_text(path.read_text().replace("<width>", "<width>1e999"))
    with pytest.raises(
        DataError, match=r"w\.xml cannot be read as a VOC annotation \(cannot convert float infinity"
    ):
        folder(tmp_path)
    train = tree / "ImageSets" / "Main" / "train.txt"
    train.write_bytes(b"\xff\n")
    with pytest.raises(DataError, match=r"train\.txt cannot be read as a list of images .*; save it in UTF-8"):
        folder(tmp_path)
    train.unlink()
    train.symlink_to("/etc/hosts")
    with pytest.raises(DataError, match=r"train\.txt, a link out of"):
        folder(tmp_path)
    shutil.rmtree(tree / "Annotations")
    (tree / "Annotations").mkdir()
    (tree / "ImageSets").rename(tree / "other")
    with pytest.raises(DataError, match="VOC2012 names no image"):
        folder(tmp_path)


def test_photographs_of_the_folder_are_given_out_by_their_labels_alone(pictures):
    table(pictures, SPLIT)
    assert photograph_path("folder", pictures, "train-in/a.png") == pictures / "in" / "a.png"
    for image_id in ("train-e.png", "train-labels.csv", "train-../x", "train-/etc/hosts", "train-", ""):
        assert photograph_path("folder", pictures, image_id) is None
    (pictures / "b.png").unlink()
    (pictures / "b.png").symlink_to("/etc/hosts")
    assert photograph_path("folder", pictures, "train-b.png") is None
    table(pictures, SPLIT, "in/mine.csv")
    assert photograph_path("folder", pictures, "test-d.png", "in/mine.csv") == pictures / "d.png"
    assert photograph_path("folder", pictures / "no", "test-d.png") is None


COMPOSED, APART = unicodedata.normalize("NFC", "żółw"), unicodedata.normalize("NFD", "żółw")


def test_a_class_is_one_however_its_accents_and_blanks_are_written(pictures):
    text = f"path,labels,split\nin/a.png,{COMPOSED};big  cat,train\nb.png, {APART} ; big\u00a0cat,train\nc.png,,test\n"
    dataset = folder(table(pictures, text))
    assert dataset.class_names == ("big cat", COMPOSED)
    assert dataset.train.targets.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(("written", "on_disk"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_a_picture_is_found_however_a_mac_wrote_the_accents_of_its_name(pictures, written, on_disk):
    (pictures / "in").rename(pictures / f"in {on_disk}")
    (pictures / "b.png").rename(pictures / f"{on_disk}.png")
    names = [f"in {written}/a.png", f"{written}.png"]
    table(pictures, f"path,labels,split\n{names[0]},x;y,train\n{names[1]},x,train\nc.png,y,test\n")
    assert folder(pictures).train.image(1).shape == (5, 8, 3)
    for name in names:
        assert photograph_path("folder", pictures, f"train-{name}").is_file()
    table(pictures, f"path,labels,split\n{names[0]},x;y,train\n{written}2.png,x,train\nc.png,y,test\n")
    with pytest.raises(DataError, match="1 of 3 photographs is missing"):
        folder(pictures)
