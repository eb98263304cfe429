"""The run folders: the only code that knows the files under ``runs/``."""

from mlcnc.store.array_file import ArrayFile
from mlcnc.store.layouts import StoredLayout, write_layout
from mlcnc.store.new_run import LEAST_FREE_BYTES, free_bytes, new_run_id, require_free_space
from mlcnc.store.reader import Run, RunProblem, RunStore
from mlcnc.store.runs_folder import left_out, no_runs, require_runs_folder
from mlcnc.store.schema import SCHEMA_VERSION, RunFailure, RunInfo, RunStatus, Space
from mlcnc.store.writer import RunWriter

__all__ = [
    "LEAST_FREE_BYTES",
    "SCHEMA_VERSION",
    "ArrayFile",
    "Run",
    "RunFailure",
    "RunInfo",
    "RunProblem",
    "RunStatus",
    "RunStore",
    "RunWriter",
    "Space",
    "StoredLayout",
    "free_bytes",
    "left_out",
    "new_run_id",
    "no_runs",
    "require_free_space",
    "require_runs_folder",
    "write_layout",
]
