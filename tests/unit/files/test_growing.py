import os

import pytest

from mlcnc.files.growing import GrowingText, read_tail
from mlcnc.files.regular import open_regular


def test_the_tail_is_whole_lines_of_text(tmp_path):
    path = tmp_path / "log.txt"
    assert read_tail(path, 100) == ""
    path.write_bytes("first line\nzweite Zeile mit ä\r\nlast".encode() + b"\xff\n")
    assert read_tail(path, 1000) == "first line\nzweite Zeile mit ä\nlast\ufffd\n"
    assert read_tail(path, 12) == "last\ufffd\n"
    path.write_text("x" * 50)
    assert read_tail(path, 10) == "x" * 10
    path.unlink()
    os.mkfifo(path)
    assert read_tail(path, 100) == ""


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_only_a_file_is_written_as_a_log(tmp_path, kind):
    path = tmp_path / "log"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(tmp_path / "outside")
    else:
        path.mkdir()
    with pytest.raises(OSError, match=r"log|loop|symbolic|device|directory"):
        open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    assert not (tmp_path / "outside").exists()


def test_what_a_terminal_would_obey_is_left_out(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text(
        "\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b]8;;\x1b\\c\x1b[2Jd\x1b[?25le\x1bPq\x1b\\f\x1b(Bg\x1bch\x1b]cut\ni\n"
    )
    assert read_tail(path, 1000) == "abcdefgh\ni\n"


def test_a_log_is_read_while_it_grows_without_cut_letters_or_lines(tmp_path):
    path = tmp_path / "log.txt"
    reader = GrowingText(path, 12)
    assert reader.more() == ""
    path.write_bytes("long ago\nnow ä\n".encode())
    assert reader.more() == "now ä\n"
    whole = "ein Wörtchen\r\n".encode()
    for at in range(len(whole)):
        with path.open("ab") as stream:
            stream.write(whole[at : at + 1])
        assert reader.more() == ("ein Wörtchen\n" if at == len(whole) - 1 else "")
    with path.open("ab") as stream:
        stream.write(b"die letzte Zeile\xc3")
    assert reader.more() == ""
    assert reader.more(is_last=True) == "die letzte Zeile\ufffd"
    assert reader.more(is_last=True) == ""
    path.write_text("x" * 50)
    assert GrowingText(path, 10).more(is_last=True) == "x" * 10


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_only_a_file_is_read_as_a_log(tmp_path, kind):
    path = tmp_path / "log.txt"
    (tmp_path / "other").write_text("not meant\n")
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(tmp_path / "other")
    assert GrowingText(path, 100).more(is_last=True) == ""
