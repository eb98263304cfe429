"""Reading word vectors: what real files hold beside words and numbers, and what is no such file."""

import os
import subprocess
import sys

import pytest

from mlcnc import glove as module
from mlcnc.errors import DataError
from mlcnc.glove import read_glove
from tests.conftest import ROOT


def written(tmp_path, text):
    path = tmp_path / "glove.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "cat 1 2\ndog 3 4\n",
        "2 2\ncat 1 2\ndog 3 4\n",  # a word2vec header
        "cat 1 2\ncat name@domain.com 5 6\n. . 7 8\ndog 3 4\n",  # entries of several words
        "cat 1 2 \r\ndog 3 4\r\n\r\n",
        "cat 1 2\ndog 3 4\ncat 9 9\n",  # the first of a word counts
        "CAT 1 2\nżółw 0 1\ndog 3 4",
    ],
)
def test_real_files_are_read(tmp_path, text):
    assert read_glove(written(tmp_path, text), ["cat", "dog"]).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cat 0 0\ndog 3 4\n", "only zeros for the class 'cat'"),
        ("cat 1 2\ndog 3\n", "line 2: expected 2 finite numbers after 'dog', got 1"),
        (b"cat 1 2\n\xff\xfe 3 4\n", "not word vectors as text"),
        (b"PK\x03\x04\xff\xfe\n", "not word vectors as text"),
        ("", "no vector for the class 'cat'"),
        ("cat " + "1 " * 300, "line 1 has no end"),
    ],
)
def test_other_files_are_one_sentence(tmp_path, monkeypatch, text, words):
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 500)
    with pytest.raises(DataError, match=words) as caught:
        read_glove(written(tmp_path, text), ["cat", "dog"])
    assert "\n" not in str(caught.value)


def test_nobody_waits_for_a_pipe_or_reads_a_folder(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "absent", "a\0b"):
        with pytest.raises(DataError, match="GloVe file"):
            read_glove(path, ["cat"])


def test_the_reader_loads_no_torch():
    program = "import sys, mlcnc.glove; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"
