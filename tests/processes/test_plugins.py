"""A method of a module of the user's, as a job: the worker and the job know it by MLCNC_PLUGINS."""

from mlcnc.launch import JobRequest, Jobs
from mlcnc.store import RunStore
from tests.conftest import ROOT
from tests.processes.stand_in import wait_for_state

PLUGIN = """
from mlcnc import data
from mlcnc.methods import settings
from tests.extension.nearest_colour import FACTS, NearestColourSettings, coloured_noise

settings.register_method(NearestColourSettings)
data.register_dataset("coloured-noise", coloured_noise, FACTS)
"""


def test_a_method_from_outside_runs_as_a_job(tmp_path, locks, monkeypatch):
    from mlcnc import data
    from mlcnc.methods import settings

    (tmp_path / "own_method.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    monkeypatch.setenv("MLCNC_PLUGINS", "own_method")
    from mlcnc.plugins import load_plugins

    load_plugins()
    try:
        wanted = {
            "data": {"dataset": "coloured-noise", "image_size": 32},
            "method": {"kind": "nearest_colour"},
            "training": {"epochs": 1, "num_threads": 1},
        }
        jobs = Jobs(tmp_path / "runs")
        job = jobs.submit(JobRequest(kind="train", settings=wanted, device="cpu"))
        ended = wait_for_state(jobs, job.job_id, "finished", seconds=120)
    finally:
        del settings.METHODS["nearest_colour"], data.DATASETS["coloured-noise"], data.FACTS["coloured-noise"]
    assert RunStore(jobs.runs_root).open(ended.run_id).info.method == "nearest_colour"
