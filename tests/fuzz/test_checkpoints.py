"""Damaged and hostile checkpoints: one sentence, and nothing in them is ever executed."""

from __future__ import annotations

import os
import pickle
import zipfile
from random import Random

import pytest
import torch

from mlcnc.errors import RunFormatError
from mlcnc.training.build import build
from mlcnc.training.checkpoint import FILE_NAME, load_checkpoint, save_checkpoint
from tests.conftest import tiny_config
from tests.fuzz.byte_mutations import damaged_bytes
from tests.fuzz.path_mutations import odd_path, remove


class Payload:
    """What an attacker would put into a pickle: unpickling it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a run folder with one checkpoint, its bytes, and the experiment that wrote it."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    (folder / "checkpoints").mkdir(parents=True)
    experiment = build(tiny_config())
    save_checkpoint(experiment, folder, 1)
    return folder, (folder / FILE_NAME).read_bytes(), experiment


def silent(text):
    """Take a sentence for nobody."""


def refused_with(experiment, folder):
    """Return the sentence with which a checkpoint was refused, None where it was loaded whole."""
    try:
        assert load_checkpoint(experiment, folder, silent) == 1
    except RunFormatError as error:
        return str(error)
    return None


@pytest.mark.parametrize("number", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_checkpoints_are_refused_or_whole(saved, tmp_path, number):
    folder, raw, experiment = saved
    path, outside = folder / FILE_NAME, tmp_path / "outside"
    outside.mkdir()
    (outside / path.name).write_bytes(raw)
    os.mkfifo(outside / "pipe")
    refused = 0
    for seed in range(number):
        rng = Random(seed)
        remove(path)
        if rng.random() < 0.15:
            said = odd_path(rng, path, outside)
            if "giant" in said:
                continue  # its name ends in .pt, so that it would be ten gigabytes of zeros
        else:
            changed, said = damaged_bytes(rng, raw)
            path.write_bytes(changed)
        refusal = refused_with(experiment, folder)
        refused += refusal is not None
        assert refusal is None or "checkpoint" in refusal, f"seed {seed}: {said}: {refusal}"
        assert refusal is not None or "link" not in said, f"seed {seed}: {said}"
    remove(path)
    path.write_bytes(raw)
    assert refused > 0.8 * number


def test_no_pickle_is_ever_executed(saved, tmp_path):
    folder, raw, experiment = saved
    path, marker = folder / FILE_NAME, tmp_path / "owned"
    state = torch.load(path, weights_only=True)

    def in_zip():
        torch.save({**state, "best": Payload(marker)}, path)

    def whole_zip():
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Payload(marker)))
            archive.writestr("archive/version", b"3\n")

    for hostile in (
        in_zip,
        whole_zip,
        lambda: path.write_bytes(pickle.dumps(Payload(marker))),
        lambda: torch.save(Payload(marker), path, _use_new_zipfile_serialization=False),
    ):
        hostile()
        with pytest.raises(RunFormatError, match="is damaged"):
            load_checkpoint(experiment, folder, silent)
        assert not marker.exists()
    path.write_bytes(raw)
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()  # the payload would have worked


def test_a_pickle_nested_without_end_does_not_end_python(saved):
    folder, raw, experiment = saved
    path = folder / FILE_NAME
    for body in (
        b"}" + b")" + b"\x85" * 3_000_000 + b"K\x01s.",
        b"c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02" + body)
            archive.writestr("archive/version", b"3\n")
        with pytest.raises(RunFormatError, match="is damaged: it holds more than"):
            load_checkpoint(experiment, folder, silent)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    "changes",
    [
        {"next_epoch": "soon"},
        {"next_epoch": -3},
        {"next_epoch": float("inf")},
        {"next_epoch": None},
        {"method": {}},
        {"method": 3},
        {"method": {"x": torch.zeros(2)}},
        {"optimiser": []},
        {"optimiser": {"state": {}, "param_groups": []}},
        {"schedule": None},
        {"best": 5},
    ],
)
def test_a_checkpoint_of_other_content_does_not_fit(saved, changes):
    folder, raw, experiment = saved
    path = folder / FILE_NAME
    torch.save(torch.load(path, weights_only=True) | changes, path)
    try:
        with pytest.raises(RunFormatError, match="does not fit its config"):
            load_checkpoint(experiment, folder, silent)
    finally:
        path.write_bytes(raw)
