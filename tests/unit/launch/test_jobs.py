"""What is read from and written to the table of jobs, without any process but this one."""

import os
import random
import sqlite3
import time
from contextlib import ExitStack, suppress

import pytest

from mlcnc.errors import ConfigError, JobNotFoundError, LaunchError, MlcncError, RunNotFoundError
from mlcnc.files.processes import process_name
from mlcnc.launch import JobRequest, Jobs
from mlcnc.launch.job import StopReason
from mlcnc.launch.queue import Queue
from mlcnc.store import RunStore, RunWriter


def queue(jobs, **more):
    return jobs.submit(JobRequest(**{"kind": "gallery", "device": "cpu", **more}))


def changed(jobs, job_id, **columns):
    table = Queue(jobs.runs_root)
    table.change(table.number_of(job_id), **columns)
    return jobs.get(job_id)


def with_status(jobs, **columns):
    return changed(jobs, queue(jobs).job_id, **columns)


def me(**changes):
    name = process_name(os.getpid())
    return {"pid": name.pid, "start": name.start, "boot": name.boot} | changes


def test_a_runs_folder_without_jobs_has_none(tmp_path):
    jobs = Jobs(tmp_path / "missing")
    assert jobs.all() == []
    assert jobs.problems() == []
    assert jobs.start_workers() == 0
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
    assert second.run_id == second.request.run_id == "my-digits-lt-etf-s0"
    assert second.request.settings == {"training": {"epochs": 7}}
    assert second.is_active
    assert RunStore(jobs.runs_root).run_ids() == []
    assert os.listdir(jobs.runs_root / ".jobs") == ["queue.sqlite"]


def test_no_two_jobs_make_the_same_run(jobs):
    names = [queue(jobs, kind="train").run_id for _ in range(3)]
    assert names == ["my-pictogram-lt-etf-s0", "my-pictogram-lt-etf-s0-2", "my-pictogram-lt-etf-s0-3"]
    with pytest.raises(LaunchError, match="run_id 'my-pictogram-lt-etf-s0' is taken"):
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
    for action in (jobs.get, jobs.stop, jobs.remove, jobs.log, lambda one: jobs.move(one, 1)):
        with pytest.raises(JobNotFoundError, match="a job id looks like 0001-train"):
            action(job_id)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
@pytest.mark.parametrize("name", [f"queue.sqlite{end}" for end in ("", "-wal", "-shm", "-journal")])
def test_what_is_no_file_in_the_place_of_the_table_is_not_opened(jobs, tmp_path, kind, name):
    queue(jobs)
    path = jobs.runs_root / ".jobs" / name
    outside = tmp_path / "outside"
    path.rename(outside) if path.exists() else outside.touch()
    if kind == "link":
        path.symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    before = outside.read_bytes()
    assert jobs.all() == []
    assert "is a link or no regular file" in jobs.problems()[0]
    with pytest.raises(LaunchError, match="is a link or no regular file"):
        queue(jobs)
    assert outside.read_bytes() == before


def test_a_table_that_is_closed_by_the_last_other_meanwhile_is_read(tmp_path, monkeypatch):
    table, looked_at = Queue(tmp_path), os.lstat
    table.make()

    def look(path):
        found = looked_at(path)
        if str(path).endswith("-wal"):
            other.close()  # which removes the log
        return found

    with ExitStack() as other:
        other.enter_context(table.opened())
        assert os.path.exists(f"{table.file}-wal")
        monkeypatch.setattr(os, "lstat", look)
        assert table.read() == ([], {})
        assert not os.path.exists(f"{table.file}-wal")


def test_a_file_in_the_place_of_the_folder_of_jobs_is_said(tmp_path):
    (tmp_path / ".jobs").touch()
    with (
        pytest.raises(LaunchError, match=r"queue\.sqlite cannot be used: .*Not a directory"),
        Queue(tmp_path).opened(),
    ):
        pass


