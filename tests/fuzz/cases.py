"""One case of damage: chosen by its number alone, done to a run folder, and undone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.array_mutations import damaged_arrays, damaged_header
from tests.fuzz.byte_mutations import damaged_bytes
from tests.fuzz.json_mutations import damaged_lines, damaged_tree, text_of
from tests.fuzz.path_mutations import odd_neighbours, odd_path, remove
from tests.fuzz.small_runs import write_secrets, write_whole_run
from tests.fuzz.surface import HEALTHY

VICTIM = "victim"


@dataclass(frozen=True)
class Damage:
    """What was done to which file; ``what`` is for people."""

    seed: int
    file: str
    what: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.file}: {self.what}"


class Playground:
    """A runs folder with a healthy run and one that is damaged again and again, and what lies outside of it.

    Args:
        folder: empty or of an earlier playground.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "runs"
        self.outside = folder / "outside"
        if not self.root.is_dir():
            self._write(folder)
            os.mkfifo(self.outside / "pipe")
        self._kept = {
            path.relative_to(self.victim): path.read_bytes()
            for path in sorted(self.victim.rglob("*"))
            if path.is_file()
        }

        folders = [self.root, self.victim, *(path for path in self.victim.rglob("*") if path.is_dir())]
        self._entries = {place: set(os.listdir(place)) for place in folders}

    def _write(self, folder: Path) -> None:
        write_whole_run(self.root, HEALTHY)
        write_whole_run(self.root, VICTIM)
        write_secrets(self.outside, self.victim)

    @property
    def victim(self) -> Path:
        """The folder whose files are damaged."""
        return self.root / VICTIM

    @property
    def files(self) -> list[Path]:
        """Names of the files of the run, relative to its folder."""
        return list(self._kept)

    @contextmanager
    def damaged(self, seed: int) -> Iterator[Damage]:
        """Damage the run in the way of this seed, and mend it afterwards."""
        rng = Random(seed)
        touched: list[Path] = []
        words = []
        try:
            for _ in range(rng.choice([1, 1, 1, 1, 2, 3])):
                with suppress(OSError):  # an earlier damage is in the way of a later one
                    if rng.random() < 0.04:
                        paths, said = self._beside(rng)
                        touched += paths
                        words.append(("folder", said))
                        continue
                    name = self._pick(rng)
                    path = self.victim / name
                    touched.append(path)
                    words.append((str(name), "damaged"))
                    words[-1] = (str(name), self._damage(rng, path, self._kept[name]))
            yield Damage(seed, ", ".join(name for name, _ in words), "; ".join(said for _, said in words))
        finally:
            # folders first: a file below a link that leads round in a circle cannot be removed
            for path in sorted(touched, key=lambda path: len(path.parts)):
                remove(path)
            for name, raw in self._kept.items():
                target = self.victim / name
                if target in touched or any(parent in touched for parent in target.parents):
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(raw)
            self._tidy()

    def _tidy(self) -> None:
        for folder, names in self._entries.items():
            for name in set(os.listdir(folder)) - names:
                remove(folder / name)

    def _beside(self, rng: Random) -> tuple[list[Path], str]:
        return odd_neighbours(rng, self.victim, self.outside)

    def _pick(self, rng: Random) -> Path:
        # by folder first, so that the many files of arrays do not crowd out run.json
        names = [
            Path("run.json"),
            Path("run.json"),
            Path("status.json"),
            Path("metrics.jsonl"),
            Path("notes.json"),
        ]
        names += [Path("samples.safetensors"), Path("samples.safetensors")]
        names += [Path("checkpoints/last.pt")] if rng.random() < 0.2 else []
        names += [
            rng.choice([name for name in self._kept if name.parts[0] == part]) for part in ("epochs", "layouts")
        ]
        names += [rng.choice([name for name in self._kept if name.parts[0] == "epochs"])]
        return rng.choice(names)

    def _damage(self, rng: Random, path: Path, raw: bytes) -> str:
        kind = rng.random()
        if kind < 0.08 and path.parent.is_dir() and not path.parent.is_symlink():
            return odd_path(rng, path, self.outside)
        if kind < 0.4 or path.suffix not in (".json", ".jsonl", ".safetensors"):
            changed, said = damaged_bytes(rng, raw)
        elif path.suffix == ".json":
            tree, said = damaged_tree(rng, json.loads(raw))
            changed = text_of(tree, indent=1)
        elif path.suffix == ".jsonl":
            changed, said = damaged_lines(rng, raw)
        elif kind < 0.85:
            changed, said = damaged_arrays(rng, raw)
        else:
            changed, said = damaged_header(rng, raw)
        if path.parent.is_dir() and not path.parent.is_symlink():
            remove(path)
            path.write_bytes(changed)
        return said
