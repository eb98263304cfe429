"""Of a large training set a fixed sample is measured, and of the others all."""

import numpy as np
import pytest
import torch

from mlcnc.data.protocol import Normalisation
from mlcnc.store import RunStore
from mlcnc.training import train
from mlcnc.training.batches import ImageBatches, SeenImages
from mlcnc.training.measurement import measured_images, measured_rows
from tests.processes.small_training import few_images, small_config, use_few_images


def test_tail_images_come_first_and_the_rest_is_drawn():
    targets = np.zeros((100, 3), dtype=np.uint8)
    targets[:, 0] = 1
    targets[[7, 50, 93], 2] = 1
    rows = measured_rows(targets, [2], 20, seed=0)
    assert len(set(rows.tolist())) == 20
    assert rows.tolist() == sorted(rows.tolist())
    assert {7, 50, 93} <= set(rows.tolist())
    assert rows.tolist() == measured_rows(targets, [2], 20, seed=0).tolist()
    assert rows.tolist() != measured_rows(targets, [2], 20, seed=1).tolist()
    assert len(measured_rows(targets, [2], 2, seed=0)) == 2
    assert len(measured_rows(targets, [0], 20, seed=0)) == 20


def test_a_large_tail_does_not_push_out_the_rest():
    targets = np.zeros((100, 2), dtype=np.uint8)
    targets[:60, 1] = 1
    targets[40:, 0] = 1
    rows = measured_rows(targets, [1], 30, seed=0)
    assert (rows >= 60).sum() >= 5
    assert (rows < 60).sum() >= 15


@pytest.mark.parametrize(("most", "expected"), [(37, 37), (36, 36), (20, 20)])
def test_the_sample_is_what_is_measured(most, expected):
    few = few_images("few")
    seen = SeenImages(few, lambda image: image, Normalisation(), flip=False)
    batches = ImageBatches(seen, torch.device("cpu"), None, 0)
    images = measured_images(few, batches.measured, most, 0)
    assert len(images.train) == expected
    assert images.loaders["train"].num_images == expected
    (batch,) = images.loaders["train"].epoch(0)
    assert batch.targets.numpy().tolist() == images.train.targets.tolist()
    assert len(images.loaders["test"].split) == 13


def test_a_run_of_a_sample_counts_the_sample(tmp_path, monkeypatch):
    use_few_images(monkeypatch)
    config = small_config(training={"num_measured_train": 20, "epochs": 3})
    train(config, runs_root=tmp_path, run_id="part", say=lambda text: None, show_progress=False)
    run = RunStore(tmp_path).open("part")
    counts = run.arrays(2).get("train.f/class_counts")
    whole = few_images("few").class_counts
    assert run.info.class_counts == whole.tolist()
    assert (counts <= whole).all()
    assert counts.sum() < whole.sum()
    tail = run.info.groups["tail"]
    assert counts[tail].tolist() == whole[tail].tolist()
    samples = run.samples()
    assert samples.get("samples/image_index")[samples.get("samples/split") == 0].max() < 20
