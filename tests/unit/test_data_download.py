"""Getting photographs, from tiny archives in the real layouts and a server on this machine."""

import hashlib
import io
import re
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from mlcnc import data_download
from mlcnc.cli import main
from mlcnc.data import photographs, sources, wanted_files
from mlcnc.data.sources import Archive, Part, Source
from mlcnc.data_download import prepare
from mlcnc.errors import ConfigError, DataError
from tests.conftest import ROOT
from tests.download_server import download_server

IDS = [f"{number:06d}" for number in range(1, 13)]
COCO_TRAIN = [f"train2017/{number:012d}.jpg" for number in (30, 71, 72, 86, 89)]
COCO_VAL = [f"val2017/{number:012d}.jpg" for number in (785, 885, 1268)]
VG = ["VG_100K/1.jpg", "VG_100K_2/2.jpg", "VG_100K/3.jpg"]


def jpeg(seed):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def voc_files():
    files = {}
    for image in IDS:
        files[f"VOCdevkit/VOC2007/JPEGImages/{image}.jpg"] = jpeg(int(image))
        files[f"VOCdevkit/VOC2007/Annotations/{image}.xml"] = f"<annotation>{image}</annotation>".encode()
    return files


VOC_FILES = voc_files()


def tar_of(files, extra=()):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        folder = tarfile.TarInfo("VOCdevkit")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return stream.getvalue()


def zip_of(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return stream.getvalue()


VOC_TAR = tar_of({**VOC_FILES, "VOCdevkit/VOC2007/JPEGImages/999999.jpg": jpeg(99), "../outside.jpg": jpeg(98)})
COCO = {name: jpeg(place) for place, name in enumerate((*COCO_TRAIN, *COCO_VAL))}
VAL_ZIP = zip_of({name: COCO[name] for name in COCO_VAL})
BOXES_ZIP = zip_of({"annotations/captions_val2017.json": b"{}", "annotations/instances_val2017.json": b"{ }"})
VG_PICTURES = {name: jpeg(place) for place, name in enumerate(VG)}


def archive(server, name, content, known=True):
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}" if known else None
    return Archive(name, f"{server.address}{name}", len(content), digest)


def lists(monkeypatch):
    monkeypatch.setitem(wanted_files.LISTS, "voc2007-test", lambda: [(name,) for name in VOC_FILES])
    monkeypatch.setitem(wanted_files.LISTS, "coco-lt", lambda: [(name,) for name in COCO_TRAIN])
    monkeypatch.setitem(wanted_files.LISTS, "coco-val2017", lambda: [(name,) for name in COCO_VAL])
    monkeypatch.setitem(wanted_files.LISTS, "coco-instances", lambda: [("annotations/instances_val2017.json",)])
    folders = ("VG_100K", "VG_100K_2", "images")
    monkeypatch.setitem(
        wanted_files.LISTS,
        "vg200",
        lambda: [tuple(f"{folder}/{number}.jpg" for folder in folders) for number in (1, 2, 3)],
    )


def publish(server, monkeypatch, voc_tar=VOC_TAR):
    """Let the records point at the server."""
    lists(monkeypatch)
    here = server.address.rstrip("/")
    tar = archive(server, "VOCtest_06-Nov-2007.tar", voc_tar)
    train, val = archive(server, "train2017.zip", b""), archive(server, "val2017.zip", VAL_ZIP)
    boxes = archive(server, "annotations_trainval2017.zip", BOXES_ZIP)
    vg = archive(server, "images.zip", zip_of({VG[0]: VG_PICTURES[VG[0]]}), known=False)
    records = {
        "voc07-lt": Source((Part("photographs", "VOCdevkit/VOC2007", "voc2007-test", 20_000, (tar,)),)),
        "coco-lt": Source(
            (
                Part("training photographs", "train2017", "coco-lt", 5_000, (train,), (here,)),
                Part("test photographs", "val2017", "coco-val2017", 3_000, (val,)),
            ),
            (Part("boxes", "annotations", "coco-instances", 3, (boxes,)),),
        ),
        "vg200": Source(
            (Part("pictures", "VG_100K and VG_100K_2", "vg200", 3_000, (vg,), (here,)),),
            files_by_hand=("labels.json", "more_labels.json"),
            by_hand="labels.json goes there by hand",
        ),
    }
    for name, record in records.items():
        monkeypatch.setitem(sources.SOURCES, name, record)
    server.files = {one.name: content for one, content in ((tar, voc_tar), (val, VAL_ZIP), (boxes, BOXES_ZIP))}
    server.files |= {name: COCO[name] for name in COCO_TRAIN} | VG_PICTURES


