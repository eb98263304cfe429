"""What a run logged is recomputed from what it stored, whatever its spaces, and what is not is named."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlcnc.analysis.statistics import stored_concatenation
from mlcnc.analysis.verification import verify_run
from mlcnc.cli import main
from mlcnc.metrics import ClassStatisticsAccumulator, gram_distance, measure_split
from mlcnc.metrics.measurement import classifier_metrics, concatenated_metrics, duality_metrics
from mlcnc.store import RunStore, RunWriter, Space
from tests.conftest import ROOT

CLASSES = ["a", "b", "c", "d", "e"]
RECORDED = sorted(path.parent.name for path in (ROOT / "runs").glob("*/run.json"))


def statistics_of(features, targets):
    accumulator = ClassStatisticsAccumulator(5, features.shape[-1])
    accumulator.update(features, targets)
    return accumulator.compute()


def drawn(seed, dim):
    rng = np.random.default_rng(seed)
    targets = (rng.random((70, 5)) < 0.4).astype(np.uint8)
    targets[:10] = np.tile(np.eye(5, dtype=np.uint8), (2, 1))
    return rng, targets, rng.normal(size=(70, 5, dim)) + rng.normal(size=(1, 5, dim)) + targets[:, :, None]


def written(root, spaces, logged, everywhere=()):
    """Write a run of one epoch from metrics and arrays of two splits, with every positive pair of test sampled."""
    _, targets, _ = drawn(1, 1)
    targets[:, list(everywhere)] = 1
    image, label = np.nonzero(targets)
    with RunWriter.create(
        root,
        "run",
        class_names=CLASSES,
        class_counts=targets.sum(axis=0),
        spaces=spaces,
        group_thresholds=(28, 24),
    ) as run:
        run.log_samples(
            {
                "samples/image_index": image,
                "samples/class_index": label,
                "samples/split": np.ones(len(image), dtype=np.int64),
                "test/targets": targets,
            }
        )
        run.log_epoch(0, *logged(run.info.groups, targets, image, label))
    return RunStore(root).open("run")


def linear(root, everywhere=()):
    """One feature an image, and a linear classifier over it; the classes ``everywhere`` are on every image."""

    def logged(groups, targets, image, label):
        rng, _, features = drawn(1, 9)
        z, weight = features.mean(axis=1), rng.normal(size=(5, 9)).astype(np.float32)
        metrics = {"classifier/etf_drift": gram_distance(weight, centring="none")}
        arrays = {"classifier/weight": weight, "samples/z": z[image].astype(np.float32)}
        for split in ("train", "test"):
            found, stored = measure_split(
                split, targets=targets, groups=groups, scores=z @ weight.T, spaces={"z": z}
            )
            metrics |= found | classifier_metrics(split, "z", weight, statistics_of(z, targets))
            arrays |= stored
        return metrics, arrays

    return written(root, [Space(name="z", kind="image", dim=9)], logged, everywhere)


def joined(root, old=False):
    """Class-wise f and mu, and the whole of mu under a classifier; ``old`` as version 1 stored it."""

    def logged(groups, targets, image, label):
        rng, _, f = drawn(1, 8)
        mu = f[:, :, :6] / np.linalg.norm(f[:, :, :6], axis=2, keepdims=True)
        concat, weight = mu.reshape(70, 30), rng.normal(size=(5, 30)).astype(np.float32)
        embedding = rng.normal(size=(5, 8)).astype(np.float32)
        spaces = {"f": f, "mu": mu, "concat": concat}
        metrics = {}
        arrays = {"classifier/weight": weight, "label_embedding/weight": embedding}
        arrays |= {f"samples/{name}": spaces[name][image, label].astype(np.float32) for name in ("f", "mu")}
        for split in ("train", "test"):
            found, stored = measure_split(split, targets=targets, groups=groups, spaces=spaces)
            statistics = {name: statistics_of(part, targets) for name, part in spaces.items()}
            found |= duality_metrics(split, embedding, statistics["f"], statistics["mu"])
            found |= concatenated_metrics(split, weight, statistics["concat"], statistics["mu"])
            if old:
                kept = ("nc2_gram", "angle_min_class", "angle_std_class", "nc3", "ncm")
                found = {
                    name: value for name, value in found.items()
                    if ".concat/" not in name or name.partition("/")[2].startswith(kept)
                }  # fmt: skip
                stored = {name: part for name, part in stored.items() if ".concat/" not in name}
                stored[f"{split}.concat/positive_means"] = statistics["concat"].class_means.astype(np.float32)
                stored[f"{split}.concat/overall_mean"] = concat.mean(axis=0).astype(np.float32)
            metrics |= found
            arrays |= stored
        return metrics, arrays

    spaces = [Space(name="f"), Space(name="mu"), Space(name="concat", kind="image")]
    return written(root, spaces, logged)


@pytest.mark.parametrize("make", [linear, joined])
def test_whatever_spaces_a_run_has_are_recomputed(tmp_path, make):
    run = make(tmp_path)
    report = verify_run(run)
    assert report.problems == []
    line = run.metrics()[-1]
    checked = {name for name in line if "/" in name} - {
        name for name in line for place, names in report.unchecked.items()
        if name.rpartition("/")[2] in names and place in name
    }  # fmt: skip
    for space in run.spaces:
        for metric in ("nc1_trace", "nc2_gram", "angle_min_class", "nc1_pinv", "nc4_identity_macro"):
            assert f"test.{space.name}/{metric}" in checked, space.name
        assert "cdnv_directional_mean" in report.unchecked[space.name]
    image_wise = run.spaces[-1].name
    assert f"train.{image_wise}/nc3_etf_distance" in checked
    assert set(report.unchecked[image_wise]) >= {"ncm_ratio", "ncm_residual", "nc1_pinv_shuffled"}
    assert not set(report.unchecked[image_wise]) & {"nc1_trace", "nc3_cosine", "nc1_pinv"}


@pytest.mark.parametrize("everywhere", [(0,), (1, 3)])
def test_classes_on_every_image_are_recomputed(tmp_path, everywhere):
    run = linear(tmp_path, everywhere)
    assert verify_run(run).problems == []
    assert run.metrics()[-1]["test.z/angle_min_all"] > 1.0


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (linear, "test.z/nc3_cosine"),
        (linear, "train.z/nc3_contrast_cosine"),
        (linear, "test.z/nc1_trace"),
        (linear, "classifier/etf_drift"),
        (joined, "train.mu/nc3_contrast_cosine"),
        (joined, "test.concat/nc3_etf_distance"),
        (joined, "test.concat/cdnv_mean"),
        (joined, "test.f/nc3_label_embedding_none"),
    ],
)
def test_a_value_that_was_changed_is_found(tmp_path, make, name):
    run = make(tmp_path)
    path = run.folder / "metrics.jsonl"
    line = json.loads(path.read_text())
    line[name] += 0.1 * abs(line[name]) + 0.1
    path.write_text(json.dumps(line) + "\n")
    (problem,) = verify_run(RunStore(tmp_path).open("run")).problems
    assert problem.startswith(f"epoch 1, {name}: stored")


def test_a_sampled_image_that_was_changed_is_found(tmp_path):
    run = linear(tmp_path)
    path = run.folder / "epochs" / "0000.safetensors"
    arrays = load_file(path)
    arrays["samples/z"] += 1.0
    save_file(arrays, path)
    problems = verify_run(RunStore(tmp_path).open("run")).problems
    assert [problem for problem in problems if "class mean of a in test.z" in problem]
    assert not [problem for problem in problems if "train.z" in problem]


def test_concatenations_of_version_1_are_read_as_those_of_today(tmp_path):
    new, old = joined(tmp_path / "new"), joined(tmp_path / "old", old=True)
    report = verify_run(old)
    assert report.problems == []
    assert report.num_checks < verify_run(new).num_checks  # scatter was not stored, so no NC1 of concat
    assert report.unchecked["concat"] == ["ncm_coverage", "ncm_pairs", "ncm_ratio", "ncm_residual"]
    today, then = (stored_concatenation(run.arrays(0), "train") for run in (new, old))
    for name in ("class_means", "negative_means", "class_counts", "num_images"):
        np.testing.assert_allclose(getattr(then, name), getattr(today, name), rtol=1e-4, atol=1e-5)
    assert np.isnan(then.within_scatter).all()
    assert stored_concatenation(linear(tmp_path / "other").arrays(0), "train") is None


@pytest.mark.parametrize("run_id", RECORDED)
def test_recorded_runs_agree(run_id):
    run = RunStore(ROOT / "runs").open(run_id)
    report = verify_run(run)
    assert report.problems == []
    assert report.num_checks > 1300 or not run.array_epochs()


def test_the_command_says_what_was_not_recomputed(tmp_path, capsys):
    linear(tmp_path)
    assert main(["runs", "verify", "--runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("run: ")
    assert said[0].endswith("values recomputed, agrees")
    assert said[1].startswith("  not recomputed: ")
    assert "ncm_ratio" in said[1]


def test_spaces_that_nobody_declared_are_those_that_some_line_names(tmp_path):
    with RunWriter.create(tmp_path, "run", class_names=["a"], class_counts=[1]) as run:
        run.log_epoch(0, {"train/loss": 1.0})
        run.log_epoch(1, {"train/loss": 1.0, "test.f/nc1_trace": 1.0, "test.z/nc1_trace": 1.0})
        run.log_epoch(2, {"train/loss": 1.0})
    found = RunStore(tmp_path).open("run").spaces
    assert [(space.name, space.kind) for space in found] == [("f", "class"), ("z", "image")]
