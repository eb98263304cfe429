"""The README says what is true."""

import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch

from mlcnc.cli import build_parser
from mlcnc.methods.settings import METHODS
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


def commands():
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line]


def test_the_two_commands_are_the_first():
    assert commands()[:2] == [
        "pip install -r requirements.txt && streamlit run app/main.py",
        "pip install -r requirements.txt && pytest",
    ]


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("mlcnc ")])
def test_commands_are_understood(command):
    options = build_parser().parse_args(command.split()[1:])
    assert callable(options.command)


def test_the_table_names_files_that_exist():
    rows = re.findall(r"\| ([\d-]+) \| `([^`]+)` \|", README)
    assert len(rows) == 9
    for equation, name in rows:
        text = (ROOT / name).read_text()
        first = equation.split("-")[0]
        assert f"Eq. {equation}" in text or f"Eq. {first}" in text, name


def test_all_methods_are_named_with_their_number():
    (sentence,) = re.findall(r"Seventeen under one trainer: (.*?)\.", README)
    named = sentence.replace(" and ", ", ").split(", ")
    assert sorted(named) == sorted(settings.title for settings in METHODS.values())
    assert len(named) == 17


def test_the_logging_example_writes_a_run(tmp_path, monkeypatch):
    example = next(block for block in blocks("python") if "RunWriter" in block)
    assert len([line for line in example.splitlines() if line.strip()]) <= 14
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    targets = np.eye(3)[rng.integers(0, 3, 40)]
    model = torch.nn.Linear(4, 3)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs = torch.randn(40, 4)

    def train_one_epoch():
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            model(inputs), torch.tensor(targets).float()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss

    def predict(images):
        with torch.no_grad():
            return model(images).numpy(), rng.normal(size=(40, 3, 5))

    space = {
        "names": ["a", "b", "c"], "train_targets": targets, "test_targets": targets, "test_images": inputs,
        "train_one_epoch": train_one_epoch, "predict": predict,
    }  # fmt: skip
    exec(compile(example, "README.md", "exec"), space)
    from mlcnc.analysis.verification.recomputation import verify_run
    from mlcnc.store import RunStore

    run = RunStore(tmp_path / "runs").open("my-run")
    assert run.status.state == "finished"
    assert len(run.metrics()) == 3
    assert not verify_run(run).problems


def test_the_piece_example_runs():
    example = next(block for block in blocks("python") if "MLCNCHead" in block)
    space = {}
    exec(compile(example, "README.md", "exec"), space)
    assert space["head"].projection.weight.grad is not None


def test_the_metrics_example_runs():
    from mlcnc.metrics import ClassStatisticsAccumulator

    example = next(block for block in blocks("python") if "other_shard" in block)
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(9, 20, 128)), (rng.random((9, 20)) < 0.3).astype(int)) for _ in range(4)]
    other = ClassStatisticsAccumulator(20, 128)
    other.update(*batches[0])
    exec(compile(example, "README.md", "exec"), {"batches": batches, "other_shard": other})


def test_the_table_of_recorded_runs_is_what_the_runs_say():
    from mlcnc.analysis.comparison.seeds import seed_groups
    from mlcnc.analysis.runs.rows import run_rows
    from mlcnc.store import RunStore
    from mlcnc.training.gallery import gallery

    store = RunStore(ROOT / "runs")
    groups = seed_groups(run_rows([store.open(run_id) for run_id, _ in gallery()], "last"))
    for group in groups:
        cells = [group.map_percent[bucket].text for bucket in ("total", "head", "medium", "tail")]
        assert f"| {group.dataset} | {group.recipe} | {' | '.join(cells)} |" in README


RESULTS = sorted((ROOT / "runs/_results").glob("*.json"))


def counted_verdicts(text):
    """Return the numbers that a cell of the table of claims has for each verdict."""
    found = {}
    for label in ("reproduced", "not reproduced", "undecided"):
        told = re.search(rf"(?<!not ){label} (\d+)", text)
        found[label] = int(told[1]) if told else 0
    return found


@pytest.mark.parametrize("path", RESULTS, ids=[path.stem for path in RESULTS])
def test_verdicts_are_those_of_the_recorded_results(path):
    """A row for each quantity that claims are about, or one row for all of them."""
    tree = json.loads(path.read_text(encoding="utf-8"))
    command = tree["command"].split(" && ")[-1].replace("race.json", f"docs/bench/{tree['dataset']}.json")
    rows = [line for line in README.splitlines() if line.startswith("|")]
    first = next(place for place, line in enumerate(rows) if f"`{command}`" in line)
    own = [rows[first], *itertools.takewhile(lambda line: line.endswith("| the same |"), rows[first + 1 :])]
    quantities = list(dict.fromkeys(claim["quantity"] for claim in tree["claims"]))
    groups = [[quantity] for quantity in quantities] if len(own) > 1 else [quantities]
    assert len(own) == len(groups)
    for line, about in zip(own, groups, strict=True):
        verdicts = Counter(claim["verdict"] for claim in tree["claims"] if claim["quantity"] in about)
        assert counted_verdicts(line) == {label: verdicts[label] for label in counted_verdicts("")}, line


def test_the_method_example_trains(tmp_path):
    """As the README says: in a file of its own, by the command that stands below it."""
    (tmp_path / "largest.py").write_text(
        next(block for block in blocks("python") if "register_method" in block)
    )
    assert "`MLCNC_PLUGINS=largest python -m mlcnc train --method largest`" in README
    small = ["--num_samples", "64", "--epochs", "1", "--num_pictures", "0", "--num_threads", "1", "--quiet"]
    command = [sys.executable, "-m", "mlcnc", "train", "--method", "largest", "--runs", str(tmp_path / "runs")]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "MLCNC_PLUGINS": "largest"}
    done = subprocess.run(
        [*command, *small], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "1 epoch of largest value on pictogram-lt" in done.stdout
    from mlcnc.store import RunStore

    (run,) = RunStore(tmp_path / "runs").scan()
    assert run.run_id == "pictogram-lt-largest-s0"
    assert np.isfinite(run.metrics()[0]["test.z/nc1_trace"])
