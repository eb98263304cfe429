import os
import signal
import subprocess
import sys

from mlcnc.launch.processes import signal_job


def test_what_a_job_left_behind_is_found_by_either_name_of_its_folder(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "other").symlink_to(tmp_path / "runs")
    for given in ("runs", "other"):
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"],
            start_new_session=True,
            env={**os.environ, "MLCNC_JOB": str(tmp_path / given / "0001-train")},
        )
        try:
            assert not signal_job(tmp_path / "runs" / "0002-train", signal.SIGKILL)
            assert process.poll() is None
            assert signal_job(tmp_path / "runs" / "0001-train", signal.SIGKILL)
            assert process.wait(20) == -signal.SIGKILL
        finally:
            process.kill()
