"""Downloading GloVe vectors, from a server on this machine that can do everything wrong."""

import hashlib
import io
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from mlcnc import glove_download, resumed_download
from mlcnc.cli import main
from mlcnc.errors import DataError
from mlcnc.glove import read_glove
from mlcnc.glove_download import download_glove
from tests.conftest import ROOT
from tests.download_server import download_server

NAME = "glove.6B.50d.txt"
PART = ".glove.6B.zip.download/partial"


def words(number=4000):
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((number, 50)).round(4)
    return "".join(f"word{i} {' '.join(map(str, row))}\n" for i, row in enumerate(numbers)).encode()


WORDS = words()


def packed(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


ARCHIVE = packed(**{"glove.6B.100d.txt": b"the other file\n", NAME: WORDS})


@pytest.fixture
def server(monkeypatch):
    with download_server(monkeypatch, ARCHIVE) as server:
        pin(monkeypatch)
        server.name = "glove.6B.zip"
        yield server


def pin(monkeypatch, content=ARCHIVE):
    """Let the known archive be this one."""
    monkeypatch.setattr(glove_download, "ARCHIVE_BYTES", len(content))
    monkeypatch.setattr(glove_download, "KNOWN_HASH", f"sha256:{hashlib.sha256(content).hexdigest()}")


def fetched(server, folder, dim=50):
    lines = []
    path = download_glove(folder, dim, address=server.address, say=lines.append)
    return path, lines


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_wanted_file_alone_is_unpacked_and_nothing_is_left(server, tmp_path):
    path, lines = fetched(server, tmp_path / "deep" / "glove")
    assert path.read_bytes() == WORDS
    assert names(path.parent) == [NAME]
    assert read_glove(path, ["word7"]).shape == (1, 50)
    assert any(line.startswith("downloading: 100 %") for line in lines)
    assert f"unpacking {NAME}" in lines


def test_a_good_file_is_neither_fetched_nor_overwritten(server, tmp_path):
    path, _ = fetched(server, tmp_path)
    before = path.stat()
    _, lines = fetched(server, tmp_path)
    assert len(server.asked) == 1
    assert lines == [f"{path} is there already"]
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_another_file_of_that_name_is_kept(server, tmp_path):
    (tmp_path / NAME).write_text("my own notes\n")
    with pytest.raises(DataError, match="move it away first"):
        fetched(server, tmp_path)
    assert (tmp_path / NAME).read_text() == "my own notes\n"
    assert server.asked == []


def test_a_broken_connection_is_gone_on_with(server, tmp_path):
    server.sends = [len(ARCHIVE) // 2, 1000]
    path, lines = fetched(server, tmp_path)
    assert path.read_bytes() == WORDS
    half = len(ARCHIVE) // 2
    assert server.asked == [None, f"bytes={half}-", f"bytes={half + 1000}-"]
    assert sum("going on in" in line for line in lines) == 2


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ranges = False
    server.sends = [len(ARCHIVE) // 2]
    path, _ = fetched(server, tmp_path)
    assert path.read_bytes() == WORDS


def test_what_came_is_kept_when_the_server_gives_up_and_used_the_next_time(server, tmp_path):
    server.sends = [5000, 0, 0, 0, 0]
    with pytest.raises(DataError, match=r"no connection to 127\.0\.0\.1 .* are kept .* By hand: download"):
        fetched(server, tmp_path)
    assert (tmp_path / PART).stat().st_size == 5000
    server.sends, server.asked = [], []
    path, _ = fetched(server, tmp_path)
    assert server.asked == ["bytes=5000-"]
    assert path.read_bytes() == WORDS
    assert names(tmp_path) == [NAME]


@pytest.mark.parametrize("tag", ['"second"', None])
def test_a_file_that_changed_on_the_server_starts_anew(server, tmp_path, tag):
    server.content = bytes(len(ARCHIVE))
    server.sends = [5000, 0, 0, 0]
    with pytest.raises(DataError):
        fetched(server, tmp_path)
    server.content, server.tag, server.sends = ARCHIVE, tag, []
    path, _ = fetched(server, tmp_path)
    assert path.read_bytes() == WORDS


def test_a_page_in_place_of_the_archive_is_refused(server, tmp_path):
    server.content, server.kind = b"<html>log in to this network</html>", "text/html"
    with pytest.raises(DataError, match="sends 35 bytes of text/html, another file than sha256:"):
        fetched(server, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("stated", [len(ARCHIVE) + 500, len(ARCHIVE) - 500, 10**13])
def test_a_wrong_size_is_never_taken_for_whole(server, tmp_path, stated):
    server.ranges, server.stated = False, stated
    with pytest.raises(DataError, match=f"sends {stated} bytes of application/zip, another file"):
        fetched(server, tmp_path)
    assert names(tmp_path) == []


def test_an_archive_of_another_sum_is_removed_and_writes_nothing(server, tmp_path):
    server.content = ARCHIVE[:5000] + bytes([ARCHIVE[5000] ^ 0x10]) + ARCHIVE[5001:]
    folder = tmp_path / "inside"
    with pytest.raises(DataError, match=r"another sum than sha256:.*it was removed, run this command again"):
        fetched(server, folder)
    assert names(folder) == []
    assert names(tmp_path) == ["inside"]


def test_other_members_that_leave_the_folder_are_not_unpacked(server, tmp_path, monkeypatch):
    server.content = packed(**{"../evil.txt": b"evil", NAME: WORDS})
    pin(monkeypatch, server.content)
    fetched(server, tmp_path / "inside")
    assert names(tmp_path) == ["inside"]


def test_http_is_refused_from_the_start_and_behind_a_redirection(server, tmp_path, monkeypatch):
    monkeypatch.setattr(resumed_download, "SCHEMES", ("https",))
    with pytest.raises(DataError, match=r"must begin with https://, got 'http://127"):
        fetched(server, tmp_path)
    # the tests' server has no certificate: http plays https, and ftp plays http
    monkeypatch.setattr(resumed_download, "SCHEMES", ("http",))
    for leads_to in ("https://127.0.0.1:9/glove.6B.zip", "file:///etc/passwd"):
        server.leads_to = leads_to
        with pytest.raises(DataError, match="leads away from"):
            fetched(server, tmp_path)
    assert NAME not in names(tmp_path)


def test_an_archive_put_there_by_hand_needs_no_network_and_stays(server, tmp_path):
    (tmp_path / "glove.6B.zip").write_bytes(ARCHIVE)
    path, _ = fetched(server, tmp_path)
    assert server.asked == []
    assert path.read_bytes() == WORDS
    assert names(tmp_path) == [NAME, "glove.6B.zip"]


def test_a_bad_archive_put_there_by_hand_is_kept_and_named(server, tmp_path):
    (tmp_path / "glove.6B.zip").write_bytes(ARCHIVE[:-100])
    with pytest.raises(DataError, match=r"damaged.*remove .*glove\.6B\.zip"):
        fetched(server, tmp_path)
    assert names(tmp_path) == ["glove.6B.zip"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://127.0.0.1:9/glove.6B.zip", r"no connection to 127\.0\.0\.1 \(Connection refused\)\. By hand"),
        ("http://127.0.0.1:9/glove.6B.zip", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("glove.6B.zip", "must begin with https://"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_sentence(tmp_path, monkeypatch, capsys, address, words):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DataError, match=words):
        download_glove(tmp_path, 50, address=address, say=lambda line: None)
    assert main(["glove", "--out", str(tmp_path), "--dim", "50", "--address", address]) == 1
    text = capsys.readouterr().err
    assert text.startswith("mlcnc: ")
    assert text.count("\n") == 1


def test_an_answer_of_error_is_told(server, tmp_path):
    server.status = 404
    with pytest.raises(DataError, match="answers 404"):
        fetched(server, tmp_path)


def test_unknown_dimensions_are_refused(server, tmp_path):
    with pytest.raises(DataError, match="--dim must be one of 50, 100, 200, 300, got 128"):
        fetched(server, tmp_path, dim=128)


def test_too_small_a_disk_is_told_before_anything_is_received(server, tmp_path, monkeypatch):
    full = type("Usage", (), {"free": 10**8})
    monkeypatch.setattr(glove_download.shutil, "disk_usage", lambda folder: full)
    with pytest.raises(DataError, match=r"archive and vectors take 174 MB .* has 100 MB free"):
        fetched(server, tmp_path)
    assert server.asked == []


def test_a_folder_that_cannot_be_used_is_one_sentence(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be used"):
        fetched(server, tmp_path / "file" / "glove")


PROCESS = """
import sys, pytest
from mlcnc import resumed_download
from mlcnc.__main__ import run
from tests.unit.test_glove_download import pin
resumed_download.SCHEMES = ("https", "http")
pin(pytest.MonkeyPatch())
run()
"""


def process(server, folder):
    more = ["glove", "--out", str(folder), "--dim", "50", "--address", server.address]
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # tests that were started in the background of a shell ignore it, and so would their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_by_a_signal_it_keeps_what_came(server, tmp_path, number):
    server.pause = 0.02
    first = process(server, tmp_path)
    part = tmp_path / PART
    try:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        # a second one beside it is refused
        with pytest.raises(DataError, match="another process downloads into"):
            fetched(server, tmp_path)
        first.send_signal(number)
        text, _ = first.communicate(timeout=60)
    finally:
        first.kill()
        first.wait()
    assert first.returncode == 130, text
    assert "the same command goes on" in text
    assert "Traceback" not in text
    kept = part.stat().st_size
    assert 0 < kept < len(ARCHIVE)
    server.pause, server.asked = 0.0, []
    path, _ = fetched(server, tmp_path)
    assert server.asked == [f"bytes={kept}-"]
    assert path.read_bytes() == WORDS
    assert names(tmp_path) == [NAME]


def test_lines_say_percentage_megabytes_rate_and_time_left(monkeypatch):
    monkeypatch.setattr(resumed_download.time, "monotonic", lambda: 2.0)
    lines = []
    resumed_download.Progress(1_000_000_000, lines.append, 100_000_000, _began=0.0).add(20_000_000)
    assert lines == ["downloading:  12 %, 120M of 1.00GB, 10.0MB/s, 01:28 left"]
