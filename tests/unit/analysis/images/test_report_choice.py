"""Which runs and probe images a report shows: by rule."""

import numpy as np

from mlcnc.analysis.images.report_choice import detailed_runs, probe_of_each_bucket
from mlcnc.store import RunStore, RunWriter


def probes(root, targets, run_id="run"):
    names, counts = ["person", "chair", "dog", "bus", "cow"], [500, 120, 40, 12, 4]
    with RunWriter.create(root, run_id, class_names=names, class_counts=counts) as run:
        if targets is not None:
            targets = np.array(targets, np.uint8)
            images = np.zeros((len(targets), 4, 4, 3), np.uint8)
            run.log_samples({"probes/targets": targets, "probes/images": images})
        run.log_epoch(0, {"train/loss": 1.0}, {"test/ap": np.zeros(5)} if targets is not None else None)
    return RunStore(root).open(run_id)


def test_the_first_image_of_each_bucket_and_its_rarest_class(tmp_path):
    run = probes(tmp_path, [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 1, 1, 1]])
    assert run.info.groups == {"head": [0, 1], "medium": [2], "tail": [3, 4]}
    assert probe_of_each_bucket(run) == [("head", 0, 1), ("medium", 1, 2), ("tail", 2, 4)]


def test_no_image_twice_unless_it_is_the_only_one(tmp_path):
    assert probe_of_each_bucket(probes(tmp_path, [[1, 0, 1, 0, 1], [0, 0, 1, 0, 0]])) == [
        ("head", 0, 0),
        ("medium", 1, 2),
        ("tail", 0, 4),
    ]


def test_runs_without_probes_or_arrays_are_left_out(tmp_path):
    bare = probes(tmp_path, None, "bare")
    full = [probes(tmp_path, [[1, 0, 0, 0, 0]], f"full{i}") for i in range(5)]
    assert probe_of_each_bucket(bare) == []
    assert detailed_runs([bare, *full]) == full[:4]
