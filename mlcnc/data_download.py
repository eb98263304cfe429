"""The photographs of a data set: what is missing is unpacked from archives that lie there, or downloaded."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mlcnc.data.sources import SOURCES, Archive, Part, Source, how_to_get, in_words
from mlcnc.data.wanted_files import LISTS, Places
from mlcnc.data_archives import ArchiveError, is_there, unpack
from mlcnc.errors import ConfigError, DataError
from mlcnc.files.locking import alone_in
from mlcnc.named_paths import named_path
from mlcnc.resumed_download import Download, NoConnectionError, WrongFileError, require_whole, size_of
from mlcnc.single_downloads import Picture, fetch_pictures

_NAMED = 3
"""So many of the files that are missing are named."""


def prepare(
    name: str,
    root: str | Path,
    *,
    download: bool = False,
    keep: bool = False,
    boxes: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Bring the files of a data set's lists to where its loader looks for them.

    They go into ``root`` / name where that folder exists, into ``root`` otherwise. Archives that lie there
    are used and stay. What is there is kept as it is, so that the same call goes on after an interruption.

    Args:
        name: of a data set.
        root: the folder of data sets; made where it is downloaded into.
        download: whatever no archive has. False says what that would be and raises.
        keep: downloaded archives too.
        boxes: files that only boxes need as well.
        say: receives lines.

    Raises:
        ConfigError: boxes of a data set that needs no files for them.
        DataError: files are missing, there is no connection or no space, or an archive is damaged.
    """
    source = SOURCES.get(name)
    if source is None:
        say(how_to_get(name))
        return
    if boxes and not source.for_boxes:
        raise ConfigError(f"--boxes is for coco-lt, whose boxes are a download of their own; {name} needs none")
    root = named_path(root)
    folder = root / name if (root / name).is_dir() else root
    work = _Work(name, folder, source, (*source.parts, *(source.for_boxes if boxes else ())), say)
    try:
        if download:
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise DataError(f"--root {root} is no folder; {how_to_get(name, root)}")
        if work.lacking():
            with alone_in(folder):
                work.use_archives()
                if work.lacking():
                    _tell_plan(work, root, download=download, keep=keep)
                    work.download(keep=keep)
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be used: {error.strerror}") from None
    work.tell_end(root)


@dataclass(frozen=True)
class _Lacking:
    """What is missing of a part."""

    part: Part
    files: list[Places]
    of: int

    @property
    def num_bytes(self) -> int:
        """Of the missing files, about."""
        return round(self.part.num_bytes * len(self.files) / self.of)


