"""What must hold for any counts, label sets and batches."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcnc.data.augmentation import LightAugmentation, seeded
from mlcnc.data.cache import cached_splits
from mlcnc.data.long_tail import (
    balanced_label_sets,
    class_counts,
    co_occurrence,
    co_occurrence_distance,
    deal_labels,
    exponential_counts,
    frequency_groups,
)
from mlcnc.data.protocol import ArraySplit, MultiLabelDataset
from mlcnc.data.samplers import SAMPLERS, ClassAwareSampler

unhurried = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**31)


def some_targets(num_images, num_classes, seed, share=0.4):
    """Return random targets in which every image has class 0 or another one."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((num_images, num_classes)) < share).astype(np.uint8)
    targets[targets.sum(axis=1) == 0, 0] = 1
    return targets


@unhurried
@given(st.integers(2, 30), st.integers(3, 9), seeds)
def test_dealt_labels_have_the_counts_and_sizes_asked_for(num_images, num_classes, seed):
    example = some_targets(num_images, num_classes, seed)
    counts, sizes = class_counts(example).tolist(), example.sum(axis=1).tolist()
    every = range(num_classes)
    dealt = deal_labels(counts, sizes, co_occurrence(example), every, np.random.default_rng(seed), 500)
    assert class_counts(dealt).tolist() == counts
    assert dealt.sum(axis=1).tolist() == sizes
    again = deal_labels(counts, sizes, co_occurrence(example), every, np.random.default_rng(seed), 500)
    np.testing.assert_array_equal(dealt, again)


@unhurried
@given(st.integers(4, 30), st.integers(3, 9), seeds)
def test_every_scene_keeps_a_head_class_or_dealing_says_so(num_images, num_classes, seed):
    example = some_targets(num_images, num_classes, seed)
    counts, sizes = class_counts(example).tolist(), example.sum(axis=1).tolist()
    rng = np.random.default_rng(seed)
    enough = sum(counts[:2]) >= num_images
    try:
        dealt = deal_labels(counts, sizes, co_occurrence(example), [0, 1], rng, 500)
    except ValueError:
        return
    assert enough
    assert dealt[:, :2].any(axis=1).all()


@unhurried
@given(st.integers(20, 60), st.integers(4, 9), seeds)
def test_swaps_do_not_lead_away_from_the_wanted_co_occurrence(num_images, num_classes, seed):
    example = some_targets(num_images, num_classes, seed)
    counts, sizes = class_counts(example).tolist(), example.sum(axis=1).tolist()
    wanted = co_occurrence(example)
    if wanted.sum() == wanted.trace():
        return

    def distance(num_swaps):
        rng = np.random.default_rng(seed)
        dealt = deal_labels(counts, sizes, wanted, range(num_classes), rng, num_swaps)
        return co_occurrence_distance(co_occurrence(dealt), wanted)

    assert distance(3000) <= distance(0) + 1e-12


@unhurried
@given(st.integers(1, 12), st.lists(st.integers(1, 12), min_size=1, max_size=80), seeds)
def test_balanced_label_sets_differ_by_little(num_classes, sizes, seed):
    sizes = [min(size, num_classes) for size in sizes]
    targets = balanced_label_sets(num_classes, sizes, np.random.default_rng(seed))
    assert targets.sum(axis=1).tolist() == sizes
    # a label that waits for the next scene may fall one deck behind
    assert np.ptp(class_counts(targets)) <= 2


@unhurried
@given(st.integers(2, 40), st.integers(1, 50), st.integers(0, 2000))
def test_exponential_counts_fall_from_largest_to_smallest(num_classes, smallest, extra):
    counts = exponential_counts(num_classes, smallest + extra, smallest)
    assert (counts[0], counts[-1]) == (smallest + extra, smallest)
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == num_classes


@unhurried
@given(st.lists(st.integers(0, 500), min_size=1, max_size=40), st.integers(1, 60), st.integers(0, 200))
def test_every_class_is_in_one_group(counts, tail_max, extra):
    groups = frequency_groups(counts, tail_max + extra, tail_max)
    assert sorted(index for members in groups.values() for index in members) == list(range(len(counts)))
    assert all(counts[index] < tail_max for index in groups["tail"])
    assert all(counts[index] >= tail_max + extra for index in groups["head"])


@unhurried
@given(st.integers(1, 25), st.integers(1, 7), seeds)
def test_distance_is_zero_only_for_equal_tables_and_ignores_order(num_images, num_classes, seed):
    targets = some_targets(num_images, num_classes, seed)
    table = co_occurrence(targets)
    np.testing.assert_array_equal(np.diag(table), class_counts(targets))
    if table.sum() == table.trace():
        return
    assert co_occurrence_distance(table, table) == 0
    order = np.random.default_rng(seed).permutation(num_classes)
    other = table + 1
    assert co_occurrence_distance(other, table) > 0
    assert co_occurrence_distance(other[order][:, order], table[order][:, order]) == pytest.approx(
        co_occurrence_distance(other, table)
    )


