"""Starting from the Train page: presets, vectors, the form; when it refuses."""

import pytest

from app.train import clicks
from app.train.photographs import FOLDER_KEY
from app.train.presets import method_requests
from mlcnc.data import dataset_facts
from mlcnc.launch import Jobs
from tests.app.job_files import write_job, written_settings
from tests.app.train.page_words import button_of, labels, pressed, said


def test_without_jobs_the_page_says_what_to_do_first(opened):
    page = opened()
    assert page.title[0].value.endswith("?")
    assert "Nothing was started from here yet" in said(page)
    assert "The one-minute demonstration needs no GPU" in said(page)
    assert "NC1 falls" not in said(page)
    assert "NC1 beside shuffled labels" in said(page)
    assert not page.get("vega_lite_chart")
    assert labels(page)[:4] == [
        "Start the demonstration",
        "Start the three methods",
        "Start the two runs",
        "Start the full run",
    ]


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


def test_a_lock_folder_that_others_may_write_is_one_sentence_until_it_is_mended(opened, root, tmp_path):
    locks = tmp_path / "locks"
    locks.chmod(0o775)
    page = opened()
    assert "must be a folder of your own that no one else may write" in said(page)
    assert button_of(page, "queue_form").disabled
    pressed(page, "start_One-minute demonstration")
    assert "must be a folder of your own" in page.error[0].value
    assert Jobs(root).all() == []
    locks.chmod(0o700)
    page.run()
    assert not page.error
    assert "auto is cpu here" in said(page)
    assert not button_of(page, "queue_form").disabled


def test_the_form_knows_the_names_of_waiting_jobs(opened, root):
    page = opened()
    for name in ("my-pictogram-lt-etf-s0", "my-pictogram-lt-etf-s0-2", "my-pictogram-lt-etf-s0-3"):
        assert f"--run-id {name} " in page.code[-1].value
        pressed(page, "queue_form")
        assert f"Queued {name}." in said(page)
        assert Jobs(root).all()[0].run_id == name


def test_a_comparison_without_vectors_queues_two_runs_and_says_so(opened, root):
    page = opened()
    assert "Without a file of GloVe vectors (below) it queues the first two" in said(page)
    pressed(page, "start_Five-minute comparison")
    assert "GloVe is left out: no usable file of vectors is named" in said(page)
    jobs = Jobs(root).all()[::-1]
    assert [job.request.settings.get("method", {}).get("label_embedding", "etf") for job in jobs] == [
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
    methods = [job.request.config().method for job in Jobs(root).all()[::-1]]
    assert [method.label_embedding for method in methods] == ["etf", "trainable", "glove"]
    assert {method.embedding_dim for method in methods} == {50}
    assert [method.glove_path for method in methods] == [None, None, str(path)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory"),
        ("PK\x03\x04", "is not word vectors as text: it is packed (zip), unpack it first"),
    ],
)
def test_another_file_than_vectors_is_told_at_once(opened, tmp_path, content, sentence):
    path = tmp_path / "vectors.txt"
    if content is not None:
        path.write_text(content)
    page = opened()
    page.text_input(key="glove_file").set_value(str(path)).run()
    assert f"Not usable: the GloVe file {path} {sentence}" in said(page).replace("\\", "")
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


def test_clone_fills_the_form_and_the_queued_run_has_the_same_settings(opened, root):
    settings = {
        "name": "mine",
        "training": {"epochs": 7, "lr": 0.003},
        "method": {"label_embedding": "trainable"},
    }
    limits = {"device": "cuda:3", "max_minutes": 7.5, "max_megabytes": 300.0}
    job_id = write_job(root, "finished", run_id="gone", preset="comparison", settings=settings, **limits)
    page = pressed(opened(), f"clone_{job_id}")
    assert page.selectbox(key="form_1_preset").value == "comparison"
    assert next(box for box in page.expander if box.label == "Own settings").proto.expanded
    assert page.code[-1].value.startswith("mlcnc train --preset comparison ")
    assert "--training.epochs 7" in page.code[-1].value
    assert (
        page.number_input(key="form_1_max_minutes").value,
        page.number_input(key="form_1_max_megabytes").value,
    ) == (
        7.5,
        300.0,
    )
    assert page.selectbox(key="form_1_device").value == "cuda:3"
    assert button_of(page, "queue_form").disabled, "this machine has no cuda:3"
    page.selectbox(key="form_1_device").select("cpu").run()
    pressed(page, "queue_form")
    queued = written_settings(root, Jobs(root).all()[0].job_id)
    assert (queued.preset, queued.settings) == ("comparison", settings)
    assert (queued.device, queued.max_minutes, queued.max_megabytes) == ("cpu", 7.5, 300.0)


