"""Commands where output, folder or environment are not what they usually are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.conftest import write_run
from tests.conftest import ROOT

NAMES = ["żółw", "猫 😀", "\u202ea\x1b[2J"]
ENVIRONMENTS = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii:strict", "COLUMNS": "1", "TERM": "dumb", "FORCE_COLOR": "1"},
    "no asserts": {"PYTHONOPTIMIZE": "2", "LC_ALL": "de_DE.UTF-8", "NO_COLOR": "1"},
    "strict": {"PYTHONWARNINGS": "error", "TMPDIR": "/nonexistent", "COLUMNS": "abc"},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder, "odd", classes=NAMES).finish()
    return folder


def mlcnc(*words, closed=(), without=(), **settings):
    kept = {name: value for name, value in os.environ.items() if name not in without}
    settings.setdefault("env", {})

    def close():
        for number in closed:
            os.close(number)

    env = {**kept, "PYTHONPATH": str(ROOT), **settings.pop("env")}
    command = [sys.executable, "-m", "mlcnc", *map(str, words)]
    return subprocess.run(
        command, env=env, preexec_fn=close, **({"capture_output": True, "timeout": 120} | settings)
    )


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_commands_say_the_same_in_any_environment(root, tmp_path, name):
    done = mlcnc("runs", "list", "--runs", root, env=ENVIRONMENTS[name], without=["HOME"])
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    out = tmp_path / "page.html"
    done = mlcnc("report", "odd", "--runs", root, "--out", out, env=ENVIRONMENTS[name])
    assert done.returncode == 0, done.stderr
    assert "żółw" in out.read_text(encoding="utf-8")


def test_a_name_that_is_no_utf8_is_shown_with_a_mark():
    done = mlcnc("runs", "list", "--runs", os.fsdecode(b"bad\xff"))
    assert done.returncode == 0
    assert "no runs in bad\ufffd".encode() in done.stdout


def test_a_full_disk_behind_the_output_is_one_sentence(root):
    with Path("/dev/full").open("w") as full:
        done = mlcnc("runs", "list", "--runs", root, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"mlcnc: the output cannot be written: No space left on device\n"


def test_a_reader_that_goes_away_is_no_error(root):
    command = [sys.executable, "-m", "mlcnc", "train", "--help"]
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", '"$@" | head -1', "x", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""


def test_closed_streams_are_not_taken_for_files_of_a_run(root, tmp_path):
    done = mlcnc("runs", "delete", "odd", "--runs", root, closed=[0])
    assert (done.returncode, b"no terminal to ask" in done.stderr) == (1, True)
    place = tmp_path / "none"
    code = mlcnc("train", "--runs", place, "--lr", "no", closed=[0, 1, 2], capture_output=False).returncode
    assert code == 1
    program = (
        "import sys; from mlcnc.__main__ import _open_closed_streams as opened; opened();"
        f"file = open({str(tmp_path / 'file')!r}, 'w'); assert file.fileno() > 2; "
        "print('x'); print('x', file=sys.stderr); sys.stderr.isatty(); sys.stdin.read()"
    )

    def close():
        for number in (0, 1, 2):
            os.close(number)

    assert (
        subprocess.run([sys.executable, "-c", program], preexec_fn=close, cwd=ROOT, check=False).returncode == 0
    )
    assert (tmp_path / "file").read_text() == ""


def test_a_current_folder_that_was_removed_is_one_sentence(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd "{gone}"; rmdir "{gone}"; "$@"'
    for words, status in ((["jobs", "list"], 1), (["--version"], 0)):
        done = subprocess.run(
            ["bash", "-c", script, "x", sys.executable, "-m", "mlcnc", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert (b"the current folder does not exist any more" in done.stderr) == bool(status)
        assert b"Traceback" not in done.stderr
