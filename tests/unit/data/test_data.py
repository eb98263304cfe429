import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest

from mlcnc.data import (
    DATASETS,
    FACTS,
    DatasetRequest,
    build_dataset,
    contact_sheet,
    dataset_facts,
    register_dataset,
)
from mlcnc.data.cache import cached_splits
from mlcnc.data.digits import glyphs_by_split
from mlcnc.data.long_tail import (
    balanced_label_sets,
    class_counts,
    co_occurrence,
    co_occurrence_distance,
    deal_labels,
)
from mlcnc.data.pictograms import (
    COUNTS,
    DRAWINGS,
    NUM_VARIANTS,
    balanced_sets,
    draw_object,
    label_sets,
    voc_lt_co_occurrence,
)
from mlcnc.data.protocol import ArraySplit
from mlcnc.data.samplers import (
    ClassAwareSampler,
    ClassAwareTriplesSampler,
    ReversedSampler,
    UniformSampler,
    build_sampler,
)
from mlcnc.data.scenes import draw_split
from mlcnc.data.voc import CLASS_NAMES, voc_lt_table
from mlcnc.errors import ConfigError, UnknownDatasetError


@pytest.fixture(scope="module")
def pictograms():
    return build_dataset("pictogram-lt")


@pytest.fixture(scope="module")
def digits():
    return build_dataset("digits-lt")


def test_balanced_scenes_have_no_tail_and_other_splits_of_the_same_kind(pictograms):
    sets, long_tailed = balanced_sets(0), label_sets(0)
    counts = sets["train"].sum(axis=0)
    assert (counts.min(), counts.max()) == (117, 118)
    sizes = [sorted(each["train"].sum(axis=1)) for each in (sets, long_tailed)]
    assert sizes[0] == sizes[1]
    for name in ("validation", "test"):
        np.testing.assert_array_equal(sets[name], long_tailed[name])
    facts = dataset_facts("pictogram-balanced")
    assert facts.num_train == len(sets["train"])
    assert facts.class_names == pictograms.class_names


def test_training_counts_are_those_of_voc_lt(pictograms):
    assert len(pictograms.train) == 1142
    assert tuple(pictograms.class_counts) == COUNTS
    assert {name: len(members) for name, members in pictograms.groups.items()} == {
        "head": 6,
        "medium": 6,
        "tail": 8,
    }


def test_co_occurrence_is_close_to_voc_lt(pictograms):
    distance = co_occurrence_distance(pictograms.co_occurrence, voc_lt_co_occurrence())
    print(f"co-occurrence distance to VOC-LT: {distance:.4f}")
    assert distance < 0.06
    shuffled = np.random.default_rng(0).permuted(pictograms.train.targets, axis=0)
    assert co_occurrence_distance(co_occurrence(shuffled), voc_lt_co_occurrence()) > 4 * distance


def test_every_training_scene_has_a_head_class(pictograms):
    assert pictograms.train.targets[:, pictograms.groups["head"]].any(axis=1).all()
    assert np.bincount(pictograms.train.targets.sum(axis=1)).tolist() == [0, 342, 479, 238, 83]


def test_co_occurrence_facts_agree_with_the_shared_table(shared):
    rows = (shared / "data" / "voc-lt" / "co_occurrence.csv").read_text().splitlines()[1:]
    table = [[int(value) for value in row.split(",")[1:]] for row in rows]
    np.testing.assert_array_equal(voc_lt_co_occurrence(), table)


def test_test_split_is_near_balanced_and_no_scene_is_shared(pictograms):
    counts = class_counts(pictograms.test.targets)
    assert counts.min() >= 60
    assert counts.max() < 2 * counts.min()
    seen = [
        hashlib.sha256(split.image(i).tobytes()).digest()
        for split in (pictograms.train, pictograms.validation, pictograms.test)
        for i in range(len(split))
    ]
    assert len(set(seen)) == len(seen) == 1142 + 500 + 1000


@pytest.mark.parametrize("name", ["pictograms", "digits"])
def test_every_label_has_a_box_inside_the_image(name, request):
    dataset = request.getfixturevalue(name)
    for index in range(0, len(dataset.train), 37):
        boxes = dataset.train.boxes(index)
        assert sorted(boxes[:, 0]) == sorted(np.flatnonzero(dataset.train.targets[index]))
        assert (boxes[:, 1:] >= 0).all()
        assert (boxes[:, 1:] <= 64).all()
        assert ((boxes[:, 3] - boxes[:, 1]) >= 4).all()
        assert ((boxes[:, 4] - boxes[:, 2]) >= 4).all()


