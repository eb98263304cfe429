"""``mlcnc bench`` on a few drawn images; its queue trains in this process, at once."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlcnc import cli_bench, cli_race
from mlcnc.analysis.comparison.bench import VARIANTS, entries
from mlcnc.analysis.comparison.bench_plan import run_seconds
from mlcnc.cli import build_parser, main
from mlcnc.config import override
from mlcnc.errors import LaunchError
from mlcnc.store import RunStore
from mlcnc.training import resume, train
from tests.processes.small_training import small_config, use_few_images

QUIET = {"say": lambda text: None, "show_progress": False}
ARGUMENTS = ["bench", "--methods", "erm,mlc_nc", "--rates", "0.001,0.01", "--seeds", "3,4"]


class Queue:
    """Jobs that are done as soon as they are asked for."""

    asked: list[str]
    failing: set[str]
    refused: set[str]
    made: int

    def __init__(self, root):
        type(self).made += 1
        self.root = root
        self.done = []

    def start_workers(self):
        """Nothing waits for one."""

    def all(self):
        return self.done[::-1]

    def submit(self, request):
        if request.run_id in self.refused:
            raise LaunchError("the disk is full")
        self.asked.append(f"train {request.run_id}")
        if request.run_id not in self.failing:
            train(request.config(), runs_root=self.root, run_id=request.run_id, **QUIET)
        self.done.append(SimpleNamespace(run_id=request.run_id, is_active=False, headline="failed with NaN"))

    def resume(self, run_id):
        if not (Path(self.root) / run_id / "checkpoints").is_dir():
            raise LaunchError("it has no checkpoint")
        self.asked.append(f"resume {run_id}")
        resume(run_id, runs_root=self.root, **QUIET)


@pytest.fixture
def queue(monkeypatch, tmp_path):
    """Return the class of the queue, with small runs in place of those of the bench."""
    use_few_images(monkeypatch)

    def small(dataset, kind):
        method = {"kind": kind}
        if kind == "mlc_nc":
            method |= {"embedding_dim": 20, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 1}
        return override(
            small_config(method={"kind": "erm"}), {"method": method, "training": {"arrays_every": 4}}
        )

    monkeypatch.setattr(cli_bench, "bench_config", small)
    monkeypatch.setattr(cli_race, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(cli_race, "AllJobs", Queue)
    Queue.asked, Queue.failing, Queue.refused, Queue.made = [], set(), set(), 0
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    return Queue


def test_other_seeds_are_trained_at_the_best_rate_and_the_table_is_written(queue, tmp_path, capsys):
    out = tmp_path / "table.json"
    assert main([*ARGUMENTS, "--out", str(out)]) == 0
    tree = json.loads(out.read_text())
    assert [method["name"] for method in tree["methods"]] == ["MLC-NC", "ERM"]
    store = RunStore(tmp_path)
    for method in tree["methods"]:
        assert [run["seed"] for run in method["runs"]] == [3, 4]
        best = max(method["validation"], key=lambda rate: method["validation"][rate])
        assert float(best) == method["rate"]
        name = method["key"].replace("_", "-")
        written = {rate: f"{float(rate):g}".replace(".", "p") for rate in method["validation"]}
        expected = {f"pictogram-lt-{name}-lr{rate}-s3" for rate in written.values()}
        last = f"pictogram-lt-{name}-lr{written[best]}-s4"
        assert {run_id for run_id in store.run_ids() if f"lt-{name}-lr" in run_id} == {*expected, last}
        # the best rate has tried ones on either side, or lies where trying ends
        assert best not in (min(written, key=float), max(written, key=float)) or not 1e-5 < float(best) < 1
        assert method["runs"][1]["total"] == pytest.approx(
            store.open(last).metrics()[-1]["test/map_total"], abs=0.006
        )
        assert method["memory_mb"] > 50
    value, low, high = tree["methods"][0]["minus"]["ERM"]["total"]
    ours, theirs = ([run["total"] for run in method["runs"]] for method in tree["methods"])
    assert value == pytest.approx(np.mean(ours) - np.mean(theirs), abs=0.011)
    assert low < value < high
    plan, *said = capsys.readouterr().out.splitlines()
    assert plan == (
        "2 methods on pictogram-lt, rates 0.001,0.01, seeds 3,4: 6 runs, 0 done, 6 left (about 4 min as recorded); more where the best rate is the lowest or the highest"
    )
    ended = [line for line in said if "validation mAP" in line]
    assert len(ended) == len(store.run_ids())
    for method in tree["methods"]:
        run = store.open(f"pictogram-lt-{method['key'].replace('_', '-')}-lr0p01-s3")
        value = run.metrics()[-1]["validation/map_total"]
        line = next(each for each in ended if each.startswith(f"{method['name']}, seed 3, rate 0.01: "))
        assert f"validation mAP {value:.1f}, {run_seconds(run):.0f} s; " in line
        assert run_seconds(run) > 0
    assert ended[-1].endswith(f"; {len(ended)} done, 0 left")
    assert re.search(r"; 1 done, \d left \(about 1 min\)$", ended[0])
    assert said[-2].startswith("ERM  ")


def test_the_same_command_goes_on_where_it_was_left(queue, tmp_path, capsys):
    arguments = ["bench", "--methods", "erm", "--rates", "0.001", "--seeds", "0,1"]
    assert main(arguments) == 0
    first = list(queue.asked)
    assert first == ["train pictogram-lt-erm-lr0p001-s0", "train pictogram-lt-erm-lr0p001-s1"]
    capsys.readouterr()
    assert main(arguments) == 0
    assert queue.asked == first
    status = tmp_path / "pictogram-lt-erm-lr0p001-s1" / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "stopped"}))
    other = tmp_path / "pictogram-lt-erm-lr0p001-s0" / "status.json"
    other.write_text(json.dumps(json.loads(other.read_text()) | {"state": "stopped"}))
    shutil.rmtree(other.parent / "checkpoints")
    assert main(arguments) == 0
    assert queue.asked[2:] == [
        "train pictogram-lt-erm-lr0p001-s0",
        "resume pictogram-lt-erm-lr0p001-s1",
    ]


def test_a_run_whose_rest_cannot_be_queued_is_kept(queue, tmp_path, capsys, monkeypatch):
    arguments = ["bench", "--methods", "erm", "--rates", "0.001", "--seeds", "0"]
    assert main(arguments) == 0
    folder = tmp_path / "pictogram-lt-erm-lr0p001-s0"
    status = folder / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "stopped"}))

    def refuse(self, run_id):
        raise LaunchError("the table is locked")

    monkeypatch.setattr(queue, "resume", refuse)
    assert main(arguments) == 1
    assert f"{folder.name}: the table is locked" in capsys.readouterr().err
    assert (folder / "checkpoints" / "last.pt").is_file()
    assert queue.asked == [f"train {folder.name}"]


def test_a_run_that_cannot_be_queued_is_said_and_its_method_left_out(queue, tmp_path, capsys):
    queue.refused = {"pictogram-lt-erm-lr0p01-s3"}
    assert main(ARGUMENTS) == 1
    caught = capsys.readouterr()
    assert "ERM, seed 3, rate 0.01: not trained, the disk is full" in caught.out
    lines = caught.out.splitlines()
    caught = SimpleNamespace(
        out="\n".join(lines[lines.index(next(x for x in lines if x.startswith("method "))) :]), err=caught.err
    )
    assert caught.err.strip() == "pictogram-lt-erm-lr0p01-s3: the disk is full"
    assert "MLC-NC" in caught.out
    assert "ERM" not in caught.out
    assert not [name for name in queue.asked if name.endswith("erm-lr0p001-s4")]
    queue.refused, queue.failing = set(), {"pictogram-lt-erm-lr0p01-s3"}
    assert main(ARGUMENTS) == 1
    assert capsys.readouterr().err.strip() == "pictogram-lt-erm-lr0p01-s3: failed with NaN"


def test_a_dry_run_says_what_is_done_and_left_and_starts_nothing(queue, tmp_path, capsys):
    arguments = ["bench", "--methods", "erm,mlc_nc", "--rates", "0.001", "--seeds", "0,1,2"]
    assert main([*arguments, "--dry-run"]) == 0
    assert "6 runs, 0 done, 6 left (about 4 min as recorded)\n" in capsys.readouterr().out
    assert (queue.asked, queue.made, list(tmp_path.iterdir())) == ([], 0, [])
    assert main(["bench", "--methods", "erm", "--rates", "0.001", "--seeds", "0,1"]) == 0
    capsys.readouterr()
    asked, made = list(queue.asked), queue.made
    assert main([*arguments, "--dry-run"]) == 0
    plan, head, mlc_nc, erm = capsys.readouterr().out.splitlines()
    assert plan.endswith("6 runs, 2 done, 4 left (about 1 min)")
    assert head.split() == ["method", "what", "it", "is", "done", "left", "these", "take"]
    assert mlc_nc.split() == ["mlc_nc", "MLC-NC", "0", "3", "about", "1", "min"]
    assert erm.split() == ["erm", "ERM", "2", "1", "about", "1", "min"]
    assert (queue.asked, queue.made) == (asked, made)
    # what is refused is said before hours are spent
    run = tmp_path / "pictogram-lt-erm-lr0p001-s0" / "run.json"
    run.write_text(run.read_text().replace('"jitter": 0.2', '"jitter": 0.25'))
    assert main([*arguments, "--dry-run"]) == 1
    caught = capsys.readouterr()
    assert "was trained with data.jitter 0.25, not 0.2" in caught.err
    assert "1 done, 3 left" in caught.out


def test_a_dry_run_says_what_is_missing_of_which_method(queue, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MLCNC_GLOVE", raising=False)
    arguments = ["bench", "--methods", "erm,ml_gcn", "--rates", "0.001", "--seeds", "0", "--dry-run"]
    assert main(arguments) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("cannot be trained yet: ML-GCN, for method.kind is ml_gcn")
    assert "mlcnc glove --out FOLDER" in last


def test_vectors_are_given_to_what_needs_them(queue, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("cat 1 2\n")
    options = build_parser().parse_args(["bench", "--methods", "erm,ml_gcn", "--glove", str(path)])
    race = cli_bench.race_of(options)
    for entry in race.entries:
        config = race._config(entry, 0.004, 0)[1]
        assert getattr(config.method, "glove_path", str(path)) == str(path)
        assert ("glove_path" in type(config.method).model_fields) == (entry.key == "ml_gcn")


def test_help_and_table_explain_every_variant(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for key, variant in VARIANTS.items():
        assert f"{key}: {variant.meaning}." in said
    buckets = {"total": 1.0, "head": 1.0, "medium": 1.0, "tail": 1.0}
    methods = [
        {"name": entry.name, "key": entry.key, "rate": 0.1, "runs": [{"seed": 0, **buckets}]}
        for entry in entries()
    ]
    lines = cli_bench._lines({"methods": methods})
    assert lines[1 + len(methods) :] == [f"{item.title}: {item.meaning}." for item in VARIANTS.values()]
    assert len({line.find("1.0") for line in lines[1 : 1 + len(methods)]}) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--methods", "resnet"], "--methods must be of mlc_nc, erm"),
        (["--methods", "mlc_nc+als"], "got 'mlc_nc+als'; did you mean 'mlc_nc+asl'?"),
        (
            ["--glove", "nowhere.txt"],
            "--glove must be a file of vectors, got nowhere.txt; get one with: mlcnc glove",
        ),
        (["--out", "nowhere/table.json"], "--out must be in a folder that exists"),
    ],
)
def test_wrong_arguments_are_said_before_anything_is_trained(queue, capsys, arguments, words):
    assert main(["bench", *arguments]) == 1
    assert words in capsys.readouterr().err
    assert queue.asked == []


@pytest.mark.parametrize(
    "arguments",
    [["--rates", "0"], ["--rates", "0.1,inf"], ["--rates", "fast"], ["--seeds", "-1"], ["--seeds", ""]],
)
def test_wrong_numbers_are_refused_by_the_parser(queue, capsys, arguments):
    with pytest.raises(SystemExit):
        main(["bench", *arguments])
    assert f"argument {arguments[0]}: must be" in capsys.readouterr().err
