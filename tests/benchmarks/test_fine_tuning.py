"""Images a second of fine-tuning ResNet-50 on photographs at 224 pixels, against a plain torchvision loop.

Ours is an epoch of the trainer, with its loader, losses and schedule; the plain one is what a reader of
torchvision's documentation writes, with the same transforms, workers, optimiser and batch size.
"""

from __future__ import annotations

import statistics
import time
from contextlib import closing

import pytest
import torch
from PIL import Image
from torch import nn

from mlcnc.config import parse
from mlcnc.data.augmentation import v2
from mlcnc.data.augmentation_presets import mlc_nc_augmentation
from mlcnc.torchvision_guard import import_torchvision
from mlcnc.training.build import build
from mlcnc.training.epoch import train_epoch
from tests.conftest import shared_data

BATCH_SIZE, NUM_IMAGES, NUM_WORKERS, ROUNDS, BOUND = 16, 96, 2, 4, 0.95


class Photographs(torch.utils.data.Dataset):
    def __init__(self, split):
        self.split = split
        last_steps = [
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.466, 0.471, 0.380), (0.195, 0.194, 0.192)),
        ]
        self.transform = v2.Compose([mlc_nc_augmentation(224, "bilinear", True), *last_steps])

    def __len__(self):
        return NUM_IMAGES

    def __getitem__(self, index):
        with Image.open(self.split.paths[index]) as file:
            return self.transform(file.convert("RGB")), torch.from_numpy(self.split.targets[index]).float()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_an_epoch_against_a_plain_torchvision_loop(say):
    root = shared_data("voc07-lt")
    settings = parse(
        {
            "data": {
                "dataset": "voc07-lt",
                "root": str(root),
                "augmentation": "mlc_nc",
                "num_workers": NUM_WORKERS,
                "num_samples": NUM_IMAGES,
            },
            "model": {"backbone": "resnet50"},
            "method": {"kind": "erm"},
            "training": {"batch_size": BATCH_SIZE, "clip_norm": None, "device": "cpu", "epochs": 100},
        }
    )
    with closing(build(settings)) as experiment:
        split = experiment.dataset.train
        network = import_torchvision("torchvision.models").resnet50(num_classes=20)
        network = network.to(memory_format=torch.channels_last)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)
        batches = torch.utils.data.DataLoader(
            Photographs(split), BATCH_SIZE, shuffle=True, num_workers=NUM_WORKERS, persistent_workers=True
        )

        def plain(epoch):
            network.train()
            for images, targets in batches:
                logits = network(images.contiguous(memory_format=torch.channels_last))
                loss = nn.functional.binary_cross_entropy_with_logits(logits, targets)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

        def ours(epoch):
            train_epoch(experiment, epoch, lambda progress: None)

        rates = {ours: [], plain: []}
        for epoch in range(ROUNDS + 1):
            for one in (ours, plain) if epoch % 2 else (plain, ours):
                started = time.perf_counter()
                one(epoch)
                rates[one].append(NUM_IMAGES / (time.perf_counter() - started))
    # the first round starts the workers
    ratio = statistics.median(
        mine / other for mine, other in zip(rates[ours][1:], rates[plain][1:], strict=True)
    )
    say(
        f"fine-tuning resnet50 at 224 on photographs, batch {BATCH_SIZE}, {NUM_WORKERS} workers: "
        f"{statistics.median(rates[ours][1:]):.1f} images/s, plain torchvision loop "
        f"{statistics.median(rates[plain][1:]):.1f}, ratio {ratio:.3f} (at least {BOUND})"
    )
    assert ratio >= BOUND
