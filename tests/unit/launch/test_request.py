import json

import pytest

from mlcnc.cli import build_parser, config_of
from mlcnc.config import override
from mlcnc.errors import ConfigError, LaunchError
from mlcnc.launch import JobRequest, argv_of, command_line
from mlcnc.launch.request import request_of
from mlcnc.presets import PRESETS, preset

SETTINGS = {
    "name": 'it\'s -- a "name"; $(touch x) \n`y`',
    "data": {"dataset": "digits-lt", "flip": False, "num_samples": None},
    "training": {
        "epochs": 4,
        "lr": 2e-3,
        "schedule": "step",
        "lr_drops": [2, 3],
        "clip_norm": None,
        "device": "cuda",
    },
    "method": {"kind": "mlc_nc", "projection_dim": None, "warmup_epochs": 1, "classification": {"kind": "bce"}},
}
ERM = {"method": {"kind": "erm", "classification": {"kind": "two_way", "two_way_temperature": 2.0}}}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS | ERM], ids=["mlc_nc", "erm"])
def test_the_command_of_a_training_gives_the_config_that_was_asked_for(name, settings, tmp_path):
    request = JobRequest(kind="train", preset=name, settings=settings, device="cpu")
    argv = argv_of(request, "mine", tmp_path)
    options = build_parser().parse_args(argv[3:])
    expected = override(preset(name), {**settings, "training": {**settings["training"], "device": "cpu"}})
    assert config_of(options) == expected == override(request.config(), {"training": {"device": "cpu"}})
    assert (options.run_id, options.runs, options.quiet) == ("mine", tmp_path, True)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (JobRequest(kind="resume", run_id="a"), ["train", "--resume", "a", "--quiet"]),
        (
            JobRequest(kind="layout", run_id="a", space="f", neighbours=30, seed=3),
            ["layout", "a", "--space", "f", "--neighbours", "30", "--seed", "3"],
        ),
        (
            JobRequest(kind="layout", run_id="a"),
            ["layout", "a", "--neighbours", "15", "--seed", "0"],
        ),
        (JobRequest(kind="evaluate", run_id="a"), ["evaluate", "a"]),
        (JobRequest(kind="gallery"), ["record-gallery"]),
        (JobRequest(kind="gallery", only="etf"), ["record-gallery", "--only", "etf"]),
    ],
)
def test_every_other_kind_is_a_command_of_this_program(request_, words, tmp_path):
    argv = argv_of(request_, request_.run_id, tmp_path)
    assert argv[1:] == ["-m", "mlcnc", *words, "--runs", str(tmp_path)]
    build_parser().parse_args(argv[3:])


def test_downloads_are_a_command_of_this_program(tmp_path):
    argv = argv_of(JobRequest(kind="glove", out=str(tmp_path)), None, tmp_path)
    assert argv[3:] == ["glove", "--out", str(tmp_path)]
    build_parser().parse_args(argv[3:])
    argv = argv_of(JobRequest(kind="data", dataset="voc07-lt", out=str(tmp_path)), None, tmp_path)
    assert argv[3:] == ["data", "prepare", "voc07-lt", "--root", str(tmp_path), "--download"]
    build_parser().parse_args(argv[3:])


def test_the_command_is_shown_as_it_is_typed():
    request = JobRequest(kind="train", settings={"name": "two words", "training": {"epochs": 4}})
    line = command_line(argv_of(request, "mine", "/runs"))
    assert line == (
        "mlcnc train --preset pictogram-lt --name 'two words' --training.epochs 4 --run-id mine --quiet --runs /runs"
    )


@pytest.mark.parametrize(
    ("device", "settings", "wanted"),
    [
        ("auto", {}, "auto"),
        ("auto", {"training": {"device": "cpu"}}, "cpu"),
        ("auto", {"training": {"device": "cuda"}}, "cuda:0"),
        ("cuda:1", {"training": {"device": "cpu"}}, "cuda:1"),
    ],
)
def test_the_request_decides_on_the_device_then_the_settings(device, settings, wanted):
    assert JobRequest(kind="train", settings=settings, device=device).wanted_device() == wanted


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"kind": "shell"}, "kind: input should be 'train'"),
        ({"kind": "train", "command": "rm"}, "command: extra inputs are not permitted"),
        ({"kind": "train", "run_id": "../outside"}, "run_id: must be 1 to 64 of a-z"),
        ({"kind": "train", "run_id": "--quiet"}, "run_id: must be 1 to 64 of a-z"),
        ({"kind": "train", "device": "cuda"}, "device: string should match"),
        ({"kind": "train", "device": "cuda:0; ls"}, "device: string should match"),
        ({"kind": "train", "max_minutes": 0}, "max_minutes: input should be greater than 0, got 0"),
        ({"kind": "train", "max_megabytes": float("inf")}, "max_megabytes: input should be a finite number"),
        ({"kind": "layout"}, "a job of kind layout needs the run_id of a run"),
        ({"kind": "glove"}, "a job of kind glove needs out, the folder"),
        ({"kind": "data", "dataset": "voc07-lt"}, "a job of kind data needs dataset, and out, the folder"),
        ({"kind": "data", "out": "x"}, "a job of kind data needs dataset, and out, the folder"),
        ({"kind": "data", "out": "x", "dataset": "--keep"}, "dataset: string should match"),
        ({"kind": "evaluate", "run_id": "a", "settings": {"name": "b"}}, "settings belong to train"),
        ({"kind": "gallery", "only": "--runs=/"}, "only: must not begin with -"),
        ({"kind": "glove", "out": "a\0b"}, "out: must not begin with - nor hold a zero byte"),
        (
            {"kind": "layout", "run_id": "a", "neighbours": 1},
            "neighbours: input should be greater than or equal to 2",
        ),
        ({"kind": "layout", "run_id": "a", "space": "../f"}, "space: string should match"),
        ([], "input should be a valid dictionary"),
    ],
)
def test_a_bad_request_is_named(tree, words):
    with pytest.raises(LaunchError, match="^" + words):
        request_of(tree)


