"""A runs folder inside of a folder that may not be entered: the system refuses even to tell whether it exists."""

import errno
import os

import pytest

from mlcnc.config import ExperimentConfig
from mlcnc.errors import RunNotFoundError, StoreError
from mlcnc.obstacles import obstacles
from mlcnc.store import (
    RunStore,
    RunWriter,
    StoredLayout,
    free_bytes,
    new_run_id,
    require_free_space,
    write_layout,
)


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """Return a runs folder in a closed one, closed for every user, root included."""
    folder = tmp_path / "closed"
    folder.mkdir()

    def closing(call):
        def refusing(path, *arguments, **options):
            if not isinstance(path, int) and f"{folder}{os.sep}" in os.fspath(path):
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            return call(path, *arguments, **options)

        return refusing

    for name in ("stat", "lstat", "mkdir", "scandir", "listdir"):
        monkeypatch.setattr(os, name, closing(getattr(os, name)))
    return folder / "runs"


def test_a_closed_folder_is_one_sentence_for_all_who_look_into_it(closed):
    store = RunStore(closed)
    for call in (store.open, store.delete):
        with pytest.raises(RunNotFoundError, match=r"^there is no run 'mine' in"):
            call("mine")
    assert store.run_ids() == []
    assert new_run_id(closed, "mine") == "mine"
    with pytest.raises(StoreError, match=r"closed/runs cannot be written: Permission denied$"):
        RunWriter.create(closed, "mine", class_names=["a"], class_counts=[3])
    with pytest.raises(RunNotFoundError, match="there is no run 'mine'"):
        write_layout(closed, "mine", "umap-f", StoredLayout([[[0.0, 0.0]]], (0,), "umap", "f", 0))


def test_the_free_space_is_that_of_the_disk_of_the_closed_folder(closed, tmp_path):
    assert free_bytes(closed) == pytest.approx(free_bytes(tmp_path), rel=0.1)
    assert free_bytes("no/such/folder") > 0
    require_free_space(closed)
    assert not any("MiB free" in sentence for sentence in obstacles(ExperimentConfig(), closed, "cpu"))


def test_a_runs_folder_that_cannot_be_listed_is_one_sentence(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(StoreError, match=r"^the runs folder .* cannot be read: Permission denied$"):
        new_run_id(tmp_path, "mine")
