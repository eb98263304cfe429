"""The Train page over jobs in every state: what it says, what its buttons queue, when it refuses."""

import json

import pytest
from streamlit.testing.v1 import AppTest

import app.session as session
from app.device_search import FoundDevices
from app.widgets import job_actions, job_badge, job_live, job_permission
from mlcnc.data import dataset_facts
from mlcnc.launch import Jobs
from mlcnc.launch.job import JobStatus
from mlcnc.launch.job_folder import write_status
from mlcnc.store import RunWriter
from tests.app.conftest import words
from tests.app.job_files import telemetry_line, without_gpus, write_job, written_settings
from tests.conftest import ROOT


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a runs folder whose queue nobody runs, so that jobs stay as they are."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("MLCNC_RUNS", str(folder))
    monkeypatch.delenv("MLCNC_GLOVE", raising=False)
    monkeypatch.delenv(job_permission.ALLOW_VARIABLE, raising=False)
    monkeypatch.setattr("sys.argv", ["streamlit"])
    monkeypatch.setattr(Jobs, "ensure_supervisor", lambda jobs: False)
    without_gpus(tmp_path / "locks", monkeypatch)
    session._device_search.cache_clear()
    assert session.known_devices().devices
    return folder


@pytest.fixture
def opened(root):
    """Return a function that opens the page, with settings of the address."""

    def open_page(script="app/views/train.py", **address):
        page = AppTest.from_file(str(ROOT / script), default_timeout=60)
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception, page.exception
        return page

    return open_page


def said(page):
    kinds = (page.error, page.success, page.code)
    return words(page) + " ".join(str(element.value) for kind in kinds for element in kind)


def labels(page):
    return [button.label for button in page.button]


def pressed(page, key):
    page.button(key=key).click().run()
    assert not page.exception, page.exception
    return page


def write_live(root, run_id="live", epochs=3, num_epochs=10, finished=False):
    """Write a run with the metrics that live charts show."""
    run = RunWriter.create(
        root,
        run_id,
        class_names=["a", "b", "c"],
        class_counts=[90, 40, 2],
        config={"model": {"embedding_dim": 8}},
        num_epochs=num_epochs,
        device="cpu, 2 threads",
    )
    for epoch in range(epochs):
        run.log_epoch(
            epoch,
            {
                "seconds": 4.0,
                "seconds_train": 2.0,
                "images_per_second": 640.0,
                "train/loss": 5.0 - epoch,
                "test/map_total": 10.0 + epoch,
                "test.f/nc1_trace": 30.0 / (epoch + 1),
                "test.f/nc1_trace_shuffled": 91.0,
                "test.f/angle_min_class": 40.0,
            },
        )
    if finished:
        run.finish()
    else:
        run._closed.set()


def test_without_jobs_the_page_says_what_to_do_first(opened):
    page = opened()
    assert page.title[0].value.endswith("?")
    assert "Nothing was started from here yet" in said(page)
    assert "The one-minute demonstration needs no GPU" in said(page)
    assert not page.get("vega_lite_chart")
    assert labels(page)[:3] == ["Start the demonstration", "Start the two runs", "Start the full run"]


def test_the_demonstration_is_queued_as_the_preset_says_and_followed(opened, root):
    page = pressed(opened(), "start_One-minute demonstration")
    job = Jobs(root).all()[0]
    assert (job.state, job.request.kind, job.request.preset, job.request.settings) == (
        "queued",
        "train",
        "demo",
        {},
    )
    assert f"The demonstration is queued: {job.run_id}." in said(page)
    assert f"{job.run_id} waits at place 1 of the queue" in said(page)
    assert page.query_params["job"] == job.job_id


@pytest.mark.parametrize(
    ("key", "number"),
    [("start_One-minute demonstration", 1), ("start_Five-minute comparison", 2), ("queue_form", 1)],
)
def test_a_double_click_queues_once_and_a_later_click_again(opened, root, monkeypatch, key, number):
    page = pressed(opened(), key)
    first = {job.run_id for job in Jobs(root).all()}
    pressed(page, key)
    assert len(Jobs(root).all()) == number
    assert all(f"{run_id}" in page.success[0].value for run_id in first)
    assert "taken for a double click" in page.success[0].value
    monkeypatch.setattr(job_actions, "TWICE_SECONDS", 0.0)
    pressed(page, key)
    assert len(Jobs(root).all()) == 2 * number
    later = {job.run_id for job in Jobs(root).all()} - first
    assert all(f"{run_id}" in page.success[0].value for run_id in later)


