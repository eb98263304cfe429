"""What is read from the folder of jobs, without any process but this one."""

import json
import os
import random
import shutil
import time

import pytest

from mlcnc.errors import ConfigError, JobNotFoundError, LaunchError, MlcncError, RunNotFoundError
from mlcnc.launch import JobRequest, Jobs
from mlcnc.launch.job import JobStatus
from mlcnc.launch.job_folder import JobFolder, read_status, write_status
from mlcnc.launch.processes import own_mark
from mlcnc.launch.supervisor import Supervisor
from mlcnc.store import RunStore, RunWriter


class Unattended(Jobs):
    """Jobs that nobody runs."""

    def ensure_supervisor(self):
        return False


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    return Unattended(tmp_path / "runs")


def queue(jobs, **more):
    return jobs.submit(JobRequest(**{"kind": "gallery", "device": "cpu", **more}))


def with_status(jobs, **status):
    job = queue(jobs)
    write_status(job.folder, JobStatus(**status))
    return jobs.get(job.job_id)


def test_a_runs_folder_without_jobs_has_none(tmp_path):
    jobs = Jobs(tmp_path / "missing")
    assert jobs.all() == []
    assert jobs.problems() == []
    assert not jobs.ensure_supervisor()
    with pytest.raises(
        JobNotFoundError, match=r"there is no job '0001-train' in .*missing; the newest are: none"
    ):
        jobs.get("0001-train")
    assert not (tmp_path / "missing").exists()


def test_a_queued_job_is_on_disk_whole(jobs):
    first = queue(jobs, after="both")
    second = queue(jobs, kind="train", preset="digits-lt", settings={"training": {"epochs": "7"}})
    assert [job.job_id for job in jobs.all()] == ["0002-train", "0001-gallery"]
    assert [job.place for job in jobs.all()] == [2, 1]
    assert first.request.after == "both"
    # the run is named before it exists, and values are kept as the config has them
    assert second.run_id == second.request.run_id == "digits-lt-etf-s0"
    assert second.request.settings == {"training": {"epochs": 7}}
    assert sorted(os.listdir(second.folder)) == ["job.json", "order.json"]
    assert second.is_active
    assert RunStore(jobs.runs_root).run_ids() == []
    assert not [name for name in os.listdir(jobs.runs_root / ".jobs") if name.startswith(".")]


def test_no_two_jobs_make_the_same_run(jobs):
    names = [queue(jobs, kind="train").run_id for _ in range(3)]
    assert names == ["pictogram-lt-etf-s0", "pictogram-lt-etf-s0-2", "pictogram-lt-etf-s0-3"]
    with pytest.raises(LaunchError, match="run_id 'pictogram-lt-etf-s0' is taken"):
        queue(jobs, kind="train", run_id=names[0])
    jobs.stop("0001-train")
    assert queue(jobs, kind="train", run_id=names[0]).run_id == names[0]
    (jobs.runs_root / "mine").mkdir()
    with pytest.raises(LaunchError, match="run_id 'mine' is taken"):
        queue(jobs, kind="train", run_id="mine")


def test_numbers_go_on_after_a_removal_of_older_jobs(jobs):
    assert [queue(jobs).job_id for _ in range(2)] == ["0001-gallery", "0002-gallery"]
    jobs.remove("0001-gallery")
    assert queue(jobs).job_id == "0003-gallery"


@pytest.mark.parametrize(
    "job_id", ["../outside", "..", "", "0001-train/../..", "/etc", "0001-train\0", ".jobs", "0001"]
)
def test_ids_that_leave_the_folder_are_refused(jobs, job_id):
    queue(jobs)
    for action in (jobs.get, jobs.stop, jobs.remove, jobs.log, jobs.telemetry, lambda one: jobs.move(one, 1)):
        with pytest.raises(JobNotFoundError, match="a job id looks like 0001-train"):
            action(job_id)


def test_links_in_the_place_of_jobs_are_not_followed(jobs, tmp_path):
    job = queue(jobs)
    outside = tmp_path / "outside"
    os.rename(job.folder, outside)
    job.folder.symlink_to(outside)
    assert jobs.all() == []
    with pytest.raises(JobNotFoundError):
        jobs.remove(job.job_id)
    os.rename(jobs.runs_root / ".jobs", tmp_path / "elsewhere")
    (jobs.runs_root / ".jobs").symlink_to(tmp_path / "elsewhere")
    assert jobs.all() == []
    with pytest.raises(LaunchError, match="is a link"):
        queue(jobs)
    assert (outside / "job.json").is_file()


