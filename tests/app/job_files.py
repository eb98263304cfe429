"""Jobs as they lie on disk in every state, without a process behind them."""

import json
import sys
from types import SimpleNamespace

from mlcnc.launch import JobRequest
from mlcnc.launch.devices import _torch_version
from mlcnc.launch.job import JobEntry, JobStatus
from mlcnc.launch.job_folder import JobFolder, ask_to_cancel, write_status
from mlcnc.launch.processes import boot_id, host_name, own_mark

START = "2026-01-01T00:00:00.000+00:00"
END = "2026-01-01T00:01:35.000+00:00"


def write_job(root, state="queued", *, log="", headline="", cancel=False, host=None, **request):
    """Write one job and return its id; a running one names this very process, a lost one nobody."""
    request = JobRequest(**{"kind": "train", "device": "cpu"} | request)
    folder = JobFolder(root)
    folder.make()
    with folder.changing():
        number = folder.next_number()
        job_id = f"{number:04d}-{request.kind}"
        folder.create(
            JobEntry(
                job_id=job_id,
                number=number,
                created_at=f"2026-01-01T00:00:{number:02d}.000+00:00",
                host=host_name() if host is None else host,
                run_id=request.run_id,
                request=request,
            )
        )
    path = folder.of(job_id)
    if state != "queued":
        mark = own_mark() if state in ("running", "lost") else None
        if state == "lost":
            mark = mark.model_copy(update={"start": 1.0})
        ended = state not in ("running", "starting", "lost")
        write_status(
            path,
            JobStatus(
                state="running" if state == "lost" else state,
                attempt=1,
                process=mark,
                device="cpu",
                started_at=START,
                finished_at=END if ended else None,
                headline=headline,
            ),
        )
    if log:
        (path / "log.txt").write_text(log)
    if cancel:
        ask_to_cancel(path)
    return job_id


def without_gpus(folder, monkeypatch):
    """Let the runner know, without asking torch, that this machine has a CPU only."""
    import os

    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("MLCNC_LOCKS", str(folder))
    key = [_torch_version(), boot_id(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), sys.executable]
    facts = {"cuda": [], "mps": False, "why": "this torch is built without CUDA"}
    (folder / "devices.json").write_text(json.dumps({"key": key, "facts": facts}))


def telemetry_line(**values):
    """Return one sample as the supervisor writes it."""
    sample = {"at": START, "age_seconds": 4.0, "cpu_percent": 187.0, "rss_bytes": 3 * 2**29} | values
    return json.dumps(sample) + "\n"


def written_settings(root, job_id):
    """Return what a queued job asks for, from its file."""
    tree = json.loads((root / ".jobs" / job_id / "job.json").read_text())
    return SimpleNamespace(**tree["request"])