def test_another_request_right_after_the_first_is_queued(opened, root):
    page = pressed(opened(), "start_One-minute demonstration")
    pressed(page, "queue_form")
    assert len(Jobs(root).all()) == 2


def test_a_lock_folder_that_others_may_write_is_one_sentence_until_it_is_mended(opened, root, tmp_path):
    locks = tmp_path / "locks"
    locks.chmod(0o775)
    session._device_search.cache_clear()
    page = opened()
    assert "must be a folder of your own that no one else may write" in said(page)
    assert page.button(key="queue_form").disabled
    pressed(page, "start_One-minute demonstration")
    assert "must be a folder of your own" in page.error[0].value
    assert Jobs(root).all() == []
    locks.chmod(0o700)
    page.run()
    assert not page.error
    assert "auto is cpu here" in said(page)
    assert not page.button(key="queue_form").disabled


def test_a_comparison_without_vectors_queues_two_runs_and_says_so(opened, root):
    page = opened()
    assert "Without a file of GloVe vectors (below) it queues the first two" in said(page)
    pressed(page, "start_Five-minute comparison")
    assert "GloVe is left out: no usable file of vectors is named" in said(page)
    jobs = Jobs(root).all()[::-1]
    assert [job.request.settings.get("model", {}).get("label_embedding", "etf") for job in jobs] == [
        "etf",
        "trainable",
    ]
    assert len({job.request.after for job in jobs}) == 1
    assert jobs[0].request.after.startswith("comparison ")


def test_vectors_without_a_class_name_are_refused_before_anything_is_queued(opened, root, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("cat 0.5 0.5\n")
    page = opened()
    page.text_input(key="glove_file").set_value(str(path)).run()
    pressed(page, "start_Five-minute comparison")
    assert page.error[0].value
    assert Jobs(root).all() == []


def test_a_comparison_with_vectors_gives_all_three_their_width(opened, root, tmp_path):
    path = tmp_path / "vectors.txt"
    vector = " ".join(["0.5"] * 50)
    path.write_text("".join(f"{name} {vector}\n" for name in dataset_facts("pictogram-lt").class_names))
    page = opened()
    page.text_input(key="glove_file").set_value(str(path)).run()
    assert "Usable: 50 numbers a word" in said(page)
    pressed(page, "start_Five-minute comparison")
    models = [job.request.config().model for job in Jobs(root).all()[::-1]]
    assert [model.label_embedding for model in models] == ["etf", "trainable", "glove"]
    assert {model.embedding_dim for model in models} == {50}
    assert [model.glove_path for model in models] == [None, None, str(path)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no file of GloVe vectors at this path"),
        ("PK\x03\x04", "the first line of a file of GloVe vectors"),
    ],
)
def test_another_file_than_vectors_is_told_at_once(opened, tmp_path, content, sentence):
    path = tmp_path / "vectors.txt"
    if content is not None:
        path.write_text(content)
    page = opened()
    page.text_input(key="glove_file").set_value(str(path)).run()
    assert f"Not usable: {sentence}" in said(page)
    assert "Start the two runs" in labels(page)


def test_a_download_is_a_job_and_is_offered_once(opened, root):
    page = pressed(opened(), "glove_download")
    job = Jobs(root).all()[0]
    assert (job.request.kind, job.request.out) == ("glove", str(root.parent / "glove"))
    assert "glove_download" not in {button.key for button in page.button}
    assert "A download is in the list of jobs" in said(page)


def test_vectors_that_were_downloaded_are_found(opened, root):
    folder = root.parent / "glove"
    folder.mkdir()
    (folder / "glove.6B.300d.txt").write_text("the " + " ".join(["0.5"] * 300) + "\n")
    page = opened()
    assert page.text_input(key="glove_file").value == str(folder / "glove.6B.300d.txt")
    assert "Start the three runs" in labels(page)


def test_a_running_job_shows_its_curves_its_use_and_its_time_left(opened, root):
    write_live(root)
    job_id = write_job(root, "running", run_id="live", log="begin\nepoch 3 done\n")
    (root / ".jobs" / job_id / "telemetry.jsonl").write_text(telemetry_line())
    page = opened()
    assert "Yes: live is running, 3 of 10 epochs logged. NC1 of test features fell from 30 to 10" in said(page)
    assert "with labels shuffled it would be 91" in said(page)
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics == {
        "Time left": "28 s",
        "Images a second": "640",
        "Processor": "187 %",
        "Memory": "1.5 GiB",
    }
    assert "On cpu, 2 threads: asked for." in said(page)
    assert "epoch 3 done" in said(page)
    charts = page.get("vega_lite_chart")
    assert len(charts) == 4
    specs = [json.loads(chart.proto.spec) for chart in charts]
    assert any("simplex ETF 120.0" in json.dumps(spec) for spec in specs)
    assert {spec["encoding"]["x"]["scale"]["domain"][1] for spec in specs if "encoding" in spec} == {10}
    assert "Stop" in labels(page)