def test_what_cannot_work_is_refused_before_it_is_queued(jobs, monkeypatch):
    with pytest.raises(ConfigError, match=r"unknown setting 'training.epocs'; did you mean 'training.epochs'"):
        queue(jobs, kind="train", settings={"training": {"epocs": 1}})
    with pytest.raises(ConfigError, match="preset must be one of"):
        queue(jobs, kind="train", preset="none-such")
    with pytest.raises(RunNotFoundError, match="there is no run 'mine'"):
        queue(jobs, kind="evaluate", run_id="mine")
    monkeypatch.setattr("mlcnc.store.new_run.free_bytes", lambda root: 3 * 2**20)
    for kind in ("train", "gallery"):
        with pytest.raises(MlcncError, match="has 3 MiB free, 50 are needed; free some space"):
            queue(jobs, kind=kind)
    assert jobs.all() == []


def test_only_an_interrupted_run_is_resumed(jobs):
    config = {"training": {"checkpoint": False}}
    root = jobs.runs_root
    with RunWriter.create(root, "done", class_names=["a"], class_counts=[3]):
        pass
    with pytest.raises(LaunchError, match="run done is complete"):
        jobs.resume("done")
    with pytest.raises(RunNotFoundError, match="there is no run 'other'"):
        jobs.resume("other")
    with pytest.raises(RunNotFoundError, match="run_id must be"):
        jobs.resume("../other")
    with (
        RunWriter.create(root, "going", class_names=["a"], class_counts=[3]),
        pytest.raises(LaunchError, match="run going is still being written"),
    ):
        jobs.resume("going")
    for name, kept in (("half", {}), ("bare", config)):
        with (
            pytest.raises(KeyboardInterrupt),
            RunWriter.create(root, name, class_names=["a"], class_counts=[3], config=kept),
        ):
            raise KeyboardInterrupt
    with pytest.raises(ConfigError, match=r"training\.checkpoint off"):
        jobs.resume("bare")
    waiting = jobs.submit(JobRequest(kind="resume", run_id="half", device="cpu", max_minutes=5, after="x"))
    with pytest.raises(LaunchError, match=f"run half is in the hands of job {waiting.job_id} already"):
        jobs.resume("half")
    jobs.stop(waiting.job_id)
    again = jobs.resume("half").request
    assert (again.device, again.max_minutes, again.after) == ("cpu", 5, "x")


def test_only_a_run_with_a_checkpoint_that_rests_is_evaluated(jobs):
    root = jobs.runs_root
    with (
        RunWriter.create(root, "mine", class_names=["a"], class_counts=[3]),
        pytest.raises(LaunchError, match="run mine is still being written; evaluate it when it has ended"),
    ):
        queue(jobs, kind="evaluate", run_id="mine")
    with pytest.raises(LaunchError, match="run mine has no checkpoint that could be evaluated: recorded runs"):
        queue(jobs, kind="evaluate", run_id="mine")
    assert jobs.all() == []
    for name in ("last.pt", "previous.pt"):
        (root / "mine" / "checkpoints").mkdir(exist_ok=True)
        (root / "mine" / "checkpoints" / name).touch()
        assert queue(jobs, kind="evaluate", run_id="mine").state == "queued"
        (root / "mine" / "checkpoints" / name).unlink()


def test_a_place_is_one_among_the_jobs_of_this_machine(jobs):
    """Jobs of others, between which nobody sees a difference, are passed over."""
    first, other, last = (queue(jobs) for _ in range(3))
    path = other.folder / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "elsewhere", "machine": "f"}))
    jobs.move(last.job_id, -1)
    assert [jobs.get(job.job_id).place for job in (last, other, first)] == [1, None, 2]
    with pytest.raises(LaunchError, match="is not in the queue any more"):
        jobs.move(other.job_id, -1)


