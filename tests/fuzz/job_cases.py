"""A damaged table of jobs and the files beside it, and everything that reads them without changing anything."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from random import Random

from mlcnc.errors import MlcncError
from mlcnc.files.processes import machine_id
from mlcnc.launch import Jobs, argv_of, command_line
from mlcnc.launch.queue import Queue
from tests.fuzz.cases import Playground
from tests.fuzz.json_mutations import damaged_tree, text_of
from tests.fuzz.path_mutations import remove

DONE, DEAD, WAITING = "0001-train", "0002-train", "0003-layout"
SAID = "run demo: best epoch on validation 3 of 4"
TABLE = Path("queue.sqlite")
ESCAPES = (
    b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\r 10%\r 20%\r\n\xff\xfe\x00<script>alert(1)</script>\x9b31m\n"
)
ODD_VALUES = (
    *(None, "", "x", -1, 0, 1, 2**62, -(2**63), 1e300, float("inf"), b"\xff\x00", b"", "\x00", "\u202e\x1b[2J"),
    *("../../outside", "GPU-../..", "x" * 900_000, "9" * 400, "[" * 50_000, "null", "{}", "[]"),
)


class JobPlayground(Playground):
    """A runs folder with a job that ended well and two that are damaged: one whose process died, one that waits."""

    def _write(self, folder: Path) -> None:
        queue = Queue(self.root)
        queue.make()
        same = {"host": "here", "machine": machine_id(), "created_at": "2026-01-01T00:00:00+00:00"}
        sample = {"at": "2026-01-01T00:00:02+00:00", "cpu_percent": 150.0, "rss_bytes": 10**9}
        began = {"started_at": "2026-01-01T00:00:00+00:00", "device": "cpu", "use": json.dumps(sample)}
        ended = {"state": "finished", "exit_code": 0, "said": SAID, "finished_at": "2026-01-01T00:01:00+00:00"}
        dead = {"state": "running", "pid": 4_000_000, "start": 5.0, "boot": "another", "stop": "asked"}
        with queue.changing() as table:
            for number, more in enumerate((began | ended, began | dead, {}), start=1):
                kind = "layout" if number == 3 else "train"
                request = {"kind": kind, "run_id": "demo", "device": "cpu", "max_minutes": 5.0}
                if kind == "train":
                    request |= {"preset": "demo", "settings": {"training": {"epochs": 4}}}
                row = same | {"request": json.dumps(request), "run_id": "demo", "lane": "cpu", "place": number}
                row |= {"token": f"token {number}"} | more
                marks = ", ".join("?" * len(row))
                table.execute(f"INSERT INTO job ({', '.join(row)}) VALUES ({marks})", (*row.values(),))
        jobs = queue.folder
        for job_id in (DONE, DEAD):
            (jobs / f"{job_id}.log").write_bytes(b"epoch 1\nmlcnc: the disk is full\n")
        (jobs / f"{DEAD}.exit").write_text("4000000 1\n")
        (jobs / "worker-cpu.lock").write_text("")
        self.outside.mkdir()
        for path in jobs.iterdir():
            (self.outside / path.name).write_bytes(path.read_bytes())

    @property
    def victim(self) -> Path:
        return self.root / ".jobs"

    def _pick(self, rng: Random) -> Path:
        names = [name for name in self.files if not name.name.startswith(DONE)]
        return rng.choice([*names, TABLE, TABLE, TABLE, TABLE])

    def _damage(self, rng: Random, path: Path, raw: bytes) -> str:
        if path.name == TABLE.name and rng.random() < 0.6:
            return _damaged_record(rng, path)
        if path.suffix == ".log" and rng.random() < 0.6:
            kind = rng.choice(["escapes", "no line ends", "a sparse gigabyte", "carriage returns"])
            if kind == "a sparse gigabyte":
                os.truncate(path, 2**30)
            else:
                fill = {"escapes": ESCAPES * 200, "no line ends": b"x" * 300_000}.get(kind, b" 50%\r" * 50_000)
                path.write_bytes(raw + fill)
            return kind
        return super()._damage(rng, path, raw)

    def _beside(self, rng: Random) -> tuple[list[Path], str]:
        jobs = self.victim
        names = [
            "queue.sqlite-wal",
            "queue.sqlite-shm",
            "queue.sqlite-journal",
            "0004-train",
            "0003-layout.log",
        ]
        path = jobs / rng.choice([*names, "0005-TRAIN", "0006-train\n", "\u0660\u0660\u0667-train", "x" * 200])
        remove(path)
        kind = rng.choice(["folder", "file", "link out", "pipe", "link round"])
        if kind == "folder":
            path.mkdir()
        elif kind == "file":
            path.write_bytes(rng.randbytes(rng.choice([1, 32, 4096, 32768])))
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(self.outside / TABLE if kind == "link out" else path.name)
        return [path], f"{path.name!r} beside the jobs is a {kind}"


def _damaged_record(rng: Random, path: Path) -> str:
    """Put foreign content into a record that is not the first, as a whole table of someone else may hold it."""
    said = "an earlier damage is in the way"
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, isolation_level=None)) as table:
        columns = [row[1] for row in table.execute("PRAGMA table_info(job)")]
        if "request" not in columns:
            return said
        column, number = rng.choice(columns), rng.choice([2, 3])
        if column == "request" and rng.random() < 0.7:
            (text,) = table.execute("SELECT request FROM job WHERE number = ?", (number,)).fetchone()
            tree, said = damaged_tree(rng, json.loads(text))
            value: object = text_of(tree)
            value = (
                value if not isinstance(value, bytes) or rng.random() < 0.3 else value.decode(errors="replace")
            )
        else:
            value = rng.choice(ODD_VALUES)
            said = repr(value)[:60]
        with suppress(sqlite3.Error, UnicodeEncodeError, OverflowError):
            table.execute(f"UPDATE job SET {column} = ? WHERE number = ?", (value, number))
        said = f"{column} of {number}: {said}"
    return said


def read_all_jobs(root: Path) -> list[str]:
    """Read all jobs as the Train page and ``mlcnc jobs`` do; return what was said of those that fail."""
    jobs = Jobs(root)
    found, said = jobs.all(), jobs.problems()
    done = next((job for job in found if job.job_id == DONE), None)
    whole = any("queue.sqlite" in sentence for sentence in said)
    if done is not None and done.headline == SAID:
        assert done.state == "finished"
        assert "the disk is full" in jobs.log(DONE)
    for job in found:
        said.append(job.headline)
        assert job.use is None or 0 <= job.use.cpu_percent + job.use.rss_bytes < float("inf")
        with suppress(MlcncError):
            command_line(argv_of(job.request, job.run_id or "demo", root))
    assert done is not None or whole or said or not found, "the job that ended well is no longer listed"
    for job_id in (DEAD, WAITING, "0004-train", "../..", "0009-train", "\u0660\u0660\u0660\u0667-train"):
        try:
            jobs.get(job_id)
            assert len(jobs.log(job_id)) < 100_000
        except MlcncError as error:
            said.append(str(error))
    return said
