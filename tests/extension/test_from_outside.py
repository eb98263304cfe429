"""A method and a data set from outside the package train, are logged, resumed, verified and shown."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from mlcnc import data
from mlcnc.analysis.runs.rows import run_row
from mlcnc.analysis.verification.recomputation import verify_run
from mlcnc.cli import main
from mlcnc.config import leaf_fields, parse
from mlcnc.data.augmentation import v2
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.protocol import MultiLabelDataset
from mlcnc.data.samplers import SAMPLERS
from mlcnc.data.view import View
from mlcnc.errors import ConfigError
from mlcnc.methods import settings
from mlcnc.store import RunStore
from mlcnc.training import build, resume, train, trainer
from tests.conftest import ROOT
from tests.extension.nearest_colour import FACTS, NearestColourSettings, coloured_noise
from tests.extension.weighted_loss import Backwards, WeightedSettings
from tests.processes.small_training import assert_same_run, few_images, small_config, use_few_images

QUIET = {"say": lambda text: None, "show_progress": False}


@pytest.fixture(scope="module")
def registered():
    """Let the package know the method and the data set, and forget them afterwards."""
    settings.register_method(NearestColourSettings)
    data.register_dataset("coloured-noise", coloured_noise, FACTS)
    yield
    del settings.METHODS["nearest_colour"]
    del data.DATASETS["coloured-noise"], data.FACTS["coloured-noise"]


def config(**training):
    return parse(
        {
            "data": {"dataset": "coloured-noise", "image_size": 32, "num_samples": 40},
            "method": {"kind": "nearest_colour", "pull": 0.2},
            "training": {
                "epochs": 5,
                "batch_size": 8,
                "lr": 0.05,
                "measure_every": 2,
                "arrays_every": 2,
                "num_sample_pairs": 20,
                "num_probes": 3,
                "num_threads": 1,
                **training,
            },
        }
    )


@pytest.fixture(scope="module")
def root(registered, tmp_path_factory):
    """Return the runs folder of one run, and of a copy as it was after its second epoch."""
    root = tmp_path_factory.mktemp("outside")
    real = trainer.one_epoch

    def copied(experiment, events, epoch):
        metrics = real(experiment, events, epoch)
        if epoch == 1:
            shutil.copytree(events.writer.folder, root / "cut")
        return metrics

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "one_epoch", copied)
        train(config(), runs_root=root, run_id="whole", **QUIET)
    return root


def test_it_is_trained_and_logged(root):
    run = RunStore(root).open("whole")
    lines = run.metrics()
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3, 4]
    assert [np.isfinite(line["train/pull"]) for line in lines] == [True] * 5
    assert lines[-1]["train/loss"] == pytest.approx(lines[-1]["train/hit"] + 0.2 * lines[-1]["train/pull"])
    assert lines[-1]["train/hit"] < lines[0]["train/hit"]
    assert [line["epoch"] for line in lines if "test/map_total" in line] == [0, 2, 4]
    assert lines[-1]["colour/steps"] == 25
    assert lines[-1]["test/map_total"] > 60
    assert [(space.name, space.kind, space.dim) for space in run.spaces] == [("colour", "image", 3)]
    assert run.info.method == "nearest_colour"
    assert np.isfinite(lines[-1]["test.colour/nc1_trace"])
    arrays = run.arrays(4)
    assert arrays.get("test.colour/class_means").shape == (4, 3)
    assert "probes/attention" not in arrays


def test_resumed_it_is_the_same_run(root):
    status = root / "cut" / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "stopped"}))
    resume("cut", runs_root=root, **QUIET)
    assert_same_run(root / "whole", root / "cut")


def test_it_is_verified(root, capsys):
    report = verify_run(RunStore(root).open("whole"))
    assert report.problems == []
    assert report.num_checks > 100
    assert main(["evaluate", "whole", "--runs", str(root), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["test/map_total"] == pytest.approx(
        RunStore(root).open("whole").metrics()[-1]["test/map_total"]
    )


def test_its_settings_are_options(registered, root, capsys):
    assert ("method", "pull") in {path for path, _ in leaf_fields()}
    command = ["train", "--method", "nearest_colour", "--dataset", "coloured-noise", "--runs", str(root)]
    assert main([*command, "--image_size", "32", "--epochs", "1", "--pull", "-1"]) == 1
    assert "method.pull: input should be greater than or equal to 0" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="draws from uniform and class_aware, got 'uniform'"):
        build.build(
            parse(config().model_dump() | {"data": {"dataset": "coloured-noise", "sampler": "uniform"}})
        )


def test_a_kind_is_registered_once(registered):
    class Other(NearestColourSettings):
        """Another one of the same kind."""

    with pytest.raises(ConfigError, match="'nearest_colour' is registered already"):
        settings.register_method(Other)


def test_its_row_names_the_method(root):
    row = run_row(RunStore(root).open("whole"))
    assert row.method == "nearest_colour"
    assert row.recipe.startswith("nearest colour")
    assert "etf" not in row.recipe


@pytest.mark.parametrize("page", ["overview", "compare", "geometry", "variability", "map", "images"])
def test_every_page_opens_it(root, page, monkeypatch):
    monkeypatch.setenv("MLCNC_RUNS", str(root))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    shown = AppTest.from_file(str(ROOT / "app" / page / "page.py"), default_timeout=30).run()
    assert not shown.exception


@pytest.fixture
def weighted():
    settings.register_loss(WeightedSettings)
    SAMPLERS["backwards"] = Backwards
    yield
    del settings.LOSSES["weighted"], SAMPLERS["backwards"]


@pytest.mark.parametrize("kind", ["erm", "mlc_nc"])
def test_a_loss_brings_statistics_and_sampler_to_any_method(weighted, tmp_path, monkeypatch, kind):
    use_few_images(monkeypatch)
    method = {"kind": kind, "classification": {"kind": "weighted", "power": 1.0}}
    if kind == "mlc_nc":
        method |= {"embedding_dim": 20, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 0}
    train(small_config(method=method), runs_root=tmp_path, run_id="whole", **QUIET)
    lines = RunStore(tmp_path).open("whole").metrics()
    assert np.isfinite(lines[-1]["train/weighted"])
    experiment = build.build(small_config(method=method))
    batch = next(experiment.loaders[0].epoch(0))
    assert batch.indices.tolist() == [36, 35, 34, 33, 32, 31, 30, 29]
    own = next(part for part in experiment.method.modules() if getattr(part, "name", "") == "weighted")
    logits = torch.randn(8, 5)
    expected = [
        (np.log1p(np.exp(-z)) * 37 / few_images("few").class_counts[c] if y else np.log1p(np.exp(z)))
        for logit, target in zip(logits.tolist(), batch.targets.tolist(), strict=True)
        for c, (z, y) in enumerate(zip(logit, target, strict=True))
    ]
    assert float(own(logits, batch.targets)) == pytest.approx(np.mean(expected), rel=1e-5)
    assert not [name for name in experiment.method.state_dict() if "class_counts" in name]


def test_a_data_set_of_files_names_its_augmentation(tmp_path, monkeypatch):
    """v2 on PIL images, read by workers, in a whole run; the same run without workers."""
    few = few_images("few")

    def on_disk(name, request):
        splits = {}
        for split in (few.train, few.validation, few.test):
            paths = [tmp_path / f"{split.name}-{row}.png" for row in range(len(split))]
            for row, path in enumerate(paths):
                Image.fromarray(split.image(row)).save(path)
            splits[split.name] = ImageFileSplit(split.name, paths, split.targets, view=View(32))
        augmentation = v2.Compose([v2.RandomResizedCrop(32, antialias=True), v2.ColorJitter(0.3, 0.3)])
        return MultiLabelDataset(
            name, few.class_names, **splits, group_thresholds=(15, 9), augmentation=augmentation
        )

    monkeypatch.setattr(build, "build_dataset", on_disk)
    for number in (0, 2):
        config = small_config(method={"kind": "erm"}, data={"num_workers": number}, training={"epochs": 2})
        train(config, runs_root=tmp_path, run_id=f"by-{number}", **QUIET)
    assert_same_run(tmp_path / "by-0", tmp_path / "by-2")


def test_a_plugin_that_is_missing_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setenv("MLCNC_PLUGINS", "no_such_module_anywhere")
    assert main(["runs", "list"]) == 1
    assert "MLCNC_PLUGINS names 'no_such_module_anywhere', which cannot be imported" in capsys.readouterr().err
