"""Damaged job folders, and everything that reads them without changing anything."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from mlcnc.errors import MlcncError
from mlcnc.launch import Jobs, argv_of, command_line
from tests.fuzz.cases import Playground
from tests.fuzz.path_mutations import remove

DONE, DEAD, WAITING = "0001-train", "0002-train", "0003-layout"
SAID = "run demo: best epoch on validation 3 of 4"
ESCAPES = (
    b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\r 10%\r 20%\r\n\xff\xfe\x00<script>alert(1)</script>\x9b31m\n"
)


class JobPlayground(Playground):
    """A runs folder with a job that ended well and two that are damaged: one whose process died, one that waits."""

    def _write(self, folder: Path) -> None:
        self.root.mkdir(parents=True)
        jobs = self.root / ".jobs"
        for number, job_id in enumerate((DONE, DEAD, WAITING), start=1):
            kind = job_id.partition("-")[2]
            request = {"kind": kind, "run_id": "demo", "device": "cpu", "max_minutes": 5.0}
            if kind == "train":
                request |= {"preset": "demo", "settings": {"training": {"epochs": 4}}}
            entry = {
                "schema_version": 1,
                "job_id": job_id,
                "number": number,
                "created_at": "2026-01-01T00:00:00+00:00",
            }
            folder = jobs / job_id
            folder.mkdir(parents=True)
            (folder / "job.json").write_text(json.dumps({**entry, "run_id": "demo", "request": request}))
            (folder / "order.json").write_text(json.dumps({"order": number}))
        process = {"pid": 4_000_000, "start": 5.0, "boot_id": "another", "host": socket.gethostname()}
        times = {"started_at": "2026-01-01T00:00:00+00:00", "device": "cpu", "attempt": 1}
        ended = {
            "state": "finished",
            "exit_code": 0,
            "headline": SAID,
            "finished_at": "2026-01-01T00:01:00+00:00",
        }
        (jobs / DONE / "state.json").write_text(json.dumps({**times, **ended}))
        (jobs / DEAD / "state.json").write_text(json.dumps({**times, "state": "running", "process": process}))
        (jobs / WAITING / "state.json").write_text(json.dumps({"state": "queued"}))
        (jobs / DEAD / "exit.json").write_text(json.dumps({"pid": 4_000_000, "exit_code": 1}))
        (jobs / DEAD / "cancel").write_text(json.dumps({"boot_id": "another", "asked": 5.0}))
        sample = {
            "at": "2026-01-01T00:00:02+00:00",
            "age_seconds": 2.0,
            "cpu_percent": 150.0,
            "rss_bytes": 10**9,
        }
        gpu: dict[str, Any] = {"gpu_percent": None, "gpu_memory_bytes": None, "gpu_total_bytes": None}
        for job_id in (DONE, DEAD):
            lines = [json.dumps({**sample, **gpu, "age_seconds": 2.0 * n}) for n in range(20)]
            (jobs / job_id / "telemetry.jsonl").write_text("\n".join(lines) + "\n")
            (jobs / job_id / "log.txt").write_bytes(b"epoch 1\nmlcnc: the disk is full\n")
        (jobs / "queue.lock").write_text("0" * 20)
        (jobs / "supervisor.lock").write_text("")
        self.outside.mkdir()
        for path in (jobs / DEAD).iterdir():
            (self.outside / path.name).write_bytes(path.read_bytes())

    @property
    def victim(self) -> Path:
        return self.root / ".jobs"

    def _pick(self, rng: Random) -> Path:
        names = [name for name in self.files if name.parts[0] != DONE]
        return rng.choice(names)

    def _damage(self, rng: Random, path: Path, raw: bytes) -> str:
        if path.name == "log.txt" and rng.random() < 0.6:
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
        name = rng.choice(
            ["0004-train", "..", "0005-TRAIN", "0006-train\n", "\u0660\u0660\u0660\u0667-train", "x" * 200]
        )
        path = jobs / (name if name != ".." else "...")
        remove(path)
        kind = rng.choice(["folder", "file", "link out", "pipe", "link round"])
        if kind == "folder":
            path.mkdir()
        elif kind == "file":
            path.write_text("no job")
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(self.outside if kind == "link out" else path.name)
        return [path], f"{name!r} beside the jobs is a {kind}"


def read_all_jobs(root: Path) -> list[str]:
    """Read all jobs as the Train page and ``mlcnc jobs`` do; return what was said of those that fail."""
    jobs = Jobs(root)
    found = jobs.all()
    done = next((job for job in found if job.job_id == DONE), None)
    assert done is not None, "the job that ended well is no longer listed"
    assert (done.state, done.headline) == ("finished", SAID)
    assert "the disk is full" in jobs.log(DONE)
    assert len(jobs.telemetry(DONE)) == 20
    said = jobs.problems()
    for job in found:
        said.append(job.headline)
        with suppress(MlcncError):
            command_line(argv_of(job.request, job.run_id or "demo", root))
    for job_id in (DEAD, WAITING, "0004-train", "../..", "0009-train", "\u0660\u0660\u0660\u0667-train"):
        try:
            jobs.get(job_id)
            assert len(jobs.log(job_id)) < 100_000
            for sample in jobs.telemetry(job_id):
                # what a chart does with a sample
                assert 0 <= sample.age_seconds < 1e12
                assert 0 <= sample.cpu_percent + sample.rss_bytes < float("inf")
                assert sample.gpu_percent is None or sample.gpu_percent + 1
        except MlcncError as error:
            said.append(str(error))
    return said
