"""The table of jobs, ``<runs>/.jobs/queue.sqlite``: the only code that knows it."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlcnc.errors import JobNotFoundError, LaunchError
from mlcnc.files.processes import machine_id
from mlcnc.launch.job import Job

JOB_ID = re.compile(r"([0-9]{4,9})-[a-z]{1,16}")
SCHEMA = """CREATE TABLE job (
 number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT UNIQUE, host TEXT, machine TEXT, created_at TEXT,
 request TEXT, run_id TEXT, lane TEXT, place INTEGER, note TEXT DEFAULT '', state TEXT DEFAULT 'queued',
 device TEXT, pid INTEGER, start REAL, boot TEXT, stop TEXT, stop_asked REAL, started_at TEXT,
 finished_at TEXT, exit_code INTEGER, said TEXT DEFAULT '', use TEXT)"""

PATIENCE_SECONDS = 20.0
"""For the table, which everyone gives back within milliseconds."""

_MOST_BYTES = 1_000_000
_MOST_JOBS = 100_000


class Queue:
    """The table of jobs of one runs folder; whatever keeps it from being used is a LaunchError.

    Args:
        runs_root: the runs folder; ``.jobs`` in it is made by the first job.
    """

    def __init__(self, runs_root: str | Path) -> None:
        self.runs_root = Path(runs_root).absolute()
        self.folder = self.runs_root / ".jobs"
        self.file = self.folder / "queue.sqlite"

    def worker_lock(self, lane: str) -> Path:
        """Return the file whose lock the worker of a device holds for as long as it lives."""
        return self.folder / f"worker-{lane.replace('/', '-')}.lock"

    def make(self) -> None:
        """Make folder and table where there is none."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LaunchError(f"{self.folder} cannot be made: {error.strerror}") from None
        with self.opened(create=True) as table:
            table.execute("PRAGMA journal_mode = WAL")
            table.execute(SCHEMA.replace("TABLE job", "TABLE IF NOT EXISTS job", 1))
            if table.execute("SELECT 1 FROM sqlite_sequence").fetchone() is None:
                # above the jobs of a table that was moved away, of which some may still run
                matches = (JOB_ID.fullmatch(path.stem) for path in self.folder.glob("*.log"))
                first = "SELECT 'job', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)"
                highest = max((int(match[1]) for match in matches if match), default=0)
                table.execute(f"INSERT INTO sqlite_sequence {first}", (highest,))

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Hold the table alone while it is changed; nothing of it is kept where the block raises."""
        with self.opened() as table:
            table.execute("BEGIN IMMEDIATE")
            try:
                yield table
                table.execute("COMMIT")
            except BaseException:
                if table.in_transaction:
                    table.execute("ROLLBACK")
                raise

    def change(self, number: int, **columns: Any) -> None:
        """Write columns of one job."""
        with self.changing() as table:
            update(table, number, **columns)

    def read(self, where: str = "1", *values: Any) -> tuple[list[Job], dict[int, str]]:
        """Return jobs as written, oldest first, and a sentence by number for each that cannot be read."""
        if not os.path.islink(self.folder) and not os.path.lexists(self.file):
            return [], {}
        with self.opened() as table:
            return self.rows(table, where, *values)

    def rows(
        self, table: sqlite3.Connection, where: str = "1", *values: Any
    ) -> tuple[list[Job], dict[int, str]]:
        """Return jobs as :meth:`read` does, within a change."""
        found, problems = [], {}
        for row in table.execute(f"SELECT * FROM job WHERE {where} ORDER BY number LIMIT {_MOST_JOBS}", values):
            number = row["number"]
            try:
                found.append(Job(**dict(row), folder=self.folder))
            except ValidationError as error:
                first = error.errors()[0]
                column = first["loc"][0] if first["loc"] else "request"
                problems[number] = (
                    f"job {number:04d} is damaged, {column}: {str(first['msg'])[:200]}; "
                    f"take it off the list with: mlcnc jobs remove {number:04d}-damaged"
                )
        return found, problems

    def next_in(self, lanes: list[str], table: sqlite3.Connection | None = None) -> Job | None:
        """Return the job of this machine that is to start next in one of the lanes, within a change or not."""
        marks = ", ".join("?" * len(lanes))
        which = (f"state = 'queued' AND machine = ? AND lane IN ({marks})", machine_id(), *lanes)
        found = self.read(*which) if table is None else self.rows(table, *which)
        return min(found[0], key=rank, default=None)

    def number_of(self, job_id: str) -> int:
        """Return the number in the id of a job; JobNotFoundError where it is none."""
        match = JOB_ID.fullmatch(job_id)
        if match is None:
            raise JobNotFoundError(f"a job id looks like 0001-train, got {job_id!r}; see: mlcnc jobs list")
        return int(match[1])

    @contextmanager
    def opened(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Give a connection, each change by which is written at once."""
        if os.path.islink(self.folder):
            raise LaunchError(f"{self.folder} is a link; jobs are kept in the runs folder itself")
        try:
            for end in ("", "-wal", "-shm", "-journal"):
                path = f"{self.file}{end}"
                # SQLite would follow a link, and wait for a pipe; whoever closes the table last removes its log
                with suppress(FileNotFoundError):
                    if not stat.S_ISREG(os.lstat(path).st_mode):
                        raise LaunchError(f"{path} is a link or no regular file; remove it")
            ways = "mode=rw"
            if not os.access(self.folder, os.W_OK):
                # what a living worker wrote is in the log beside the table; without one it is read as it lies
                ways = "mode=ro" if os.path.lexists(f"{self.file}-wal") else "mode=ro&immutable=1"
            uri = f"{self.file.as_uri()}?{'mode=rwc' if create else ways}"
            with closing(
                sqlite3.connect(uri, uri=True, timeout=PATIENCE_SECONDS, isolation_level=None)
            ) as table:
                table.row_factory = sqlite3.Row
                table.text_factory = lambda raw: raw.decode(errors="replace")
                table.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
                # a table of someone else may bring triggers and views that do more than is asked for
                table.execute("PRAGMA trusted_schema = OFF")
                made = table.execute(
                    "SELECT sql FROM sqlite_schema WHERE sql NOT NULL AND name != 'sqlite_sequence'"
                )
                found = [row["sql"] for row in made.fetchmany(10)]
                if found != [SCHEMA] and not (create and not found):
                    raise LaunchError(f"{self.file} is no table of jobs of this version; move it away")
                yield table
        except sqlite3.Error as error:
            raise LaunchError(f"{self.file} cannot be used: {error}; {_advice(error)}") from None
        except (UnicodeDecodeError, OverflowError, OSError) as error:
            raise LaunchError(f"{self.file} cannot be used: {error}") from None


def update(table: sqlite3.Connection, number: int, **columns: Any) -> None:
    """Write columns of one job within a change."""
    names = ", ".join(f"{name} = ?" for name in columns)
    table.execute(f"UPDATE job SET {names} WHERE number = ?", (*columns.values(), number))


def rank(job: Job) -> tuple[int, int]:
    """By what waiting jobs are sorted; of two at one place the older comes first."""
    return job.place or 0, job.number


def _advice(error: sqlite3.Error) -> str:
    said = str(error)
    if "locked" in said:
        return f"another process held it for {PATIENCE_SECONDS:.0f} seconds, see whether one was halted"
    if "full" in said or "disk I/O" in said:
        return "free some space"
    if "too big" in said:
        return "a job is a megabyte at most: give it shorter settings, or move away a table that came with more"
    if "readonly" in said or "unable to open" in said:
        return "make the runs folder writable"
    return "move it away to begin a new list; what runs goes on, and logs and runs stay"
