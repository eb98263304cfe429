"""What is said of a run before it is queued: every preset can start, and everything that cannot is one sentence."""

import os
import subprocess
import sys

import pytest

from mlcnc.config import ExperimentConfig, override
from mlcnc.data import DATASETS, build_dataset, dataset_facts
from mlcnc.errors import ConfigError
from mlcnc.obstacles import obstacles
from mlcnc.presets import PRESETS, comparison, preset, with_width
from tests.conftest import ROOT, shared_data

MODULE = sys.modules["mlcnc.obstacles"]  # the package calls the function so
WORDS = "the 1 0 2\ndining 1 0 1\ntable 0 1 1\ntv 3 3 1\npotted 1 1 1\nplant 1 2 1\nmonitor 1 2 3\n"
SIMPLE = "aeroplane bicycle bird boat bottle bus car cat chair cow dog horse motorbike person sheep sofa train"


@pytest.fixture(autouse=True)
def _a_cpu(monkeypatch, tmp_path):
    """This machine has a CPU."""
    monkeypatch.setattr(sys.modules["mlcnc.devices"], "_gpus", lambda: ([], "there is none"))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    for variable in ("MLCNC_GLOVE", "MLCNC_DATA"):
        monkeypatch.delenv(variable, raising=False)


def changed(**sections):
    return override(ExperimentConfig(), sections)


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "glove.3d.txt"
    path.write_text(WORDS + "".join(f"{word} 1 2 {i}\n" for i, word in enumerate(SIMPLE.split())))
    return path


DRAWN = [name for name in PRESETS if dataset_facts(preset(name).data.dataset).root is None]


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_preset_of_drawn_scenes_can_be_queued(name, tmp_path):
    assert obstacles(preset(name), tmp_path) == ()


@pytest.mark.parametrize("name", sorted(PRESETS.keys() - DRAWN))
def test_a_preset_of_photographs_lacks_nothing_but_them(name, tmp_path, glove, monkeypatch):
    monkeypatch.delenv("MLCNC_DATA", raising=False)
    monkeypatch.setenv("MLCNC_GLOVE", str(glove))
    (obstacle,) = obstacles(preset(name), tmp_path)
    assert f"mlcnc data prepare {preset(name).data.dataset}" in obstacle


def test_with_the_photographs_their_preset_can_be_queued(tmp_path):
    there = {"data": {"root": str(shared_data("voc07-lt").parent)}}
    assert obstacles(override(preset("voc07-lt"), there), tmp_path) == ()


@pytest.mark.parametrize("name", ["pictogram-lt", "digits-lt"])
def test_facts_of_data_sets_are_those_of_the_drawn_ones(name):
    dataset, facts = build_dataset(name), dataset_facts(name)
    assert name in DATASETS
    assert facts.class_names == dataset.class_names
    sizes = (len(dataset.train), len(dataset.validation), len(dataset.test))
    assert (facts.num_train, facts.num_validation, facts.num_test) == sizes
    assert dataset.train.image(0).shape[0] in facts.image_sizes


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"data": {"dataset": "voc"}}, "vg200, folder, got 'voc'; did you mean 'voc-lt'?"),
        ({"data": {"dataset": "voc-lt"}}, "and neither is set; voc-lt needs 1,142 photographs"),
        (
            {"data": {"dataset": "voc07-lt", "root": "/nowhere"}},
            "data.root /nowhere is not a folder; voc07-lt needs",
        ),
        ({"data": {"dataset": "folder"}}, "data.root must name the folder of your photographs; put labels.csv"),
        ({"data": {"image_size": 70}}, "data.image_size of pictogram-lt must be one of 64, 96, 128, got 70"),
        ({"data": {"sampler": "uniforn"}}, "got 'uniforn'; did you mean 'uniform'?"),
        ({"training": {"batch_size": 1143}}, "batch_size 1143 is larger than the 1142 images of an epoch"),
        ({"data": {"num_samples": 8}}, "batch_size 32 is larger than the 8 images"),
        (
            {"method": {"kind": "erm", "neck_dim": 8}, "training": {"batch_size": 1}},
            "batch_size must give every batch of ERM at least 2 images",
        ),
        (
            {"method": {"embedding_dim": 16}},
            "embedding_dim must be at least 19 for an ETF of 20 classes, got 16",
        ),
        ({"model": {"weights": "imagenet"}}, "the small backbone has no pre-trained weights"),
        ({"training": {"device": "mps"}}, "device 'mps' is not on this machine"),
        ({"training": {"device": "cuda"}}, "device 'cuda:0' is not on this machine"),
        (
            {"method": {"label_embedding": "glove"}},
            "method.label_embedding is glove but no file of vectors is named",
        ),
        (
            {"method": {"kind": "ml_gcn"}},
            "method.kind is ml_gcn but no file of vectors is named; name one with --glove PATH",
        ),
    ],
)
def test_what_would_fail_is_one_sentence(tmp_path, sections, words):
    (sentence,) = obstacles(changed(**sections), tmp_path)
    assert words in sentence
    assert "\n" not in sentence


