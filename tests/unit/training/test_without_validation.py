"""A run of photographs that have no validation split and no head class: nothing is chosen on the test set."""

import math

import numpy as np
import pytest

from mlcnc.analysis.runs.rows import run_row
from mlcnc.cli import main
from mlcnc.config import override
from mlcnc.store import RunStore
from mlcnc.training import train
from tests.conftest import tiny_config
from tests.unit.data.trees import picture


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    rows = ["path,labels,split"]
    for seed in range(24):
        picture(root / f"{seed}.png", (40, 32), seed)
        rows.append(
            f"{seed}.png,{'cat;' * (seed % 2)}{'dog' * (seed % 3 == 0)},{'test' if seed % 4 == 3 else 'train'}"
        )
    (root / "labels.csv").write_text("\n".join(rows))
    config = override(
        tiny_config(epochs=2, batch_size=6),
        {
            "data": {
                "dataset": "folder",
                "root": str(root),
                "num_samples": None,
                "image_size": 32,
                "num_workers": 0,
            }
        },
    )
    said = []
    train(config, runs_root=root / "runs", run_id="own", say=said.append, show_progress=False)
    return root / "runs", said


def test_the_last_epoch_counts_and_is_said(run):
    root, said = run
    opened = RunStore(root).open("own")
    assert opened.best_epoch() is None
    row = run_row(opened, "best")
    assert (row.epoch, row.chosen_on) == (1, "last epoch")
    assert (opened.info.num_train, opened.info.num_validation, opened.info.num_test) == (18, 0, 6)
    last = opened.metrics()[-1]
    assert math.isnan(last["test/map_head"])
    assert np.isfinite(last["test/map_tail"])
    assert said[-1].startswith("run own: last measured epoch 2 of 2, no validation, test mAP total ")
    assert "folder has no validation split: no epoch is chosen, the last one counts" in said


def test_the_command_line_shows_the_last_epoch(run, capsys):
    assert main(["runs", "list", "--runs", str(run[0])]) == 0
    assert "(epoch 2, no validation)" in capsys.readouterr().out
