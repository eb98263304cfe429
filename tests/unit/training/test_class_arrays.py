"""The small arrays of measured epochs, and the untrained network: what they hold, and that they change nothing."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlcnc.analysis.verification.recomputation import verify_run
from mlcnc.metrics.catalogue import UNTRAINED, describe
from mlcnc.store import RunStore
from mlcnc.training import train
from tests.processes.small_training import small_config, use_few_images

QUIET = {"say": lambda text: None, "show_progress": False}
TIMES = ("seconds", "images_per_second", "peak_memory")
SMALL = {"class_arrays": True, "measure_untrained": True}
WIDE = {"embedding_dim": 72}  # above what is stored in float32


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the same training recorded three ways: nothing but lines, small, and small between full."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        use_few_images(patched)
        for run_id, training in (
            ("lines", {"arrays_every": 0}),
            ("small", {"arrays_every": 0, **SMALL}),
            ("between", {"arrays_every": 3, **SMALL}),
            ("full", {"arrays_every": 1}),
        ):
            config = small_config(method=WIDE, training=training)
            train(config, runs_root=root, run_id=run_id, **QUIET)
    store = RunStore(root)
    return {run_id: store.open(run_id) for run_id in store.run_ids()}


def names_in(epoch, run):
    return load_file(run.folder / "epochs" / f"{epoch:04d}.safetensors")


def test_small_arrays_are_those_of_classes_alone(runs):
    small, full = runs["small"], runs["full"]
    assert small.array_epochs() == [0, 1, 2, 3]
    assert small.samples() is None
    found, whole = small.arrays(2), full.arrays(2)
    spaces = [f"{split}.{space}" for split in ("train", "test") for space in ("f", "mu")]
    of_space = {
        f"{place}/{name}" for place in spaces for name in ("class_means", "class_counts", "within_scatter")
    }
    assert set(names_in(2, small)) == of_space | {
        "train.f/alignment", "test.f/alignment", "test/ap", "validation/ap",
        "classifier/gram", "label_embedding/gram", "label_embedding/drift_cosine",
    }  # fmt: skip
    for name in names_in(2, small):
        assert found.get(name).dtype == (
            np.float16 if name.endswith("f/class_means") else whole.get(name).dtype
        )
        np.testing.assert_allclose(found.get(name), whole.get(name), rtol=1e-3, atol=1e-6, err_msg=name)


def test_between_full_epochs_stand_small_ones(runs):
    run = runs["between"]
    assert run.array_epochs() == [0, 1, 2, 3]
    assert run.array_epochs("test/scores", "probes/attention") == [0, 3]
    assert run.array_epochs("test.f/class_means") == [0, 1, 2, 3]
    assert run.array_epochs("nobody/stored_this") == []


def test_how_a_run_is_recorded_changes_no_number(runs):
    lines = runs["lines"].metrics()
    for run_id in ("small", "between"):
        for line, other in zip(lines, runs[run_id].metrics(), strict=True):
            for name, value in line.items():
                if not name.startswith(TIMES):
                    np.testing.assert_array_equal(other[name], value, err_msg=name)


def test_the_untrained_network_is_in_the_line_of_the_first_epoch_alone(runs):
    first, *later = runs["small"].metrics()
    names = {name for name in first if name.endswith("_untrained")}
    assert {name.rpartition("/")[2].removesuffix("_untrained") for name in names} == UNTRAINED
    assert {name.rpartition("/")[0] for name in names} == {"train.f", "test.f", "train.mu", "test.mu", "train.concat",
                                                           "test.concat"}  # fmt: skip
    assert not any(name in line for line in later for name in names)
    assert abs(first["train.f/alignment_positive_untrained"]) < 0.5
    assert first["train.f/nc1_trace_untrained"] != first["train.f/nc1_trace"]
    info = describe("train.f/alignment_positive_untrained")
    assert info.title == "cosine with the own label embedding, untrained network"
    assert not info.optimum


def test_what_was_logged_follows_from_small_arrays_and_a_change_is_found(runs, tmp_path):
    run = runs["small"]
    report = verify_run(run)
    assert report.problems == []
    checked = "alignment_positive", "alignment_tail", "nc1_trace", "angle_min_class"
    assert not set(checked) & set(report.unchecked["f"])
    assert "alignment_positive_untrained" in report.unchecked["f"]
    path = run.folder / "epochs" / "0002.safetensors"
    whole = path.read_bytes()
    arrays = load_file(path)
    try:
        for name, metric in (("train.f/alignment", "alignment_positive"), ("train.f/class_means", "nc1_trace")):
            changed = arrays[name].copy()
            changed[0] += 0.3
            save_file({**arrays, name: changed}, path)
            assert any(f"epoch 3, train.f/{metric}:" in problem for problem in verify_run(run).problems)
    finally:
        path.write_bytes(whole)
