"""Reading word vectors: what real files hold beside words and numbers, and what is no such file."""

import bz2
import gzip
import os
import subprocess
import sys
import unicodedata

import numpy as np
import pytest

from mlcnc import glove as module
from mlcnc.analysis.user_files.glove_file import glove_file
from mlcnc.errors import ConfigError, DataError
from mlcnc.glove import glove_dim, read_glove
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
        "cat\t1\t2\ndog\t3\t4\n",
        "cat  1   2\n\ndog   3 4\n",
        "cat 1 2\rdog 3 4\r",
        "\n 2 2 \ncat 1 2\n dog 3 4\n",
        "1 0.5 0.5\nnan 0 1\ncat 1 2\n\u00a0dog 9 9\ndog 3 4\n",  # words that are numbers, or begin with no space
        "3 2\nat name 9 9\ncat 1 2\ndog 3 4\n",
        "dog 3 4\ncat 1e0 +2.\nbus inf nan\n",
        "bus 1\u20282\n".replace("bus", "cat 1 2\ndog 3 4\nx"),
    ],
)
def test_real_files_are_read(tmp_path, text):
    assert read_glove(written(tmp_path, text), ["cat", "dog"]).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le with mark", "utf-16-be with mark"]
)
@pytest.mark.parametrize(
    "text", ["2 2\ncat 1 2\ndog 3 4\n", "cat 1 2\r\ndog 3 4\r\n", "cat\t1\t2\ndog\t3\t4\n"]
)
def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path, encoding, text):
    mark = "\ufeff" if "mark" in encoding else ""
    path = written(tmp_path, (mark + text).encode(encoding.removesuffix(" with mark")))
    assert read_glove(path, ["cat", "dog"]).tolist() == [[1, 2], [3, 4]]
    assert glove_dim(path) == 2


def test_an_entry_of_the_words_of_a_name_goes_before_their_mean(tmp_path):
    path = written(tmp_path, "traffic 9 9\nlight 8 8\ntraffic light 1 2\ndog 3 4\n")
    assert read_glove(path, ["Traffic Light", "dog"]).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cat 0 0\ndog 3 4\n", "only zeros for the class 'cat'"),
        ("cat 1 2\ndog 3\n", "line 2: expected 2 finite numbers after 'dog', got 1"),
        (b"cat 1 2\n\xff\xfe 3 4\n", "not word vectors as text"),
        (b"PK\x03\x04\xff\xfe\n", "not word vectors as text"),
        ("bus 1 2\n", "no vector for the class 'cat'"),
        ("", "holds no word and its numbers"),
        ("2 2\n", "holds no word and its numbers"),
        ("cat 1 2\ndog nan 4\n", "line 2: expected 2 finite numbers after 'dog', got 1"),
        ("cat 1 2\ndog 3 4 5\n", "line 2: expected 2 finite numbers after 'dog', got 3"),
        ("2 5\ncat 1 2\ndog 3 4\n", "first line"),
        ("word,a,b\ncat,1,2\n", "first line"),
        ("cat 1,5 2,5\n", "first line"),
        ("żółw 1 2\ncat 1 2\n".encode("iso8859-2"), "not word vectors as text in UTF-8"),
        ("cat 1 2\n".encode("utf-16-le"), "first line"),
        (gzip.compress(b"cat 1 2\n", mtime=0), "is packed .gzip., unpack it first"),
        (bz2.compress(b"cat 1 2\n"), "is packed .bzip2., unpack it first"),
        (b"3000000 300\n</s> \xc8\x80\x02\xb9\xff", "not word vectors as text in UTF-8"),
        (np.random.default_rng(0).bytes(5000), "GloVe file"),
        ("cat " + "1 " * 300, "line 1 has no end"),
    ],
)
def test_other_files_are_one_sentence(tmp_path, monkeypatch, text, words):
    monkeypatch.setattr(module, "MAX_LINE_CHARACTERS", 500)
    with pytest.raises(DataError, match=words) as caught:
        read_glove(written(tmp_path, text), ["cat", "dog"])
    assert "\n" not in str(caught.value)
    if "line 2" in words or "class" in words:
        return
    with pytest.raises(ConfigError) as shown:
        glove_file(str(tmp_path / "glove.txt"))
    assert str(shown.value) == str(caught.value)  # the page refuses what training refuses, in the same words


def test_nobody_waits_for_a_pipe_or_reads_a_folder(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "absent", "a\0b"):
        with pytest.raises(DataError, match="GloVe file"):
            read_glove(path, ["cat"])


def test_the_reader_loads_no_torch():
    program = "import sys, mlcnc.glove; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("of_file", ["NFC", "NFD"])
@pytest.mark.parametrize("of_names", ["NFC", "NFD"])
def test_accents_are_one_however_file_and_names_compose_them(tmp_path, of_file, of_names):
    path = tmp_path / "v.txt"
    path.write_text(unicodedata.normalize(of_file, "żółw 1 2\nCafé 3 4\n"), encoding="utf-8")
    names = [unicodedata.normalize(of_names, name) for name in ("Żółw", "café", "café żółw")]
    assert read_glove(path, names).tolist() == [[1, 2], [3, 4], [2, 3]]


@pytest.mark.parametrize("word", ["1_0", "\uff11\uff10", "\u0663"])
def test_what_only_python_takes_for_a_number_is_a_word(tmp_path, word):
    path = tmp_path / "v.txt"
    path.write_text(f"new {word} 0.5 2\ncat 1 3\n", encoding="utf-8")
    assert glove_dim(path) == 2
    assert read_glove(path, ["cat"]).tolist() == [[1, 3]]
    path.write_text(f"cat 1 3\ndog 1 {word}\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2: expected 2 finite numbers after 'dog', got 1"):
        read_glove(path, ["dog"])