def test_clone_of_a_resumed_job_fills_the_form_from_the_job_that_began_its_run(opened, root):
    first = write_job(root, "stopped", run_id="mine", preset="demo", settings={"training": {"epochs": 9}})
    resumed = write_job(root, "finished", kind="resume", run_id="mine")
    orphan = write_job(root, "finished", kind="resume", run_id="other")
    page = opened()
    assert f"clone_{orphan}" not in {button.key for button in page.button}
    assert sum(caption.value.startswith("demo, on cpu") for caption in page.caption) == 2
    pressed(page, f"clone_{resumed}")
    assert page.selectbox(key="form_1_preset").value == "demo"
    assert "--training.epochs 9" in page.code[-1].value
    pressed(page, f"remove_{first}")
    assert f"clone_{resumed}" not in {button.key for button in page.button}


def test_the_form_sends_only_what_differs_from_the_preset(opened, root):
    page = opened()
    page.number_input(key="form_0_training.epochs").set_value(6).run()
    page.toggle(key="form_0_data.flip").set_value(False).run()
    page.number_input(key="form_0_training.clip_norm").set_value(None).run()
    page.number_input(key="form_0_max_minutes").set_value(5.0).run()
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
    page.selectbox(key="form_0_preset").select("digits-lt").run()
    assert page.selectbox(key="form_1_data.dataset").value == "digits-lt"
    assert page.code[-1].value.startswith("mlcnc train --preset digits-lt --run-id my-digits-lt-etf-s0")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("training.epochs", 2, "warmup_epochs must be below training.epochs = 2"),
        ("method.num_heads", 7, "Not queued: method: num_heads must divide embedding_dim"),
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


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("form_0_training.epochs", 1_000_000, "training.epochs: input should be less than or equal to 10000"),
        (
            "form_0_method.embedding_dim",
            10_000_000,
            "method.embedding_dim: input should be less than or equal to",
        ),
        ("form_0_data.image_size", 8, "data.image_size: input should be greater than or equal to 32"),
        ("form_0_training.lr", -1.0, "training.lr: input should be greater than 0"),
        ("form_0_max_minutes", -1.0, "max_minutes: input should be greater than 0, got -1"),
        ("form_0_max_megabytes", 0.0, "max_megabytes: input should be greater than 0, got 0"),
    ],
)
def test_a_number_out_of_range_reaches_the_check_and_is_named(opened, root, key, value, sentence):
    page = opened()
    proto = page.number_input(key=key).proto
    assert not (-1e6 < proto.min < 1e6 and proto.has_min)
    assert not (-1e9 < proto.max < 1e9 and proto.has_max)
    page.number_input(key=key).set_value(value).run()
    assert not page.exception
    assert f"Not queued: {sentence}" in page.error[0].value.replace("\\", "").replace("\u2060", "")
    assert len(page.error[0].value) < 150
    assert "Queue this run" not in labels(page)
    assert Jobs(root).all() == []


def test_what_would_make_it_fail_is_told_at_once(opened, root):
    page = opened()
    page.number_input(key="form_0_training.batch_size").set_value(5000).run()
    assert "larger than the 1142 images of an epoch" in said(page)
    assert "of memory" not in said(page)
    assert button_of(page, "queue_form").disabled
    button_of(page, "queue_form").proto.disabled = False
    pressed(page, "queue_form")
    assert Jobs(root).all() == []


def shown(page):
    """Return the settings that have a control, by name."""
    controls = (*page.selectbox, *page.number_input, *page.text_input, *page.toggle)
    return {control.key.removeprefix("form_0_").partition("=")[0] for control in controls}


