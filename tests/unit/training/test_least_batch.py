"""A neck norms over the images of a batch, and no batch of one image reaches it."""

import numpy as np
import pytest
import torch

from mlcnc.data.loader import OrderedLoader
from mlcnc.errors import ConfigError
from mlcnc.training.build import build
from mlcnc.training.epoch import train_epoch
from tests.processes.small_training import small_config, use_few_images


def with_neck(num_samples, batch_size, neck_dim=8):
    return small_config(
        method={"kind": "erm", "neck_dim": neck_dim},
        data={"num_samples": num_samples},
        training={"batch_size": batch_size},
    )


@pytest.mark.parametrize("batch_size", range(1, 8))
def test_what_is_refused_has_a_batch_of_one_image(batch_size):
    for num_samples in range(1, 40):
        loader = OrderedLoader(None, lambda epoch, number=num_samples: np.arange(number), batch_size)
        smallest = min(map(len, np.array_split(np.arange(num_samples), loader.num_batches(0))))
        problem = with_neck(num_samples, batch_size).problem_with_batches(num_samples)
        assert (problem is not None) == (smallest < 2)
        assert with_neck(num_samples, batch_size, None).problem_with_batches(num_samples) is None


@pytest.mark.parametrize(("num_samples", "batch_size"), [(33, 1), (33, 2), (1, 32)])
def test_it_is_refused_before_training(monkeypatch, num_samples, batch_size):
    use_few_images(monkeypatch)
    words = f"every batch of ERM at least 2 images .*, got {batch_size} for {num_samples} images?"
    with pytest.raises(ConfigError, match=words):
        build(with_neck(num_samples, batch_size))


def test_one_image_more_than_a_batch_trains(monkeypatch):
    use_few_images(monkeypatch)
    sizes = []
    train_epoch(build(with_neck(33, 32)), 0, lambda progress: sizes.append(progress.num_images))
    assert sizes == [17, 16]


def test_without_a_neck_a_batch_of_one_image_trains(monkeypatch):
    use_few_images(monkeypatch)
    experiment = build(with_neck(5, 2, None))
    train_epoch(experiment, 0, lambda progress: None)
    assert all(bool(torch.isfinite(value).all()) for value in experiment.method.state_dict().values())
