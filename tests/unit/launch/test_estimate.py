"""What is said of a run before it is queued, against real networks, real runs and everything that can be wrong."""

import importlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from mlcnc.config import PRESETS, ExperimentConfig, comparison, override, parse, preset, with_width
from mlcnc.data import DATASETS, build_dataset, dataset_facts
from mlcnc.errors import LaunchError
from mlcnc.launch import Device, estimate
from mlcnc.launch.devices import DevicesUnknownError
from mlcnc.launch.memory_size import device_bytes, host_bytes
from mlcnc.launch.network_size import BACKBONE_SIZES, network_size
from mlcnc.launch.run_size import num_array_epochs, run_bytes
from mlcnc.models import build_backbone
from mlcnc.store import RunStore
from mlcnc.training.build import network_of
from mlcnc.training.trainer import has_arrays
from tests.conftest import ROOT

# estimate is also the function's name in the package
module = importlib.import_module("mlcnc.launch.estimate")
CPU = Device("cpu", "CPU, 2 cores", 16 * 2**30, 8 * 2**30, "auto takes the CPU")
GPU = Device("cuda:0", "a GPU", 2 * 2**30, 2**30, "auto takes the first NVIDIA GPU")
WORDS = "the 1 0 2\ndining 1 0 1\ntable 0 1 1\ntv 3 3 1\npotted 1 1 1\nplant 1 2 1\nmonitor 1 2 3\n"
SIMPLE = "aeroplane bicycle bird boat bottle bus car cat chair cow dog horse motorbike person sheep sofa train"


@pytest.fixture(autouse=True)
def _two_devices(monkeypatch):
    """Ask no torch: this machine has a CPU and, where it is named, a small GPU."""

    def chosen(name):
        if name == "mps":
            raise LaunchError("device 'mps' is not on this machine; use auto or one of cuda:0, cpu")
        return ("cpu" if name == "auto" else name), "asked for"

    monkeypatch.setattr(module, "devices", lambda: [GPU, CPU])
    monkeypatch.setattr(module, "chosen_device", chosen)
    monkeypatch.delenv("MLCNC_GLOVE", raising=False)


def changed(**sections):
    return override(ExperimentConfig(), sections)


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "glove.3d.txt"
    path.write_text(WORDS + "".join(f"{word} 1 2 {i}\n" for i, word in enumerate(SIMPLE.split())))
    return path


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_can_be_queued(name, tmp_path):
    found = estimate(preset(name), tmp_path, "auto")
    assert found.problems == ()
    assert found.notes == ()
    assert 3e6 < found.disk_bytes < 40e6
    assert found.memory_bytes is not None
    assert 500e6 < found.memory_bytes < 1500e6
    assert found.free_disk_bytes > 0


@pytest.mark.parametrize("name", BACKBONE_SIZES)
def test_sizes_of_backbones_are_those_of_their_layers(name):
    with torch.device("meta"):
        backbone, images = build_backbone(name).eval(), torch.zeros(1, 3, 64, 64)
    outputs = []
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, given, output: outputs.append(output.numel()))
    with torch.no_grad():
        feature_map = backbone(images)
    known = BACKBONE_SIZES[name]
    assert sum(parameter.numel() for parameter in backbone.parameters()) == known.parameters
    assert sum(outputs) / 64**2 == pytest.approx(known.outputs, rel=1e-3)
    assert feature_map.shape == (1, known.channels, 64 // known.stride, 64 // known.stride)


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"embedding_dim": 300, "num_heads": 10, "projection_dim": 7},
        {"attention": "cosine"},
        {"projection_dim": None},
        {"classifier": "linear", "label_embedding": "trainable"},
        {"classifier": "init_only"},
        {"backbone": "resnet18", "classifier": "block_aligned"},
    ],
)
def test_parameters_are_those_of_the_network(model):
    config = changed(model=model).model
    network = network_of(config, [str(label) for label in range(20)], 0)
    size = network_size(config, 20, 64)
    assert size.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert size.buffers == sum(buffer.numel() for buffer in network.head.buffers())


@pytest.mark.parametrize("name", DATASETS)
def test_facts_of_data_sets_are_those_of_the_drawn_ones(name):
    dataset, facts = build_dataset(name), dataset_facts(name)
    assert facts.class_names == dataset.class_names
    sizes = (len(dataset.train), len(dataset.validation), len(dataset.test))
    assert (facts.num_train, facts.num_validation, facts.num_test) == sizes
    assert dataset.train.image(0).shape[0] in facts.image_sizes


