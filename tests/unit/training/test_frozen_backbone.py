"""Training on maps of a frozen backbone, from the cache and without it."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mlcnc.data.image_files import ImageFileSplit
from mlcnc.errors import ConfigError
from mlcnc.store import RunStore
from mlcnc.training import build, resume, train, trainer
from mlcnc.training.evaluation import evaluate
from tests.processes.small_training import assert_same_run, few_images, small_config, use_few_images, weights_of

QUIET = {"say": lambda text: None, "show_progress": False}
STILL = {"flip": False, "shift": 0, "jitter": 0.0}


@pytest.fixture(autouse=True)
def _few_images(monkeypatch, tmp_path):
    use_few_images(monkeypatch)
    monkeypatch.setenv("MLCNC_CACHE", str(tmp_path / "cache"))


def config(cached=True, blocks=0, data=STILL, **more):
    model = {"frozen": "all", "cache_maps": cached, "trained_blocks": blocks, "cached_draws": 0}
    return small_config(data=data, model=model, **more)


@pytest.mark.parametrize("blocks", [0, 1])
@pytest.mark.parametrize("kind", ["mlc_nc", "erm"])
def test_cached_maps_train_like_images(tmp_path, kind, blocks):
    method = {"kind": "erm"} if kind == "erm" else {"dropout": 0.0}
    for name, cached in (("images", False), ("maps", True)):
        train(config(cached, blocks, method=method), runs_root=tmp_path, run_id=name, **QUIET)
    images, maps = (RunStore(tmp_path).open(name).metrics() for name in ("images", "maps"))
    for one, other in zip(images, maps, strict=True):
        # maps are kept in half precision
        assert one["train/loss"] == pytest.approx(other["train/loss"], rel=2e-3)
    assert images[-1]["train/loss"] < images[0]["train/loss"] or kind == "mlc_nc"
    assert images[-1]["test/map_total"] == pytest.approx(maps[-1]["test/map_total"], abs=3)


def test_a_frozen_backbone_does_not_move(tmp_path):
    weights = {}
    for blocks in (0, 1):
        with closing(build.build(config(cached=False, blocks=blocks))) as experiment:
            weights[blocks] = {name: value.clone() for name, value in experiment.method.state_dict().items()}
        train(config(cached=False, blocks=blocks), runs_root=tmp_path, run_id=f"run-{blocks}", **QUIET)
    for blocks, before in weights.items():
        after = weights_of(tmp_path / f"run-{blocks}")
        moved = {
            name.split("layers.")[1].split(".")[0]
            for name, value in before.items()
            if "backbone" in name and not torch.equal(value, _ending_in(after, name))
        }
        # three convolutions, each with pooling, norm and activation after it
        assert moved == ({"8", "10"} if blocks else set())


def _ending_in(tensors, name):
    (found,) = [value for place, value in tensors.items() if str(place).endswith(name)]
    return found


@pytest.mark.parametrize("draws", [0, 2])
def test_a_run_on_maps_resumes_bit_for_bit(tmp_path, monkeypatch, draws):
    moving = {"flip": True, "shift": 2, "jitter": 0.2}
    settings = config(blocks=1, data=moving)
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"cached_draws": draws})})
    train(settings, runs_root=tmp_path, run_id="whole", **QUIET)
    real = trainer.one_epoch

    def interrupted(experiment, events, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        return real(experiment, events, epoch)

    monkeypatch.setattr(trainer, "one_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(settings, runs_root=tmp_path, run_id="cut", **QUIET)
    monkeypatch.setattr(trainer, "one_epoch", real)
    resume("cut", runs_root=tmp_path, **QUIET)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    found, epoch = evaluate("cut", runs_root=tmp_path, say=lambda text: None)
    assert epoch == 3
    assert found["test/map_total"] == pytest.approx(
        RunStore(tmp_path).open("cut").metrics()[-1]["test/map_total"]
    )


def test_the_cache_is_told_and_holds_every_variant(tmp_path):
    told = []
    settings = config(data={"flip": True})
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"cached_draws": 2})})
    train(settings, runs_root=tmp_path, run_id="run", say=told.append, show_progress=False)
    assert any(line.startswith("computing maps of ") and "MB free" in line for line in told)
    (folder,) = (tmp_path / "cache" / "maps").iterdir()
    assert {path.stem for path in folder.glob("*.npy")} == {
        "train-plain",
        "train-mirrored",
        "train-light-0",
        "train-light-1",
        "validation-plain",
        "test-plain",
    }
    told.clear()
    train(settings, runs_root=tmp_path, run_id="again", say=told.append, show_progress=False)
    assert not any("maps" in line for line in told)
    assert_same_run(tmp_path / "run", tmp_path / "again")


def test_the_backbone_may_have_a_rate_of_its_own():
    settings = small_config(training={"backbone_lr_factor": 0.1, "lr": 0.01, "schedule": "step"})
    with closing(build.build(settings)) as experiment:
        own = {id(part) for part in experiment.method.network.backbone.parameters()}
        groups = experiment.optimiser.param_groups
        rates = {id(part): group["lr"] for group in groups for part in group["params"]}
        everything = {id(part) for part in experiment.method.parameters()}
        decays = {group["weight_decay"] for group in groups if {id(part) for part in group["params"]} & own}
    assert set(rates) == everything
    for part, rate in rates.items():
        assert rate == pytest.approx(0.001 if part in own else 0.01)
    assert decays == {0.0, 1e-4}


def test_every_second_test_image_may_be_mirrored(tmp_path):
    few = few_images("few")
    paths = []
    for row in range(len(few.test)):
        paths.append(tmp_path / f"{row}.png")
        Image.fromarray(few.test.image(row)).save(paths[-1])
    files = ImageFileSplit("test", paths, few.test.targets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "build_dataset", lambda name, request: replace(few, test=files))
        settings = small_config(data={"test_mirror": True, "image_size": 32})
        with closing(build.build(settings)) as experiment:
            test = experiment.dataset.test
            (batch,) = experiment.images.loaders["test"].epoch(0)
    mirrored = 0
    for row in range(len(few.test)):
        seen = test.image(row)
        if not np.array_equal(seen, few.test.image(row)):
            np.testing.assert_array_equal(seen, few.test.image(row)[:, ::-1])
            mirrored += 1
        pixels = torch.from_numpy(np.array(seen)).permute(2, 0, 1) / 255
        torch.testing.assert_close(batch.images[row], (pixels - 0.5) / 0.25)
    assert 0 < mirrored < len(few.test)


def test_a_setting_without_all_frozen_is_refused():
    with pytest.raises(ConfigError, match=r"model\.trained_blocks must be 0 where model\.frozen is nothing"):
        build.build(small_config(model={"trained_blocks": 1}))
