"""What is a usable file of word vectors, from its first line alone."""

import os

import pytest

from mlcnc import glove as module
from mlcnc.analysis.user_files.glove_file import glove_file
from mlcnc.errors import ConfigError


def test_dimension_and_size_are_told(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("the 0.1 -0.2 3e-1\ncat 1 2 3\n")
    found = glove_file(str(path))
    assert (found.path, found.dim, found.size_bytes) == (path, 3, path.stat().st_size)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04\x00\xff\xfe",
        b"only\n",
        b"the 0.1\n",
        b"the 0.1 zero\n",
        b"the nan 0.1\n",
        b"\xff\xfe\n",
    ],
)
def test_another_kind_of_file_is_refused(tmp_path, content):
    path = tmp_path / "glove.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"first line|no word and its numbers|not word vectors as text"):
        glove_file(str(path))


def test_missing_folders_and_impossible_paths_are_refused(tmp_path):
    for absent in (str(tmp_path / "absent"), "~nosuchuser/glove.txt"):
        with pytest.raises(ConfigError, match="No such file"):
            glove_file(absent)
    with pytest.raises(ConfigError, match="Is a directory"):
        glove_file(str(tmp_path))
    with pytest.raises(ConfigError):
        glove_file("a\0b")


def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="it is no regular file"):
        glove_file(str(tmp_path / "pipe"))


def test_a_file_beyond_all_published_ones_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "glove.txt"
    path.write_text("the 0.1 0.2\n")
    monkeypatch.setattr(module, "MAX_BYTES", 5)
    with pytest.raises(ConfigError, match="have at most"):
        glove_file(str(path))


def test_a_first_line_without_end_gives_no_dimension(tmp_path, monkeypatch):
    path = tmp_path / "glove.txt"
    path.write_text("the " + "0.5 " * 1000)
    assert glove_file(str(path)).dim == 1000
    monkeypatch.setattr(module, "MAX_LINE_CHARACTERS", 40)
    with pytest.raises(ConfigError, match="line 1 has no end"):
        glove_file(str(path))