@pytest.mark.parametrize("state", ["finished", "stopped", "failed", "lost"])
def test_an_ended_job_stays_as_it_was_written(jobs, state):
    job = with_status(jobs, state=state, headline="so it was", exit_code=3, process=own_mark(), device="cpu")
    assert (job.state, job.headline, job.exit_code, job.pid, job.place) == (state, "so it was", 3, None, None)
    assert not job.is_active
    with pytest.raises(LaunchError, match=f"has ended already: it is {state}"):
        jobs.stop(job.job_id)
    jobs.remove(job.job_id)
    assert jobs.all() == []


def test_a_running_job_is_one_whose_process_lives(jobs):
    alive = with_status(jobs, state="running", process=own_mark(), device="cpu")
    assert (alive.state, alive.pid, alive.device) == ("running", os.getpid(), "cpu")
    (alive.folder / "cancel").touch()
    assert jobs.get(alive.job_id).state == "stopping"
    for changes in ({"start": 1.0}, {"boot_id": "earlier"}, {"pid": 2**22}):
        mark = own_mark().model_copy(update=changes)
        assert with_status(jobs, state="running", process=mark).state == "lost"
    assert with_status(jobs, state="running", process=None).state == "lost"


def test_a_job_that_is_being_started_has_someone_who_starts_it(jobs):
    dead = own_mark().model_copy(update={"start": 1.0})
    assert with_status(jobs, state="starting", supervisor=own_mark()).state == "starting"
    assert with_status(jobs, state="starting", supervisor=dead).state == "queued"
    assert with_status(jobs, state="starting").place == 2


def test_signs_of_life_of_another_machine_do_not_hang_on_its_clock(jobs, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("mlcnc.launch.reading.time.monotonic", lambda: clock[0])
    far = own_mark().model_copy(update={"machine": "elsewhere"})
    job = with_status(jobs, state="running", process=far)
    assert job.state == "running"
    clock[0] += 21
    assert jobs.get(job.job_id).state == "lost"
    # hours ahead, but it moves
    os.utime(job.folder / "state.json", (9e9, 9e9))
    assert jobs.get(job.job_id).state == "running"
    clock[0] += 21
    os.utime(job.folder / "state.json", (9e9 + 2, 9e9 + 2))
    assert jobs.get(job.job_id).state == "running"
    assert Unattended(jobs.runs_root).get(job.job_id).state == "lost"


def test_a_job_queued_on_another_machine_is_not_started_here(jobs):
    """A runs folder that was copied from elsewhere must start nothing when it is opened."""
    job, own = queue(jobs), queue(jobs)
    path = job.folder / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "elsewhere", "machine": "f"}))
    seen = jobs.get(job.job_id)
    assert (seen.state, seen.place) == ("queued", None)
    assert seen.headline == "queued on elsewhere and started there alone"
    assert jobs.get(own.job_id).place == 1
    jobs.stop(own.job_id)
    assert not Jobs(jobs.runs_root).ensure_supervisor()
    supervisor = Supervisor(jobs.runs_root)
    supervisor._scan()
    assert supervisor._queue == []
    jobs.remove(job.job_id)
    assert [one.job_id for one in jobs.all()] == [own.job_id]


@pytest.mark.parametrize(
    "name", ["job.json", "state.json", "order.json", "cancel", "exit.json", "telemetry.jsonl", "log.txt"]
)
def test_damaged_files_never_break_the_list(jobs, name):
    random.seed(name)
    job = with_status(jobs, state="running", process=own_mark(), device="cpu")
    queue(jobs)
    for file, text in (
        ("cancel", '{"boot_id": "x", "asked": 1.5}'),
        ("exit.json", '{"pid": 3, "exit_code": 0}'),
    ):
        (job.folder / file).write_text(text)
    line = '{"at": "x", "age_seconds": 1.0, "cpu_percent": 2.0, "rss_bytes": 3}'
    (job.folder / "telemetry.jsonl").write_text(f"{line}\n")
    (job.folder / "log.txt").write_text("mlcnc: said\n")
    whole = (job.folder / name).read_bytes()
    odd = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"state": "running"}',
        b"[" * 100_000,
        b"9" * 10_000,
        b'"\\ud800"',
        b"\xff\xfe",
    ]
    for number in range(100):
        content = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            content[random.randrange(len(content))] = random.randrange(256)
        if number % 3 == 0:
            content = content[: random.randrange(len(content))]
        (job.folder / name).write_bytes(odd[number] if number < len(odd) else bytes(content))
        fresh = Unattended(jobs.runs_root)
        listed, problems = fresh.all(), fresh.problems()
        assert "0002-gallery" in [one.job_id for one in listed]
        assert len(listed) + len(problems) == 2
        assert all("\n" not in sentence and len(sentence) < 600 for sentence in problems)
        fresh.log(job.job_id)
        fresh.telemetry(job.job_id)


