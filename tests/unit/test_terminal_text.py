"""What stands in files is shown on a terminal and not obeyed; one broken run does not end the check of others."""

import json

from mlcnc.cli import main
from mlcnc.store import RunStore, RunWriter
from mlcnc.terminal_text import columns, printable
from tests.conftest import tiny_config

NASTY = "\x1b]0;owned\x07\x1b[2J\x9b31m\x08\r\u202e"


def test_line_ends_tabs_and_letters_stay():
    assert printable("a\tb\nc é 中 🦄") == "a\tb\nc é 中 🦄"
    assert printable(NASTY + "x").strip("\ufffd") == "]0;owned\ufffd\ufffd[2J\ufffd31m\ufffd\ufffd\ufffdx"


def test_no_command_of_a_run_reaches_the_terminal(tmp_path, capsys):
    config = tiny_config().model_dump()
    config["data"][f"odd{NASTY}"] = NASTY
    with RunWriter.create(
        tmp_path, "odd", class_names=["a", NASTY], class_counts=[3, 1], name=NASTY, config=config, device=NASTY
    ) as run:
        run.log_epoch(0, {"train/loss": 1.0})
    (tmp_path / "odd" / "epochs").mkdir()
    (tmp_path / "odd" / "epochs" / "0000.safetensors").write_bytes(b"no arrays")
    with RunWriter.create(tmp_path, "worse", class_names=["a"], class_counts=[3]) as run:
        run.log_epoch(0, {"train/loss": 1.0})
    tree = json.loads((tmp_path / "worse" / "run.json").read_text())
    (tmp_path / "worse" / "run.json").write_text(json.dumps(tree | {"schema_version": NASTY}))
    for command in (["list"], ["show", "odd"], ["show", "worse"], ["verify"], ["verify", NASTY]):
        main(["runs", *command, "--runs", str(tmp_path)])
    told = capsys.readouterr()
    assert not set(told.out + told.err) & set(
        NASTY.replace("]0;owned", "").replace("[2J", "").replace("31m", "")
    )
    assert "0000.safetensors of run odd is damaged" in told.out


def test_a_broken_run_does_not_end_the_check_of_the_others(tmp_path, capsys):
    for name in ("first", "last"):
        with RunWriter.create(tmp_path, name, class_names=["a", "b"], class_counts=[3, 1]) as run:
            run.log_epoch(0, {"train/loss": 1.0})
    (tmp_path / "first" / "run.json").write_text("{")
    assert main(["runs", "verify", "--runs", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "first: not verified, run.json of run first is damaged" in said
    assert "last: nothing was checked, for none of its 1 epochs stored arrays" in said
    assert RunStore(tmp_path).run_ids() == ["first", "last"]


def test_columns_are_as_wide_as_what_they_hold():
    rows = [("job", "state", "n"), ("0001-train", "a\nlong\x1bstate", 7), ("", "", 1234)]
    lines = columns(rows, right=[2])
    assert lines == [
        "job         state            n",
        "0001-train  a long\ufffdstate     7",
        "                          1234",
    ]
