"""Exports of several runs in one file, for a download."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mlcnc.errors import MlcncError
from mlcnc.exports.formats import export_run
from mlcnc.store import Run


def export_archive(runs: Sequence[Run], to: str) -> bytes:
    """Return a zip file with a folder a run, as ``export_run`` writes it.

    Args:
        runs: to export; of one that cannot be, the archive holds a text that says why.
        to: one of ``FORMATS``.
    """
    stream = io.BytesIO()
    with TemporaryDirectory() as place, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for run in runs:
            try:
                folder = export_run(run, to, Path(place))
            except MlcncError as error:
                archive.writestr(f"{run.run_id}/not-exported.txt", f"{error}\n")
                continue
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(place))
    return stream.getvalue()