def test_an_entry_that_names_a_run_outside_is_damaged(jobs):
    job = queue(jobs, kind="train")
    path = job.folder / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"run_id": "../../outside"}))
    assert jobs.all() == []
    assert "run_id" in jobs.problems()[0]


def test_a_damaged_order_puts_a_job_where_it_came(jobs):
    first, second = queue(jobs), queue(jobs)
    (first.folder / "order.json").write_text("{")
    assert [jobs.get(job.job_id).place for job in (first, second)] == [1, 2]
    jobs.move(second.job_id, -1)
    assert [jobs.get(job.job_id).place for job in (first, second)] == [2, 1]


def test_every_change_of_the_queue_can_be_seen(jobs):
    folder = JobFolder(jobs.runs_root)
    assert folder.version() == 0
    seen = [folder.version()]
    job = queue(jobs)
    seen.append(folder.version())
    jobs.move(job.job_id, 1)
    seen.append(folder.version())
    jobs.stop(job.job_id)
    seen.append(folder.version())
    assert seen == sorted(set(seen))
    folder.queue_lock.write_text("nonsense")
    queue(jobs)
    assert folder.version() == 1


def test_a_stop_on_a_full_disk_signals_the_job_itself(jobs, monkeypatch):
    job = with_status(jobs, state="running", process=own_mark())
    sent = []

    def full(folder, *, told):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlcnc.launch.jobs.ask_to_cancel", full)
    monkeypatch.setattr("os.killpg", lambda pid, number: sent.append((pid, number.name)))
    jobs.stop(job.job_id)
    assert sent == [(os.getpid(), "SIGTERM")]
    with pytest.raises(LaunchError, match=r"cannot be stopped: .*No space left"):
        jobs.stop(queue(jobs).job_id)


def test_records_of_a_newer_version_are_read_as_far_as_they_are_known(jobs):
    job = queue(jobs)
    path = job.folder / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))
    assert jobs.get(job.job_id) == job
    (job.folder / "state.json").write_text('{"state": "running", "weather": "fine"}')
    assert read_status(job.folder).state == "running"


def test_a_hundred_ended_jobs_are_listed_within_twenty_milliseconds(jobs):
    first = with_status(jobs, state="finished", headline="done", device="cpu").folder
    for number in range(2, 101):
        folder = first.with_name(f"{number:04d}-gallery")
        shutil.copytree(first, folder)
        entry = json.loads((folder / "job.json").read_text()) | {"job_id": folder.name, "number": number}
        (folder / "job.json").write_text(json.dumps(entry))
    assert len(jobs.all()) == 100
    took = []
    for _ in range(20):
        # of this process: what others take of a busy machine is not the list's
        started = time.process_time()
        jobs.all()
        took.append(time.process_time() - started)
    assert min(took) < 0.020


def test_telemetry_is_read_past_damaged_lines(jobs):
    job = queue(jobs)
    assert jobs.telemetry(job.job_id) == []
    good = '{"at": "2026-01-01", "age_seconds": 2.0, "cpu_percent": 99.0, "rss_bytes": 7, "new": 1}\n'
    bad = [
        "nonsense\n",
        "[]\n",
        '{"at": "x"}\n',
        '{"at": "x", "age_seconds": "y", "cpu_percent": 1, "rss_bytes": 1}\n',
    ]
    (job.folder / "telemetry.jsonl").write_text(good + "".join(bad) + good * 3 + good[:20])
    samples = jobs.telemetry(job.job_id)
    assert [(sample.rss_bytes, sample.gpu_percent) for sample in samples] == [(7, None)] * 4
    assert len(jobs.telemetry(job.job_id, last=2)) == 2
    assert jobs.telemetry(job.job_id, last=0) == []
