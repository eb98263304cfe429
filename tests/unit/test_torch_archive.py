"""Archives that torch and zipfile would read in two ways, and old files, are told before torch reads them."""

import io
import pickle
import warnings
import zipfile

import pytest
import torch

from mlcnc.torch_archive import is_archive, why_not_old, why_not_plain

PLAIN = {"features": torch.arange(6.0).reshape(2, 3), "names": ["a", "b"]}
BOMB = b"\x80\x02cbuiltins\nbytearray\n(" + pickle.LONG1 + b"\x05" + (3 * 10**9).to_bytes(5, "little") + b"tR."


def archive(path, rename=str, pickled=None):
    """Write an archive of torch, with parts under other names and perhaps another pickle."""
    stream = io.BytesIO()
    torch.save(PLAIN, stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that comes twice
        with zipfile.ZipFile(stream) as source, zipfile.ZipFile(path, "w") as target:
            for name in source.namelist():
                content = source.read(name)
                is_pickle = name.endswith("data.pkl")
                for other in [rename(name)] if isinstance(rename(name), str) else rename(name):
                    target.writestr(other, pickled if is_pickle and pickled else content)
    return path


def test_what_torch_writes_is_plain(tmp_path):
    assert why_not_plain(archive(tmp_path / "again.pt")) is None
    torch.save(PLAIN, tmp_path / "new.pt")
    assert is_archive(tmp_path / "new.pt")
    assert why_not_plain(tmp_path / "new.pt") is None
    torch.save(PLAIN, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert not is_archive(tmp_path / "old.pt")
    assert why_not_old(tmp_path / "old.pt") is None


@pytest.mark.parametrize("name", ["data.pkl", "DATA.PKL", "Data.pkl"])
def test_a_pickle_is_looked_at_whatever_the_case_of_its_name(tmp_path, name):
    path = archive(tmp_path / "bomb.pt", lambda part: part.replace("data.pkl", name), BOMB)
    assert "more than tensors" in why_not_plain(path)


def test_two_parts_of_one_name_are_refused(tmp_path):
    path = archive(tmp_path / "two.pt", lambda part: [part, part.upper()])
    assert why_not_plain(path) == "it holds two parts of one name"


def test_a_second_archive_before_the_first_is_refused(tmp_path):
    first, second = (archive(tmp_path / name).read_bytes() for name in ("a.pt", "b.pt"))
    (tmp_path / "both.pt").write_bytes(first + second)
    assert zipfile.is_zipfile(tmp_path / "both.pt")
    assert why_not_plain(tmp_path / "both.pt") == "its directory is not where it says"


def test_a_bomb_in_an_old_file_is_refused(tmp_path):
    before = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}))
    (tmp_path / "old.pt").write_bytes(before + BOMB)
    assert "more than tensors" in why_not_old(tmp_path / "old.pt")