@pytest.mark.parametrize("kind", ["layout", "evaluate"])
def test_a_job_that_trains_nothing_shows_nothing_of_its_runs_training(opened, root, kind):
    write_live(root, finished=True)
    job_id = write_job(root, "running", kind=kind, run_id="live", log="placing\n")
    (root / ".jobs" / job_id / "telemetry.jsonl").write_text(telemetry_line())
    page = opened()
    assert {metric.label for metric in page.metric} == {"Processor", "Memory"}
    assert "epochs" not in page.markdown[0].value
    assert "NC1" not in page.markdown[0].value
    assert not page.get("vega_lite_chart")
    assert not page.get("progress")
    assert "2 threads" not in said(page)
    assert {"layout": "On cpu, where UMAP computes.", "evaluate": "On cpu: asked for."}[kind] in said(page)
    assert "placing" in said(page)


def test_a_download_tells_neither_epochs_nor_a_device(opened, root):
    job_id = write_job(root, "running", kind="glove", out=str(root), device="auto")
    (root / ".jobs" / job_id / "telemetry.jsonl").write_text(telemetry_line())
    page = opened()
    assert "Yes: GloVe download is running" in said(page)
    assert {metric.label for metric in page.metric} == {"Processor", "Memory"}
    assert not any(caption.value.startswith("On ") for caption in page.caption)


def test_a_finished_layout_leads_to_the_feature_map(opened, root):
    write_live(root, finished=True)
    write_job(root, "finished", kind="layout", run_id="live")
    page = opened("app/main.py").switch_page("views/train.py").run()
    links = {link.proto.label: link.proto for link in page.get("page_link")}
    assert links["Open in Feature map"].query_string == "to_r=live"


def test_why_a_job_waits_is_said(opened, root):
    first = write_job(root, run_id="one")
    write_job(root, run_id="two")
    write_status(
        root / ".jobs" / first, JobStatus(state="queued", headline="waits for cpu, which another job holds")
    )
    page = opened()
    assert "one waits at place 1 of the queue: waits for cpu, which another job holds." in said(page)
    assert any("waits for cpu, which another job holds" in caption.value for caption in page.caption)
    assert "two waits at place 2 of the queue." in said(opened(job="0002-train"))


def test_a_job_that_was_stopped_before_it_began_is_not_offered_to_be_resumed(opened, root):
    job_id = write_job(root, "stopped", run_id="never", headline="stopped before it began")
    page = opened()
    assert "never was stopped" in said(page)
    assert "Resume" not in labels(page)
    assert f"clone_{job_id}" in {button.key for button in page.button}


def test_a_job_that_another_process_queues_is_seen_while_the_page_is_idle(opened, root, monkeypatch):
    parts = fragments(monkeypatch)
    page = opened("app/main.py").switch_page("views/train.py").run()
    assert parts["_live"] == job_live.IDLE_TICK_SECONDS
    assert parts["_badge"] is None, "Train has a timer of its own"
    page.switch_page("views/learn.py").run()
    assert parts["_badge"] == job_badge.IDLE_TICK_SECONDS
    write_live(root)
    write_job(root, "running", run_id="live")
    page.run()
    assert parts["_badge"] == job_badge.TICK_SECONDS
    page.switch_page("views/train.py").run()
    assert parts["_live"] == job_live.TICK_SECONDS
    assert not page.exception


def test_the_live_part_draws_the_whole_page_when_jobs_or_devices_changed(root, monkeypatch):
    seen = job_live._signature(Jobs(root).all())
    job_id = write_job(root, run_id="one")
    queued = job_live._signature(Jobs(root).all())
    write_status(root / ".jobs" / job_id, JobStatus(state="queued", headline="waits for disk space"))
    waiting = job_live._signature(Jobs(root).all())
    monkeypatch.setattr(job_live, "known_devices", lambda: FoundDevices(is_searching=True))
    assert len({seen, queued, waiting, job_live._signature(Jobs(root).all())}) == 4