@pytest.mark.parametrize(("epochs", "every"), [(1, 1), (1, 5), (7, 0), (7, 1), (7, 3), (9, 4), (10, 100)])
def test_epochs_with_arrays_are_those_of_the_trainer(epochs, every):
    config = changed(training={"epochs": epochs, "warmup_epochs": 0, "arrays_every": every})
    assert num_array_epochs(epochs, every) == sum(has_arrays(config, epoch) for epoch in range(epochs))


def folder_bytes(folder):
    kept = (path for path in folder.rglob("*") if path.is_file() and "layouts" not in path.parts)
    return sum(path.stat().st_size for path in kept)


def disk_of(config):
    facts = dataset_facts(config.data.dataset)
    return run_bytes(config, facts, network_size(config.model, len(facts.class_names), config.data.image_size))


@pytest.mark.parametrize("run_id", ["pictogram-etf-s0", "pictogram-glove-s1", "digits-trainable-s0"])
def test_recorded_runs_have_the_estimated_size(run_id):
    run = RunStore(ROOT / "runs").open(run_id)
    assert disk_of(parse(run.info.config)) == pytest.approx(folder_bytes(run.folder), rel=0.3)


def test_a_run_with_checkpoints_has_the_estimated_size(trained):
    run = RunStore(trained).open("tiny")
    assert disk_of(parse(run.info.config)) == pytest.approx(folder_bytes(run.folder), rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("demo", []),
        ("pictogram-lt", []),
        ("digits-lt", []),
        ("comparison", ["--training.batch_size", "256", "--data.num_samples", "512"]),
    ],
)
def test_real_runs_take_what_was_estimated(tmp_path, name, more):
    short = ["--epochs", "2", "--warmup_epochs", "1", "--data.num_samples", "64", *more]
    settings = {"epochs": 2, "warmup_epochs": 1}
    config = override(preset(name), {"training": settings, "data": {"num_samples": 64}})
    if more:
        config = override(config, {"training": {"batch_size": 256}, "data": {"num_samples": 512}})
    needs = estimate(config, tmp_path, "cpu")
    argv = [sys.executable, "-m", "mlcnc", "train", "--preset", name, *short, "--run-id", "one", "--quiet"]
    process = subprocess.Popen([*argv, "--runs", str(tmp_path)], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert needs.disk_bytes == pytest.approx(folder_bytes(tmp_path / "one"), rel=0.3)
    assert peak / 1.5 < needs.memory_bytes < peak * 1.5


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"data": {"dataset": "voc-lt"}}, "data.dataset must be one of pictogram-lt, digits-lt, got 'voc-lt'"),
        ({"data": {"image_size": 70}}, "data.image_size of pictogram-lt must be one of 64, 96, 128, got 70"),
        ({"training": {"batch_size": 1143}}, "batch_size 1143 is larger than the 1142 images of an epoch"),
        ({"data": {"num_samples": 8}}, "batch_size 32 is larger than the 8 images"),
        (
            {"model": {"embedding_dim": 16}},
            "embedding_dim must be at least 19 for an ETF of 20 classes, got 16",
        ),
        ({"model": {"weights": "imagenet"}}, "the small backbone has no pre-trained weights"),
        ({"training": {"device": "mps"}}, "device 'mps' is not on this machine"),
        ({"model": {"label_embedding": "glove"}}, "no file of vectors is named"),
    ],
)
def test_what_would_fail_is_one_sentence(tmp_path, sections, words):
    found = estimate(changed(**sections), tmp_path)
    (problem,) = found.problems
    assert words in problem
    assert "\n" not in problem


def test_an_unknown_data_set_or_device_has_no_memory(tmp_path):
    assert estimate(changed(data={"dataset": "voc-lt"}), tmp_path).memory_bytes is None
    found = estimate(ExperimentConfig(), tmp_path, "mps")
    assert found.memory_bytes is None
    assert found.disk_bytes > 0


def test_devices_that_are_not_known_yet_are_no_problem_of_the_settings(tmp_path, monkeypatch):
    def unknown(name):
        raise DevicesUnknownError("not known")

    monkeypatch.setattr(module, "chosen_device", unknown)
    found = estimate(ExperimentConfig(), tmp_path)
    assert (found.problems, found.memory_bytes) == ((), None)


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda root: 20 * 2**20)
    (problem,) = estimate(ExperimentConfig(), tmp_path / "new" / "runs").problems
    assert "keeps 50 MiB free" in problem
    assert "has 20 MiB" in problem
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(module, "devices", lambda: [CPU])
    monkeypatch.setattr(module, "chosen_device", lambda name: ("cpu", ""))
    (problem,) = estimate(ExperimentConfig(), tmp_path / "file").problems
    assert "cannot be written" in problem


