"""The Train page alone, over a queue that takes two seconds to take a job in; served by test_train."""

import runpy
import time

from mlcnc.launch import Jobs
from tests.conftest import ROOT

if Jobs.submit.__name__ == "submit":
    submit_at_once = Jobs.submit

    def submit_slowly(jobs, request):
        job = submit_at_once(jobs, request)
        time.sleep(2)
        return job

    Jobs.submit = submit_slowly

runpy.run_path(str(ROOT / "app" / "views" / "train.py"))
