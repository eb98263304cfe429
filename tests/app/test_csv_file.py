import csv
import io

import pandas as pd
import pytest

from app.widgets.csv_file import csv_file
from tests.conftest import ROOT


def rows_of(content):
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+49 30",
    "-cat",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "--1",
    "-1+1|x",
    "-2%%",
]
TEXTS = [
    "+",
    "-",
    "-0.5",
    "+3",
    "-1e-3",
    "-inf",
    "12%",
    "-12%",
    "żółw",
    "etf · toy-lt",
    'a"b,c',
    "two\nlines",
    "a=b",
    "",
]


@pytest.mark.parametrize("text", [*FORMULAS, *TEXTS])
def test_texts_are_shown_as_written_and_never_computed(text):
    frame = pd.DataFrame({"recipe": [text], "value": [-0.5]})
    (names, (cell, number)) = rows_of(csv_file(frame))
    assert names == ["recipe", "value"]
    assert cell == (f"'{text}" if text in FORMULAS else text)
    assert number == "-0.5"


def test_names_of_rows_and_columns_are_texts_too_and_may_repeat():
    frame = pd.DataFrame(
        [[1, "x"], [-2, None]], index=pd.Index(["=a", "b"], name="class"), columns=["@c", "@c"]
    )
    assert rows_of(csv_file(frame, index=True)) == [["class", "'@c", "'@c"], ["'=a", "1", "x"], ["b", "-2", ""]]
    assert rows_of(csv_file(frame)) == [["'@c", "'@c"], ["1", "x"], ["-2", ""]]


def test_numbers_stay_numbers():
    frame = pd.DataFrame({"f": [-1.5, float("nan")], "i": [-1, 2], "b": [True, False], "o": [-1.5, "-x"]})
    assert rows_of(csv_file(frame))[1:] == [["-1.5", "-1", "True", "-1.5"], ["", "2", "False", "'-x"]]


def test_every_csv_of_the_dashboard_is_written_here():
    found = [
        str(path.relative_to(ROOT)) for path in (ROOT / "app").rglob("*.py") if ".to_csv(" in path.read_text()
    ]
    assert found == ["app/widgets/csv_file.py"]
