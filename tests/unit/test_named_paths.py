import os
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from app.session import data_root
from app.session import runs_root as dashboard_runs
from mlcnc.cli import build_parser
from mlcnc.config import override
from mlcnc.data import dataset_facts
from mlcnc.data.cache import cache_folder
from mlcnc.devices import device_lock
from mlcnc.errors import DataError
from mlcnc.launch import JobRequest
from mlcnc.methods.glove_file import glove_file_of
from mlcnc.named_paths import named_path, path_argument, path_in_variable, runs_folder
from mlcnc.obstacles import obstacles
from mlcnc.presets import quick
from mlcnc.settings_file import read_file
from mlcnc.training.build import settled
from tests.conftest import ROOT

VARIABLES = {
    "MLCNC_RUNS": dashboard_runs,
    "MLCNC_DATA": lambda: Path(data_root() or "unset"),
    "MLCNC_CACHE": cache_folder,
    "MLCNC_LOCKS": lambda: device_lock("cpu").parent,
    "MLCNC_GLOVE": lambda: Path(glove_file_of(quick().method, "")),
}
NAMES = ["~/x", "~/a b/%41 #1 ü 😀\nx", "~/trailing/", "~/$HOME", "~"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.argv", ["app"])
    (tmp_path / "home").mkdir(mode=0o700)
    return tmp_path / "home"


def meant(home, text):
    return Path(str(home) + text[1:])


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("variable", VARIABLES)
def test_a_tilde_in_a_variable_is_the_home_folder(home, monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)
    assert VARIABLES[variable]() == meant(home, text) == path_in_variable(variable)


@pytest.mark.parametrize("variable", ["MLCNC_RUNS", "MLCNC_DATA", "MLCNC_CACHE", "MLCNC_LOCKS"])
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_variable_is_as_none(monkeypatch, variable, text):
    unset = VARIABLES[variable]()
    monkeypatch.setenv(variable, text)
    assert VARIABLES[variable]() == unset
    assert runs_folder() == Path("runs")


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize(
    "words",
    [
        ["runs", "list", "--runs"],
        ["train", "--runs"],
        ["jobs", "list", "--runs"],
        ["bench", "--out"],
        ["bench", "--root"],
        ["data", "preview", "digits-lt", "--out"],
        ["data", "verify", "voc07-lt", "--root"],
        ["data", "prepare", "voc07-lt", "--root"],
        ["glove", "--out"],
        ["jobs", "start", "glove", "--out"],
        ["report", "x", "--out"],
        ["report", "x", "--out", "y", "--runs"],
    ],
    ids=" ".join,
)
def test_a_tilde_in_an_option_is_the_home_folder(home, words, text):
    options = build_parser().parse_args([*words, text])
    assert getattr(options, words[-1].removeprefix("--")) == meant(home, text)


@pytest.mark.parametrize("words", [["runs", "list", "--runs"], ["glove", "--out"], ["report", "x", "--out"]])
def test_an_empty_option_is_refused(capsys, words):
    with pytest.raises(SystemExit):
        build_parser().parse_args([*words, ""])
    assert "expected a path, got an empty text" in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["MLCNC_RUNS"])
def test_commands_and_dashboard_read_the_same_runs(home, monkeypatch, variable):
    monkeypatch.setenv(variable, "~/runs")
    for words in (["runs", "list"], ["train"], ["report", "x", "--out", "y"]):
        assert build_parser().parse_args(words).runs == dashboard_runs() == home / "runs"


def test_a_tilde_in_settings_is_the_home_folder(home, tmp_path, monkeypatch):
    (home / "set.yaml").write_text(
        "data: {root: ~/photos}\nmodel.weights_file: ~/w.pt\nmethod: {label_embedding: glove, glove_path: ~/v.txt}"
    )
    tree = read_file("~/set.yaml")
    config = settled(override(quick(), tree), 64)
    kept = JobRequest(kind="train", preset="quick", settings=tree).as_kept().config()
    for found in (config, kept):
        assert found.data.root == str(home / "photos")
        assert found.model.weights_file == str(home / "w.pt")
        assert found.method.glove_path == str(home / "v.txt")
    assert glove_file_of(override(quick(), tree).method, "") == str(home / "v.txt")
    told = obstacles(override(quick(), tree), tmp_path, "cpu")
    assert any(str(home / "v.txt") in sentence for sentence in told)
    with pytest.raises(DataError, match=f"data.root {home / 'photos'} is not a folder"):
        dataset_facts("voc07-lt").root(Path("~/photos"))


def test_a_tilde_of_nobody_is_a_name_as_for_a_shell(home, monkeypatch):
    assert named_path("~nobody-is-called-so/x") == Path("~nobody-is-called-so/x")
    assert named_path("a~") == Path("a~")
    assert str(named_path("~\0/x"))
    with pytest.raises(ArgumentTypeError):
        path_argument(" ")


def test_no_other_place_reads_paths_from_variables_or_makes_homes_of_tildes():
    said = {
        str(path.relative_to(ROOT))
        for folder in ("mlcnc", "app")
        for path in (ROOT / folder).rglob("*.py")
        for words in (
            "expanduser",
            'environ.get("MLCNC_RUNS',
            'environ.get("MLCNC_GLOVE',
            'environ.get("MLCNC_DATA',
        )
        if words in path.read_text()
    }
    # the reader of a form's field says what is wrong with a tilde
    assert said <= {"mlcnc/named_paths.py", "mlcnc/analysis/user_files/glove_file.py"}
    assert "expanduser" in (ROOT / "mlcnc" / "named_paths.py").read_text()
    assert os.path.isabs(ROOT)