def test_another_method_has_its_own_settings_and_keeps_the_others(opened, root):
    page = opened()
    method = page.selectbox(key="form_0_method.kind")
    assert method.options[method.index].startswith("MLC-NC: class attention")
    assert any(option.startswith("ERM: global average pool") for option in method.options)
    page.number_input(key="form_0_training.epochs").set_value(6).run()
    page.number_input(key="form_0_method.embedding_dim").set_value(64).run()
    page.selectbox(key="form_0_method.kind").select("erm").run()
    assert not page.exception
    assert {"method.classification.kind", "training.epochs"} <= shown(page)
    assert not {"method.embedding_dim", "method.label_embedding", "method.classification.two_way_mean"} & shown(
        page
    )
    assert "--run-id my-pictogram-lt-erm-s0" in page.code[-1].value
    assert "--method.kind erm --training.epochs 6 " in page.code[-1].value
    pressed(page, "queue_form")
    assert Jobs(root).all()[0].request.settings == {"method": {"kind": "erm"}, "training": {"epochs": 6}}
    # back again, what was set before is there
    page.selectbox(key="form_0_method.kind").select("mlc_nc").run()
    assert page.number_input(key="form_0_method.embedding_dim").value == 64
    assert "--method.kind" not in page.code[-1].value
    assert "--method.embedding_dim 64 --training.epochs 6 " in page.code[-1].value


def test_another_loss_has_its_own_settings(opened):
    page = opened()
    page.number_input(key="form_0_method.classification.two_way_temperature").set_value(2.0).run()
    assert "--method.classification.two_way_temperature 2.0" in page.code[-1].value
    page.selectbox(key="form_0_method.classification.kind").select("bce").run()
    assert "method.classification.two_way_temperature" not in shown(page)
    assert "--method.classification.kind bce --run-id" in page.code[-1].value
    page.selectbox(key="form_0_method.classification.kind").select("two_way").run()
    assert "--method.classification.two_way_temperature 2.0 --run-id" in page.code[-1].value


def test_a_loss_that_a_method_begins_with_is_not_that_of_the_last_method(opened):
    page = opened()
    page.selectbox(key="form_0_method.kind").select("erm").run()
    assert page.selectbox(key="form_0_method.classification.kind=bce").value == "bce"
    page.selectbox(key="form_0_method.classification.kind=bce").select("two_way").run()
    assert "--method.kind erm --method.classification.kind two_way --run-id" in page.code[-1].value
    assert "method.classification.two_way_temperature" in shown(page)


def test_the_preset_of_another_method_fills_the_form(opened, root):
    page = opened()
    page.selectbox(key="form_0_preset").select("erm").run()
    assert page.selectbox(key="form_1_method.kind").value == "erm"
    assert page.code[-1].value.startswith("mlcnc train --preset erm --run-id my-pictogram-lt-erm-s0")
    page.selectbox(key="form_1_method.kind").select("mlc_nc").run()
    assert "--preset erm --method.kind mlc_nc --run-id my-pictogram-lt-etf-s0" in page.code[-1].value
    pressed(page, "queue_form")
    assert Jobs(root).all()[0].request.config().method.label_embedding == "etf"


def test_clone_of_another_method_fills_the_form(opened, root):
    settings = {"method": {"kind": "erm"}, "training": {"schedule": "step", "lr_drops": [5, 7]}}
    job_id = write_job(root, "finished", run_id="gone", preset="demo", settings=settings)
    page = pressed(opened(), f"clone_{job_id}")
    assert page.selectbox(key="form_1_method.kind").value == "erm"
    assert page.text_input(key="form_1_training.lr_drops").value == "5,7"
    assert (
        "--preset demo --method.kind erm --training.schedule step --training.lr_drops 5,7 "
        in page.code[-1].value
    )
    page.text_input(key="form_1_training.lr_drops").set_value("5").run()
    pressed(page, "queue_form")
    queued = Jobs(root).all()[0].request
    assert queued.config().training.lr_drops == (5,)
    assert queued.config().method.kind == "erm"


def test_what_may_be_anything_has_suggestions(opened):
    page = opened()
    assert page.selectbox(key="form_0_data.sampler").value is None
    assert page.selectbox(key="form_0_model.backbone").options[:3] == ["small", "resnet18", "resnet34"]
    assert {"pictogram-lt", "voc07-lt", "folder"} <= set(page.selectbox(key="form_0_data.dataset").options)
    page.selectbox(key="form_0_data.sampler").select("uniform").run()
    assert "--data.sampler uniform" in page.code[-1].value


