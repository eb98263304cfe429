"""PCA, stored layouts, misplaced samples, outcomes and neighbours, against slow loops and a known library."""

import dataclasses
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from mlcnc.analysis.samples.aligned_umap import aligned_frames, median_step
from mlcnc.analysis.samples.layouts import (
    densest_place,
    first_space,
    layout_command,
    pca_layout,
    principal_axes,
    sample_spaces,
    sample_table,
    umap_layout,
)
from mlcnc.analysis.samples.placement import (
    best_f1_thresholds,
    nearest_samples,
    outcomes,
    placement,
    placement_sentence,
)
from mlcnc.cli import main
from mlcnc.errors import ConfigError, RunFormatError, RunNotFoundError, StoreError
from mlcnc.store import RunStore, RunWriter, Space, StoredLayout, write_layout

CLASSES = ["person", "dog", "cow"]
PAIRS = 23
SPACES = [Space(name="f"), Space(name="mu"), Space(name="z", kind="image")]


def drawn(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(PAIRS, 5)) * np.array([5, 3, 1, 1, 0.5])


def run_of(root, run_id="run", epochs=(0, 2, 5), **changes):
    """Write a run with 23 pairs; class means are chosen, not measured."""
    rng = np.random.default_rng(7)
    targets = (rng.random((11, 3)) < 0.5).astype(np.uint8)
    with RunWriter.create(root, run_id, class_names=CLASSES, class_counts=[200, 50, 3], spaces=SPACES) as run:
        run.log_samples(
            {
                "samples/image_index": np.arange(PAIRS) % 11,
                "samples/class_index": np.arange(PAIRS) % 3,
                "samples/split": np.arange(PAIRS) % 2,
                "test/targets": targets,
                "validation/targets": targets[::-1].copy(),
                **changes,
            }
        )
        for epoch in epochs:
            arrays = {
                "samples/f": drawn(epoch).astype(np.float16),
                "test/scores": rng.normal(size=(11, 3)) + targets,
                "validation/scores": rng.normal(size=(11, 3)) + targets[::-1],
            }
            for split in ("train", "test"):
                arrays |= {
                    f"{split}.f/class_means": rng.normal(size=(3, 5)) * 3,
                    f"{split}.f/class_counts": np.array([9, 8, 7]),
                    f"{split}.f/within_scatter": np.ones(3),
                    f"{split}.f/nc4_identity": np.array([0.5, 0.25, 1.0]),
                }
            run.log_epoch(epoch, {}, arrays)
    return RunStore(root).open(run_id)


def stored(epochs=(0, 2, 5), pairs=PAIRS):
    coordinates = np.random.default_rng(1).normal(size=(len(epochs), pairs, 2)).astype(np.float32)
    parameters = {"n_neighbors": 7, "metric": "cosine"}
    return StoredLayout(coordinates, epochs, "umap", "f", 3, parameters, {"umap-learn": "0.5"})


def test_pca_is_the_librarys_and_keeps_its_axes_over_epochs(tmp_path):
    run = run_of(tmp_path)
    layout = pca_layout(run, "f")
    frames = [drawn(epoch).astype(np.float16).astype(float) for epoch in (0, 2, 5)]
    known = PCA(2, svd_solver="full").fit(frames[-1])
    for axis in range(2):
        sign = np.sign(known.components_[axis][np.argmax(np.abs(known.components_[axis]))])
        for found, frame in zip(layout.coordinates, frames, strict=True):
            expected = sign * known.transform(frame)[:, axis]
            np.testing.assert_allclose(found[:, axis], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layout.explained, known.explained_variance_ratio_, rtol=1e-5)
    percent = round(100 * known.explained_variance_ratio_.sum())
    assert layout.words == f"PCA fitted on epoch 6; its two axes hold {percent} % of the variance there"
    assert layout.epochs == (0, 2, 5)
    assert layout.at(1) is not None
    np.testing.assert_array_equal(layout.at(1), layout.coordinates[1])  # the later of two equally near