@pytest.mark.parametrize(
    "settings",
    [
        {"training": {"epocs": 3}},
        {"--config": "x"},
        {"training": {"epochs": "1; ls"}},
        {"training": 4},
        {"method": {"kind": "erm", "label_embedding": "etf"}},
        {"method": {"kind": "mlcnc"}},
        {"method": {"label_embedding": "glove", "glove_path": "a\0b"}},
        {"name": "\0"},
        {"method": 4},
    ],
)
def test_only_settings_of_the_config_reach_the_command(settings):
    request = request_of({"kind": "train", "settings": settings})
    with pytest.raises(ConfigError):
        argv_of(request, "mine", "runs")


def test_a_request_survives_its_file():
    request = JobRequest(kind="train", settings=SETTINGS, after="compare-1", max_minutes=2.5)
    assert request_of(json.loads(json.dumps(request.model_dump()))) == request


def test_the_file_of_vectors_is_that_of_who_asks(monkeypatch, tmp_path):
    """The worker, whose environment the job gets, may have been started where it names another."""
    monkeypatch.setenv("MLCNC_GLOVE", str(tmp_path / "glove.txt"))
    glove = JobRequest(kind="train", settings={"method": {"label_embedding": "glove"}})
    kept = glove.as_kept()
    assert kept.settings["method"] == {"label_embedding": "glove", "glove_path": str(tmp_path / "glove.txt")}
    assert f"--method.glove_path {tmp_path}/glove.txt" in command_line(argv_of(kept, "mine", tmp_path))
    named = JobRequest(
        kind="train", settings={"method": {"label_embedding": "glove", "glove_path": "/own.txt"}}
    )
    assert named.as_kept().settings["method"]["glove_path"] == "/own.txt"
    assert JobRequest(kind="train").as_kept().settings == {}
    graph = JobRequest(kind="train", settings={"method": {"kind": "ml_gcn"}}).as_kept()
    assert graph.settings["method"] == {"kind": "ml_gcn", "glove_path": str(tmp_path / "glove.txt")}
    monkeypatch.delenv("MLCNC_GLOVE")
    assert glove.as_kept().settings == glove.settings


def test_a_method_may_be_given_by_its_kind_alone():
    request = JobRequest(kind="train", settings={"method": "erm"})
    assert request.as_kept().settings == {"method": {"kind": "erm"}}
    assert "--method.kind erm --run-id" in command_line(argv_of(request, "mine", "runs"))


def test_numbers_are_listed_as_the_command_line_takes_them():
    request = JobRequest(kind="train", settings={"training": {"lr_drops": [5, 7], "schedule": "step"}})
    assert "--training.lr_drops 5,7 " in command_line(argv_of(request, "mine", "runs"))


@pytest.mark.parametrize("name", ["none", "None", "null"])
def test_a_name_that_a_command_line_takes_for_none_is_refused(name):
    with pytest.raises(ConfigError, match=f"the setting name must not be '{name}', which means no name"):
        JobRequest(kind="train", settings={"name": name}).as_kept()
    assert JobRequest(kind="train", settings={"name": None}).as_kept().settings == {"name": None}


def test_the_folder_of_photographs_is_that_of_who_asks(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLCNC_DATA", "photographs")
    asked = JobRequest(kind="train", settings={"data": {"dataset": "voc07-lt"}})
    assert asked.as_kept().settings["data"] == {
        "dataset": "voc07-lt",
        "root": str(tmp_path / "photographs"),
    }
    named = JobRequest(kind="train", settings={"data": {"dataset": "voc07-lt", "root": "own"}})
    assert named.as_kept().settings["data"]["root"] == str(tmp_path / "own")
    assert JobRequest(kind="train").as_kept().settings == {}, "drawn data need no folder"
    monkeypatch.delenv("MLCNC_DATA")
    assert asked.as_kept().settings == asked.settings


@pytest.mark.parametrize(
    ("given", "kept"),
    [("weights.pth", "{}/weights.pth"), ("https://a.b/weights.pth", "https://a.b/weights.pth")],
)
def test_a_file_of_weights_means_the_same_everywhere_and_an_address_is_left(monkeypatch, tmp_path, given, kept):
    monkeypatch.chdir(tmp_path)
    asked = JobRequest(
        kind="train", settings={"model": {"backbone": "resnet50", "weights_file": given}}
    ).as_kept()
    assert asked.settings["model"]["weights_file"] == kept.format(tmp_path)