def test_while_devices_are_looked_for_the_page_looks_quickly_whether_they_are_found(opened, monkeypatch):
    parts = fragments(monkeypatch)
    monkeypatch.setattr(job_live, "known_devices", lambda: FoundDevices(is_searching=True))
    opened()
    assert parts["_live"] == job_live.TICK_SECONDS


def test_the_quick_timer_of_the_badge_ends_with_the_last_job(opened, root, monkeypatch):
    parts = fragments(monkeypatch)
    job_id = write_job(root, run_id="one")
    drawn = job_badge._badge

    def after_the_end(address):
        Jobs(root).remove(job_id) if Jobs(root).all() else None
        drawn(address)

    after_the_end.__name__ = "_badge"
    monkeypatch.setattr(job_badge, "_badge", after_the_end)
    page = opened("app/main.py")
    assert not page.exception
    assert parts["_badge"] == job_badge.IDLE_TICK_SECONDS


def fragments(monkeypatch):
    """Return a mapping that will hold the timer of every fragment by the name of its function."""
    timers, real = {}, job_live.st.fragment

    def noted(function=None, *, run_every=None):
        if function is not None:
            timers[function.__name__] = run_every
        return real(function, run_every=run_every)

    monkeypatch.setattr(job_live.st, "fragment", noted)
    return timers


def test_before_the_first_epoch_the_page_waits_for_it(opened, root):
    write_live(root, epochs=0)
    write_job(root, "running", run_id="live")
    page = opened()
    assert "Curves begin with the first logged epoch" in said(page)
    assert {metric.label: metric.value for metric in page.metric}["Time left"] == "after epoch 1"
    assert not page.get("vega_lite_chart")


def test_stop_asks_the_runner_and_the_button_rests(opened, root):
    write_live(root)
    job_id = write_job(root, "running", run_id="live")
    page = pressed(opened(), "stop_followed")
    assert Jobs(root).get(job_id).state == "stopping"
    assert "Asked to stop" in said(page)
    assert page.button(key="stop_followed").disabled


def test_the_queue_shows_places_and_changes_its_order(opened, root):
    first, second, third = (write_job(root, run_id=name) for name in ("one", "two", "three"))
    page = opened()
    assert page.button(key=f"up_{first}").disabled
    assert page.button(key=f"down_{third}").disabled
    assert "1. **one**" in said(page)
    pressed(page, f"up_{third}")
    assert [Jobs(root).get(job_id).place for job_id in (first, second, third)] == [1, 3, 2]
    pressed(page, f"down_{first}")
    assert [Jobs(root).get(job_id).place for job_id in (first, second, third)] == [2, 3, 1]
    pressed(page, f"remove_{second}")
    assert {job.run_id for job in Jobs(root).all()} == {"one", "three"}


def test_a_job_of_another_machine_is_said_to_wait_there(opened, root):
    job_id = write_job(root, run_id="one", host="elsewhere")
    page = opened()
    assert "one is queued on elsewhere and started there alone." in said(page)
    assert page.button(key=f"up_{job_id}").disabled


def test_a_failed_job_has_its_error_as_headline_and_its_log_open(opened, root):
    write_live(root)
    write_job(
        root,
        "failed",
        run_id="live",
        headline="loss is not finite in epoch 4",
        log="mlcnc: loss is not finite\n",
    )
    page = opened()
    assert page.error[0].value == "loss is not finite in epoch 4"
    assert "live failed with 3 logged epochs" in said(page)
    assert "Resume" in labels(page)
    assert len(page.get("vega_lite_chart")) == 4


def test_a_lost_job_is_called_lost_and_can_be_resumed(opened, root):
    write_live(root)
    write_job(root, "lost", run_id="live")
    page = opened()
    assert "live was lost with 3 logged epochs" in said(page)
    assert "nobody saw how" in said(page)
    assert "Resume" in labels(page)


def test_resume_queues_the_rest_and_is_offered_once(opened, root):
    write_live(root)
    path = root / "live" / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "stopped"}))
    write_job(root, "stopped", run_id="live", headline="stopped as asked")
    page = pressed(opened(), "resume_followed")
    newest = Jobs(root).all()[0]
    assert (newest.request.kind, newest.run_id, newest.state) == ("resume", "live", "queued")
    assert "live goes on where it was interrupted" in said(page)
    assert "Resume" not in labels(page)


def test_a_run_that_cannot_be_resumed_says_why(opened, root):
    write_live(root, finished=True)
    write_job(root, "stopped", run_id="live")
    page = pressed(opened(), "resume_followed")
    assert "is complete" in page.error[0].value
    assert len(Jobs(root).all()) == 1