@pytest.mark.parametrize(
    ("rows", "shares"),
    [
        (np.ones((4, 3)), (0, 0)),
        (np.array([[1.0, 2.0]]), (0, 0)),
        (np.array([[1.0], [3.0]]), (1, 0)),
        (np.outer([1, 2, 4], [0.6, 0.8]) + 1000, (1, 0)),
    ],
)
def test_pca_of_degenerate_features_is_finite(rows, shares):
    mean, axes, explained = principal_axes(rows.astype(np.float32))
    assert axes.shape == (2, rows.shape[1])
    assert np.isfinite((rows - mean) @ axes.T).all()
    assert explained == pytest.approx(shares, abs=1e-6)


def test_a_run_without_samples_has_no_layout(tmp_path):
    with RunWriter.create(tmp_path, "bare", class_names=["a"], class_counts=[1]) as run:
        run.log_epoch(0, {}, {"test/ap": np.ones(1)})
    bare = RunStore(tmp_path).open("bare")
    assert sample_table(bare) is None
    assert pca_layout(bare, "f") is None
    assert umap_layout(bare, "f") is None
    assert outcomes(bare, 0) is None
    assert placement(bare, 0, split="test", space="f") is None


def test_samples_that_do_not_fit_are_refused(tmp_path):
    wrong = run_of(tmp_path, **{"samples/class_index": np.full(PAIRS, 3)})
    with pytest.raises(RunFormatError, match="class_index must hold whole numbers from 0 to 2, got 3"):
        sample_table(wrong)
    short = run_of(tmp_path, "short", **{"samples/split": np.zeros(4, int)})
    with pytest.raises(RunFormatError, match="does not fit"):
        sample_table(short)


def test_misplaced_samples_are_those_of_a_slow_loop(tmp_path):
    run = run_of(tmp_path)
    table = sample_table(run)
    for epoch, split in itertools.product((0, 5), ("train", "test")):
        means = run.arrays(epoch).get(f"{split}.f/class_means")
        features = drawn(epoch).astype(np.float16).astype(float)
        record = placement(run, epoch, split=split, space="f")
        code = {"train": 0, "test": 1}[split]
        assert record.samples.tolist() == [row for row in range(PAIRS) if row % 2 == code]
        nearest = []
        for row in record.samples:
            distances = [math.dist(features[row], mean) for mean in means]
            nearest.append(distances.index(min(distances)))
        assert record.nearest.tolist() == nearest
        for item in record.classes:
            own = [c for row, c in zip(record.samples, nearest, strict=True) if row % 3 == item.class_index]
            others = [CLASSES[c] for c in own if c != item.class_index]
            assert (item.num_samples, item.num_misplaced) == (len(own), len(others))
            assert item.most_often == (max(CLASSES, key=others.count) if others else None)
            assert item.all_pairs_share == [0.5, 0.75, 0.0][item.class_index]
            assert item.num_pairs == [9, 8, 7][item.class_index]
        assert [item.name for item in record.classes] == ["dog", "person", "cow"]
        sentence = placement_sentence(record)
        assert (
            "dog (medium, 50 training images) has the largest share of misplaced pairs: 75 % of its 8"
            in sentence
        )
        assert f"{len(nearest)} sampled {split} pairs shown here {int(record.misplaced.sum())} are" in sentence
        assert table.buckets == ("head", "medium", "tail")


def test_where_all_pairs_are_not_known_the_samples_decide(tmp_path):
    record = placement(run_of(tmp_path), 5, split="test", space="f")
    unknown = [dataclasses.replace(item, all_pairs_share=math.nan) for item in record.classes]
    ordered = sorted(unknown, key=lambda item: -item.share)
    sentence = placement_sentence(dataclasses.replace(record, classes=tuple(ordered)))
    worst = ordered[0]
    assert sentence.startswith(worst.name)
    assert f"{100 * worst.share:.0f} % of its {worst.num_samples} sampled test pairs" in sentence


