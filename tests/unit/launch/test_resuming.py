"""What a resumed run takes over from its last job, and what no longer can be."""

import pytest

from mlcnc.errors import LaunchError
from mlcnc.launch import JobRequest
from mlcnc.presets import preset
from mlcnc.store import RunWriter
from tests.processes.stand_in import pretend_gpus


@pytest.fixture
def jobs(jobs, tmp_path):
    """Return jobs with an interrupted run, ``half``, on a machine with two GPUs."""
    pretend_gpus(2)
    with (
        pytest.raises(KeyboardInterrupt),
        RunWriter.create(tmp_path / "runs", "half", class_names=["a"], class_counts=[3]),
    ):
        raise KeyboardInterrupt
    return jobs


@pytest.fixture
def resumed(jobs):
    """Return a function that resumes ``half`` after a last job that was like this, and returns the new job."""

    def resume(last, **more):
        job = jobs.submit(JobRequest(kind="resume", run_id="half", **last))
        jobs.stop(job.job_id)
        return jobs.resume("half", **more)

    return resume


def filled(jobs, megabytes):
    (jobs.runs_root / "half" / "filling").write_bytes(bytes(int(megabytes * 1e6)))


def test_device_limits_and_group_are_those_of_the_last_job(resumed):
    last = {"device": "cuda:1", "max_minutes": 5.0, "max_megabytes": 7.0, "after": "mine"}
    job = resumed(last)
    assert {name: getattr(job.request, name) for name in last} == last
    assert job.headline == ""


def test_a_limit_that_stopped_the_run_does_not_stop_it_again(jobs, resumed):
    filled(jobs, 2)
    job = resumed({"device": "cpu", "max_megabytes": 1.5, "max_minutes": 5.0})
    assert (job.request.max_megabytes, job.request.max_minutes) == (None, 5.0)
    assert job.headline == "resumed without its limit of 1.5 MB, which run half has reached"


def test_a_device_that_is_gone_becomes_any(jobs, resumed):
    job = jobs.submit(JobRequest(kind="resume", run_id="half", device="cuda:1"))
    jobs.stop(job.job_id)
    pretend_gpus(1)
    job = jobs.resume("half")
    assert job.request.device == "auto"
    assert job.headline == "resumed on any device, as cuda:1 is not on this machine"


def test_what_is_asked_for_goes_before_what_was(jobs, resumed):
    filled(jobs, 2)
    job = resumed(
        {"device": "cuda:1", "max_megabytes": 1.5, "max_minutes": 5.0},
        device="cpu",
        max_megabytes=9.0,
        max_minutes=1.0,
    )
    assert (job.request.device, job.request.max_megabytes, job.request.max_minutes) == ("cpu", 9.0, 1.0)
    assert job.headline == ""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"max_megabytes": 1.0}, r"max_megabytes must be above the 2\.0 MB that run half has already, got 1"),
        ({"max_minutes": 0.0}, "max_minutes: input should be greater than 0, got 0.0"),
        ({"device": "gpu"}, "device: string should match"),
        ({"device": "cuda:7"}, "device 'cuda:7' is not on this machine"),
    ],
)
def test_values_that_cannot_work_are_refused(jobs, more, said):
    filled(jobs, 2)
    with pytest.raises(LaunchError, match=said):
        jobs.resume("half", **more)
    assert jobs.all() == []


def test_a_limit_on_a_run_is_refused_where_there_is_none(jobs):
    for request in (
        JobRequest(kind="gallery", max_megabytes=1),
        JobRequest(kind="glove", out="x", max_megabytes=1),
        JobRequest(kind="data", dataset="voc-lt", out="x", max_megabytes=1),
    ):
        with pytest.raises(
            LaunchError, match="max_megabytes limits the folder of one run, which a job of kind"
        ):
            jobs.submit(request)
    assert jobs.all() == []


def test_the_next_name_of_a_run_respects_those_that_wait(jobs):
    config = preset("pictogram-lt")
    assert jobs.next_run_id(config) == "my-pictogram-lt-etf-s0"
    queued = jobs.submit(JobRequest(kind="train", device="cpu"))
    assert queued.run_id == "my-pictogram-lt-etf-s0"
    assert jobs.next_run_id(config) == "my-pictogram-lt-etf-s0-2"
    assert jobs.submit(JobRequest(kind="train", device="cpu")).run_id == "my-pictogram-lt-etf-s0-2"


def test_settings_that_cannot_run_are_refused_whoever_asks(jobs):
    with pytest.raises(LaunchError, match=r"training\.batch_size 100000 is larger than the"):
        jobs.submit(JobRequest(kind="train", device="cpu", settings={"training": {"batch_size": 100_000}}))
    assert jobs.all() == []


@pytest.fixture
def of_gpu(jobs):
    """Return an interrupted run that names a GPU and keeps a checkpoint."""
    with (
        pytest.raises(KeyboardInterrupt),
        RunWriter.create(
            jobs.runs_root,
            "of-gpu",
            class_names=["a"],
            class_counts=[3],
            config={"training": {"device": "cuda"}},
        ),
    ):
        raise KeyboardInterrupt
    checkpoint = jobs.runs_root / "of-gpu" / "checkpoints" / "last.pt"
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.touch()
    return "of-gpu"


@pytest.mark.parametrize("kind", ["resume", "evaluate"])
def test_a_run_is_worked_on_where_it_names_and_where_that_is_gone_anywhere(jobs, of_gpu, kind):
    job = jobs.submit(JobRequest(kind=kind, run_id=of_gpu))
    assert (job.request.device, job.headline) == ("cuda:0", "")
    jobs.stop(job.job_id)
    job = jobs.submit(JobRequest(kind=kind, run_id=of_gpu, device="cpu"))
    assert (job.request.device, job.headline) == ("cpu", "")
    jobs.stop(job.job_id)
    pretend_gpus(0)
    job = jobs.submit(JobRequest(kind=kind, run_id=of_gpu))
    assert job.request.device == "auto"
    assert job.headline == "on any device, as cuda:0, which the run names, is not on this machine"


def test_a_device_that_is_gone_becomes_any_also_where_the_run_names_one(jobs, of_gpu):
    jobs.stop(jobs.submit(JobRequest(kind="resume", run_id=of_gpu, device="cuda:1")).job_id)
    for left, gone in ((1, "cuda:1"), (0, "cuda:1")):
        pretend_gpus(left)
        job = jobs.resume(of_gpu)
        assert job.request.device == "auto"
        assert job.headline == f"resumed on any device, as {gone} is not on this machine"
        jobs.stop(job.job_id)
        jobs.remove(job.job_id)
