"""Anyone's features: every file kind, the run the dashboard opens, and clear refusals."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from mlcnc.analysis.geometry.angles import class_mean_angles
from mlcnc.analysis.geometry.variability import class_variability
from mlcnc.analysis.geometry.vector_angles import gram_angles
from mlcnc.analysis.user_files.feature_file import read_features
from mlcnc.analysis.user_files.features import analyse_features, report_text
from mlcnc.analysis.verification.recomputation import verify_run
from mlcnc.cli import main
from mlcnc.errors import DataError
from mlcnc.metrics import ClassStatisticsAccumulator, average_precision, nc1_trace
from mlcnc.store import RunStore
from tests.conftest import ROOT


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(4), rng.choice(4, 150, p=[0.6, 0.25, 0.1, 0.05])])
    features = (rng.normal(size=(154, 9)) + 3 * rng.normal(size=(4, 9))[labels]).astype(np.float32)
    return {
        "features": features, "targets": labels, "classifier_weight": rng.normal(size=(4, 9)).astype(np.float32),
        "classifier_bias": np.zeros(4, dtype=np.float32), "scores": rng.normal(size=(154, 4)).astype(np.float32),
    }  # fmt: skip


def written(folder, kind, arrays):
    path = folder / f"mine.{kind}"
    if kind == "npz":
        np.savez(path, class_names=np.array(["a", "b", "c", "d"]), **arrays)
    elif kind == "safetensors":
        save_file(arrays, path)
    else:
        torch.save({name: torch.tensor(array) for name, array in arrays.items()}, path)
    return path


@pytest.mark.parametrize("kind", ["npz", "safetensors", "pt"])
def test_every_kind_of_file_gives_a_run_that_opens(tmp_path, capsys, arrays, kind):
    path = written(tmp_path, kind, arrays)
    assert main(["analyze", str(path), "--runs", str(tmp_path / "runs"), "--tail-max", "10"]) == 0
    text = capsys.readouterr().out
    run = RunStore(tmp_path / "runs").open("features-mine")
    line = run.metrics()[0]
    by = "head, medium and tail are by the positives in this file, not by those of training"
    assert f"{by}, which it does not hold: head from 100, tail below 10 (--head-min, --tail-max)" in text
    accumulator = ClassStatisticsAccumulator(4, 9)
    accumulator.update_rows(arrays["features"], arrays["targets"])
    statistics = accumulator.compute()
    expected = nc1_trace(statistics.class_means, statistics.variances)
    assert line["test.z/nc1_trace"] == pytest.approx(expected)
    assert f"{expected:.4g}" in text
    onehot = np.eye(4)[arrays["targets"]]
    assert line["test/map_total"] == pytest.approx(100 * average_precision(arrays["scores"], onehot).mean())
    assert 0 <= line["test.z/nc4_agreement"] <= 1
    assert run.status.state == "finished"
    assert [space.model_dump() for space in run.spaces] == [{"name": "z", "kind": "image", "dim": 9}]
    assert run.info.method is None
    assert "test features z, effective C = 4, d = 9" in text
    assert not any(".f/" in name or "ncm" in name for name in line)
    assert run.info.class_counts == np.bincount(arrays["targets"]).tolist()
    assert verify_run(run).problems == []
    assert class_mean_angles(run, 0, split="test", space="z", centring="class") is not None
    assert class_mean_angles(run, 0, split="test", space="z", centring="all") is None
    assert gram_angles(run, 0, "classifier") is not None
    assert class_variability(run, 0, split="test", space="z") is not None
    assert main(["analyze", str(path), "--runs", str(tmp_path / "runs")]) == 0
    assert "features-mine-2" in capsys.readouterr().err


def test_a_file_whose_name_is_no_text_is_read_under_a_name_that_is(tmp_path, arrays):
    path = written(tmp_path, "npz", arrays)
    odd = path.with_name(os.fsdecode(b"m\xfcller.npz"))
    try:
        path.rename(odd)
    except OSError:
        pytest.skip("this file system takes names of Unicode only")
    assert main(["analyze", str(odd), "--runs", str(tmp_path / "runs")]) == 0
    assert RunStore(tmp_path / "runs").open("features-m-ller").info.name == "m?ller.npz"


def test_class_wise_and_multi_label_features(tmp_path, capsys):
    rng = np.random.default_rng(1)
    targets = (rng.random((80, 5)) < 0.4).astype(np.uint8)
    targets[:10] = np.tile(np.eye(5, dtype=np.uint8), (2, 1))
    features = rng.normal(size=(80, 5, 6)) + targets[:, :, None]
    np.savez(tmp_path / "wise.npz", class_features=features, labels=targets, logits=features.sum(axis=2))
    assert main(["analyze", str(tmp_path / "wise.npz"), "--no-run", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["test.f/nc4_binary_macro"] > 0.5
    assert values["test.f/angle_min_all"] > 0
    assert not any(".z/" in name for name in values)
    weight = rng.normal(size=(5, 6))
    np.savez(
        tmp_path / "images.npz",
        features=features[:, 0],
        targets=targets,
        classifier_weight=weight,
        scores=features[:, 0] @ weight.T,
    )
    file = read_features(tmp_path / "images.npz")
    report = analyse_features(file, {"head": [0, 1, 2, 3, 4], "medium": [], "tail": []})
    assert not file.single_label
    values = {line.name: line for line in report.lines}
    assert values["test.z/ncm_ratio"].value > 0
    assert values["test.z/nc4_binary_macro"].value > 0  # negatives are known, as of a method's z
    assert values["test.z/angle_min_all"].value > 0
    assert -1 <= values["test.z/nc3_contrast_cosine"].value <= 1
    assert values["test.z/nc1_tail"].reason.startswith("the group needs a class with a positive")
    text = report_text(report, file.class_names)
    assert "not defined here:" in text
    assert "closest pair of classes" in text
    assert not [line for line in report.lines if not np.isfinite(line.value) and not line.reason]


def spoiled(arrays, **changes):
    return {name: array for name, array in {**arrays, **changes}.items() if array is not None}


BAD = [
    ({"features": None}, "has no array features"),
    ({"targets": np.zeros(3, dtype=int)}, "targets must have 154 rows like features, got 3"),
    ({"targets": np.full((154, 4), 0.5)}, "targets of shape"),
    ({"targets": np.full(154, 0.5)}, "class indices"),
    ({"targets": np.full(154, -1)}, "class indices"),
    ({"targets": np.zeros((154, 1), dtype=int)}, "two classes or more"),
    ({"classifier_weight": np.zeros((4, 3))}, "classifier_weight in bad.npz must have shape"),
    ({"scores": np.zeros((154, 3))}, "scores in bad.npz must have shape"),
    ({"label_embedding": np.zeros((4, 9))}, "label_embedding needs one feature for every class"),
    (
        {"features": np.zeros((154, 4, 9)), "label_embedding": np.zeros((4, 7))},
        "label_embedding in bad.npz must have shape",
    ),
    ({"features": np.full((154, 9), np.nan)}, "must be finite"),
    ({"features": np.zeros((154, 7, 9))}, "features must have"),
    ({"features": np.zeros(154)}, "features must be numbers of shape"),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_files_that_do_not_fit_are_refused_and_write_nothing(tmp_path, capsys, arrays, changes, words):
    if "targets" in changes and changes["targets"].ndim == 2 and changes["targets"].shape[1] == 1:
        arrays = {name: arrays[name] for name in ("features", "targets")}
    if changes.get("features") is not None and changes["features"].ndim == 3:
        arrays = spoiled(arrays, targets=np.zeros((154, 4), dtype=int), classifier_weight=None)
    np.savez(tmp_path / "bad.npz", **spoiled(arrays, **changes))
    assert main(["analyze", str(tmp_path / "bad.npz"), "--runs", str(tmp_path / "runs")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


class Trap:
    def __reduce__(self):
        return (open, ("trapped", "w"))


def test_nothing_in_a_file_is_executed(tmp_path, capsys, monkeypatch, arrays):
    monkeypatch.chdir(tmp_path)
    with open("evil.pt", "wb") as stream:
        pickle.dump({"features": Trap()}, stream)
    np.savez("evil.npz", features=np.array([Trap()], dtype=object), targets=arrays["targets"])
    torch.save({"features": torch.zeros(2), "targets": Trap()}, "trap.pt")
    (tmp_path / "short.safetensors").write_bytes(b"\x00" * 5)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "nothing.npz").write_bytes(b"")
    for name in (
        "evil.pt",
        "evil.npz",
        "trap.pt",
        "short.safetensors",
        "notes.txt",
        "missing.npz",
        "nothing.npz",
    ):
        assert main(["analyze", name, "--no-run"]) == 1
        error = capsys.readouterr().err
        assert error.startswith("mlcnc: ")
        assert "Traceback" not in error
    assert not (tmp_path / "trapped").exists()
    assert main(["analyze", "notes.txt", "--tail-max", "200"]) == 1
    assert "--tail-max 200 must not be above" in capsys.readouterr().err


def test_class_indices_saved_as_floats_are_class_indices(tmp_path, arrays):
    np.savez(tmp_path / "whole.npz", features=arrays["features"], targets=arrays["targets"])
    np.savez(tmp_path / "floats.npz", features=arrays["features"], targets=arrays["targets"].astype(np.float32))
    whole, floats = (read_features(tmp_path / f"{name}.npz") for name in ("whole", "floats"))
    np.testing.assert_array_equal(whole.targets, floats.targets)
    assert floats.single_label


X = np.random.default_rng(2).normal(size=(12, 4)).astype(np.float32)
Y = np.arange(12) % 3
TENSOR = torch.from_numpy(X)
SAME = {
    "batches, the last one smaller": {"features": list(TENSOR.split(5)), "targets": list(torch.from_numpy(Y).split(5))},
    "one tensor an image": {"features": list(TENSOR), "targets": list(torch.from_numpy(Y))},
    "lists of lists": {"features": X.tolist(), "targets": Y.tolist()},
    "sparse": {"features": TENSOR.to_sparse(), "targets": torch.from_numpy(Y)},
    "double and wide": {"features": TENSOR.double().T.contiguous().T, "targets": torch.from_numpy(np.eye(3)[Y])},
    "big-endian": {"features": X.astype(">f8"), "targets": Y.astype(">i2")},
    "column order": {"features": np.asfortranarray(X.astype(np.longdouble)), "targets": Y.astype(np.float16)},
    "flags": {"features": X, "targets": np.eye(3)[Y] > 0},
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_the_same_numbers_however_they_are_kept(tmp_path, kind):
    path = tmp_path / ("a.npz" if isinstance(SAME[kind]["features"], np.ndarray) else "a.pt")
    if path.suffix == ".npz":
        np.savez(path, **SAME[kind])
    else:
        torch.save(SAME[kind], path)
    file = read_features(path)
    np.testing.assert_array_equal(file.features, X)
    np.testing.assert_array_equal(file.targets, np.eye(3)[Y])
    assert file.single_label


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float16])
def test_numbers_that_numpy_does_not_have_are_read_from_both_of_torchs_formats(tmp_path, dtype):
    from safetensors.torch import save_file as save_tensors

    kept = {"features": TENSOR.to(dtype), "targets": torch.from_numpy(Y)}
    save_tensors(kept, tmp_path / "a.safetensors")
    torch.save(kept, tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        np.testing.assert_array_equal(read_features(tmp_path / name).features, TENSOR.to(dtype).float())


@pytest.mark.parametrize(
    "names",
    [
        ["cat", "dog", "big bus"],
        ("cat", b"dog", "big  bus\n"),
        {2: "big bus", 0: "cat", 1: "dog"},
        {"dog": 1, "cat": 0, "big bus": 2},
        np.array([b"cat", b"dog", b"big bus"]),
        np.array([" cat", "dog\t", "big\u00a0bus"]),
    ],
)
def test_names_of_classes_are_words_on_one_line(tmp_path, names):
    if isinstance(names, np.ndarray):
        np.savez(tmp_path / "a.npz", features=X, targets=Y, class_names=names)
    else:
        torch.save(
            {"features": TENSOR, "targets": torch.from_numpy(Y), "class_names": names}, tmp_path / "a.npz.pt"
        )
    assert read_features(next(tmp_path.iterdir())).class_names == ("cat", "dog", "big bus")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["crane", "crane", "bus"], "class_names must differ, got 'crane' 2 times; rename all but one"),
        (["crane", "crane ", "bus"], "class_names must differ"),
        (["", "b", "c"], "text of 1 to 500 characters"),
        (["a\x1b[2J", "b", "c"], r"got 'a\x1b[2J' of class 0"),
        (["a", "b"], "must be 3 like the classes, got 2"),
        ([b"\xfc", b"b", b"c"], "must be text in UTF-8"),
    ],
)
def test_other_names_are_refused_before_anything_is_measured(tmp_path, capsys, names, words):
    np.savez(tmp_path / "a.npz", features=X, targets=Y, class_names=np.array(names))
    assert main(["analyze", str(tmp_path / "a.npz"), "--runs", str(tmp_path / "runs")]) == 1
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""
    assert not (tmp_path / "runs").exists()


def test_a_terminal_of_few_characters_gets_escapes(tmp_path):
    np.savez(tmp_path / "a.npz", features=X, targets=Y, class_names=np.array(["żółw", "中", "🦄"]))
    done = subprocess.run(
        [sys.executable, "-m", "mlcnc", "analyze", str(tmp_path / "a.npz"), "--no-run"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "closest pair of classes" in done.stdout


def test_what_takes_more_memory_than_its_file_should_is_refused(tmp_path):
    np.savez_compressed(
        tmp_path / "a.npz", features=np.zeros((3000, 40_000), dtype=np.int8), targets=np.arange(3000) % 3
    )
    with pytest.raises(DataError, match=r"would take 0.96 GB of memory, and a file of its size may take 0.42"):
        read_features(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", features=X, targets=Y * 4000)
    with pytest.raises(DataError, match="would take"):
        read_features(tmp_path / "b.npz")


def test_more_names_than_classes_may_be_are_refused_before_they_become_words(tmp_path):
    np.savez(tmp_path / "n.npz", features=np.eye(4), targets=np.arange(4), class_names=np.full(9000, "a"))
    with pytest.raises(DataError, match="class_names must be at most 8192, got 9000"):
        read_features(tmp_path / "n.npz")