def test_ties_and_nobody_are_said(tmp_path):
    record = placement(run_of(tmp_path), 0, split="test", space="f")

    def said(*shares):
        pairs = zip(record.classes, shares, strict=True)
        classes = tuple(dataclasses.replace(item, all_pairs_share=share) for item, share in pairs)
        return placement_sentence(dataclasses.replace(record, classes=classes))

    assert "as has one other class" in said(0.5, 0.5, 0.1)
    assert "as have 2 other classes" in said(0.5, 0.5, 0.5)
    assert said(0, 0, 0) == (
        "Nobody is misplaced in f after epoch 1: all test pairs lie nearest to the mean of their own class."
    )


def test_thresholds_have_the_greatest_f1_of_all_scores():
    rng = np.random.default_rng(5)
    scores, targets = rng.normal(size=(31, 3)).round(1), (rng.random((31, 3)) < 0.3).astype(np.uint8)
    targets[:, 2] = 0
    found = best_f1_thresholds(scores, targets)
    for label in (0, 1):

        def f1(limit, label=label):
            said, true = scores[:, label] >= limit, targets[:, label] > 0
            return 2 * (said & true).sum() / (said.sum() + true.sum())

        values = {limit: f1(limit) for limit in scores[:, label]}
        assert f1(found[label]) == max(values.values())
        assert found[label] == max(limit for limit, value in values.items() if value == max(values.values()))
    assert np.isnan(found[2])


def test_outcomes_compare_each_test_pair_with_its_classs_threshold(tmp_path):
    run = run_of(tmp_path)
    record = outcomes(run, 5)
    arrays, samples = run.arrays(5), run.samples()
    limits = best_f1_thresholds(arrays.get("validation/scores"), samples.get("validation/targets"))
    scores = arrays.get("test/scores")
    for row, word in enumerate(record.words):
        if row % 2 == 0:
            assert word == "no score"
        else:
            score = scores[row % 11, row % 3]
            assert word == ("found" if score >= limits[row % 3] else "missed")
    assert record.chosen_on == "validation"
    assert {"missed", "found", "no score"} == set(record.words)


def test_neighbours_are_those_of_brute_force(tmp_path):
    run = run_of(tmp_path)
    features = drawn(2).astype(np.float16).astype(float)

    def cosine(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    among = [row for row in range(PAIRS) if row % 2]
    for sample, allowed in ((4, None), (4, among), (7, among)):
        rows = [row for row in (allowed or range(PAIRS)) if row != sample]
        expected = sorted(rows, key=lambda row: (-cosine(features[row], features[sample]), row))[:6]
        found = nearest_samples(run, 2, "f", sample, among=allowed, number=6)
        assert [item.sample for item in found] == expected
        for item in found:
            assert item.cosine == pytest.approx(cosine(features[item.sample], features[sample]), abs=1e-6)
    with pytest.raises(RunFormatError, match="no sample 23"):
        nearest_samples(run, 2, "f", PAIRS)


def test_a_layout_reads_back_as_written(tmp_path):
    run = run_of(tmp_path)
    before = run.identity()
    assert run.layout("umap-f") is None
    written = stored()
    write_layout(tmp_path, "run", "umap-f", written)
    read = run.layout("umap-f")
    np.testing.assert_array_equal(read.coordinates, written.coordinates)
    assert read.coordinates.dtype == np.float32
    assert (read.epochs, read.method, read.space, read.seed) == ((0, 2, 5), "umap", "f", 3)
    assert (read.parameters, read.versions) == (written.parameters, written.versions)
    assert run.identity() != before  # so that the pages' caches notice
    assert [path.name for path in (run.folder / "layouts").iterdir()] == ["umap-f.safetensors"]
    shown = umap_layout(run, "f")
    assert shown.words == "UMAP aligned over 3 epochs, n_neighbors 7, cosine distance, seed 3"
    np.testing.assert_array_equal(shown.at(2), written.coordinates[1])
    assert umap_layout(run, "mu") is None


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "A", "x" * 65])
def test_names_that_could_leave_the_folder_are_refused(tmp_path, name):
    run = run_of(tmp_path, epochs=(0,))
    with pytest.raises(ValueError, match="a layout's name must be"):
        write_layout(tmp_path, "run", name, stored((0,)))
    with pytest.raises(ValueError, match="a layout's name must be"):
        run.layout(name)


