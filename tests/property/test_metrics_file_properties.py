"""Reading single metrics agrees with reading all, and both with Python's own JSON, on any bytes."""

import json
import math
import random
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from mlcnc.store.metrics_file import read_metrics

NAMES = ("test/map_total", "test.f/nc1_trace", "validation/map_total", "lr")
numbers = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(),  # NaN and infinities as json writes them
    st.sampled_from([10**400, -(10**400), -0.0, 5e-324]),
)
values = st.one_of(numbers, st.text(max_size=5), st.lists(numbers, max_size=2), st.dictionaries(
    st.sampled_from(NAMES), numbers, max_size=2
))  # fmt: skip
keys = st.one_of(st.sampled_from(NAMES), st.text(alphabet=string.printable, max_size=6))
lines = st.builds(
    lambda epoch, tree, first, seed, separators: _written(epoch, tree, first, seed, separators),
    st.one_of(st.integers(-2, 5), st.sampled_from(["3", 2.0, None, True])),
    st.dictionaries(keys, values, max_size=6),
    st.booleans(),
    st.integers(0, 99),
    st.sampled_from([(", ", ": "), (",", ":"), (" ,\t", "  :\r")]),
)
odd_bytes = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"", b"   ", b"{}", b"[1]", b"null", b'{"epoch": 1, "lr": 1, "lr": 2}', b"[" * 3000,
                     b'{"epoch": 2, "lr": 1 2}', b'{"epoch": 2, "lr": .5}', b'{"epoch": 2, "lr": 1e999}',
                     '{"epoch": 4, "lr": 3}'.encode("utf-16"), b'\xef\xbb\xbf{"epoch": 4, "lr": 5}',
                     b'{"epoch": 0, "\\u006cr": 7}', b'{"epoch": 1, "a": "\\ud800", "lr": 2}']),
)  # fmt: skip


def _written(epoch, tree, first, seed, separators):
    pairs = [pair for pair in tree.items() if pair[0] != "epoch"]
    random.Random(seed).shuffle(pairs)
    pairs.insert(0 if first else len(pairs), ("epoch", epoch))
    return json.dumps(dict(pairs), separators=separators).encode()


def full_parse(content):
    """Python's own parser, line by line: the slow way, written apart from the reader."""
    found = {}
    for text in content.split(b"\n"):
        try:
            tree = json.loads(text)
        except (ValueError, RecursionError):
            continue
        epoch = tree.get("epoch") if isinstance(tree, dict) else None
        if type(epoch) is not int or not 0 <= epoch < 10**9:
            continue
        line = {}
        for name, value in tree.items():
            if value is None:
                line[name] = math.nan
            elif isinstance(value, int | float):
                try:
                    line[name] = float(value)
                except OverflowError:
                    line[name] = math.copysign(math.inf, value > 0 or -1)
        found[int(line["epoch"])] = line
    return [found[epoch] for epoch in sorted(found)]


def exact(found):
    """NaN equals itself and -0.0 is not 0.0."""
    return [{name: repr(value) for name, value in line.items()} for line in found]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(lines, odd_bytes), max_size=6),
    st.integers(0, 60),
    st.booleans(),
    st.integers(0, 300),
    st.integers(0, 255),
)
def test_reading_single_metrics_agrees_with_the_full_parse(tmp_path_factory, parts, cut, flipped, place, byte):
    content = b"\n".join(parts) + b"\n"
    if flipped and content:
        place %= len(content)
        content = content[:place] + bytes([byte]) + content[place + 1 :]
    content = content[: max(0, len(content) - cut)] if cut < 40 else content
    path = tmp_path_factory.getbasetemp() / "odd_metrics.jsonl"
    path.write_bytes(content)
    expected = full_parse(content)
    everything, problems = read_metrics(path)
    some, same_problems = read_metrics(path, NAMES)
    assert exact(everything) == exact(expected)
    assert exact(some) == exact(
        [{name: line[name] for name in ("epoch", *NAMES) if name in line} for line in expected]
    )
    assert problems == same_problems