@unhurried
@given(st.integers(1, 23), st.integers(1, 7), st.integers(1, 90), seeds, st.integers(0, 400))
def test_samplers_follow_from_seed_and_epoch_alone(num_images, num_classes, num_samples, seed, epoch):
    targets = some_targets(num_images, num_classes, seed)
    for kind in SAMPLERS.values():
        sampler = kind(targets, num_samples, seed)
        for before in range(min(epoch, 3)):
            sampler.indices(before)
        indices = sampler.indices(epoch)
        assert indices.dtype == np.int64
        assert indices.shape == (num_samples,)
        assert 0 <= indices.min() <= indices.max() < num_images
        np.testing.assert_array_equal(indices, kind(targets, num_samples, seed).indices(epoch))


@unhurried
@given(st.integers(1, 23), st.integers(1, 7), st.integers(1, 9), seeds)
def test_class_aware_rounds_give_every_class_its_turn(num_images, num_classes, num_rounds, seed):
    """With one label an image the classes of the drawn images are the classes that were dealt."""
    labels = np.random.default_rng(seed).integers(0, num_classes, num_images)
    targets = np.eye(num_classes, dtype=np.uint8)[labels]
    present = len(np.unique(labels))
    drawn = targets[ClassAwareSampler(targets, present * num_rounds, seed).indices(0)]
    assert set(class_counts(drawn)[np.unique(labels)]) == {num_rounds}


@unhurried
@given(st.integers(1, 5), st.integers(3, 11), st.integers(1, 6), st.integers(0, 3), seeds)
def test_cache_gives_back_what_was_drawn(num_images, height, num_classes, num_boxes, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (num_images, height, height + 2, 3), dtype=np.uint8)
    boxes = rng.random((num_boxes, 6)).astype(np.float32) if num_boxes else None
    split = ArraySplit("test", images, some_targets(num_images, num_classes, seed), boxes)
    with tempfile.TemporaryDirectory() as folder:
        cached_splits("any", lambda: {"test": split}, Path(folder))
        back = cached_splits("any", dict, Path(folder))["test"]
    np.testing.assert_array_equal(back.images, split.images)
    np.testing.assert_array_equal(back.targets, split.targets)
    if boxes is None:
        assert back.object_boxes is None
    else:
        np.testing.assert_array_equal(back.object_boxes, boxes)


@unhurried
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=1))
def test_any_changed_byte_of_the_cache_is_noticed(place, byte):
    images = np.arange(3 * 7 * 7 * 3, dtype=np.uint8).reshape(3, 7, 7, 3)
    splits = {"train": ArraySplit("train", images, np.ones((3, 2), np.uint8))}
    with tempfile.TemporaryDirectory() as folder:
        cached_splits("any", lambda: splits, Path(folder))
        path = Path(folder) / "any.cache"
        content = bytearray(path.read_bytes())
        content[place % len(content)] = byte[0]
        path.write_bytes(content)
        back = cached_splits("any", lambda: splits, Path(folder))["train"]
    np.testing.assert_array_equal(back.images, images)


@unhurried
@given(
    st.integers(1, 6),
    st.integers(5, 13),
    st.integers(0, 17),
    st.just(0.0) | st.floats(0.01, 0.5),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_augmentation_keeps_shape_input_and_range(size, height, shift, jitter, flip, as_bytes, seed):
    pixels = torch.randint(0, 256, (size, height, height + 2, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    images = pixels if as_bytes else pixels / 255
    before = images.clone()
    change = LightAugmentation(flip=flip, shift=shift, jitter=jitter)
    changed = change.batch(images, list(range(seed, seed + size)))
    assert changed.shape == (size, 3, height, height + 2)
    assert changed.dtype == (torch.float32 if jitter else images.dtype)
    assert torch.equal(images, before)
    if jitter:
        # gains reach 1 + jitter, offsets half of jitter, on -0.5 to 0.5 about grey
        assert (changed - 0.5).abs().max() <= 0.5 * (1 + jitter) + 0.5 * jitter + 1e-6
    with torch.random.fork_rng(devices=[]):
        one_by_one = [seeded(change, image, seed + place) for place, image in enumerate(images)]
    assert torch.equal(changed, torch.stack(one_by_one))


@unhurried
@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), seeds)
def test_boxes_belong_to_their_image(numbers, seed):
    rng = np.random.default_rng(seed)
    rows = [[index, *rng.random(5)] for index, number in enumerate(numbers) for _ in range(number)]
    boxes = np.array(rows, dtype=np.float32).reshape(-1, 6)
    images = np.zeros((len(numbers), 3, 5, 3), np.uint8)
    split = ArraySplit("train", images, some_targets(len(numbers), 2, seed), boxes)
    assert [len(split.boxes(index)) for index in range(len(split))] == numbers
    np.testing.assert_array_equal(np.concatenate([split.boxes(i) for i in range(len(split))]), boxes[:, 1:])
    dataset = MultiLabelDataset("any", ("a", "b"), split, None, split)
    np.testing.assert_array_equal(np.diag(dataset.co_occurrence), dataset.class_counts)