def test_a_finished_job_leads_to_geometry_and_a_group_to_compare(opened, root):
    for name in ("one", "two"):
        write_live(root, name, finished=True)
        write_job(root, "finished", run_id=name, after="comparison 1")
    page = opened("app/main.py").switch_page("views/train.py").run()
    assert "Nothing runs now. two finished with 3 logged epochs" in said(page)
    links = {link.proto.label: link.proto for link in page.get("page_link")}
    assert links["Compare the 2 runs"].query_string == "to_r=one&to_r=two"
    assert links["Open in Geometry"].query_string == "to_r=two"
    assert links["Open in Geometry"].page == "geometry"


def test_a_link_with_runs_picks_them_on_the_page_it_leads_to(opened, root):
    for name in ("one", "two"):
        write_live(root, name, finished=True)
    page = opened("app/main.py", to_r=["two", "../..", "absent"])
    assert page.sidebar.multiselect(key="r").value == ["two"]
    assert page.query_params["r"] == "two"
    assert "to_r" not in page.query_params


def test_the_job_of_the_address_is_shown_and_an_unknown_one_is_not_missed(opened, root):
    first = write_job(root, run_id="one")
    write_job(root, run_id="two")
    assert "two waits at place 2" in said(opened(job="0002-train"))
    assert "one waits at place 1" in said(opened(job=first))
    assert "one waits at place 1" in said(opened(job="../../etc"))


def test_clone_fills_the_form_and_the_queued_run_has_the_same_settings(opened, root):
    settings = {
        "name": "mine",
        "training": {"epochs": 7, "lr": 0.003},
        "model": {"label_embedding": "trainable"},
    }
    limits = {"device": "cuda:3", "max_minutes": 7.5, "max_megabytes": 300.0}
    job_id = write_job(root, "finished", run_id="gone", preset="comparison", settings=settings, **limits)
    page = pressed(opened(), f"clone_{job_id}")
    assert page.selectbox(key="form_preset").value == "comparison"
    assert next(box for box in page.expander if box.label == "Own settings").proto.expanded
    assert page.code[-1].value.startswith("mlcnc train --preset comparison ")
    assert "--training.epochs 7" in page.code[-1].value
    assert (page.number_input(key="form_minutes").value, page.number_input(key="form_megabytes").value) == (
        7.5,
        300.0,
    )
    assert page.selectbox(key="form_device").value == "cuda:3"
    assert page.button(key="queue_form").disabled, "this machine has no cuda:3"
    page.selectbox(key="form_device").select("cpu").run()
    pressed(page, "queue_form")
    queued = written_settings(root, Jobs(root).all()[0].job_id)
    assert (queued.preset, queued.settings) == ("comparison", settings)
    assert (queued.device, queued.max_minutes, queued.max_megabytes) == ("cpu", 7.5, 300.0)


def test_the_form_sends_only_what_differs_from_the_preset(opened, root):
    page = opened()
    page.number_input(key="form_0_training.epochs").set_value(6).run()
    page.toggle(key="form_0_data.flip").set_value(False).run()
    page.number_input(key="form_0_training.clip_norm").set_value(None).run()
    page.number_input(key="form_minutes").set_value(5.0).run()
    command = page.code[-1].value
    assert "--training.epochs 6" in command
    assert "--data.flip false" in command
    assert "--training.clip_norm none" in command
    assert "--training.lr" not in command
    pressed(page, "queue_form")
    job = Jobs(root).all()[0]
    assert job.request.settings == {"data": {"flip": False}, "training": {"epochs": 6, "clip_norm": None}}
    assert job.request.max_minutes == 5.0