@pytest.mark.parametrize(("run_id", "text"), [("../run", "run_id must be"), ("other", "there is no run")])
def test_layouts_need_their_run(tmp_path, run_id, text):
    run_of(tmp_path, epochs=(0,))
    with pytest.raises(RunNotFoundError, match=text):
        write_layout(tmp_path, run_id, "umap-f", stored((0,)))


def test_layouts_that_make_no_sense_are_not_written(tmp_path):
    run_of(tmp_path, epochs=(0,))
    nan, good = stored((0, 1)), stored((0, 1))
    nan.coordinates[0, 0, 0] = np.nan
    cases = (
        (nan, "finite"),
        (StoredLayout(good.coordinates, (0,), "umap", "f", 0), "coordinates must have shape"),
        (StoredLayout(good.coordinates, (1, 0), "umap", "f", 0), "epochs must rise"),
        (StoredLayout(good.coordinates[..., 0], (0, 1), "umap", "f", 0), "coordinates must have shape"),
    )
    for layout, text in cases:
        with pytest.raises(ValueError, match=text):
            write_layout(tmp_path, "run", "umap-f", layout)
    assert not (tmp_path / "run" / "layouts").exists()


def test_a_full_disk_names_the_run_and_keeps_the_old_layout(tmp_path, monkeypatch):
    run = run_of(tmp_path)
    write_layout(tmp_path, "run", "umap-f", stored())

    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlcnc.store.files.os.replace", full)
    with pytest.raises(StoreError, match=r"umap-f\.safetensors of run run could not be written: No space left"):
        write_layout(tmp_path, "run", "umap-f", stored((0,)))
    assert run.layout("umap-f").epochs == (0, 2, 5)
    assert len(list((run.folder / "layouts").iterdir())) == 1


def test_a_damaged_or_foreign_layout_is_one_sentence(tmp_path):
    run = run_of(tmp_path)
    path = write_layout(tmp_path, "run", "umap-f", stored())
    whole = path.read_bytes()
    path.write_bytes(whole[:60])
    with pytest.raises(RunFormatError, match=r"layouts/umap-f\.safetensors of run run is damaged"):
        umap_layout(run, "f")
    path.write_bytes(whole.replace(b'schema_version\\": 6', b'schema_version\\": 9'))
    with pytest.raises(RunFormatError, match="newer mlcnc"):
        umap_layout(run, "f")
    write_layout(tmp_path, "run", "umap-f", stored(pairs=9))
    with pytest.raises(RunFormatError, match="9 points for 23 samples; make it anew: mlcnc layout run"):
        umap_layout(run, "f")


def test_the_command_names_the_folder_where_it_is_not_the_usual_one(tmp_path):
    assert layout_command(run_of(tmp_path / "runs"), "mu") == "mlcnc layout run --space mu"
    other = run_of(tmp_path / "elsewhere")
    assert layout_command(other, "f") == f"mlcnc layout run --space f --runs {tmp_path / 'elsewhere'}"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"neighbours": 1}, "--neighbours must be from 2 to 22"),
        ({"neighbours": 23}, "--neighbours must be from 2 to 22"),
        ({"seed": -1}, "--seed must be from 0"),
        ({"seed": 2**32}, "--seed must be from 0"),
        ({"space": "logits"}, "--space must be one of f, mu, z, the spaces of run, got 'logits'"),
        ({"space": "mu"}, "stored no samples of mu"),
    ],
)
def test_parameters_are_checked_before_anything_is_computed(tmp_path, changes, text):
    run = run_of(tmp_path)
    settings = {"space": "f", "neighbours": 5, "seed": 0} | changes
    with pytest.raises(ConfigError, match=text):
        aligned_frames(run, settings.pop("space"), **settings)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(("f", "mu", "z"), "mu"), (("f", "g", "z"), "g"), (("z", "y"), "z"), (("y", "f"), "f"), ((), None)],
)
def test_the_space_nearest_to_the_classifier_is_placed_where_none_is_asked_for(tmp_path, stored, expected):
    spaces = [
        *(Space(name=name) for name in ("f", "mu", "g")),
        *(Space(name=name, kind="image") for name in ("z", "y")),
    ]
    with RunWriter.create(tmp_path, "run", class_names=CLASSES, class_counts=[9, 9, 9], spaces=spaces) as run:
        run.log_samples(
            {f"samples/{name}": np.arange(9) % 2 for name in ("image_index", "class_index", "split")}
        )
        run.log_epoch(0, {}, {f"samples/{name}": np.eye(9, 4) for name in stored} | {"test/ap": np.ones(3)})
    read = RunStore(tmp_path).open("run")
    assert sample_spaces(read) == [space.name for space in spaces if space.name in stored]
    assert first_space(read) == expected
    if expected is None:
        with pytest.raises(ConfigError, match="stored no samples of features"):
            aligned_frames(read, None, neighbours=3, seed=0)
    else:
        assert aligned_frames(read, None, neighbours=3, seed=0)[0] == expected


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nobody"], "there is no run 'nobody'"),
        (["run", "--method", "tsne"], "--method must be umap"),
        (["run", "--space", "mu"], "stored no samples of mu"),
        (["run", "--space", "v"], "--space must be one of f, mu, z"),
        (["run", "--space", "f", "--neighbours", "99"], "--neighbours must be from 2 to 22"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, capsys, arguments, text):
    run_of(tmp_path)
    assert main(["layout", *arguments, "--runs", str(tmp_path)]) == 1
    assert text in capsys.readouterr().err
    assert "umap" not in sys.modules