def test_memory_is_judged_by_the_device(tmp_path, monkeypatch):
    wide = changed(training={"batch_size": 1142, "device": "cuda", "mixed_precision": False})
    found = estimate(with_width(wide, 4096), tmp_path)
    assert "and cuda:0 (a GPU) has 2,048 MiB; lower training.batch_size" in found.problems[0]
    busy = replace(CPU, free_bytes=300 * 2**20)
    monkeypatch.setattr(module, "devices", lambda: [busy])
    found = estimate(ExperimentConfig(), tmp_path, "cpu")
    assert found.problems == ()
    assert "300 MiB are free on cpu now" in found.notes[0]
    small = replace(CPU, total_bytes=300 * 2**20)
    monkeypatch.setattr(module, "devices", lambda: [small])
    assert "has 300 MiB" in estimate(ExperimentConfig(), tmp_path, "cpu").problems[0]


def test_memory_grows_with_what_takes_it():
    facts = dataset_facts("pictogram-lt")

    def both(**sections):
        config = changed(**sections)
        size = network_size(config.model, 20, config.data.image_size)
        return host_bytes(config, facts, size), device_bytes(config, size)

    host, device = both()
    for sections in (
        {"training": {"batch_size": 256}},
        {"data": {"image_size": 128}},
        {"model": {"embedding_dim": 1024}},
        {"model": {"backbone": "resnet50"}},
        {"training": {"ema_decay": 0.99}},
    ):
        more_host, more_device = both(**sections)
        assert more_host > host
        assert more_device > device
    assert both(training={"mixed_precision": False})[1] > device


def glove_problems(path, dim=3, **model):
    config = with_width(changed(model={"label_embedding": "glove", "glove_path": str(path), **model}), dim)
    return estimate(config, ".", "cpu").problems


def test_a_glove_file_that_fits_is_no_problem(glove, monkeypatch):
    assert glove_problems(glove) == ()
    monkeypatch.setenv("MLCNC_GLOVE", str(glove))
    config = with_width(changed(model={"label_embedding": "glove"}), 3)
    assert estimate(config, ".", "cpu").problems == ()


def test_what_is_wrong_with_a_glove_file_is_one_sentence(glove, tmp_path):
    (problem,) = glove_problems(glove, dim=4)
    assert f"model.embedding_dim must be 3, the dimension of {glove}, got 4" in problem
    assert "cannot be read: No such file" in glove_problems(tmp_path / "absent")[0]
    assert "no regular file" in glove_problems(tmp_path)[0]
    assert "this is no path" in glove_problems("a\0b")[0]
    short = tmp_path / "short.txt"
    lines = glove.read_text().splitlines(keepends=True)
    short.write_text("".join(line for line in lines if not line.startswith("sheep")))
    assert "no vector for the class 'sheep'" in glove_problems(short)[0]
    # the same path is read again when the file has changed
    short.write_text(glove.read_text())
    assert glove_problems(short) == ()
    short.write_bytes(b"\xff\xfe\n")
    assert "not word vectors as text" in glove_problems(short)[0]


def test_the_three_runs_of_a_comparison_differ_in_their_embedding_only(glove):
    wide = with_width(comparison(), 3)
    runs = [
        override(wide, {"model": {"label_embedding": kind, "glove_path": path}})
        for kind, path in (("trainable", None), ("glove", str(glove)))
    ]
    for config in runs:
        assert estimate(config, ".", "cpu").problems == ()
    first, second = (config.model_dump() for config in runs)
    for tree in (first, second):
        del tree["model"]["label_embedding"], tree["model"]["glove_path"]
    assert first == second


def test_estimating_loads_no_torch(glove, tmp_path):
    program = f"""
import sys
from mlcnc.config import *
from mlcnc.launch import estimate
config = with_width(override(comparison(), dict(model=dict(label_embedding="glove", glove_path={str(glove)!r}))), 3)
assert estimate(config, {str(tmp_path)!r}, "cpu").disk_bytes
print([name for name in ("torch", "umap", "sklearn") if name in sys.modules])
"""
    environment = {**os.environ, "MLCNC_LOCKS": str(tmp_path / "locks")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert done.stdout.strip() == "[]"
