"""Hostile and odd files of features: measured, or refused in one sentence, in little memory, nothing executed."""

import json
import subprocess
import sys
from random import Random

import pytest

from mlcnc.analysis.user_files.feature_file import read_features
from mlcnc.errors import DataError
from mlcnc.terminal_text import one_line, printable
from tests.conftest import ROOT
from tests.fuzz.byte_mutations import damaged_bytes
from tests.fuzz.hostile_features import X_TORCH, Y_TORCH, npz, pt, tensors_of

MOST_MEGABYTES = 1000
ADVICE = ("weights_only", "allow_pickle", "please", "github", "http", "Re-running", "Traceback", "Warning")


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and limits as Linux has them")
@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_every_file_is_measured_or_refused_in_a_sentence(tmp_path, step):
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.try_features", str(tmp_path), str(step)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    tried = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(tried) * step > 350
    for one in tried:
        said, name = one["out"] + one["err"], ascii(one["name"])
        assert one["status"] == one["expected"], f"{name}: {said[-500:]}"
        assert printable(said) == said, name
        assert not [word for word in ADVICE if word in said], f"{name}: {said}"
        assert len(one["err"].splitlines()) == one["expected"], f"{name}: {one['err']}"
        assert one["megabytes"] < MOST_MEGABYTES, f"{name}: {one['megabytes']} MB"
    assert not list(tmp_path.glob("**/runs"))


@pytest.mark.parametrize("number", [100, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["npz", "pt", "safetensors"])
def test_changed_bytes_are_read_or_refused(tmp_path, kind, number):
    path = tmp_path / f"a.{kind}"
    {
        "npz": npz(class_names=["a", "b", "c"]),
        "pt": pt(class_names=["a", "b", "c"]),
        "safetensors": tensors_of(X_TORCH),
    }[kind](path)
    raw = path.read_bytes()
    refusals = []
    for seed in range(number):
        changed, _ = damaged_bytes(Random(seed), raw)
        path.write_bytes(changed)
        try:
            assert read_features(path).targets.shape[0] <= len(Y_TORCH)
        except DataError as error:
            refusals.append(str(error))
    assert [one_line(refusal) for refusal in refusals] == refusals
    assert len(refusals) > 0.3 * number