def test_the_median_step_is_a_share_of_the_radius():
    first = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    frames = np.stack([first + np.float32([0.5, 0]), first])
    assert median_step(frames) == pytest.approx(0.5)
    assert math.isnan(median_step(frames[:1]))
    assert math.isnan(median_step(np.zeros((2, 3, 2), np.float32)))


@pytest.mark.slow
def test_a_seeded_umap_is_the_same_in_two_processes_and_does_not_jump(tmp_path):
    """UMAP compiles for half a minute: only here, in processes of their own."""
    run = run_of(tmp_path)
    command = [sys.executable, "-m", "mlcnc", "layout", "run", "--space", "f", "--neighbours", "5"]
    written = []
    for _ in range(2):
        done = subprocess.run(
            [*command, "--runs", str(tmp_path)], capture_output=True, text=True, check=True, timeout=300
        )
        assert "umap-f.safetensors" in done.stdout
        assert "1/1 run: 3 epochs of 23 samples in 5 dimensions" in done.stderr
        written.append(run.layout("umap-f"))
    np.testing.assert_array_equal(written[0].coordinates, written[1].coordinates)
    assert written[0].epochs == (0, 2, 5)
    assert written[0].parameters["n_neighbors"] == 5
    assert set(written[0].versions) == {"umap-learn", "numba"}


def test_the_densest_place_of_two_clusters_is_in_one_of_them_and_not_between():
    rng = np.random.default_rng(0)
    aside = np.array([20, 0])
    wide, tight = rng.normal(size=(13, 2)) + aside, 0.1 * rng.normal(size=(11, 2)) - aside
    points = np.concatenate([wide, tight])
    rows = densest_place(points)
    assert (rows >= 13).all(), "all of the tight one, far from the mean of all"
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    number = math.ceil(0.4 * 23)
    assert rows[0] == int(np.argmin([sorted(line)[number] for line in gaps]))
    assert rows.tolist() == [int(i) for i in np.argsort(gaps[rows[0]])[: number + 1]]


@pytest.mark.parametrize("points", [[[3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0]] * 9])
def test_few_or_equal_points_have_a_densest_place(points):
    rows = densest_place(np.array(points))
    assert rows[0] == 0
    assert len(set(rows.tolist())) == len(rows) == 1 + math.ceil(0.4 * (len(points) - 1))


def test_of_many_points_an_even_part_finds_the_larger_cluster():
    rng = np.random.default_rng(0)
    far = rng.random(5000) < 0.4
    points = rng.normal(0, 1, (5000, 2)) + np.where(far, 20.0, 0.0)[:, None]
    thick = densest_place(points)
    assert len(thick) < 400
    assert not far[thick].any()
    assert np.linalg.norm(points[thick[0]]) < 1
