"""A run resumed after any epoch is the uninterrupted run, bit for bit, whatever its settings."""

import json
import shutil

import pytest

from mlcnc.store import RunStore
from mlcnc.training import resume, train, trainer
from tests.processes.small_training import assert_same_run, glove_file, small_config, use_few_images

QUIET = {"say": lambda text: None, "show_progress": False}
GLOVE = {"label_embedding": "glove"}
CASES = {
    "etf": {},
    "trainable, uniform": {"model": {"label_embedding": "trainable"}, "data": {"sampler": "uniform"}},
    "glove, average": {"model": GLOVE, "training": {"ema_decay": 0.9}},
    "etf, uniform, average": {"data": {"sampler": "uniform"}, "training": {"ema_decay": 0.7}},
    "glove, uniform, adam": {"model": GLOVE, "data": {"sampler": "uniform"}, "training": {"optimiser": "adam"}},
    "trainable, cosine, adam, average": {
        "model": {"label_embedding": "trainable", "attention": "cosine"},
        "training": {"optimiser": "adam", "ema_decay": 0.9},
    },
    "initial only, cumulative": {"model": {"classifier": "init_only"}, "loss": {"class_means": "cumulative"}},
    "block aligned, cosine": {"model": {"classifier": "block_aligned", "attention": "cosine"}},
    "linear, no projection, no clipping": {
        "model": {"classifier": "linear", "projection_dim": None},
        "training": {"clip_norm": None},
    },
    "no warm-up, trainable, cumulative": {
        "model": {"label_embedding": "trainable"},
        "loss": {"class_means": "cumulative", "calibration_normalisation": "pair"},
        "training": {"warmup_epochs": 0},
    },
}


def config_of(case, folder):
    changes = json.loads(json.dumps(CASES[case]))
    if changes.get("model", {}).get("label_embedding") == "glove":
        changes["model"]["glove_path"] = str(glove_file(folder))
    return small_config(**changes)


@pytest.mark.parametrize("case", CASES)
def test_resumed_after_any_epoch_it_is_the_uninterrupted_run(tmp_path, monkeypatch, case):
    use_few_images(monkeypatch)
    config = config_of(case, tmp_path)
    real = trainer.one_epoch

    def copied(experiment, writer, choice, epoch, report):
        real(experiment, writer, choice, epoch, report)
        shutil.copytree(writer.folder, tmp_path / "cut" / f"after-{epoch}")

    monkeypatch.setattr(trainer, "one_epoch", copied)
    train(config, runs_root=tmp_path / "whole", run_id="whole", **QUIET)
    monkeypatch.setattr(trainer, "one_epoch", real)
    for epoch in range(config.training.epochs - 1):
        folder = tmp_path / "cut" / f"after-{epoch}"
        status = folder / "status.json"
        status.write_text(json.dumps(json.loads(status.read_text()) | {"pid": 2**22 - 3}))
        assert RunStore(folder.parent).open(folder.name).status.state == "lost"
        resume(folder.name, runs_root=folder.parent, **QUIET)
        assert RunStore(folder.parent).open(folder.name).status.state == "finished"
        assert_same_run(tmp_path / "whole" / "whole", folder)
