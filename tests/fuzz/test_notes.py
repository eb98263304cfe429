"""Notes are written over whatever stands in their place, and what cannot be read is kept aside."""

from __future__ import annotations

import json
from random import Random

import pytest

from mlcnc.errors import StoreError
from mlcnc.store import RunStore
from tests.fuzz.byte_mutations import damaged_bytes
from tests.fuzz.cases import VICTIM, Playground
from tests.fuzz.json_mutations import damaged_tree, text_of
from tests.fuzz.path_mutations import odd_path, remove

NEW = {"name": "new", "tags": ["a"], "notes": "text"}


def test_notes_are_kept_or_kept_aside(tmp_path):
    playground = Playground(tmp_path)
    folder = playground.victim
    path, aside = folder / "notes.json", folder / "notes.damaged.json"
    raw = path.read_bytes()
    outside = {item: item.read_bytes() for item in playground.outside.rglob("*") if item.is_file()}
    kept_aside = 0
    for seed in range(100):
        rng = Random(seed)
        remove(path)
        remove(aside)
        kind = rng.random()
        if kind < 0.2:
            said = odd_path(rng, path, playground.outside)
        elif kind < 0.6:
            changed, said = damaged_bytes(rng, raw)
            path.write_bytes(changed)
        else:
            tree, said = damaged_tree(rng, json.loads(raw))
            path.write_bytes(text_of(tree))
        before = path.read_bytes() if path.is_file() and not path.is_symlink() and "giant" not in said else None
        run = RunStore(playground.root).open(VICTIM)
        known = run.notes()
        if path.is_dir() and not path.is_symlink():
            with pytest.raises(StoreError, match="could not be written"):
                run.write_notes(known | NEW)
            continue
        run.write_notes(known | NEW)
        read = RunStore(playground.root).open(VICTIM)
        assert read.notes() == {"schema_version": 1} | known | NEW, f"seed {seed}: {said}"
        assert read.name == "new", f"seed {seed}: {said}"
        if aside.is_symlink() or aside.exists():
            kept_aside += 1
            assert before is None or aside.read_bytes() == before, f"seed {seed}: {said}"
        else:
            assert known or before is None, f"seed {seed}: {said}: what could not be read is gone"
    assert kept_aside > 25
    assert {item: item.read_bytes() for item in outside} == outside
