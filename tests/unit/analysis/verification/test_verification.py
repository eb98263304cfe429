"""What a run logged is recomputed from what it stored, whatever its spaces, and what is not is named."""

import itertools
import json
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlcnc.analysis.runs.statistics import stored_concatenation
from mlcnc.analysis.verification.ranking_bounds import probability_bounds, ranking_bounds
from mlcnc.analysis.verification.recomputation import verify_run
from mlcnc.cli import main
from mlcnc.metrics import ClassStatisticsAccumulator, average_precision, gram_distance, measure_split
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


def changed(run, values):
    """Store other values of some metrics and return the problems of the run read anew."""
    path = run.folder / "metrics.jsonl"
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | values) + "\n")
    problems = verify_run(RunStore(run.folder.parent).open("run")).problems
    path.write_text(before)
    return problems


@pytest.mark.parametrize("make", [linear, joined])
def test_any_value_that_was_changed_is_found(tmp_path, make):
    run = make(tmp_path)
    unchecked = verify_run(run).unchecked
    (line,) = run.metrics()
    wrong = {
        name: value * 1.01 if value and np.isfinite(value) else 0.01
        for name, value in line.items()
        if name != "epoch"
        and not any(name.rpartition("/")[2] in names and place in name for place, names in unchecked.items())
    }
    judged = set(wrong)
    assert len(judged) > 100
    found = [problem.partition(": stored")[0] for problem in changed(run, wrong)]
    assert set(found) == {f"epoch 1, {name}" for name in judged}
    for name in sorted(judged)[::29]:  # one alone is found as well, and nothing but it
        assert [problem.partition(": stored")[0] for problem in changed(run, {name: wrong[name]})] == [
            f"epoch 1, {name}"
        ]
    expected = {
        linear: [
            *(f"test/{name}" for name in ("g_map", "f1_micro", "f1_macro", "map_total")),
            *(
                f"{split}.z/nc4_{form}"
                for split in ("train", "test")
                for form in ("identity", "identity_macro")
            ),
            *(f"test.z/nc4_binary_{form}" for form in ("positive", "negative", "balanced", "macro")),
            "classifier/etf_drift",
        ],
        joined: ["test.f/nc4_identity", "test.mu/nc4_identity", "test.f/nc3_label_embedding_none"],
    }
    assert judged >= set(expected[make])


def scored(root, scores):
    """Write a run of nothing but the scores of 40 images of 5 classes."""

    def logged(groups, targets, image, label):
        return measure_split("test", targets=targets, groups=groups, scores=scores(targets))

    return written(root, None, logged)


def near(rng, targets, width):
    return rng.normal(size=targets.shape) * width + targets * width


@pytest.mark.parametrize(
    "scores",
    [
        lambda targets: np.round(
            near(np.random.default_rng(3), targets, 1.0)
        ),  # ties, and many on the threshold
        lambda targets: 12.0 + near(np.random.default_rng(3), targets, 1e-3),  # ties made by rounding
        lambda targets: near(np.random.default_rng(3), targets, 1e-9),  # rounded onto the threshold
        lambda targets: 1e6 * near(np.random.default_rng(3), targets, 1.0),  # beyond what is stored
        lambda targets: (
            0.5 + np.clip(near(np.random.default_rng(3), targets, 1e-5), -0.5, 0.5)
        ),  # probabilities
        lambda targets: np.zeros(targets.shape),
    ],
)
def test_ranking_is_possible_whatever_rounding_did_and_no_more(tmp_path, scores):
    run = scored(tmp_path, scores)
    assert verify_run(run).problems == []
    (line,) = run.metrics()
    stored, targets = run.arrays(0).get("test/scores"), run.samples().get("test/targets")
    bounds = ranking_bounds(stored, targets, run.info.groups)
    for name in ("map_total", "map_head", "g_map"):
        low, high = bounds[name]
        assert low - 1e-9 <= line[f"test/{name}"] <= high + 1e-9
        for beyond in (low - 0.01, high + 0.01):
            assert changed(run, {f"test/{name}": beyond})
    half = probability_bounds(stored, targets)
    for name in ("f1_micro", "f1_macro"):
        allowed = [bounds[name], *([half[name]] if half else [])]
        assert any(low - 1e-9 <= line[f"test/{name}"] <= high + 1e-9 for low, high in allowed)
        assert changed(run, {f"test/{name}": max(high for _, high in allowed) + 0.01})
        assert changed(run, {f"test/{name}": min(low for low, _ in allowed) - 0.01})


def test_bounds_of_ties_are_reached_by_some_order():
    """Six images of one class and scores of two values, against every order of them, ties among them."""
    targets = np.array([[1], [0], [1], [0], [1], [0]])
    scores = np.array([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]])
    orders = [
        average_precision(np.array(tied)[:, None] + 10 * scores, targets)[0]
        for tied in itertools.product((0.0, 0.3, 0.6), repeat=6)
    ]
    low, high = ranking_bounds(scores, targets, {})["map_total"]
    assert (low, high) == (pytest.approx(100 * min(orders)), pytest.approx(100 * max(orders)))


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
    # of other seeds than the first only class arrays are stored
    num_scored = len(run.array_epochs("test/scores"))
    assert report.num_checks > (200 * num_scored * len(run.spaces) if num_scored else 100)


def test_the_command_says_once_what_was_not_recomputed(tmp_path, capsys):
    run = linear(tmp_path)
    shutil.copytree(run.folder, tmp_path / "twin")
    path = tmp_path / "twin" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"run_id": "twin"}))
    assert main(["runs", "verify", "--runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"run: agrees; \d+ values recomputed, in 1 of 1 epochs", said[0])
    assert said[1] == said[0].replace("run:", "twin:")
    assert said[2].startswith("not recomputed in run, twin: ")
    assert "z: cdnv_directional_mean, nc1_pinv_shuffled, ncm_coverage" in said[2]
    assert len(said) == 3


def test_the_command_does_not_agree_where_nothing_was_checked(tmp_path, capsys):
    with RunWriter.create(tmp_path, "bare", class_names=["a"], class_counts=[1]) as run:
        run.log_epoch(0, {"test/map_total": 50.0})
    assert main(["runs", "verify", "--runs", str(tmp_path)]) == 1
    assert capsys.readouterr().out == "bare: nothing was checked, for none of its 1 epochs stored arrays\n"
    linear(tmp_path)
    assert main(["runs", "verify", "--runs", str(tmp_path)]) == 0
    assert main(["runs", "verify", "--runs", str(tmp_path / "nowhere")]) == 1
    assert "there are no runs in" in capsys.readouterr().err


def test_an_epoch_without_a_metric_that_others_have_recomputed_names_it(tmp_path):
    run = linear(tmp_path)
    path = run.folder / "epochs" / "0000.safetensors"
    arrays = load_file(path)
    save_file({name: part for name, part in arrays.items() if name != "test.z/nc4_binary"}, path)
    report = verify_run(RunStore(tmp_path).open("run"))
    assert report.problems == []
    assert "nc4_binary_positive" in report.unchecked["z"]


def test_spaces_that_nobody_declared_are_those_that_some_line_names(tmp_path):
    with RunWriter.create(tmp_path, "run", class_names=["a"], class_counts=[1]) as run:
        run.log_epoch(0, {"train/loss": 1.0})
        run.log_epoch(1, {"train/loss": 1.0, "test.f/nc1_trace": 1.0, "test.z/nc1_trace": 1.0})
        run.log_epoch(2, {"train/loss": 1.0})
    found = RunStore(tmp_path).open("run").spaces
    assert [(space.name, space.kind) for space in found] == [("f", "class"), ("z", "image")]