def test_a_link_in_the_place_of_the_folder_of_jobs_is_not_followed(jobs, tmp_path):
    queue(jobs)
    os.rename(jobs.runs_root / ".jobs", tmp_path / "elsewhere")
    (jobs.runs_root / ".jobs").symlink_to(tmp_path / "elsewhere")
    assert jobs.all() == []
    with pytest.raises(LaunchError, match="is a link"):
        queue(jobs)


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
    changed(jobs, other.job_id, host="elsewhere", machine="f")
    jobs.move(last.job_id, -1)
    assert [jobs.get(job.job_id).place for job in (last, other, first)] == [1, None, 2]
    with pytest.raises(LaunchError, match="is not in the queue any more"):
        jobs.move(other.job_id, -1)


@pytest.mark.parametrize("state", ["finished", "stopped", "failed", "lost"])
def test_an_ended_job_stays_as_it_was_written(jobs, state):
    job = with_status(jobs, state=state, exit_code=3, device="cpu", said="so it was", **me())
    assert (job.state, job.headline, job.exit_code, job.pid, job.place) == (state, "so it was", 3, None, None)
    assert not job.is_active
    with pytest.raises(LaunchError, match=f"has ended already: it is {state}"):
        jobs.stop(job.job_id)
    jobs.remove(job.job_id)
    assert jobs.all() == []


def test_a_running_job_is_one_whose_process_lives(jobs):
    alive = with_status(jobs, state="running", device="cpu", **me())
    assert (alive.state, alive.pid, alive.device) == ("running", os.getpid(), "cpu")
    assert changed(jobs, alive.job_id, stop="asked").state == "stopping"
    for changes in ({"start": 1.0}, {"boot": "earlier"}, {"pid": 2**22}, {"pid": None}):
        assert with_status(jobs, state="running", **me(**changes)).state == "lost"


@pytest.mark.parametrize("machine", ["f" * 32, "", "x"])
def test_a_job_without_the_id_of_this_machine_is_not_started_here(jobs, machine, monkeypatch):
    """A runs folder that was copied from elsewhere must start nothing when it is opened."""
    started = []
    monkeypatch.setattr(type(jobs), "_start_worker", lambda self, lane: bool(started.append(lane)) or True)
    job, own = queue(jobs, device="cpu"), queue(jobs)
    seen = changed(jobs, job.job_id, host="elsewhere", machine=machine)
    assert (seen.state, seen.place, seen.is_unattended) == ("queued", None, False)
    assert seen.headline == "queued on elsewhere and started there alone"
    assert jobs.get(own.job_id).place == 1
    jobs.stop(own.job_id)
    started.clear()
    assert jobs.start_workers() == 0
    assert started == []
    assert Queue(jobs.runs_root).next_in(["cpu", "auto"]) is None
    jobs.remove(job.job_id)
    assert [one.job_id for one in jobs.all()] == [own.job_id]


def test_a_token_is_taken_once(jobs):
    request = JobRequest(kind="train", device="cpu", run_id="mine")
    first = jobs.submit(request, "drawn")
    assert jobs.submit(request, "drawn") == first
    assert jobs.submit(JobRequest(kind="gallery", device="cpu"), "drawn") == first
    with pytest.raises(LaunchError, match="run_id 'mine' is taken"):
        jobs.submit(request, "drawn later")
    with pytest.raises(LaunchError, match="run_id 'mine' is taken"):
        jobs.submit(request)
    jobs.remove(first.job_id)
    assert jobs.submit(request, "drawn").job_id == "0002-train"


def test_a_token_that_another_uses_meanwhile_is_taken_once(jobs, monkeypatch):
    found = jobs._with_token
    seen = []

    def late(token):
        # the first look is that of both
        seen.append(token)
        return None if len(seen) < 3 else found(token)

    monkeypatch.setattr(jobs, "_with_token", late)
    request = JobRequest(kind="gallery", device="cpu")
    assert jobs.submit(request, "drawn").job_id == jobs.submit(request, "drawn").job_id
    assert len(jobs.all()) == 1