@pytest.fixture
def server(monkeypatch):
    with download_server(monkeypatch) as server:
        publish(server, monkeypatch)
        yield server


def prepared(name, root, **how):
    lines = []
    prepare(name, root, say=lines.append, **how)
    return lines


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_of_an_archive_only_listed_files_are_unpacked_and_nothing_else_is_left(server, tmp_path):
    root = tmp_path / "deep" / "data"
    lines = prepared("voc07-lt", root, download=True)
    assert files_in(root) == VOC_FILES
    assert files_in(tmp_path).keys() == {f"deep/data/{name}" for name in VOC_FILES}  # not ../outside.jpg
    assert lines[-1] == f"voc07-lt is complete; next: mlcnc train --preset voc07-lt --data.root {root}"
    assert lines[-2] == "VOCdevkit/VOC2007: photographs are complete, 24 files"
    assert any(re.search(r"of disk are needed until all is unpacked, .* are free", line) for line in lines)
    assert "checking it" in lines


def test_a_second_time_nothing_is_fetched_nor_written(server, tmp_path):
    prepared("voc07-lt", tmp_path, download=True)
    server.paths.clear()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    lines = prepared("voc07-lt", tmp_path, download=True)
    assert server.paths == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert len(lines) == 2
    assert prepared("voc07-lt", tmp_path) == lines