def test_a_method_without_label_embedding_needs_none(tmp_path):
    config = changed(method={"kind": "erm"}, data={"sampler": "class_aware"})
    assert obstacles(config, tmp_path) == ()


def test_the_device_that_was_asked_for_goes_before_that_of_the_settings(tmp_path):
    config = changed(training={"device": "mps"})
    assert obstacles(config, tmp_path, "cpu") == ()
    assert "device 'cuda:1' is not" in obstacles(ExperimentConfig(), tmp_path, "cuda:1")[0]


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    config = changed(training={"device": "mps", "batch_size": 2000}, data={"image_size": 70, "sampler": "odd"})
    assert len(obstacles(config, tmp_path)) == 4


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("mlcnc.store.new_run.free_bytes", lambda root: 20 * 2**20)
        (sentence,) = obstacles(ExperimentConfig(), tmp_path / "new" / "runs")
    assert "has 20 MiB free, 50 are needed" in sentence
    (tmp_path / "file").write_text("")
    (sentence,) = obstacles(ExperimentConfig(), tmp_path / "file")
    assert "cannot be written" in sentence


def of_glove(path, dim=3):
    config = with_width(changed(method={"label_embedding": "glove", "glove_path": str(path)}), dim)
    return obstacles(config, ".", "cpu")


def test_a_glove_file_that_fits_is_no_obstacle(glove, monkeypatch):
    assert of_glove(glove) == ()
    monkeypatch.setenv("MLCNC_GLOVE", str(glove))
    config = with_width(changed(method={"label_embedding": "glove"}), 3)
    assert obstacles(config, ".", "cpu") == ()
    assert obstacles(changed(method={"kind": "ml_gcn"}), ".", "cpu") == ()  # it takes any dimension


def test_ml_gcn_on_classes_that_are_not_known_yet_needs_a_file_all_the_same(tmp_path, monkeypatch, glove):
    photographs = tmp_path / "folder"
    photographs.mkdir()
    (photographs / "labels.csv").write_text("image,cat\n")
    config = changed(method={"kind": "ml_gcn"}, data={"dataset": "folder", "root": str(tmp_path)})
    assert any("no file of vectors is named" in sentence for sentence in obstacles(config, ".", "cpu"))
    monkeypatch.setenv("MLCNC_GLOVE", str(glove))
    assert not any("vectors" in sentence for sentence in obstacles(config, ".", "cpu"))


def test_what_is_wrong_with_a_glove_file_is_one_sentence(glove, tmp_path):
    (sentence,) = of_glove(glove, dim=4)
    assert f"method.embedding_dim must be 3, the dimension of {glove}, got 4" in sentence
    assert "cannot be read: No such file" in of_glove(tmp_path / "absent")[0]
    of_graph = changed(method={"kind": "ml_gcn", "glove_path": str(tmp_path / "absent")})
    assert obstacles(of_graph, ".", "cpu") == of_glove(tmp_path / "absent")
    assert "Is a directory" in of_glove(tmp_path)[0]
    with pytest.raises(ConfigError, match="glove_path: must not hold a zero byte"):
        of_glove("a\0b")
    short = tmp_path / "short.txt"
    lines = glove.read_text().splitlines(keepends=True)
    short.write_text("".join(line for line in lines if not line.startswith("sheep")))
    assert "no vector for the class 'sheep'" in of_glove(short)[0]
    # the same path is read again when the file has changed
    short.write_text(glove.read_text())
    assert of_glove(short) == ()
    short.write_bytes(b"\xff\xfe\n")
    assert "not word vectors as text" in of_glove(short)[0]


def test_the_runs_of_a_comparison_differ_in_their_embedding_only(glove):
    wide = with_width(comparison(), 3)
    runs = [
        override(wide, {"method": {"label_embedding": kind, "glove_path": path}})
        for kind, path in (("trainable", None), ("glove", str(glove)))
    ]
    for config in runs:
        assert obstacles(config, ".", "cpu") == ()
    first, second = (config.model_dump() for config in runs)
    for tree in (first, second):
        del tree["method"]["label_embedding"], tree["method"]["glove_path"]
    assert first == second


def test_looking_for_obstacles_loads_no_torch(glove, tmp_path):
    program = f"""
import sys
from mlcnc.config import *
from mlcnc.presets import *
from mlcnc.obstacles import obstacles
path = {str(glove)!r}
config = with_width(override(comparison(), dict(method=dict(label_embedding="glove", glove_path=path))), 3)
assert obstacles(config, {str(tmp_path)!r}, "cpu") == ()
print([name for name in ("torch", "umap", "sklearn") if name in sys.modules])
"""
    environment = {**os.environ, "MLCNC_LOCKS": str(tmp_path / "locks")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert done.stdout.strip() == "[]"
