"""The Train page alone, over a queue that takes two seconds to take a job in, or to refuse it; served by test_train."""

import runpy
import time

from mlcnc.launch import Jobs, LaunchError
from tests.conftest import ROOT

if __name__ == "__main__":  # pytest imports it in search of examples, and its own queue is to stay quick
    if Jobs.submit.__name__ == "submit":
        submit_at_once = Jobs.submit

        def submit_slowly(jobs, request, token=None):
            if (jobs.runs_root / "refuse").exists():
                time.sleep(2)
                raise LaunchError("refused after two seconds")
            job = submit_at_once(jobs, request, token)
            time.sleep(2)
            return job

        Jobs.submit = submit_slowly

    runpy.run_path(str(ROOT / "app" / "train" / "page.py"))
