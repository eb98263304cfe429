"""Numbers that only Python reads as such: refused with the setting's or option's name, wherever one is written."""

import json
import re
from argparse import ArgumentTypeError

import pytest

from mlcnc.cli import build_parser, main
from mlcnc.config import leaf_fields, nested, override, parse
from mlcnc.errors import ConfigError
from mlcnc.presets import preset
from mlcnc.settings_file import read_file
from mlcnc.written_numbers import real, whole

ODD = ["1_0", "1_0000", "1000_000", "1__000", "_1", "1_000_", "\uff11\uff10", "\u0663", "1_0e2", "\u00b2"]
NUMBERS = [path for path, field in leaf_fields() if re.search(r"\b(int|float)\b", str(field.annotation))]


def test_options_are_digits():
    assert (whole(" 10 "), whole("-3"), real("1e3"), real(" .5")) == (10, -3, 1000.0, 0.5)
    assert (whole("1_000"), whole("-12_345_678"), real("1_000.5e1")) == (1000, -12345678, 10005.0)
    for text in (*ODD, "", "ten", "9" * 5000):
        for kind in (whole, real):
            with pytest.raises(
                ArgumentTypeError, match=r"expected a (whole|finite) number written with 0 to 9"
            ):
                kind(text)
    for text in ("inf", "nan", "1e400"):
        with pytest.raises(ArgumentTypeError, match="expected a finite number"):
            real(text)


@pytest.mark.parametrize("words", [
    ["analyze", "x.npz", "--head-min", "1_0"], ["layout", "x", "--seed", "\uff11"], ["glove", "--dim", "3_00"],
    ["dashboard", "--port", "8_5"], ["jobs", "move", "0001-train", "1_0"], ["bench", "--seeds", "1_0"],
    ["bench", "--rates", "1_0e-3"], ["jobs", "start", "train", "--max-minutes", "nan"],
])  # fmt: skip
def test_every_option_says_which_number_was_meant(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert words[-2] in (said := capsys.readouterr().err.splitlines()[-1]) or words[1] == "move"
    assert words[-1] in said


def test_numeric_settings_refuse_odd_digits_and_truths_in_every_form(tmp_path):
    assert ("training", "epochs") in NUMBERS
    assert ("training", "lr_drops") in NUMBERS
    assert ("training", "clip_norm") in NUMBERS
    base = preset("quick")
    own = [path for path, _ in leaf_fields(base) if path in NUMBERS]
    for path in own:
        for value in (*ODD, True, [True], ["1_0"]):
            with pytest.raises(ConfigError, match=".".join(path)):
                override(base, nested({path: value}))


@pytest.mark.parametrize(
    "value", [[5, True], [True], ["5", "1_0"], "5,1_0", "5,true", [5, None], [5, 1.5], [[5]]]
)
def test_a_list_of_whole_numbers_holds_nothing_else(tmp_path, value):
    with pytest.raises(ConfigError, match=r"training\.lr_drops"):
        parse({"training": {"lr_drops": value}})
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"training": {"lr_drops": value}}))
    with pytest.raises(ConfigError, match=r"training\.lr_drops"):
        parse(read_file(path))


def test_lists_of_whole_numbers_come_in_every_form():
    for value in ("5,7", "[5, 7]", "(5,7,)", [5, 7], (5, 7), ["5", " 7 "], [5.0, "7"]):
        assert parse({"training": {"lr_drops": value}}).training.lr_drops == (5, 7)
    assert build_parser().parse_args(["runs", "list"])
