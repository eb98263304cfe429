"""Where photographs come from, in records and in sentences."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlcnc.data.sources import SOURCES, how_to_get


@pytest.mark.parametrize("name", SOURCES)
def test_the_sentence_names_folder_size_and_command(name):
    text = how_to_get(name, Path("/somewhere else"))
    assert text.startswith(f"{name} needs ")
    assert f"mlcnc data prepare {name} --root '/somewhere else' --download" in text
    assert all(part.where in text for part in SOURCES[name].parts)
    assert "\n" not in text
    assert "DIR" in how_to_get(name)


def test_the_sizes_are_those_of_what_is_downloaded():
    assert "(a download of 451 MB: VOCtest_06-Nov-2007.tar)" in how_to_get("voc07-lt")
    two = "(a download of 2.5 GB: VOCtrainval_11-May-2012.tar of 2.0 GB, VOCtest_06-Nov-2007.tar of 451 MB)"
    assert two in how_to_get("voc-lt")
    # the training photographs one by one, not the archive of 19.3 GB
    assert "(a download of 1.1 GB: val2017.zip of 816 MB, single photographs)" in how_to_get("coco-lt")
    assert "(a download of 704 MB: single photographs)" in how_to_get("vg200")
    assert "vg_category_200_labels_index.json" in how_to_get("vg200")


def test_what_needs_no_photographs_says_so():
    assert "photographs of your own" in how_to_get("folder")
    assert how_to_get("digits-lt") == "digits-lt needs no photographs that could be downloaded"


def test_archives_are_named_as_at_their_address():
    parts = [part for source in SOURCES.values() for part in (*source.parts, *source.for_boxes)]
    for archive in (archive for part in parts for archive in part.archives):
        assert urlsplit(archive.address).path.endswith(f"/{archive.name}")
        assert archive.address.startswith("https://")
        assert (
            archive.known_hash is None or len(bytes.fromhex(archive.known_hash.removeprefix("sha256:"))) == 32
        )