def test_without_download_a_sentence_names_archive_size_layout_and_command(server, tmp_path, capsys):
    assert main(["data", "prepare", "voc07-lt", "--root", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert (
        f"24 of 24 files are missing in VOCdevkit/VOC2007: VOCtest_06-Nov-2007.tar (0 MB) from {server.address}"
        in out
    )
    assert err.count("\n") == 1
    assert f"mlcnc data prepare voc07-lt --root {tmp_path} --download" in err
    assert server.paths == []
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_lies_there_is_unpacked_without_a_network_and_stays(server, tmp_path):
    (tmp_path / "VOCtest_06-Nov-2007.tar").write_bytes(VOC_TAR)
    prepared("voc07-lt", tmp_path)
    assert files_in(tmp_path) == VOC_FILES | {"VOCtest_06-Nov-2007.tar": VOC_TAR}
    assert server.paths == []


def test_a_folder_of_the_data_sets_name_is_taken(server, tmp_path):
    (tmp_path / "voc07-lt").mkdir()
    prepared("voc07-lt", tmp_path, download=True)
    assert files_in(tmp_path / "voc07-lt") == VOC_FILES


def test_only_what_is_missing_is_unpacked_and_what_is_there_is_kept(server, tmp_path):
    prepared("voc07-lt", tmp_path, download=True)
    names = list(VOC_FILES)
    (tmp_path / names[0]).write_bytes(b"my own")
    (tmp_path / names[1]).unlink()
    (tmp_path / names[2]).write_bytes(b"")  # as a power cut leaves it
    lines = prepared("voc07-lt", tmp_path, download=True)
    assert any(line.startswith("2 of 24 files are missing") for line in lines)
    assert files_in(tmp_path) == VOC_FILES | {names[0]: b"my own"}


def test_keep_leaves_the_downloaded_archive(server, tmp_path):
    prepared("voc07-lt", tmp_path, download=True, keep=True)
    assert files_in(tmp_path) == VOC_FILES | {"VOCtest_06-Nov-2007.tar": VOC_TAR}


def test_a_broken_connection_is_gone_on_with(server, tmp_path):
    server.sends = [5_000, 3_000]
    prepared("voc07-lt", tmp_path, download=True)
    assert server.asked == [None, "bytes=5000-", "bytes=8000-"]
    assert files_in(tmp_path) == VOC_FILES


def test_a_download_that_gave_up_goes_on_the_next_time(server, tmp_path):
    server.sends = [5_000, 0, 0, 0]
    with pytest.raises(DataError, match=r"no connection to 127.0.0.1 .* By hand: download http://127"):
        prepared("voc07-lt", tmp_path, download=True)
    server.asked.clear()
    prepared("voc07-lt", tmp_path, download=True)
    assert server.asked == ["bytes=5000-"]
    assert files_in(tmp_path) == VOC_FILES


def test_a_wrong_checksum_is_told_before_anything_is_unpacked(server, tmp_path):
    other = bytearray(VOC_TAR)
    other[len(VOC_TAR) // 2] ^= 1
    server.files["VOCtest_06-Nov-2007.tar"] = bytes(other)
    with pytest.raises(
        DataError, match=r"has another sum than sha256:\w+; it was removed, run this command again"
    ):
        prepared("voc07-lt", tmp_path, download=True)
    assert files_in(tmp_path) == {}
    path = tmp_path / "VOCtest_06-Nov-2007.tar"
    path.write_bytes(other)
    with pytest.raises(DataError, match="move it away and run this command again"):
        prepared("voc07-lt", tmp_path)
    assert files_in(tmp_path) == {path.name: bytes(other)}  # it is not ours to remove


def test_a_shorter_archive_is_told_by_its_size(server, tmp_path):
    (tmp_path / "VOCtest_06-Nov-2007.tar").write_bytes(VOC_TAR[:-2000])
    with pytest.raises(
        DataError, match=f"must have {len(VOC_TAR)} bytes, got {len(VOC_TAR) - 2000}; move it away"
    ):
        prepared("voc07-lt", tmp_path)


@pytest.mark.parametrize("cut", [100, 5_000, 5_120, 9_999])
def test_a_truncated_tar_of_the_right_sum_is_one_sentence(server, tmp_path, monkeypatch, cut):
    publish(server, monkeypatch, voc_tar=VOC_TAR[:cut])
    with pytest.raises(DataError, match=r"is damaged: |does not hold \d+ files, e.g. VOCdevkit"):
        prepared("voc07-lt", tmp_path, download=True)
    assert not [name for name in files_in(tmp_path) if name not in VOC_FILES]


def test_a_truncated_zip_is_one_sentence(server, tmp_path):
    whole = zip_of({name: VG_PICTURES[name] for name in VG})
    cut = whole[: sources.SOURCES["vg200"].parts[0].archives[0].num_bytes]
    (tmp_path / "images.zip").write_bytes(cut)
    with pytest.raises(DataError, match=r"images.zip is damaged: .*; move it away"):
        prepared("vg200", tmp_path)


def test_paths_out_of_the_root_and_links_are_not_followed(server, tmp_path, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = tarfile.TarInfo("VOCdevkit/VOC2007/JPEGImages/000001.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, str(outside / "written.jpg")
    through = tarfile.TarInfo("VOCdevkit/VOC2007/Annotations")
    through.type, through.linkname = tarfile.SYMTYPE, str(outside)
    rest = {name: content for name, content in VOC_FILES.items() if not name.endswith("000001.jpg")}
    evil = {"../escaped.jpg": jpeg(1), str(outside / "absolute.jpg"): jpeg(1), **rest}
    publish(server, monkeypatch, voc_tar=tar_of(evil, extra=(through, link)))
    with pytest.raises(
        DataError, match=r"does not hold 1 files, e.g. VOCdevkit/VOC2007/JPEGImages/000001.jpg;"
    ):
        prepared("voc07-lt", tmp_path / "root", download=True)
    assert files_in(tmp_path) == {f"root/{name}": content for name, content in rest.items()}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_too_small_a_disk_is_told_before_anything_is_received(server, tmp_path, monkeypatch):
    full = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr(data_download.shutil, "disk_usage", lambda folder: full)
    with pytest.raises(
        DataError, match=r"voc07-lt takes 0 MB until all is unpacked, .* has 0 MB free; choose another"
    ):
        prepared("voc07-lt", tmp_path, download=True)
    assert server.paths == []


def test_something_else_than_the_archive_is_refused(server, tmp_path):
    server.files["VOCtest_06-Nov-2007.tar"] = b"<html>sign in</html>"
    with pytest.raises(
        DataError, match=r"sends 20 bytes of application/zip, another file than sha256:.*; it was removed"
    ):
        prepared("voc07-lt", tmp_path, download=True)
    server.files["val2017.zip"] = b"<html>sign in</html>"
    with pytest.raises(DataError, match="sends 20 bytes of application/zip, another file"):
        prepared("coco-lt", tmp_path, download=True)
    server.files["VOCtest_06-Nov-2007.tar"] = VOC_TAR + b"\0" * 1024
    with pytest.raises(DataError, match=f"sends {len(VOC_TAR) + 1024} bytes of application/zip, another file"):
        prepared("voc07-lt", tmp_path, download=True)


def test_training_photographs_of_coco_come_one_by_one(server, tmp_path):
    lines = prepared("coco-lt", tmp_path, download=True)
    assert files_in(tmp_path) == COCO
    assert sorted(server.paths) == sorted([f"/{name}" for name in COCO_TRAIN] + ["/val2017.zip"])
    assert any(re.match(r"downloading: 5 of 5 pictures, .* MB/s$", line) for line in lines)
    assert lines[-1].startswith("coco-lt is complete")


def test_boxes_of_coco_are_asked_for(server, tmp_path):
    prepared("coco-lt", tmp_path, download=True)
    assert not (tmp_path / "annotations").exists()
    server.paths.clear()
    prepared("coco-lt", tmp_path, download=True, boxes=True)
    assert server.paths == ["/annotations_trainval2017.zip"]
    assert files_in(tmp_path / "annotations") == {"instances_val2017.json": b"{ }"}
    with pytest.raises(ConfigError, match="--boxes is for coco-lt"):
        prepared("voc07-lt", tmp_path, boxes=True)


def test_a_picture_that_broke_off_is_fetched_again_and_the_others_are_not(server, tmp_path):
    (tmp_path / "train2017").mkdir()
    (tmp_path / COCO_TRAIN[0]).write_bytes(b"here already")
    (tmp_path / "val2017").mkdir()
    for name in COCO_VAL:
        (tmp_path / name).write_bytes(COCO[name])
    server.sends = [100]
    prepared("coco-lt", tmp_path, download=True)
    assert len(server.paths) == 5  # four pictures, one of them twice
    assert files_in(tmp_path) == COCO | {COCO_TRAIN[0]: b"here already"}


def test_pictures_that_are_gone_are_counted_and_named_and_the_others_come(server, tmp_path):
    for name in COCO_TRAIN[1:3]:
        del server.files[name]
    with pytest.raises(
        DataError,
        match=r"^2 pictures of coco-lt are no longer where they were published: http.*71.jpg, http.*72.jpg; "
        r"data.damaged skip trains without them$",
    ):
        prepared("coco-lt", tmp_path, download=True)
    assert len(files_in(tmp_path)) == len(COCO) - 2


def test_a_page_in_place_of_pictures_and_a_lost_server_are_one_sentence(server, tmp_path):
    server.files[COCO_TRAIN[2]] = b"<html>sign in</html>"
    with pytest.raises(DataError, match=r"72.jpg sends application/zip in place of a picture"):
        prepared("coco-lt", tmp_path, download=True)
    server.files[COCO_TRAIN[2]] = COCO[COCO_TRAIN[2]]
    server.sends = [0] * 100
    with pytest.raises(
        DataError, match=r"no connection to 127.0.0.1 .*; what came is kept, the same command goes on"
    ):
        prepared("coco-lt", tmp_path, download=True)
    server.sends = []
    prepared("coco-lt", tmp_path, download=True)
    assert files_in(tmp_path) == COCO


def test_visual_genome_is_looked_for_in_both_folders_and_its_labels_are_missed(server, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "3.jpg").write_bytes(VG_PICTURES[VG[2]])
    (tmp_path / "images.zip").write_bytes(zip_of({VG[0]: VG_PICTURES[VG[0]]}))
    lines = prepared("vg200", tmp_path, download=True)
    assert server.paths == ["/VG_100K/2.jpg", "/VG_100K_2/2.jpg"]
    assert (tmp_path / VG[0]).read_bytes() == VG_PICTURES[VG[0]]
    assert lines[-1] == "what is still missing: labels.json goes there by hand"
    (tmp_path / "labels.json").write_text("{}")
    assert prepared("vg200", tmp_path)[-1].startswith("vg200 is complete")


def test_what_needs_nothing_and_what_is_unknown(server, tmp_path, capsys):
    assert main(["data", "prepare", "digits-lt"]) == 0
    assert capsys.readouterr().out == "digits-lt needs no photographs that could be downloaded\n"
    assert main(["data", "prepare", "voc7-lt", "--root", str(tmp_path)]) == 1
    assert "must be one of" in capsys.readouterr().err


def test_the_folder_is_named_by_an_option_or_the_variable(server, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MLCNC_DATA", raising=False)
    assert main(["data", "prepare", "voc07-lt"]) == 1
    assert "name it with --root DIR" in capsys.readouterr().err
    monkeypatch.setenv("MLCNC_DATA", str(tmp_path))
    assert main(["data", "prepare", "voc07-lt", "--download"]) == 0
    assert files_in(tmp_path) == VOC_FILES
    assert main(["data", "prepare", "voc07-lt", "--root", str(tmp_path / "none")]) == 1
    assert "none is no folder; voc07-lt needs" in capsys.readouterr().err


PROCESS = """
import sys, pytest
from types import SimpleNamespace
from mlcnc import resumed_download
from mlcnc.__main__ import run
resumed_download.SCHEMES = ("https", "http")
from tests.unit.test_data_download import publish
server = SimpleNamespace(address=sys.argv[1])
publish(server, pytest.MonkeyPatch())
sys.argv = ["mlcnc", "data", "prepare", sys.argv[2], "--download", "--root", sys.argv[3]]
run()
"""


@pytest.mark.parametrize("name", ["voc07-lt", "coco-lt"])
def test_stopped_by_a_signal_it_keeps_what_came_and_goes_on(server, tmp_path, name):
    server.pause = 0.05
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, server.address, name, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        deadline = time.monotonic() + 60
        while (
            not any(path.is_file() and path.stat().st_size for path in tmp_path.rglob("*"))
            and time.monotonic() < deadline
        ):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, text
    assert "stopped; what came is kept, the same command goes on" in text
    assert "Traceback" not in text
    server.pause = 0.0
    prepared(name, tmp_path, download=True)
    assert files_in(tmp_path) == (VOC_FILES if name == "voc07-lt" else COCO)


def test_the_lists_name_as_many_files_as_the_data_sets_have():
    numbers = {name: len(wanted()) for name, wanted in wanted_files.LISTS.items()}
    assert numbers == {
        "voc-lt": 2 * 1142,
        "voc2007-test": 2 * 4952,
        "coco-lt": 1909,
        "coco-val2017": 5000,
        "coco-instances": 2,
        "vg200": 5000,
    }
    every = [place for wanted in wanted_files.LISTS.values() for places in wanted() for place in places]
    assert len(set(every)) == len(every)
    assert all(re.fullmatch(r"(\w+/)+[\w-]+\.(jpg|xml|json)", place) for place in every)


@pytest.mark.parametrize("name", ["voc-lt", "voc07-lt", "coco-lt", "vg200"])
def test_the_loaders_look_where_files_are_put(name):
    wanted = [
        set(places) for part in sources.SOURCES[name].parts for places in wanted_files.LISTS[part.list_name]()
    ]
    pictures = [places for places in wanted if not any(place.endswith(".xml") for place in places)]
    splits = photographs._LISTED[name][1]().values()
    read = [{f"{folder}/{stem}.jpg" for folder in split.folders} for split in splits for stem in split.ids]
    assert sorted(map(sorted, read)) == sorted(map(sorted, pictures))
