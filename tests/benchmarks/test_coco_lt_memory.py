"""Memory of a run of COCO-LT's size: 80 classes, class features of 2,048 numbers, ResNet-50 at 224 pixels.

The photographs are links to the 47 of the sample, under the names of COCO-LT's 1,909 + 5,000; labels are COCO-LT's
own. The backbone is frozen and random, which changes nothing in what is held, and its maps are not cached.
"""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys

from mlcnc.data.coco import coco_lt_splits
from tests.conftest import shared_data

MOST_GIGABYTES = 4.0
SETTINGS = (
    "--backbone resnet50 --frozen all --cache_maps false --embedding_dim 2048 --num_heads 8 --epochs 1 "
    "--warmup_epochs 0 --device cpu --num_samples 256"
)


def test_a_run_of_coco_lt_fits_four_gigabytes(tmp_path, say):
    sample = shared_data("coco-sample")
    for split, folder in (("train", "train2017"), ("test", "val2017")):
        (tmp_path / folder).mkdir()
        photographs = itertools.cycle(sorted((sample / folder).glob("*.jpg")))
        for image_id, photograph in zip(coco_lt_splits()[split].ids, photographs, strict=False):
            (tmp_path / folder / f"{image_id}.jpg").symlink_to(photograph)
    command = [sys.executable, "-m", "mlcnc", "train", "--dataset", "coco-lt", "--root", str(tmp_path)]
    runs = ["--runs", str(tmp_path / "runs"), "--run-id", "coco", "--quiet"]
    subprocess.run([*command, *SETTINGS.split(), *runs], check=True)
    (line,) = (tmp_path / "runs" / "coco" / "metrics.jsonl").read_text().splitlines()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    say(
        f"COCO-LT's size (1,909 + 5,000 photographs, 80 classes, d 2,048, resnet50): peak {peak:.2f} GB in one "
        f"process (at most {MOST_GIGABYTES}), measuring took {json.loads(line)['seconds_measure']:.0f} s"
    )
    assert peak <= MOST_GIGABYTES
