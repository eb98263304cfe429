"""Exports of a recorded run, read back by the tool's own reader where its package is there."""

import csv
import json
import math

import pytest

from mlcnc.cli import main
from mlcnc.errors import ConfigError
from mlcnc.exports import export_run
from mlcnc.exports.spreadsheet import csv_bytes
from mlcnc.store import RunStore
from tests.conftest import ROOT

RUN_ID = "pictogram-erm-s1"
METRIC = "test/map_tail"


@pytest.fixture(scope="module")
def run():
    return RunStore(ROOT / "runs").open(RUN_ID)


@pytest.fixture(scope="module")
def logged(run):
    """What the run logged of one metric: epoch from 1 to value."""
    values = {int(line["epoch"]) + 1: line.get(METRIC, math.nan) for line in run.metrics()}
    return {epoch: value for epoch, value in values.items() if math.isfinite(value)}


def single(values):
    """A tool keeps single precision or more."""
    return pytest.approx(values, rel=1e-6)


def test_json_counts_epochs_from_one_and_leaves_out_what_is_undefined(run, logged, tmp_path):
    tree = json.loads((export_run(run, "json", tmp_path) / "run.json").read_text())
    assert {item["epoch"]: item[METRIC] for item in tree["epochs"] if METRIC in item} == logged
    assert min(logged) >= 1
    assert tree["settings"]["training.seed"] == run.info.seed
    assert "NaN" not in json.dumps(tree)


def test_csv_opens_in_a_spreadsheet_with_the_same_numbers(run, logged, tmp_path):
    folder = export_run(run, "csv", tmp_path)
    content = (folder / "metrics.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert {int(row["epoch"]): float(row[METRIC]) for row in rows if row[METRIC]} == logged
    settings = dict(csv.reader((folder / "settings.csv").read_text("utf-8-sig").splitlines()))
    assert settings["training.seed"] == str(run.info.seed)


def test_no_cell_of_a_csv_is_a_formula():
    content = csv_bytes([["=1+1", "@x", "-0.5", 1.5, None, "+cmd|' /C calc'!A0"]]).decode("utf-8-sig")
    assert content == "'=1+1,'@x,-0.5,1.5,,'+cmd|' /C calc'!A0\r\n"


def test_event_files_hold_what_was_logged(run, logged, tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(export_run(run, "tensorboard", tmp_path)), {"scalars": 0}).Reload()
    assert {event.step: event.value for event in found.Scalars(METRIC)} == single(logged)
    times = [event.wall_time for event in found.Scalars("train/loss")]
    assert times == sorted(times)


def records_of(content):
    """Yield the records of a log of LevelDB, which W&B puts seven bytes in front of and sends as it is."""
    place, begun, full, last = 7, b"", 1, 4
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:  # no header fits into the rest of a block
            place += 32768 - place % 32768
        size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        begun += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (full, last):
            yield begun
            begun = b""


def test_an_offline_folder_of_wandb_holds_what_was_logged(run, logged, tmp_path):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = export_run(run, "wandb", tmp_path).glob("wandb/offline-run-*/*.wandb")
    found = {}
    for data in records_of(file.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        values = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        if METRIC in values:
            found[values["epoch"]] = values[METRIC]
    assert found == single(logged)


def test_a_folder_of_mlflow_holds_what_was_logged(run, logged, tmp_path):
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    folder = export_run(run, "mlflow", tmp_path)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "mlruns").as_uri())
    (experiment,) = [item for item in client.search_experiments() if item.name == "mlcnc"]
    (written,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(written.info.run_id, METRIC)
    assert {item.step: item.value for item in history} == single(logged)
    assert written.data.params["training.seed"] == str(run.info.seed)
    assert written.info.status == "FINISHED"


def test_a_package_that_is_missing_is_named_with_its_extra(run, tmp_path, monkeypatch):
    monkeypatch.setattr("mlcnc.exports.formats.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"--to wandb needs the package wandb; .* pip install mlcnc\[wandb\]"):
        export_run(run, "wandb", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_says_where_it_wrote_and_never_writes_twice(tmp_path, capsys):
    words = ["runs", "export", RUN_ID, "--to", "csv", str(tmp_path / "new"), "--runs", str(ROOT / "runs")]
    assert main(words) == 0
    assert f"{tmp_path / 'new' / RUN_ID} written" in capsys.readouterr().out
    before = (tmp_path / "new" / RUN_ID / "metrics.csv").read_bytes()
    assert main(words) != 0
    assert "is there already; name another folder" in capsys.readouterr().err
    assert (tmp_path / "new" / RUN_ID / "metrics.csv").read_bytes() == before