def test_a_click_right_after_a_number_was_typed_queues_that_number(opened, root):
    page = opened()
    page.number_input(key="form_0_training.epochs").set_value(6)
    pressed(page, "queue_form")
    assert Jobs(root).all()[0].request.settings == {"training": {"epochs": 6}}
    page.number_input(key="form_0_training.epochs").set_value(1_000_000)
    pressed(page, "queue_form")
    assert len(Jobs(root).all()) == 1


def test_the_help_of_a_number_names_its_range(opened):
    assert opened().number_input(key="form_0_training.epochs").proto.help.endswith("at least 1, at most 10000")


def test_ml_gcn_gets_the_vectors_of_the_page_and_is_not_queued_without(opened, root, tmp_path):
    page = opened()
    page.selectbox(key="form_0_method.kind").select("ml_gcn").run()
    assert "no file of vectors is named" in page.error[0].value
    assert button_of(page, "queue_form").disabled
    path = tmp_path / "vectors.txt"
    names = dataset_facts("pictogram-lt").class_names
    path.write_text("".join(f"{name} 0.5 {number}\n" for number, name in enumerate(names)))
    page.text_input(key="glove_file").set_value(str(path)).run()
    assert "is not used" not in said(page)
    pressed(page, "queue_form")
    (job,) = Jobs(root).all()
    assert job.request.settings["method"] == {"kind": "ml_gcn", "glove_path": str(path)}


def test_a_glove_path_that_the_label_embedding_does_not_use_is_told(opened):
    page = opened()
    assert "is not used" not in said(page)
    page.text_input(key="form_0_method.glove_path").set_value("/vectors.txt").run()
    assert "The glove path is not used: the label embedding is etf." in said(page)
    page.selectbox(key="form_0_method.label_embedding").select("glove").run()
    assert "is not used" not in said(page)


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.4", "", "::", "example.org"])
def test_a_server_that_others_reach_starts_nothing(opened, root, monkeypatch, address):
    job_id = write_job(root, run_id="one")
    monkeypatch.setattr(clicks.st, "get_option", lambda name: address)
    page = opened()
    assert "can be reached from other machines" in said(page)
    assert "MLCNC_ALLOW_REMOTE_LAUNCH=1" in said(page)
    for key in ("start_One-minute demonstration", "queue_form", f"remove_{job_id}"):
        assert button_of(page, key).disabled
        # disabling is the browser's: a changed page can send the click all the same
        button_of(page, key).proto.disabled = False
        pressed(page, key)
        assert "Starting, stopping and changing jobs is off" in said(page)
    assert [job.run_id for job in Jobs(root).all()] == ["one"]


