"""``mlcnc reproduce`` on a few drawn images; its queue trains in this process, at once."""

import csv
import json
import math

import pytest

from mlcnc import cli_race, cli_reproduce
from mlcnc.cli import main
from mlcnc.config import override
from mlcnc.evidence.experiments import Experiment, _above, _first_above
from mlcnc.evidence.quantities import MAP
from mlcnc.evidence.results import read_results
from mlcnc.evidence.rows import MLC_NC, Row, variant
from mlcnc.store import RunStore
from mlcnc.terminal_text import printable
from tests.conftest import ROOT
from tests.processes.small_training import small_config, use_few_images
from tests.unit.test_cli_bench import Queue

ARGUMENTS = ["reproduce", "table4", "--rates", "0.001", "--seeds", "2"]
WIDTH = {"embedding_dim": 20, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 1}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Return the queue, with an experiment of two rows of small runs in place of Table 4."""
    use_few_images(monkeypatch)

    def rows(dataset):
        return [
            Row(variant(dataset, title, alignment_weight=alpha))
            for title, alpha in (("weak", 0.5), ("strong", 9.0))
        ]

    experiment = Experiment(
        "table4", "Two weights", "Which is better?", rows, _first_above("map_total"), (*MAP, "nc1")
    )
    monkeypatch.setitem(cli_reproduce.EXPERIMENTS, "table4", experiment)

    def base(dataset, kind):
        method = {"kind": MLC_NC, **WIDTH}
        return "bench", override(small_config(), {"method": method, "training": {"arrays_every": 4}})

    monkeypatch.setattr(cli_reproduce, "base_config", base)
    monkeypatch.setattr(cli_race, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(cli_race, "AllJobs", Queue)
    Queue.asked, Queue.failing, Queue.refused, Queue.made = [], set(), set(), 0
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    return tmp_path


def test_rows_are_trained_and_results_written_and_made_again_to_the_last_digit(small, capsys):
    assert main(ARGUMENTS) == 0
    said = capsys.readouterr().out
    path = small / "_results" / "table4-pictogram-lt.json"
    first, tree = path.read_bytes(), json.loads(path.read_text())
    assert [row["name"] for row in tree["rows"]] == ["weak", "strong"]
    store = RunStore(small)
    for row in tree["rows"]:
        assert len(row["run_ids"]) == 2
        logged = [store.open(run_id).metrics()[-1] for run_id in row["run_ids"]]
        assert row["values"]["map_total"]["runs"] == [float(f"{line['test/map_total']:.9g}") for line in logged]
        assert row["values"]["map_total"]["mean"] == pytest.approx(sum(row["values"]["map_total"]["runs"]) / 2)
    weak, strong = (row["values"]["map_total"]["runs"] for row in tree["rows"])
    (claim,) = tree["claims"]
    assert claim["mean"] == pytest.approx(sum(a - b for a, b in zip(weak, strong, strict=True)) / 2)
    assert claim["low"] < claim["mean"] < claim["high"]
    assert f"{claim['verdict']}  " in said
    assert "Not reproduced:" in said  # the rule
    assert tree["command"] == "mlcnc reproduce table4 --dataset pictogram-lt --seeds 2 --rates 0.001"
    assert str(small) not in first.decode()
    asked = len(Queue.asked)
    assert main(ARGUMENTS) == 0
    assert len(Queue.asked) == asked == 4
    assert path.read_bytes() == first


def test_the_table_is_a_line_for_each_row_quantity_and_claim(small):
    assert main(ARGUMENTS) == 0
    (tree,), problems = read_results(small)
    assert not problems
    lines = list(csv.DictReader((small / "_results" / "table4-pictogram-lt.csv").read_text().splitlines()))
    assert [line["kind"] for line in lines] == ["row"] * 2 * 5 + ["claim"]
    of_rows = [line for line in lines if line["quantity"] == "map_total" and line["kind"] == "row"]
    assert [float(line["mean"]) for line in of_rows] == [
        row["values"]["map_total"]["mean"] for row in tree["rows"]
    ]
    assert lines[-1]["verdict"] == tree["claims"][0]["verdict"]
    assert float(lines[-1]["interval_low"]) == tree["claims"][0]["low"]
    assert lines[-1]["lowest"] == ""


def test_a_row_that_is_not_trained_is_left_open(small, capsys):
    Queue.refused = {"pictogram-lt-mlc-nc-a9-lr0p001-s1"}
    assert main(ARGUMENTS) == 1
    said = capsys.readouterr()
    assert "the disk is full" in said.err
    (tree,), _ = read_results(small)
    assert [row["rate"] for row in tree["rows"]] == [0.001, None]
    assert tree["rows"][1]["values"] == {}
    assert tree["claims"][0]["verdict"] == "not testable here"
    assert "strong  not trained" in said.out
    # the same command goes on
    Queue.refused = set()
    assert main(ARGUMENTS) == 0
    (tree,), _ = read_results(small)
    assert tree["rows"][1]["rate"] == 0.001


def test_fuller_results_are_not_replaced(small, capsys):
    assert main(ARGUMENTS) == 0
    path = small / "_results" / "table4-pictogram-lt.json"
    before = path.read_bytes()
    assert main([*ARGUMENTS[:-1], "1"]) == 0
    assert "fuller results (4 runs stand behind it, 2 behind these)" in capsys.readouterr().out
    assert path.read_bytes() == before
    # nothing is to be trained, so those are shown
    stored = [printable(line) for line in cli_reproduce.lines_of(json.loads(before))]
    assert main([*ARGUMENTS[:-1], "1", "--no-training"]) == 0
    *said, last = capsys.readouterr().out.splitlines()
    assert said[-len(stored) :] == stored
    assert last.endswith("_results, by 4 runs, of which 2 are here")
    assert path.read_bytes() == before


def test_a_run_that_diverges_is_said_and_its_claims_are_open(small, capsys):
    assert main(ARGUMENTS) == 0
    (run,) = [run for run in RunStore(small).scan() if run.run_id.endswith("mlc-nc-a9-lr0p001-s1")]
    status = json.loads((run.folder / "status.json").read_text())
    error = {"type": "NonFiniteLossError", "message": "two_way is NaN", "epoch": 1, "batch": 0}
    (run.folder / "status.json").write_text(json.dumps(status | {"state": "failed", "error": error}))
    assert main([*ARGUMENTS, "--no-training", "--out", str(small / "again")]) == 0
    tree = json.loads((small / "again" / "table4-pictogram-lt.json").read_text())
    assert tree["rows"][1]["diverged"] == [1]
    assert tree["rows"][1]["num_runs"] == 2
    assert tree["claims"][0]["verdict"] == "not testable here"
    assert "diverged at seed 1" in capsys.readouterr().out


def test_a_set_without_validation_images_takes_one_rate(tmp_path, capsys):
    arguments = ["reproduce", "table4", "--dataset", "voc-lt", "--runs", str(tmp_path), "--dry-run"]
    assert main([*arguments, "--rates", "0.0001,0.001"]) == 1
    assert "no validation images" in capsys.readouterr().err


def test_a_dry_run_and_no_training_start_nothing(small, capsys):
    assert main([*ARGUMENTS, "--dry-run"]) == 0
    assert not (small / "_results").exists()
    assert "2 rows on pictogram-lt, rates 0.001, seeds 0,1: 4 runs, 0 done, 4 left" in capsys.readouterr().out
    assert main([*ARGUMENTS, "--no-training"]) == 0
    assert not Queue.asked
    (tree,), _ = read_results(small)
    assert [row["run_ids"] for row in tree["rows"]] == [[], []]


@pytest.mark.parametrize("dataset", ["voc07-lt", "pictogram-lt"])
def test_a_recorded_results_file_is_made_again_by_its_command_to_the_last_digit(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    assert main(["reproduce", "table1", "--race", str(ROOT / f"docs/bench/{dataset}.json")]) == 0
    for ending in ("json", "csv"):
        name = f"_results/table1-{dataset}.{ending}"
        assert (tmp_path / name).read_bytes() == (ROOT / "runs" / name).read_bytes()


def test_the_table_of_a_race_is_judged_without_its_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    race = json.loads((ROOT / "docs/bench/voc07-lt.json").read_text())
    assert main(["reproduce", "table1", "--race", str(ROOT / "docs/bench/voc07-lt.json")]) == 0
    (tree,), _ = read_results(tmp_path)
    totals = {each["key"]: [run["total"] for run in each["runs"]] for each in race["methods"]}
    assert {row["key"]: row["values"]["map_total"]["runs"] for row in tree["rows"]} == {
        row["key"]: totals[row["key"]] for row in tree["rows"]
    }
    (claim,) = [each for each in tree["claims"] if (each["second"], each["quantity"]) == ("erm", "map_total")]
    differences = [one - other for one, other in zip(totals["mlc_nc"], totals["erm"], strict=True)]
    assert claim["mean"] == pytest.approx(sum(differences) / 3)
    bench = "mlcnc bench --dataset voc07-lt --rates 0.001,0.004,0.016 --seeds 0,1,2 --out race.json"
    assert tree["command"] == f"{bench} && mlcnc reproduce table1 --race race.json"
    assert main(["reproduce", "table4", "--race", str(ROOT / "docs/bench/voc07-lt.json")]) == 1
    assert main(["reproduce", "table1", "--race", str(tmp_path / "none.json")]) == 1
    assert main(["reproduce", "table1", "--race", str(ROOT / "docs/bench/voc07-lt.json"), "--seeds", "3"]) == 1
    said = capsys.readouterr().err
    assert "leave --dataset, --seeds, --rates and --precision out" in said
    assert "--race goes with table1" in said
    assert "--race must be a file that mlcnc bench wrote" in said


def test_damaged_results_are_named_and_others_read(small):
    assert main([*ARGUMENTS, "--no-training"]) == 0
    for name, content in (
        ("torn", b'{"version": 1'),
        ("other", b"[]"),
        ("binary", b"\xff\xfe\x00"),
        ("later", b'{"version": 9}'),
        ("hollow", b'{"version": 1, "experiment": "table1"}'),
    ):
        (small / "_results" / f"{name}.json").write_bytes(content)
    found, problems = read_results(small)
    assert len(found) == 1
    assert len(problems) == 5
    assert all("make it again with mlcnc reproduce" in problem for problem in problems)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reproduce", "table9"], "invalid choice: 'table9'"),
        (["reproduce", "table1", "--seeds", "0"], "must be how many seeds, 1 to 100, got '0'"),
        (["reproduce", "table1", "--seeds", "0,1"], "must be how many seeds, 1 to 100, got '0,1'"),
        (["reproduce", "table1", "--dataset", "voc"], "invalid choice: 'voc'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err


def test_a_claim_is_said_in_the_direction_that_the_paper_has():
    rows = [Row(variant("voc07-lt", title, dropout=value), None) for title, value in (("A", 0.2), ("B", 0.3))]
    claim = _above("map_tail", *rows)
    assert claim.text == "A above B: mAP of tail classes"
    assert math.isclose(claim.differences([2.0], [1.5])[0], 0.5)


def test_runs_of_another_precision_are_not_taken_for_these(small, capsys):
    assert main(ARGUMENTS) == 0
    assert main([*ARGUMENTS, "--precision", "bfloat16", "--dry-run"]) == 1
    assert "was trained with training.precision auto, not bfloat16" in capsys.readouterr().err
