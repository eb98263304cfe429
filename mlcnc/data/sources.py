"""Where the photographs of each data set come from: archives, single images, sizes, checksums, places."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Archive:
    """One archive as its makers publish it.

    Args:
        name: of the file.
        address: of it.
        num_bytes: of it.
        known_hash: its SHA-256, ``sha256:`` before it; None where none was found in two independent places.
    """

    name: str
    address: str
    num_bytes: int
    known_hash: str | None = None


@dataclass(frozen=True)
class Part:
    """Files of a data set that come from one place, at the same relative paths as in their archives.

    Args:
        what: the files in words, with their number.
        where: the folder below the root in which they lie.
        list_name: which of :mod:`mlcnc.data.wanted_files` names them.
        num_bytes: of the files together, about.
        archives: that hold them; each may hold some.
        single: beginnings of addresses below which each file can be had by its relative path, tried in turn;
            empty where the archives are downloaded instead.
    """

    what: str
    where: str
    list_name: str
    num_bytes: int
    archives: tuple[Archive, ...]
    single: tuple[str, ...] = ()

    @property
    def download_bytes(self) -> int:
        """What has to be downloaded where nothing is there."""
        return self.num_bytes if self.single else sum(archive.num_bytes for archive in self.archives)


@dataclass(frozen=True)
class Source:
    """What a data set needs on disk.

    Args:
        parts: that every use needs.
        for_boxes: that only boxes need, where the labels do without.
        files_by_hand: files below the root that no command can get, of which one is needed.
        by_hand: a sentence about them.
    """

    parts: tuple[Part, ...]
    for_boxes: tuple[Part, ...] = ()
    files_by_hand: tuple[str, ...] = ()
    by_hand: str = ""

    @property
    def download_bytes(self) -> int:
        """Of the parts that every use needs."""
        return sum(part.download_bytes for part in self.parts)


# sizes and checksums of VOC: the url_checksums of TensorFlow Datasets and the test resources of torchvision
_VOC2007_TEST = Archive(
    "VOCtest_06-Nov-2007.tar",
    "https://thor.robots.ox.ac.uk/pascal/VOC/voc2007/VOCtest_06-Nov-2007.tar",
    451_020_800,
    "sha256:6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892",
)
_VOC2012 = Archive(
    "VOCtrainval_11-May-2012.tar",
    "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    1_999_639_040,
    "sha256:e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
)
# of COCO: the same in a dozen public repositories; its server has no certificate of its own name, but that of
# the store behind it
_COCO = "https://s3.amazonaws.com/images.cocodataset.org"
_TRAIN2017 = Archive(
    "train2017.zip",
    f"{_COCO}/zips/train2017.zip",
    19_336_861_798,
    "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
)
_VAL2017 = Archive(
    "val2017.zip",
    f"{_COCO}/zips/val2017.zip",
    815_585_330,
    "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
)
_ANNOTATIONS = Archive(
    "annotations_trainval2017.zip",
    f"{_COCO}/annotations/annotations_trainval2017.zip",
    252_907_541,
    "sha256:113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
)
# of Visual Genome: sizes are confirmed, a checksum was not found
_VG = "https://cs.stanford.edu/people/rak248"
_VG_1 = Archive("images.zip", f"{_VG}/VG_100K_2/images.zip", 9_731_705_982)
_VG_2 = Archive("images2.zip", f"{_VG}/VG_100K_2/images2.zip", 5_471_658_058)

_TEST_2007 = Part(
    "4,952 photographs of VOC2007 test with their XML",
    "VOCdevkit/VOC2007",
    "voc2007-test",
    445_000_000,
    (_VOC2007_TEST,),
)

SOURCES: dict[str, Source] = {
    "voc07-lt": Source((_TEST_2007,)),
    "voc-lt": Source(
        (
            Part(
                "1,142 photographs of VOC2012 with their XML",
                "VOCdevkit/VOC2012",
                "voc-lt",
                130_000_000,
                (_VOC2012,),
            ),
            _TEST_2007,
        )
    ),
    "coco-lt": Source(
        (
            Part(
                "1,909 photographs of COCO train2017",
                "train2017",
                "coco-lt",
                312_000_000,
                (_TRAIN2017,),
                (_COCO,),
            ),
            Part(
                "5,000 photographs of COCO val2017",
                "val2017",
                "coco-val2017",
                815_000_000,
                (_VAL2017,),
            ),
        ),
        for_boxes=(
            Part(
                "the two instances_*2017.json",
                "annotations",
                "coco-instances",
                490_000_000,
                (_ANNOTATIONS,),
            ),
        ),
    ),
    "vg200": Source(
        (
            Part(
                "5,000 photographs of Visual Genome",
                "VG_100K and VG_100K_2",
                "vg200",
                704_000_000,
                (_VG_1, _VG_2),
                (_VG,),
            ),
        ),
        files_by_hand=("vg_category_200_labels_index.json", "vg_category_500_labels_index.json"),
        by_hand="vg_category_200_labels_index.json, the labels, goes beside them by hand: it lies in the data "
        "archive that the README of github.com/HCPLab-SYSU/HCP-MLR-PL links to",
    ),
}
"""By the name of the data set; one that is not here has nothing that could be downloaded."""


def how_to_get(name: str, root: Path | None = None) -> str:
    """Return in one sentence what photographs a data set needs and how to get them.

    Args:
        name: of the data set.
        root: the folder in which they were looked for, None where none was named.
    """
    if name == "folder":
        return "folder reads photographs of your own; name where they lie with --data.root"
    source = SOURCES.get(name)
    if source is None:
        return f"{name} needs no photographs that could be downloaded"
    below = "the folder of data sets (--data.root or MLCNC_DATA)" if root is None else str(root)
    parts = " and ".join(f"{part.what} in {part.where}" for part in source.parts)
    where = "DIR" if root is None else shlex.quote(str(root))
    by_hand = f"; {source.by_hand}" if source.by_hand else ""
    return (
        f"{name} needs {parts} below {below}; put them there, or get them ({_what_is_downloaded(source)}) "
        f"with: mlcnc data prepare {name} --root {where} --download{by_hand}"
    )


def _what_is_downloaded(source: Source) -> str:
    archives = [archive for part in source.parts if not part.single for archive in part.archives]
    singles = ["single photographs"] if any(part.single for part in source.parts) else []
    # the size of the only one is that of the whole
    told = [f"{it.name} of {in_words(it.num_bytes)}" for it in archives] if archives[1:] or singles else []
    parts = ", ".join([*(told or [it.name for it in archives]), *singles])
    return f"a download of {in_words(source.download_bytes)}: {parts}"


def in_words(num_bytes: float) -> str:
    """Return a size as it is read, in MB or GB.

    Example:
        >>> in_words(451_020_800), in_words(19_336_861_798)
        ('451 MB', '19.3 GB')
    """
    return f"{num_bytes / 1e6:.0f} MB" if num_bytes < 1e9 else f"{num_bytes / 1e9:.1f} GB"