def test_where_launching_is_off_no_typed_path_is_looked_at(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(clicks.st, "get_option", lambda name: "0.0.0.0")
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("cat 0.5 0.5\n")
    (tmp_path / "VOCdevkit").mkdir()

    def shown(path):
        page = opened()
        for key in ("glove_file", FOLDER_KEY):
            # disabling is the browser's: a changed page can send a path all the same
            page.text_input(key=key).proto.disabled = False
            page.text_input(key=key).set_value(path)
        page.selectbox(key="form_0_method.label_embedding").select("glove").run()
        page.text_input(key="form_0_method.glove_path").set_value(path).run()
        assert page.text_input(key="glove_file").disabled
        assert not page.exception
        return (said(page) + " ".join(labels(page))).replace(path, "PATH")

    told = {shown(str(tmp_path / name)) for name in ("vectors.txt", "VOCdevkit", "absent", "vectors.txt/below")}
    assert len(told) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_addresses_may_start_jobs(monkeypatch, address):
    monkeypatch.delenv(clicks.ALLOW_VARIABLE, raising=False)
    monkeypatch.setattr(clicks.st, "get_option", lambda name: address)
    assert clicks.why_no_launch() is None


def test_a_setting_allows_what_the_address_forbids(opened, root, monkeypatch):
    monkeypatch.setattr(clicks.st, "get_option", lambda name: "0.0.0.0")
    monkeypatch.setenv(clicks.ALLOW_VARIABLE, "1")
    pressed(opened(), "start_One-minute demonstration")
    assert len(Jobs(root).all()) == 1


def test_settings_that_cannot_be_cloned_leave_the_form_alone(opened, root):
    job_id = write_job(root, "finished", run_id="old", settings={"training": {"seed": 2**60}})
    page = pressed(opened(), f"clone_{job_id}")
    assert "cannot be cloned" in page.toast[0].value
    assert "training.seed" in page.toast[0].value
    assert page.selectbox(key="form_0_preset").value == "pictogram-lt"


def test_vectors_wider_than_a_network_can_be_are_one_sentence(opened, root, tmp_path):
    path = tmp_path / "wide.txt"
    names = {word for name in dataset_facts("pictogram-lt").class_names for word in name.split()}
    path.write_text("".join(f"{word} {'0.5 ' * 8199}0.5\n" for word in names))
    page = opened()
    page.text_input(key="glove_file").set_value(str(path)).run()
    pressed(page, "start_Five-minute comparison")
    assert "embedding_dim" in page.error[0].value
    assert Jobs(root).all() == []


def test_three_methods_are_queued_each_at_the_rate_of_the_recorded_race(opened, root):
    configs = [request.config() for request in method_requests()]
    expected = {"mlc_nc": 0.001, "erm": 0.064, "db_focal": 0.064}
    assert {config.method.kind: config.training.lr for config in configs} == expected
    assert {config.training.epochs for config in configs} == {40}
    # the bench measures at its ends alone, a run that is watched every few epochs
    assert {(config.training.measure_every, config.training.class_arrays) for config in configs} == {(5, True)}
    page = pressed(opened(), "start_Three methods")
    queued = [job.request for job in Jobs(root).all()]
    assert len(queued) == 3
    assert len({request.after for request in queued}) == 1
    assert any("mlcnc bench --dataset pictogram-lt --runs" in code.value for code in page.code)


def test_what_was_queued_is_brought_into_view_once(opened, root):
    page = pressed(opened(), "start_Full recipe")
    assert page.session_state["scroll_turn_shown_job"] == 1
    page.run()
    assert page.session_state["scroll_turn_shown_job"] == 1


def test_the_form_offers_the_rate_that_the_race_chose_where_it_has_that_of_mlc_nc(opened):
    page = opened()
    assert "take_raced_rate" not in [button.key for button in page.button]
    page.selectbox(key="form_0_method.kind").set_value("erm").run()
    assert "the recorded race chose 0.064 on validation" in said(page)
    pressed(page, "take_raced_rate")
    assert page.number_input(key="form_0_training.lr").value == 0.064
    assert page.number_input(key="form_0_training.weight_decay").value == 1.5625e-06
    assert "--training.lr 0.064" in page.code[-1].value
    assert "the recorded race chose" not in said(page)


def test_slurm_is_offered_where_its_commands_are(opened, root, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    page = opened()
    assert "slurm" not in page.selectbox(key="form_0_device").options
    for name in ("sbatch", "srun"):
        (tmp_path / name).touch(0o755)
    page = opened()
    assert "slurm" in page.selectbox(key="form_0_device").options
    page.selectbox(key="form_0_device").select("slurm").run()
    assert "form_0_max_minutes" not in {number.key for number in page.number_input}
    assert page.number_input(key="form_0_slurm_minutes").value == 60
    page.number_input(key="form_0_slurm_minutes").set_value(None).run()
    assert "slurm.minutes: field required" in page.error[0].value


def test_a_cloned_job_of_slurm_asks_for_the_same(opened, root, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = {"partition": "gpu", "nodes": 2, "gpus_per_node": 4, "cpus_per_task": 8, "minutes": 90}
    job_id = write_job(root, "finished", run_id="there", device="auto", slurm=asked)
    page = pressed(opened(), f"clone_{job_id}")
    assert page.selectbox(key="form_1_device").value == "slurm"
    assert page.text_input(key="form_1_slurm_partition").value == "gpu"
    assert [page.number_input(key=f"form_1_slurm_{name}").value for name in list(asked)[1:]] == [2, 4, 8, 90]