@dataclass(frozen=True)
class _Work:
    name: str
    folder: Path
    source: Source
    parts: tuple[Part, ...]
    say: Callable[[str], None]

    def lacking(self) -> list[_Lacking]:
        """Return the parts of which something is missing."""
        found = []
        for part in self.parts:
            wanted = LISTS[part.list_name]()
            files = [places for places in wanted if not any(is_there(self.folder / place) for place in places)]
            if files:
                found.append(_Lacking(part, files, len(wanted)))
        return found

    def archives(self) -> list[Archive]:
        """Return the archives that have to be downloaded, each with something that is missing."""
        return [archive for it in self.lacking() if not it.part.single for archive in it.part.archives]

    def use_archives(self) -> None:
        """Unpack what is missing from archives that lie in the folder."""
        for it in self.lacking():
            for archive in it.part.archives:
                path = self.folder / archive.name
                if path.is_file() and self._wanted(archive):
                    try:
                        self.say(f"checking {archive.name}")
                        require_whole(path, archive.num_bytes, archive.known_hash)
                        self._unpack(path, archive)
                    except WrongFileError as error:
                        raise DataError(f"{error}; move it away and run this command again") from None

    def download(self, *, keep: bool) -> None:
        """Download what is missing."""
        for archive in self.archives():
            self._download_archive(archive, keep)
        gone: list[Picture] = []
        for it in self.lacking():
            pictures = [_picture(self.folder, it.part, places) for places in it.files]
            self.say(f"downloading {len(pictures):,} of {it.part.what} from {it.part.single[0]}")
            try:
                gone += fetch_pictures(pictures, say=self.say)
            except NoConnectionError as error:
                raise DataError(f"{error}; what came is kept, the same command goes on") from None
        if gone:
            raise DataError(
                f"{len(gone):,} pictures of {self.name} are no longer where they were published: "
                f"{_some(picture.choices[0][0] for picture in gone)}; data.damaged skip trains without them"
            )

    def download_of(self, archive: Archive) -> Download:
        """Return an archive on its way."""
        return Download(archive.address, self.folder, archive.num_bytes, archive.known_hash, self.say)

    def _download_archive(self, archive: Archive, keep: bool) -> None:
        download, kept = self.download_of(archive), self.folder / archive.name
        self.say(f"downloading {archive.address}, {in_words(archive.num_bytes)}, into {self.folder}")
        try:
            path = download.fetch()
            self._unpack(path, archive)
        except NoConnectionError as error:
            raise DataError(
                f"{error}. By hand: download {archive.address} where there is a network, put the archive as it "
                f"is into {self.folder.absolute()} and run this command again"
            ) from None
        except WrongFileError as error:
            download.forget()
            raise DataError(f"{error}; it was removed, run this command again") from None
        if keep and not kept.exists():
            os.replace(path, kept)
        # what was unpacked is on the disk before its archive goes
        getattr(os, "sync", lambda: None)()
        download.forget()

    def _wanted(self, archive: Archive) -> dict[str, Path]:
        """Return the missing files that an archive may hold, by their names in it."""
        return {
            place: self.folder / place
            for it in self.lacking()
            if archive in it.part.archives
            for places in it.files
            for place in places
        }

    def _unpack(self, path: Path, archive: Archive) -> None:
        self.say(f"unpacking {archive.name}")
        unpack(path, self._wanted(archive), say=self.say)
        for it in self.lacking():
            if it.part.archives == (archive,) and not it.part.single:
                names = _some(places[0] for places in it.files)
                raise ArchiveError(f"the archive {path} does not hold {len(it.files):,} files, e.g. {names}")

    def tell_end(self, root: Path) -> None:
        """Say how many files there are, and what to do next."""
        for part in self.parts:
            self.say(f"{part.where}: {part.what} are complete, {len(LISTS[part.list_name]()):,} files")
        by_hand = self.source.files_by_hand
        if by_hand and not any(is_there(self.folder / file) for file in by_hand):
            self.say(f"what is still missing: {self.source.by_hand}")
            return
        place = shlex.quote(str(root))
        self.say(f"{self.name} is complete; next: mlcnc train --preset {self.name} --data.root {place}")


def _picture(folder: Path, part: Part, places: Places) -> Picture:
    return Picture(tuple((f"{begin}/{place}", folder / place) for begin in part.single for place in places))


def _tell_plan(work: _Work, root: Path, *, download: bool, keep: bool) -> None:
    """Say what will be downloaded and what it takes.

    Raises:
        DataError: nothing may be downloaded, or the disk is too small.
    """
    archives, lacking = work.archives(), work.lacking()
    for it in lacking:
        missing = f"{len(it.files):,} of {it.of:,} files are missing in {it.part.where}"
        if it.part.single:
            others = " or ".join(f"{one.name} ({in_words(one.num_bytes)})" for one in it.part.archives)
            way = f"one by one from {it.part.single[0]}, {in_words(it.num_bytes)}; or put there {others}"
        else:
            way = " and ".join(
                f"{one.name} ({in_words(one.num_bytes)}) from {one.address}" for one in it.part.archives
            )
        work.say(f"{missing}: {way}")
    if not download:
        raise DataError(how_to_get(work.name, root))
    sizes = [archive.num_bytes for archive in archives]
    here = sum(size_of(work.download_of(archive).partial) for archive in archives)
    files = sum(it.num_bytes for it in lacking)
    # archives go one after the other, each when its files are out
    needed = max(0, (sum(sizes) if keep else max(sizes, default=0)) - here) + files
    free = shutil.disk_usage(work.folder).free
    work.say(f"{in_words(needed)} of disk are needed until all is unpacked, {in_words(free)} are free")
    if free < needed:
        raise DataError(
            f"{work.name} takes {in_words(needed)} until all is unpacked, and the disk of {work.folder} has "
            f"{in_words(free)} free; choose another --root"
        )


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
