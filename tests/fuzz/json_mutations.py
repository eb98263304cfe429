"""Damage inside a JSON tree: wrong types, impossible numbers, hostile strings, keys too many and too few."""

from __future__ import annotations

import json
from random import Random
from typing import Any

MARKUP = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> *x* [y](javascript:alert(1)) $\\frac{1}{0}$ :red[z]"
)
STRINGS: tuple[str, ...] = (
    "",
    MARKUP,
    "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "a\x00b\r\nc\u202ed\u2028e",
    "\ud800",
    "x" * 300_000,
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "2001-01-01T00:00:00",
    "9999-12-31T23:59:59.999+00:00",
    "running",
    "nan",
    "{0.__class__}",
    "%s%n",
    "__import__('os').system('touch owned')",
    "🦄" * 50,
)
NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**400, 1e308, -1e308, 1e-320, 0.5,
    float("nan"), float("inf"), float("-inf"), True, False, None,
)  # fmt: skip


def hostile(rng: Random, value: Any) -> Any:
    """Return something else in the place of ``value``."""
    kind = rng.randrange(9)
    if kind <= 2:
        return rng.choice(NUMBERS)
    if kind <= 4:
        return rng.choice(STRINGS)
    if kind == 5:
        return rng.choice([[], {}, [[]], [{}], {"a": {"b": []}}, [None], ["", ""], [0] * 1000])
    if kind == 6:
        return nested(rng.choice([30, 150, 3000]), rng.choice(["[]", "{}"]))
    if kind == 7 and isinstance(value, str):
        return value + rng.choice(STRINGS)
    return [value, value] if rng.random() < 0.5 else {"x": value}


class Raw(str):
    """Text that enters the file as it is, such as an integer of a million digits."""


def nested(depth: int, brackets: str) -> Raw:
    """Return JSON text of so many levels."""
    if brackets == "[]":
        return Raw("[" * depth + "]" * depth)
    return Raw('{"a":' * depth + "1" + "}" * depth)


LONG_INTEGER = Raw("9" * 1_000_000)


def damaged_tree(rng: Random, tree: Any) -> tuple[Any, str]:
    """Return a changed copy of a JSON tree and what was done."""
    tree = json.loads(json.dumps(tree))
    words = []
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        tree, said = _one_change(rng, tree)
        words.append(said)
    return tree, "; ".join(words)


def text_of(tree: Any, *, indent: int | None = None) -> bytes:
    """Return the tree as JSON, with surrogates, not-a-number and raw parts as they are."""
    raws: list[str] = []

    def marked(part: Any) -> Any:
        if isinstance(part, Raw):
            raws.append(str(part))
            return f"@raw{len(raws) - 1}@"
        if isinstance(part, dict):
            return {key: marked(value) for key, value in part.items()}
        return [marked(value) for value in part] if isinstance(part, list) else part

    text = json.dumps(marked(tree), indent=indent)
    for number, raw in enumerate(raws):
        text = text.replace(f'"@raw{number}@"', raw)
    return text.encode()


def _one_change(rng: Random, tree: Any) -> tuple[Any, str]:
    if rng.random() < 0.03 or not isinstance(tree, dict | list) or not tree:
        return hostile(rng, tree), "another root"
    # walk down, so that the names near the root are met as often as the many leaves
    parent, path = tree, []
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = rng.choice(keys)
        path.append(str(key))
        child = parent[key]
        if isinstance(child, dict | list) and child and not isinstance(child, Raw) and rng.random() < 0.6:
            parent = child
            continue
        break
    where = "/".join(path)[:80]
    action = rng.randrange(8)
    if action == 0:
        del parent[key]
        return tree, f"{where} removed"
    if action == 1 and isinstance(parent, dict):
        parent[rng.choice(STRINGS) if rng.random() < 0.5 else "extra"] = hostile(rng, None)
        return tree, f"a key beside {where}"
    if action == 1:
        parent.insert(rng.randrange(len(parent) + 1), json.loads(json.dumps(child)))
        return tree, f"{where} twice"
    if action == 2 and isinstance(child, list) and child:
        rng.shuffle(child)
        return tree, f"{where} shuffled"
    if action == 3 and rng.random() < 0.2:
        parent[key] = LONG_INTEGER
        return tree, f"{where} a million digits"
    if action == 4 and isinstance(child, int) and not isinstance(child, bool):
        parent[key] = child + rng.choice([-1, 1, -child - 1, 1000])
        return tree, f"{where} is {str(parent[key])[:40]}"
    parent[key] = hostile(rng, child)
    return tree, f"{where} is {type(parent[key]).__name__} {str(parent[key])[:40]!r}"


def damaged_lines(rng: Random, raw: bytes) -> tuple[bytes, str]:
    """Return JSON lines with one changed, or with lines out of order, twice or joined."""
    lines = raw.splitlines()
    kind = rng.choice(["a tree", "a tree", "a tree", "order", "twice", "joined", "no object", "many"])
    if not lines:
        return raw + text_of(hostile(rng, None)), kind
    place = rng.randrange(len(lines))
    if kind == "a tree":
        tree, kind = damaged_tree(rng, json.loads(lines[place]))
        lines[place] = text_of(tree)
    elif kind == "order":
        rng.shuffle(lines)
    elif kind == "twice":
        lines.insert(rng.randrange(len(lines) + 1), lines[place])
    elif kind == "joined":
        lines[place] += lines[-1]
    elif kind == "no object":
        lines[place] = text_of(hostile(rng, None))
    else:
        lines += [b'{"epoch": %d, "test/map_total": %d}' % (number, number) for number in range(300)]
    return b"\n".join(lines) + rng.choice([b"\n", b""]), kind