DAMAGED = [
    ("request", "{"),
    ("request", None),
    ("request", b"\xff\x00"),
    ("request", '{"kind": "shell"}'),
    ("request", "[" * 100_000),
    ("run_id", "../../outside"),
    ("lane", "../../outside"),
    ("lane", "GPU-\n"),
    ("state", "dancing"),
    ("pid", -1),
    ("pid", "x"),
    ("pid", 2**62),
    ("start", float("inf")),
    ("stop", "odd"),
    ("place", "first"),
    ("exit_code", 1e300),
    ("machine", None),
    ("said", b"\xff"),
    ("number", -5),
    ("number", 0),
    ("number", 2**62),
]


@pytest.mark.parametrize(("column", "value"), DAMAGED)
def test_a_record_with_foreign_content_is_a_sentence_and_hides_no_other(jobs, column, value):
    damaged, whole = queue(jobs), queue(jobs)
    table = sqlite3.connect(jobs.runs_root / ".jobs" / "queue.sqlite")
    with table:
        table.execute(f"UPDATE job SET {column} = ? WHERE number = 1", (value,))
    table.close()
    assert whole.job_id in [job.job_id for job in jobs.all()]
    assert len(jobs.all()) + len(jobs.problems()) == 2
    for sentence in jobs.problems():
        assert f"is damaged, {column}" in sentence
        assert "\n" not in sentence
        assert len(sentence) < 400
    assert jobs.start_workers() == 0
    if column != "number" and jobs.problems():
        with pytest.raises(LaunchError, match="is damaged"):
            jobs.get(damaged.job_id)
        jobs.remove("0001-damaged")
        assert jobs.problems() == []
    if value != 2**62:  # there is no number after it
        assert queue(jobs).state == "queued"


def test_a_sample_that_no_chart_can_draw_is_left_out(jobs):
    job = queue(jobs)
    good = '{"at": "x", "cpu_percent": 2.0, "rss_bytes": 3}'
    assert changed(jobs, job.job_id, use=good).use.rss_bytes == 3
    for damaged in (
        "",
        "[]",
        '{"at": "x"}',
        good.replace("2.0", "NaN"),
        good.replace("2.0", "1e999"),
        good.replace("2.0", '"5"'),
        good.replace("3", "9" * 400),
        good.replace("3", "true"),
        good.replace('"x"', "null"),
        good.replace("}", ', "gpu_percent": "<script>"}'),
    ):
        assert changed(jobs, job.job_id, use=damaged).use is None


FOREIGN = [
    "CREATE TABLE other (x)",
    "CREATE VIEW job AS SELECT 1 AS number",
    "CREATE TABLE job (number INTEGER)",
    None,
]


@pytest.mark.parametrize("made", FOREIGN)
def test_a_table_of_another_kind_is_not_used(jobs, made):
    folder = jobs.runs_root / ".jobs"
    folder.mkdir(parents=True)
    table = sqlite3.connect(folder / "queue.sqlite")
    if made is None:  # a table of ours that would do more than is asked of it
        Queue(jobs.runs_root).make()
        made = "CREATE TRIGGER odd AFTER INSERT ON job BEGIN DELETE FROM job; END"
    table.execute(made)
    table.close()
    before = (folder / "queue.sqlite").read_bytes()
    assert jobs.all() == []
    assert "is no table of jobs of this version; move it away" in jobs.problems()[0]
    for action in (queue, lambda jobs: jobs.stop("0001-train"), lambda jobs: jobs.start_workers()):
        with pytest.raises(LaunchError, match="is no table of jobs"):
            action(jobs)
    assert (folder / "queue.sqlite").read_bytes() == before


def test_a_damaged_file_is_a_sentence(jobs):
    for _ in range(30):
        queue(jobs)
    path = jobs.runs_root / ".jobs" / "queue.sqlite"
    whole = path.read_bytes()
    rng = random.Random(7)
    odd = [
        b"",
        b"x",
        whole[:100],
        whole[:-1],
        whole[: len(whole) // 2],
        b"\0" * len(whole),
        whole[:16] + b"\xff" * 84,
    ]
    for number in range(100):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 40)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(odd[number] if number < len(odd) else bytes(content))
        fresh = type(jobs)(jobs.runs_root)
        listed, problems = fresh.all(), fresh.problems()
        assert len(listed) <= 30
        assert all("\n" not in sentence and len(sentence) < 600 for sentence in problems)
        for action in (Jobs.get, Jobs.log, Jobs.stop, Jobs.remove):
            with suppress(MlcncError):
                action(fresh, "0005-gallery")
        with suppress(MlcncError):
            fresh.move("0006-gallery", 1)
        with suppress(MlcncError):
            queue(fresh)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)


