"""Jobs as they stand in the table in every state, without a process behind them."""

import json
import os
import sys

from mlcnc.files.processes import machine_id, process_name
from mlcnc.launch import JobRequest
from mlcnc.launch.queue import Queue, update

START = "2026-01-01T00:00:00.000+00:00"
END = "2026-01-01T00:01:35.000+00:00"


def write_job(root, state="queued", *, log="", headline="", use=None, host="here", **request):
    """Write one job and return its id; a running one names this very process, a lost one nobody."""
    request = JobRequest(**{"kind": "train", "device": "cpu"} | request)
    queue = Queue(root)
    queue.make()
    with queue.changing() as table:
        table.execute("INSERT INTO job (host) VALUES (?)", (host,))
        (number,) = table.execute("SELECT last_insert_rowid()").fetchone()
        columns = {
            "machine": machine_id() if host == "here" else "f" * 32,
            "created_at": f"2026-01-01T00:00:{number:02d}.000+00:00",
            "request": request.model_dump_json(),
            "run_id": request.run_id,
            "lane": "cpu",
            "place": number,
            "said": headline,
        }
        if state in ("running", "lost"):
            me = process_name(os.getpid())
            columns |= {"pid": me.pid, "start": me.start if state == "running" else 1.0, "boot": me.boot}
        if state != "queued":
            columns |= {
                "state": "running" if state == "lost" else state,
                "device": "cpu",
                "started_at": START,
                "finished_at": None if state in ("running", "lost") else END,
                "use": None if use is None else json.dumps(use),
            }
        update(table, number, **columns)
    job_id = f"{number:04d}-{request.kind}"
    if log:
        (root / ".jobs" / f"{job_id}.log").write_text(log)
    return job_id


def change(root, job_id, **columns):
    """Write columns of a job's record."""
    queue = Queue(root)
    queue.change(queue.number_of(job_id), **columns)


def without_gpus(folder, monkeypatch):
    """Let this process have locks of its own and, as far as it knows, a CPU only."""
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("MLCNC_LOCKS", str(folder))
    monkeypatch.setattr(sys.modules["mlcnc.devices"], "_gpus", lambda: ([], "this torch is built without CUDA"))


def measured(**values):
    """Return one sample as the worker writes it."""
    return {"at": START, "cpu_percent": 187.0, "rss_bytes": 3 * 2**29} | values


def written_settings(root, job_id):
    """Return what a queued job asks for, from its record."""
    queue = Queue(root)
    (job,) = queue.read("number = ?", queue.number_of(job_id))[0]
    return job.request
