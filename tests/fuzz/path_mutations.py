"""Something else where a file should be: folders, links, pipes, sockets, sparse giants, odd names."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from random import Random

from tests.fuzz.array_mutations import sparse_header

GIANT = 10 * 2**30


def odd_path(rng: Random, path: Path, outside: Path) -> str:
    """Put something else in the place of ``path`` and return what.

    Args:
        path: a file of a run.
        outside: a folder beside the runs folder with a file of each name; links lead into it.
    """
    kind = rng.choice(sorted(_KINDS))
    remove(path)
    _KINDS[kind](rng, path, outside)
    return kind


def remove(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _copy(source: Path, target: Path) -> None:
    # an earlier damage may have put a device or a giant there
    if target.parent.is_symlink() or not target.parent.is_dir():
        return
    if source.is_file() and not source.is_symlink() and source.stat().st_size < 10**7:
        remove(target)
        shutil.copyfile(source, target)


def _sparse(rng: Random, path: Path, outside: Path) -> None:
    if path.suffix == ".safetensors":
        shape = rng.choice([[GIANT // 4], [5, GIANT // 20], [GIANT // 20, 5]])
        names = [
            "test.f/class_means",
            "test/scores",
            "test/targets",
            "coordinates",
            "samples/f",
            "pictures/ends",
            "test/id_ends",
            "test/id_bytes",
        ]
        head, size = sparse_header(shape, rng.choice(names))
    else:
        head, size = rng.choice([b"", b'{"epoch": 0}\n', b"["]), GIANT
    path.write_bytes(head)
    os.truncate(path, size)


def _socket(rng: Random, path: Path, outside: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        # the name of a socket is short: bind in the folder itself
        before = os.getcwd()
        os.chdir(path.parent)
        try:
            server.bind(path.name)
        finally:
            os.chdir(before)


def _link(target: str) -> object:
    return lambda rng, path, outside: path.symlink_to(target.format(outside=outside, name=path.name))


_KINDS = {
    "missing": lambda rng, path, outside: None,
    "a folder": lambda rng, path, outside: path.mkdir(),
    "a pipe": lambda rng, path, outside: os.mkfifo(path),
    "a socket": _socket,
    "a sparse giant": _sparse,
    "a link out": _link("{outside}/{name}"),
    "a link to a device": _link("/dev/zero"),
    "a link to a pipe outside": _link("{outside}/pipe"),
    "a link to nothing": _link("nowhere"),
    "a link to itself": _link("{name}"),
}


def odd_neighbours(rng: Random, folder: Path, outside: Path) -> tuple[list[Path], str]:
    """Put odd names beside the files of a run, or odd things in the place of its folders.

    Returns:
        The paths that are new or other than before, and what was done.
    """
    kind = rng.choice(["epochs", "epochs", "folder", "run", "moved"])
    if kind == "epochs":
        names = [
            "\u0660\u0660\u0660\u0661",
            "00001",
            "99999999999999999999",
            "0007\n",
            "9" * 200,
            "000a",
            "-001",
            "0003.safetensors",
        ]
        path = folder / "epochs" / f"{rng.choice(names)}.safetensors"
        _copy(folder / "epochs" / "0000.safetensors", path)
        return [path], f"also {path.name!r}"
    if kind == "folder":
        path = folder / rng.choice(["epochs", "layouts", "checkpoints"])
        remove(path)
        said = rng.choice(["a file", "a link out", "missing", "a pipe", "a link to itself"])
        if said == "a file":
            path.write_text("no folder")
        elif said == "a link out":
            path.symlink_to(outside / path.name)
        elif said == "a pipe":
            os.mkfifo(path)
        elif said == "a link to itself":
            path.symlink_to(path.name)
        return [path], f"{path.name} is {said}"
    if kind == "moved":
        one, other = folder / "run.json", folder / rng.choice(["status.json", "metrics.jsonl", "notes.json"])
        _copy(one, other)
        return [other], f"{other.name} is a copy of run.json"
    root = folder.parent
    name = rng.choice(["..%2f", "new\nline", "UPPER", ".hidden", "x" * 70, "-dash", "a b", "<b>", "no-run"])
    path = root / name
    remove(path)
    choice = rng.choice(["folder", "file", "link out", "pipe", "run"])
    if choice == "folder":
        path.mkdir()
    elif choice == "file":
        path.write_text("no run")
    elif choice == "link out":
        path.symlink_to(outside)
    elif choice == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
        _copy(folder / "run.json", path / "run.json")
    return [path], f"{name!r} in the runs folder is a {choice}"