def test_what_is_too_long_for_the_table_is_said(jobs):
    with pytest.raises(LaunchError, match="a job is a megabyte at most: give it shorter settings"):
        jobs.submit(JobRequest(kind="gallery", device="cpu"), "token" * 300_000)
    assert jobs.all() == []


def test_a_damaged_job_is_removed_with_its_log(jobs):
    job, other = queue(jobs), queue(jobs)
    for one in (job, other):
        one.log.write_text("printed")
        one.stem.with_suffix(".exit").write_text("1 1")
    Queue(jobs.runs_root).change(job.number, request="{")
    jobs.remove("0001-damaged")
    assert sorted(os.listdir(jobs.runs_root / ".jobs")) == [
        "0002-gallery.exit",
        "0002-gallery.log",
        "queue.sqlite",
    ]


def test_a_stop_on_a_full_disk_signals_the_job_itself(jobs, monkeypatch):
    job = with_status(jobs, state="running", **me())
    waiting = queue(jobs)
    sent = []

    def full(*arguments, **columns):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("mlcnc.launch.jobs.update", full)
    monkeypatch.setattr("os.killpg", lambda pid, number: sent.append((pid, number.name)))
    jobs.stop(job.job_id)
    assert sent == [(os.getpid(), "SIGTERM")]
    with pytest.raises(LaunchError, match="disk is full; free some space"):
        jobs.stop(waiting.job_id)


def test_a_stop_is_written_with_its_signal_or_not_at_all(jobs, monkeypatch):
    job = with_status(jobs, state="running", **me())
    monkeypatch.setattr("os.killpg", lambda pid, number: None)
    jobs.stop(job.job_id)
    assert jobs.get(job.job_id).stop is StopReason.ASKED
    assert jobs.get(job.job_id).state == "stopping"


def test_a_table_on_a_disk_that_is_only_read_is_read(jobs):
    job = queue(jobs)
    folder = jobs.runs_root / ".jobs"
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user writes everywhere")
        assert [one.job_id for one in jobs.all()] == [job.job_id]
    finally:
        folder.chmod(0o755)


def test_a_table_that_somebody_keeps_is_waited_for_only_so_long(jobs, monkeypatch):
    queue(jobs)
    monkeypatch.setattr("mlcnc.launch.queue.PATIENCE_SECONDS", 0.05)
    held = sqlite3.connect(jobs.runs_root / ".jobs" / "queue.sqlite", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    with pytest.raises(LaunchError, match="is locked; another process held it"):
        queue(jobs)
    assert len(jobs.all()) == 1, "reading waits for nobody"
    held.close()


def test_a_hundred_ended_jobs_are_listed_within_twenty_milliseconds(jobs):
    for _ in range(100):
        with_status(jobs, state="finished", said="done", device="cpu")
    assert len(jobs.all()) == 100
    took = []
    for _ in range(20):
        # of this process: what others take of a busy machine is not the list's
        started = time.process_time()
        jobs.all()
        took.append(time.process_time() - started)
    assert min(took) < 0.020


def test_a_new_table_counts_on_above_the_logs_of_one_that_was_moved_away(jobs):
    old = queue(jobs)
    folder = jobs.runs_root / ".jobs"
    (folder / f"{old.job_id}.log").write_text("still running\n")
    (folder / "0041-train.log").write_text("")
    for path in folder.glob("queue.sqlite*"):
        path.rename(path.with_name(f"moved-{path.name}"))
    assert [queue(jobs).number, queue(jobs).number] == [42, 43]


def test_a_reader_who_may_not_write_sees_what_a_living_worker_wrote(jobs, monkeypatch):
    job = queue(jobs)
    with jobs._queue.opened():  # as a worker keeps it open
        changed(jobs, job.job_id, note="written just now")
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        assert [other.note for other in type(jobs)(jobs.runs_root).all()] == ["written just now"]
