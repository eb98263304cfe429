"""Lines of metrics read whole and read for a few metrics: the same lines, the same numbers."""

import math

import pytest

from mlcnc.store.metrics_file import read_metrics

WANTED = ("test/map_total", "test.f/nc1_trace")
LINES = {
    "plain": b'{"epoch":1,"test/map_total":2.5,"other":3}',
    "without what is wanted": b'{"epoch":1,"other":3}',
    "null": b'{"epoch":1,"test/map_total":null}',
    "no number": b'{"epoch":1,"test/map_total":"high","test.f/nc1_trace":[1]}',
    "twice": b'{"epoch":1,"epoch":2,"test/map_total":1,"test/map_total":2}',
    "escaped": b'{"epoch":1,"test\\u002fmap_total":4}',
    "endless": b'{"epoch":1,"test/map_total":NaN,"test.f/nc1_trace":-Infinity,"other":1e999}',
    "a huge integer": b'{"epoch":1,"test/map_total":' + b"9" * 400 + b"}",
    "a surrogate": b'{"epoch":1,"test/map_total":1,"other":"\\ud800"}',
    "no UTF-8": b'{"epoch":1,"test/map_total":1,"other":"\xff"}',
    "damaged behind what is wanted": b'{"epoch":1,"test/map_total":1,"other":[[1}',
    "deep": b'{"epoch":1,"test/map_total":1,"other":' + b"[" * 300 + b"]" * 300 + b"}",
    "half": b'{"epoch":1,"test/map_total":1',
    "two": b'{"epoch":1}{"epoch":2}',
    "a list": b'[{"epoch":1}]',
    "no epoch": b'{"test/map_total":1}',
    "an odd epoch": b'{"epoch":true,"test/map_total":1}',
    "a fraction": b'{"epoch":1.0,"test/map_total":1}',
    "spaced": b' \t{ "epoch" : 1 , "test/map_total" : 1 } ',
    "UTF-16": '{"epoch":1,"test/map_total":1}'.encode("utf-16"),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_few_metrics_of_a_line_are_those_of_the_whole_line(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"epoch":7,"test/map_total":0.5}\n' + line + b"\n")
    whole, problems = read_metrics(tmp_path / "metrics.jsonl")
    few, said = read_metrics(tmp_path / "metrics.jsonl", WANTED)
    assert said == problems
    expected = [{name: found[name] for name in ("epoch", *WANTED) if name in found} for found in whole]
    assert len(few) == len(expected)
    for one, other in zip(few, expected, strict=True):
        assert one.keys() == other.keys()
        assert all(
            one[name] == other[name] or (math.isnan(one[name]) and math.isnan(other[name])) for name in one
        )


def test_a_metric_whose_name_is_no_text_can_be_asked_for(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"epoch":1,"\\ud800":2}\n{"epoch":2,"test/map_total":3}\n')
    found, problems = read_metrics(tmp_path / "metrics.jsonl", ("\ud800", "test/map_total"))
    assert found == [{"epoch": 1, "\ud800": 2}, {"epoch": 2, "test/map_total": 3}]
    assert not problems
