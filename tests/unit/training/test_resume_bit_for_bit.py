"""A run resumed after any epoch is the uninterrupted run, bit for bit, whatever its settings."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from mlcnc.store import RunStore
from mlcnc.training import resume, train, trainer
from tests.conftest import ROOT
from tests.processes.small_training import assert_same_run, glove_file, small_config, use_few_images

QUIET = {"say": lambda text: None, "show_progress": False}
GLOVE = {"label_embedding": "glove"}
CASES = {
    "etf": {},
    "etf, small arrays, untrained": {
        "training": {"arrays_every": 3, "class_arrays": True, "measure_untrained": True},
    },
    "trainable, uniform": {"method": {"label_embedding": "trainable"}, "data": {"sampler": "uniform"}},
    "glove, average": {"method": GLOVE, "training": {"ema_decay": 0.9}},
    "etf, uniform, average": {"data": {"sampler": "uniform"}, "training": {"ema_decay": 0.7}},
    "glove, uniform, adam": {
        "method": GLOVE,
        "data": {"sampler": "uniform"},
        "training": {"optimiser": "adam"},
    },
    "trainable, cosine, adam, average": {
        "method": {"label_embedding": "trainable", "attention": "cosine"},
        "training": {"optimiser": "adam", "ema_decay": 0.9},
    },
    "initial only, cumulative": {"method": {"classifier": "init_only", "class_means": "cumulative"}},
    "block aligned, cosine": {"method": {"classifier": "block_aligned", "attention": "cosine"}},
    "linear, no projection, no clipping": {
        "method": {"classifier": "linear", "projection_dim": None},
        "training": {"clip_norm": None},
    },
    "no warm-up, trainable, cumulative": {
        "method": {
            "label_embedding": "trainable",
            "class_means": "cumulative",
            "calibration_normalisation": "pair",
            "warmup_epochs": 0,
        },
    },
    "erm": {"method": {"kind": "erm"}},
    "ldam with deferred weights, a neck": {
        "method": {"kind": "ldam", "deferred_from": 0.5, "neck_dim": 8},
    },
    "oltr, average": {
        "method": {"kind": "oltr", "first_stage": 0.5, "feature_dim": 9},
        "training": {"ema_decay": 0.7},
    },
    "ml-gcn": {"method": {"kind": "ml_gcn", "graph_dim": 11}},
    "erm, class-aware, sgd in steps, accumulated, two workers": {
        "method": {"kind": "erm", "classification": {"kind": "two_way"}},
        "data": {"sampler": "class_aware", "num_workers": 2},
        "training": {
            "optimiser": "sgd",
            "schedule": "step",
            "lr_drops": [2],
            "lr_warmup_updates": 2,
            "accumulation": 2,
        },
    },
    "bbn, average": {"method": {"kind": "bbn"}, "training": {"ema_decay": 0.9}},
    "bbn on maps, with its own rate, adam": {
        "method": {"kind": "bbn", "classification": {"kind": "two_way"}},
        "model": {"frozen": "all", "trained_blocks": 1, "cached_draws": 1},
        "training": {"optimiser": "adam", "backbone_lr_factor": 0.5},
    },
    "db-focal": {"method": {"kind": "db_focal"}},
    "urs": {
        "method": {"kind": "urs", "compensation": True},
        "training": {"optimiser": "sgd", "accumulation": 2},
    },
    "plm": {"method": {"kind": "plm", "neck_dim": 7, "ratio_rate": 0.5, "initial_ratio": "half"}},
    "cosine to the letter, BCE, measured seldom, erased average": {
        "method": {
            "attention": "cosine",
            "input_map": "none",
            "embedding_dim": 64,
            "classification": {"kind": "bce"},
        },
        "training": {"measure_every": 3, "arrays_every": 3, "num_measured_train": 20, "ema_decay": 0.5},
    },
}


def config_of(case, folder):
    changes = json.loads(json.dumps(CASES[case]))
    method = changes.get("method", {})
    if method.get("label_embedding") == "glove" or method.get("kind") == "ml_gcn":
        changes["method"]["glove_path"] = str(glove_file(folder))
    return small_config(**changes)


def train_with_copies(monkeypatch, config, folder):
    """Train a run called ``whole`` and keep copies of it as it was after every epoch, ``cut/after-0`` and so on."""
    real = trainer.one_epoch

    def copied(experiment, events, epoch):
        metrics = real(experiment, events, epoch)
        shutil.copytree(events.writer.folder, folder / "cut" / f"after-{epoch}")
        return metrics

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "one_epoch", copied)
        train(config, runs_root=folder / "whole", run_id="whole", **QUIET)


def lost(folder):
    """Let a copy of a run under way be that of a process that died."""
    status = folder / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"pid": 2**22 - 3}))
    assert RunStore(folder.parent).open(folder.name).status.state == "lost"


# by default after one of the three epochs, another one from case to case
PLACES = [pytest.param(case, [number % 3], id=case) for number, case in enumerate(CASES)]
PLACES += [pytest.param(case, range(3), id=f"{case}, any epoch", marks=pytest.mark.slow) for case in CASES]


@pytest.mark.parametrize(("case", "epochs"), PLACES)
def test_resumed_after_an_epoch_it_is_the_uninterrupted_run(tmp_path, monkeypatch, case, epochs):
    use_few_images(monkeypatch)
    config = config_of(case, tmp_path)
    train_with_copies(monkeypatch, config, tmp_path)
    for epoch in epochs:
        folder = tmp_path / "cut" / f"after-{epoch}"
        lost(folder)
        resume(folder.name, runs_root=folder.parent, **QUIET)
        assert RunStore(folder.parent).open(folder.name).status.state == "finished"
        assert_same_run(tmp_path / "whole" / "whole", folder)


RESUMER = """
import sys
from pathlib import Path
from mlcnc.training import resume
from tests.processes.small_training import use_few_images
use_few_images()
for place in sys.argv[1:]:
    resume(Path(place).name, runs_root=Path(place).parent, say=print, show_progress=False)
"""


def test_resumed_by_another_process_it_is_the_uninterrupted_run(tmp_path, monkeypatch):
    """Both samplers and all embeddings, in a process of its own that orders sets and hashes in another way."""
    use_few_images(monkeypatch)
    roots = []
    for number, case in enumerate(("etf", "trainable, uniform", "glove, average")):
        roots.append(tmp_path / str(number))
        roots[-1].mkdir()
        train_with_copies(monkeypatch, config_of(case, roots[-1]), roots[-1])
        lost(roots[-1] / "cut" / "after-1")
    seed = "7" if os.environ.get("PYTHONHASHSEED") != "7" else "8"
    places = [str(root / "cut" / "after-1") for root in roots]
    done = subprocess.run(
        [sys.executable, "-c", RESUMER, *places],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("going on with epoch 3") == len(roots)
    for root in roots:
        assert_same_run(root / "whole" / "whole", root / "cut" / "after-1")