def test_an_object_changes_the_pixels_of_its_box_only():
    """The box is where the object is: beside it the scene equals the same scene without objects."""

    def blank(label, side, rng):
        picture = draw_object(label, side, rng)
        picture.putalpha(0)
        return picture

    targets = np.eye(20, dtype=np.uint8)
    drawn = draw_split("train", targets, draw_object, seed=5, size=64, flip=True)
    empty = draw_split("train", targets, blank, seed=5, size=64, flip=True)
    for index in range(20):
        changed = np.abs(drawn.image(index).astype(int) - empty.image(index)).max(axis=2) > 60
        _, x0, y0, x1, y1 = drawn.boxes(index)[0].astype(int)
        inside = np.zeros_like(changed)
        inside[y0:y1, x0:x1] = True
        assert changed.any()
        assert not changed[~inside].any()


def test_variants_of_a_class_differ():
    from mlcnc.data.pen import Pen

    assert NUM_VARIANTS >= 3
    for name, drawing in DRAWINGS.items():
        pictures = []
        for variant in range(NUM_VARIANTS):
            pen = Pen(64, np.random.default_rng(0), (200, 60, 60), (60, 60, 200))
            drawing(pen, variant)
            pictures.append(np.asarray(pen.image))
        for one in range(NUM_VARIANTS):
            for two in range(one):
                assert (pictures[one] != pictures[two]).any(axis=2).mean() > 0.03, (name, one, two)


PROGRAM = """
import hashlib
from mlcnc.data.pictograms import draw_object, label_sets
from mlcnc.data.scenes import draw_split
targets = label_sets(3)["train"][:25]
split = draw_split("train", targets, draw_object, seed=3, size=64, flip=True)
print(hashlib.sha256(split.images.tobytes() + split.object_boxes.tobytes() + targets.tobytes()).hexdigest())
"""


def test_another_process_draws_the_same_bits():
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert (label_sets(3)["train"] != label_sets(4)["train"]).any()


def tiny_splits():
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    return {"train": ArraySplit("train", images, np.eye(2, dtype=np.uint8), np.ones((1, 6), np.float32))}


def test_cache_is_used_and_a_damaged_one_is_drawn_anew(tmp_path):
    drawn = []

    def draw():
        drawn.append(1)
        return tiny_splits()

    for _ in range(2):
        splits = cached_splits("tiny", draw, tmp_path)
    assert len(drawn) == 1
    np.testing.assert_array_equal(splits["train"].images, tiny_splits()["train"].images)
    path = tmp_path / "tiny.cache"
    for damaged in (path.read_bytes()[:-3], b"", path.read_bytes()[:99] + b"X" + path.read_bytes()[100:]):
        path.write_bytes(damaged)
        again = cached_splits("tiny", draw, tmp_path)
        np.testing.assert_array_equal(again["train"].images, tiny_splits()["train"].images)
    assert len(drawn) == 4


WRITER = """
import sys
from pathlib import Path
import numpy as np
from mlcnc.data.cache import cached_splits
from mlcnc.data.protocol import ArraySplit
folder, fill = Path(sys.argv[1]), int(sys.argv[2])
images = np.full((300, 64, 64, 3), fill, dtype=np.uint8)
splits = {"train": ArraySplit("train", images, np.ones((300, 2), np.uint8))}
print("ready", flush=True)
sys.stdin.readline()
for turn in range(60):
    (folder / "both.cache").unlink(missing_ok=True)
    cached_splits("both", lambda: splits, folder)
"""


def test_two_processes_may_write_one_cache_while_a_third_reads(tmp_path):
    """A damaged file would be drawn anew, so the reader looks at the bytes: none may be damaged."""
    path = tmp_path / "both.cache"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(fill)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for fill in (3, 5)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    num_read = 0
    while any(writer.poll() is None for writer in writers):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        assert hashlib.sha256(data[32:]).digest() == data[:32]
        num_read += 1
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert num_read > 3
    assert [found.name for found in tmp_path.iterdir()] == ["both.cache"]