def test_a_preset_fills_the_form(opened):
    page = opened()
    page.selectbox(key="form_preset").select("digits-lt").run()
    assert page.selectbox(key="form_1_data.dataset").value == "digits-lt"
    assert page.code[-1].value.startswith("mlcnc train --preset digits-lt --run-id digits-lt-etf-s0")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("training.epochs", 2, "warmup_epochs must be below epochs = 2"),
        ("model.num_heads", 7, "Not queued: model: num_heads must divide embedding_dim"),
        ("training.lr", 0.0, "training.lr: input should be greater than 0"),
        ("training.batch_size", None, "training.batch_size: input should be a valid integer, got None"),
    ],
)
def test_a_bad_setting_is_named_and_nothing_can_be_queued(opened, root, field, value, sentence):
    page = opened()
    page.number_input(key=f"form_0_{field}").set_value(value).run()
    assert not page.exception
    assert sentence in said(page)
    assert "Queue this run" not in labels(page)
    assert Jobs(root).all() == []


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.4", "", "::", "example.org"])
def test_a_server_that_others_reach_starts_nothing(opened, root, monkeypatch, address):
    job_id = write_job(root, run_id="one")
    monkeypatch.setattr(job_permission.st, "get_option", lambda name: address)
    page = opened()
    assert "can be reached from other machines" in said(page)
    assert "MLCNC_ALLOW_REMOTE_LAUNCH=1" in said(page)
    for key in ("start_One-minute demonstration", "queue_form", f"remove_{job_id}"):
        assert page.button(key=key).disabled
        # disabling is the browser's: a changed page can send the click all the same
        page.button(key=key).proto.disabled = False
        pressed(page, key)
        assert "Starting, stopping and changing jobs is off" in said(page)
    assert [job.run_id for job in Jobs(root).all()] == ["one"]


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_addresses_may_start_jobs(monkeypatch, address):
    monkeypatch.delenv(job_permission.ALLOW_VARIABLE, raising=False)
    monkeypatch.setattr(job_permission.st, "get_option", lambda name: address)
    assert job_permission.why_no_launch() is None


def test_a_setting_allows_what_the_address_forbids(opened, root, monkeypatch):
    monkeypatch.setattr(job_permission.st, "get_option", lambda name: "0.0.0.0")
    monkeypatch.setenv(job_permission.ALLOW_VARIABLE, "1")
    pressed(opened(), "start_One-minute demonstration")
    assert len(Jobs(root).all()) == 1


def test_names_from_files_are_text(opened, root):
    nasty = "*x* [y](javascript:alert(1)) <b>z</b> :material/home:"
    write_live(root)
    write_job(root, "failed", run_id="live", headline=nasty, after=nasty)
    page = opened()
    assert page.error[0].value != nasty
    assert "\\[y\\](javascript" in page.error[0].value
    assert nasty not in " ".join(caption.value for caption in page.caption)


def test_a_damaged_job_is_one_sentence_and_the_others_stay(opened, root):
    write_job(root, run_id="one")
    broken = write_job(root, run_id="two")
    (root / ".jobs" / broken / "job.json").write_text("{")
    page = opened()
    assert "one waits at place 1" in said(page)
    assert f"job.json of job {broken} is damaged" in said(page)


def test_many_ended_jobs_are_folded(opened, root):
    for number in range(9):
        write_job(root, "finished", run_id=f"run-{number}")
    page = opened()
    shown = [button.key for button in page.button if button.key.startswith("show_")]
    assert len(shown) == 6
    assert any("3 older jobs" in box.label for box in page.expander)


def test_the_badge_is_on_every_page_while_something_runs_and_gone_when_nothing_does(opened, root):
    write_live(root, finished=True)
    assert "model_training" not in " ".join(item.value for item in opened("app/main.py").sidebar.markdown)
    write_live(root, "growing")
    running = write_job(root, "running", run_id="growing")
    write_job(root, run_id="later")
    page = opened("app/main.py")
    for view in ("compare", "geometry", "learn"):
        page.switch_page(f"views/{view}.py").run()
        assert not page.exception, page.exception
        badge = " ".join(item.value for item in page.sidebar.markdown)
        assert "Running: growing (3 of 10 epochs); 1 waits." in badge
        assert "Watch it" in {link.proto.label for link in page.sidebar.get("page_link")}
    page.switch_page("views/train.py").run()
    badge = " ".join(item.value for item in page.sidebar.markdown)
    assert "Running: growing; 1 waits." in badge, "the badge stands still on Train"
    assert Jobs(root).get(running).state == "running"


def test_a_picked_run_that_grew_since_the_page_was_drawn_is_told_with_a_button(opened, root, monkeypatch):
    write_live(root, "growing")
    page = opened("app/main.py", r="growing").switch_page("views/geometry.py").run()
    assert "Show it" not in {button.label for button in page.sidebar.button}
    # the page is drawn with three epochs, and the next look finds four
    found = iter([3, 4])
    monkeypatch.setattr(job_badge, "_epochs", lambda runs: {"growing": (next(found), "running")})
    page.run()
    assert not page.exception, page.exception
    assert "growing: 4 epochs logged" in " ".join(item.value for item in page.sidebar.markdown)
    assert "Show it" in {button.label for button in page.sidebar.button}
