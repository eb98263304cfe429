"""The run folders: the only code that knows the files under ``runs/``."""

from mlcnc.store.array_file import ArrayFile
from mlcnc.store.layouts import StoredLayout, write_layout
from mlcnc.store.new_run import free_bytes, new_run_id
from mlcnc.store.reader import Run, RunProblem, RunStore
from mlcnc.store.schema import SCHEMA_VERSION, RunFailure, RunInfo, RunStatus
from mlcnc.store.writer import RunWriter

__all__ = [
    "SCHEMA_VERSION",
    "ArrayFile",
    "Run",
    "RunFailure",
    "RunInfo",
    "RunProblem",
    "RunStatus",
    "RunStore",
    "RunWriter",
    "StoredLayout",
    "free_bytes",
    "new_run_id",
    "write_layout",
]