def test_a_failed_write_leaves_no_temporary_file(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlcnc.files.writing.os.replace", full)
    assert len(cached_splits("tiny", tiny_splits, tmp_path)["train"]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert cached_splits("tiny", tiny_splits, tmp_path / "file" / "folder")["train"].images.shape[0] == 2


def test_digits_have_disjoint_glyphs_and_an_exponential_tail(digits):
    assert digits.class_counts.tolist() == [500, 316, 199, 126, 80, 50, 32, 20, 13, 8]
    assert [len(digits.groups[name]) for name in ("head", "medium", "tail")] == [4, 4, 2]
    glyphs = glyphs_by_split(0)
    for digit in range(10):
        sets = [{glyph.tobytes() for glyph in glyphs[name][digit]} for name in glyphs]
        assert not (sets[0] & sets[1])
        assert not (sets[0] & sets[2])
        assert not (sets[1] & sets[2])
        assert min(len(item) for item in sets) > 15


@pytest.mark.parametrize("size", [96, 128])
def test_larger_scenes_show_the_same_label_sets(size):
    targets = label_sets(0)["test"][:3]
    split = draw_split("test", targets, draw_object, seed=0, size=size, flip=True)
    assert split.images.shape == (3, size, size, 3)


@pytest.mark.parametrize("size", [96, 128])
def test_boxes_grow_with_the_scene(size):
    targets = label_sets(0)["train"][:40]
    split = draw_split("train", targets, draw_object, seed=0, size=size, flip=True)
    sides = split.object_boxes[:, 4:] - split.object_boxes[:, 2:4]
    assert (split.object_boxes[:, 2:] >= 0).all()
    assert (split.object_boxes[:, 2:] <= size).all()
    # the longer side is 34 to 68 percent of the scene; stretching and turning move it a little
    assert 0.28 * size < sides.max(axis=1).min()
    assert sides.max() < 0.85 * size


def test_a_scene_does_not_depend_on_the_others():
    targets = label_sets(0)["train"][:6]
    whole = draw_split("train", targets, draw_object, seed=0, size=64, flip=True)
    changed = targets.copy()
    changed[0] = targets[5]
    part = draw_split("train", changed[:4], draw_object, seed=0, size=64, flip=True)
    np.testing.assert_array_equal(part.images[1:], whole.images[1:4])
    other = draw_split("test", targets, draw_object, seed=0, size=64, flip=True)
    assert (other.images != whole.images).any(axis=(1, 2, 3)).all()


def test_all_splits_are_drawn_in_time():
    """Measured in processor time of one core, on a tenth of the scenes."""
    start = time.process_time()
    for name, targets in label_sets(0).items():
        draw_split(name, targets[: len(targets) // 10], draw_object, seed=0, size=64, flip=True)
    assert time.process_time() - start < 8


def test_dealing_refuses_what_cannot_be():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="must sum to 3"):
        deal_labels([2, 1], [1, 1], np.zeros((2, 2), np.int64), [0], rng)
    with pytest.raises(ValueError, match="without repeating"):
        deal_labels([4], [2, 2], np.zeros((1, 1), np.int64), [0], rng)
    with pytest.raises(ValueError, match="at least 1"):
        deal_labels([2, 1], [3, 0], np.zeros((2, 2), np.int64), [0], rng)
    with pytest.raises(ValueError, match="without a head class"):
        deal_labels([1, 1], [1, 1], np.zeros((2, 2), np.int64), [0], rng)
    with pytest.raises(ValueError, match="at most num_classes"):
        balanced_label_sets(2, [3], rng)


def test_balanced_label_sets_are_balanced():
    targets = balanced_label_sets(7, [1, 2, 3] * 50, np.random.default_rng(1))
    assert targets.sum(axis=1).tolist() == [1, 2, 3] * 50
    assert np.ptp(class_counts(targets)) <= 3


def test_class_aware_sampling_evens_out_the_classes(pictograms):
    targets = pictograms.train.targets
    sampler = ClassAwareSampler(targets, 2000, seed=1)
    indices = sampler.indices(0)
    assert len(indices) == 2000
    drawn = class_counts(targets[indices])
    uniform = class_counts(targets[UniformSampler(targets, 2000, seed=1).indices(0)])
    tail = pictograms.groups["tail"]
    assert drawn[tail].min() >= 100
    assert uniform[tail].max() < 60
    np.testing.assert_array_equal(indices, ClassAwareSampler(targets, 2000, seed=1).indices(0))
    assert (indices != sampler.indices(1)).any()


def test_class_aware_sampling_in_triples_gives_a_class_three_images_in_a_row():
    rows = np.arange(11)
    targets = np.stack([rows < 7, rows >= 7, rows == 10, rows < 0], axis=1)  # the last class has no image
    sampler = ClassAwareTriplesSampler(targets, 9 * 7 + 4, seed=3)
    indices = sampler.indices(5)
    assert len(indices) == 9 * 7 + 4
    triples = indices[: 9 * 7].reshape(7, 3, 3)  # (rounds, classes, images)
    for a_round in triples:
        classes = [{c for c in range(3) if targets[triple, c].all()} for triple in a_round]
        assert len(set().union(*classes)) == 3
    first = [triple for triple in triples.reshape(-1, 3) if (triple < 7).all()]
    # no image of a class twice before all of its others
    np.testing.assert_array_equal(np.sort(np.concatenate(first)), np.repeat(np.arange(7), 3))
    assert sum((triple == 10).all() for triple in triples.reshape(-1, 3)) == 7
    assert (indices != sampler.indices(6)).any()


def test_reversed_sampling_draws_a_class_by_its_inverse_count():
    """On VOC-LT the rarest class, cow, gets 19.3 % of the draws; an image is any of those that have it."""
    targets = voc_lt_table().targets
    counts = class_counts(targets)
    shares = (1 / counts) / (1 / counts).sum()
    cow = CLASS_NAMES.index("cow")
    assert shares[cow] == pytest.approx(0.193, abs=5e-4)
    alone = np.repeat(
        np.eye(len(counts), dtype=np.uint8), counts, axis=0
    )  # one label an image, the same counts
    sampler = ReversedSampler(alone, 20_000, seed=1)
    drawn = class_counts(alone[sampler.indices(0)]) / 20_000
    np.testing.assert_allclose(drawn, shares, atol=4 * np.sqrt(shares.max() / 20_000))
    assert drawn[cow] == pytest.approx(0.193, abs=0.01)
    images = np.bincount(sampler.indices(0), minlength=len(alone))
    assert images[alone[:, cow] == 1].min() > 0.5 * 20_000 * shares[cow] / counts[cow]
    assert (sampler.indices(0) != sampler.indices(1)).any()
    together = class_counts(targets[ReversedSampler(targets, 20_000, seed=1).indices(0)]) / 20_000
    assert together[cow] >= 0.19
    assert together[CLASS_NAMES.index("person")] > shares[CLASS_NAMES.index("person")]  # it comes with others


def test_reversed_sampling_needs_a_positive():
    with pytest.raises(ValueError, match="at least one positive for reversed sampling"):
        ReversedSampler(np.zeros((3, 2)), 4, seed=0)


def test_uniform_sampling_sees_every_image_once_a_pass():
    indices = UniformSampler(np.ones((11, 2)), 22, seed=0).indices(4)
    assert np.bincount(indices).tolist() == [2] * 11


def test_contact_sheet_has_a_row_a_class(digits):
    sheet = contact_sheet(digits, per_class=3, zoom=1)
    assert sheet.height == 8 + 10 * 68
    assert sheet.width == 150 + 3 * 68 + 8


def test_unknown_names_and_sizes_are_refused():
    with pytest.raises(UnknownDatasetError, match="did you mean 'digits-lt'"):
        build_dataset("digit-lt")
    with pytest.raises(ConfigError, match="must be one of"):
        build_dataset("pictogram-lt", DatasetRequest(size=65))


def test_unknown_samplers_are_refused_with_the_known_ones():
    with pytest.raises(
        ConfigError,
        match="class_aware, class_aware_triples, reversed, uniform, got 'unform'; did you mean 'uniform'",
    ):
        build_sampler("unform", np.ones((3, 2)), 3, 0)
    sampler = build_sampler("uniform", np.ones((11, 2)), 22, 4)
    np.testing.assert_array_equal(sampler.indices(3), UniformSampler(np.ones((11, 2)), 22, 4).indices(3))


def test_a_data_set_from_outside_is_found_by_its_name(monkeypatch, digits):
    monkeypatch.setattr("mlcnc.data.DATASETS", dict(DATASETS))
    monkeypatch.setattr("mlcnc.data.FACTS", dict(FACTS))
    asked = []

    def build(request):
        asked.append(request)
        return digits

    facts = dataset_facts("digits-lt")
    register_dataset("toy", build, facts)
    register_dataset("toy", build, facts)  # once more changes nothing
    assert build_dataset("toy", DatasetRequest(seed=3, size=11)) is digits
    assert asked == [DatasetRequest(seed=3, size=11)]
    assert dataset_facts("toy") is facts
    with pytest.raises(UnknownDatasetError, match="folder, toy, got 'toi'; did you mean 'toy'"):
        build_dataset("toi")
    with pytest.raises(ConfigError, match="'toy' is registered already"):
        register_dataset("toy", lambda *_: digits, facts)
    with pytest.raises(ConfigError, match=r"starting with a letter or digit, got 'Upper\.Case'"):
        register_dataset("Upper.Case", build, facts)


def test_data_sets_are_described_without_torch():
    program = (
        "import sys, mlcnc.data, mlcnc.data.samplers, mlcnc.data.image_files; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
