"""Jobs in every state on the Train page: what it says of them and what can be done with them."""

import json

import pytest

from mlcnc.launch import Jobs
from tests.app.conftest import write_run
from tests.app.job_files import change, measured, write_job
from tests.app.train.page_words import labels, pressed, said, write_live


def test_a_running_job_shows_its_curves_its_use_and_its_time_left(opened, root):
    write_live(root)
    write_job(root, "running", use=measured(), run_id="live", log="begin\nepoch 3 done\n")
    page = opened()
    assert (
        "Yes: live is running, 3 of 10 epochs logged. Not collapsed at epoch 3: of the way from the null "
        "to the optimum, test features f have come 8% in variability." in said(page)
    )
    assert "NC1 of test features f fell from 30 to 10; with labels shuffled it would be 91" in said(page)
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
    write_job(root, "running", use=measured(), kind=kind, run_id="live", log="placing\n")
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
    write_job(root, "running", use=measured(), kind="glove", out=str(root), device="auto")
    page = opened()
    assert "Yes: GloVe download is running" in said(page)
    assert {metric.label for metric in page.metric} == {"Processor", "Memory"}
    assert not any(caption.value.startswith("On ") for caption in page.caption)


def test_a_finished_layout_leads_to_the_feature_map(opened, root):
    write_live(root, finished=True)
    write_job(root, "finished", kind="layout", run_id="live")
    page = opened("app/main.py").switch_page("train/page.py").run()
    links = {link.proto.label: link.proto for link in page.get("page_link")}
    assert links["Open in Feature map"].query_string == "to_r=live"


def test_why_a_job_waits_is_said(opened, root):
    first = write_job(root, run_id="one")
    write_job(root, run_id="two")
    change(root, first, said="waits for cpu, which another job holds")
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


def test_before_the_first_epoch_the_page_waits_for_it(opened, root):
    write_live(root, epochs=0)
    write_job(root, "running", run_id="live")
    page = opened()
    assert said(page).count("Begins with the first logged epoch") == 4
    assert {metric.label: metric.value for metric in page.metric}["Time left"] == "after epoch 1"
    assert not page.get("vega_lite_chart")


def test_stop_asks_the_runner_and_the_button_rests(opened, root, monkeypatch):
    write_live(root)
    job_id = write_job(root, "running", run_id="live")
    monkeypatch.setattr("os.killpg", lambda pid, number: None)
    page = pressed(opened(), "stop_followed")
    assert Jobs(root).get(job_id).state == "stopping"
    assert "Asked live to stop" in said(page)
    assert page.button(key="stop_followed").disabled


def test_the_queue_shows_places_and_changes_its_order(opened, root):
    first, second, third = (write_job(root, run_id=name) for name in ("one", "two", "three"))
    page = opened()
    assert page.button(key=f"up_{first}").disabled
    assert page.button(key=f"down_{third}").disabled
    assert "1\\. **one**" in said(page)
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
    job_id = write_job(
        root,
        "failed",
        run_id="live",
        headline="loss is not finite in epoch 4",
        log="".join(f"epoch {number}\n" for number in range(1, 41)) + "mlcnc: Loss is not finite\n",
    )
    page = opened()
    assert page.error[0].value == "loss is not finite in epoch 4"
    assert "live failed with 3 logged epochs" in said(page)
    assert "Resume" in labels(page)
    assert len(page.get("vega_lite_chart")) == 4
    assert "epoch 2\n" not in page.code[0].value
    page.text_input(key=f"search_{job_id}").set_value("LOSS").run()
    assert page.code[0].value == "41: mlcnc: Loss is not finite"
    assert any(caption.value.startswith("1 line of 41 holds it") for caption in page.caption)
    page.text_input(key=f"search_{job_id}").set_value("unicorn").run()
    assert any(caption.value.startswith("No lines of 41 hold it") for caption in page.caption)


def test_a_run_without_epochs_is_not_offered_to_be_looked_at(opened, root):
    write_live(root, epochs=0)
    write_job(root, "failed", run_id="live", headline="did the training diverge?")
    page = opened("app/main.py").switch_page("train/page.py").run()
    assert "Open in Geometry" not in {link.proto.label for link in page.get("page_link")}
    assert "Place its samples (UMAP)" not in labels(page)
    assert "Resume" in labels(page)


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
    page = opened("app/main.py").switch_page("train/page.py").run()
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
    change(root, broken, request="{")
    page = opened()
    assert "one waits at place 1" in said(page)
    assert "job 0002 is damaged, request" in said(page)


def test_an_ended_job_of_the_list_leads_to_its_run_while_another_is_followed(opened, root):
    write_live(root, "one", finished=True)
    write_job(root, "finished", run_id="one")
    write_job(root, "stopped", run_id="two")
    write_job(root, run_id="three")
    page = opened("app/main.py").switch_page("train/page.py").run()
    assert "three waits" in said(page)
    links = [link.proto for link in page.get("page_link") if link.proto.label == "Geometry"]
    assert [link.query_string for link in links] == ["to_r=one"]


def test_a_run_that_a_later_job_went_on_with_says_so(opened, root):
    write_live(root, finished=True)
    write_job(root, "stopped", run_id="live")
    write_job(root, "finished", kind="resume", run_id="live")
    page = opened()
    notes = [caption.value for caption in page.caption if "resumed as 0002-resume (finished)" in caption.value]
    assert len(notes) == 1
    assert "Resume" not in labels(page)


def test_a_finished_run_can_be_evaluated_again_by_a_click(opened, root):
    write_live(root, finished=True)
    (root / "live" / "checkpoints").mkdir(exist_ok=True)
    (root / "live" / "checkpoints" / "last.pt").touch()
    write_job(root, "finished", run_id="live")
    page = pressed(opened(), "evaluate_followed")
    assert "Queued an evaluation of live" in said(page)
    newest = Jobs(root).all()[0]
    assert (newest.request.kind, newest.run_id) == ("evaluate", "live")


@pytest.mark.parametrize(("kind", "state"), [("evaluate", "finished"), ("layout", "stopped")])
def test_an_ended_job_on_a_run_shows_the_ways_on_of_the_run_and_back_to_its_training(opened, root, kind, state):
    write_live(root, finished=True)
    trained = write_job(root, "finished", run_id="live")
    write_job(root, state, kind=kind, run_id="live")
    page = opened("app/main.py").switch_page("train/page.py").run()
    assert "Open in Geometry" in {link.proto.label for link in page.get("page_link")}
    assert {"Evaluate", "Place its samples (UMAP)", "Show its training"} <= set(labels(page))
    assert "Resume" not in labels(page)
    assert not page.get("vega_lite_chart")
    pressed(page, "show_training")
    assert page.query_params["job"] == trained
    assert len(page.get("vega_lite_chart")) == 4
    assert "Show its training" not in labels(page)


def test_the_way_back_leads_to_the_newest_training_and_is_there_while_a_job_waits(opened, root):
    write_live(root, finished=True)
    write_job(root, "stopped", run_id="live")
    resumed = write_job(root, "finished", kind="resume", run_id="live")
    write_job(root, kind="evaluate", run_id="live")
    page = opened()
    assert "Evaluate" not in labels(page)
    pressed(page, "show_training")
    assert page.query_params["job"] == resumed


def test_without_its_training_in_the_list_no_way_leads_back(opened, root):
    write_job(root, "failed", kind="evaluate", run_id="gone", headline="no run gone")
    page = opened()
    assert not {"Evaluate", "Show its training"} & set(labels(page))


def test_before_a_job_prints_anything_the_page_says_what_it_waits_for(opened, root):
    write_job(root, "running", run_id="live")
    assert opened().get("progress")[0].proto.text.startswith("it begins: PyTorch is loading")


def test_while_it_measures_the_page_says_so(opened, root):
    write_live(root)
    status = json.loads((root / "live" / "status.json").read_text())
    for batch, words in ((5, "epoch 4 of 10, batch 5 of 8"), (8, "epoch 4 of 10, measuring")):
        (root / "live" / "status.json").write_text(json.dumps(status | {"batch": batch, "num_batches": 8}))
        if batch == 5:
            write_job(root, "running", run_id="live")
        assert opened().get("progress")[0].proto.text == words


def test_what_comes_and_goes_has_a_box_so_that_what_is_below_stays_in_place(opened, root):
    """An expander that moves in the tree of the page is made anew by the browser, and closes."""

    def place(page):
        elements = page.main.children
        return next(
            number
            for number, element in elements.items()
            if any(box.label == "Own settings" for box in [element] if box.type == "expander")
        )

    write_live(root)
    first = write_job(root, "running", run_id="live")
    one = place(opened())
    write_job(root, run_id="two")
    assert place(opened(job=first)) == one
    change(root, first, state="finished")
    assert place(opened(job=first)) == one


def test_many_ended_jobs_are_folded(opened, root):
    for number in range(9):
        write_job(root, "finished", run_id=f"run-{number}")
    page = opened()
    shown = [button.key for button in page.button if button.key.startswith("show_")]
    assert len(shown) == 6
    assert any("3 older jobs" in box.label for box in page.expander)


def test_what_waits_without_a_worker_goes_on_by_a_click_and_not_by_a_look(opened, root, monkeypatch):
    started = []
    monkeypatch.setattr(Jobs, "_has_worker", lambda jobs, lane: bool(started))
    monkeypatch.setattr(Jobs, "_start_worker", lambda jobs, lane: bool(started.append(lane)) or True)
    write_job(root, run_id="one")
    page = opened()
    assert "no worker is there" in said(page)
    assert started == []
    pressed(page, "start_workers")
    assert started == ["cpu"]
    assert "The queue goes on" in said(page)
    assert "no worker is there" not in said(page)


@pytest.mark.parametrize("changes", [{"machine": None}, {"machine": ""}, {"machine": "f" * 32}])
def test_a_job_without_the_id_of_this_machine_is_never_started(opened, root, monkeypatch, changes):
    started = []
    monkeypatch.setattr(Jobs, "_start_worker", lambda jobs, lane: bool(started.append(lane)) or True)
    change(root, write_job(root, run_id="one"), **changes)
    page = opened()
    assert "Let the queue go on" not in labels(page)
    Jobs(root).start_workers()
    assert started == []


@pytest.mark.parametrize("followed", [True, False])
def test_another_job_that_is_queued_takes_no_running_job_away(opened, root, followed):
    write_live(root)
    first = write_job(root, "running", run_id="live")
    page = opened(**({"job": first} if followed else {}))
    pressed(page, "start_One-minute demonstration")
    assert len(Jobs(root).all()) == 2
    assert "Yes: live is running" in said(page)
    change(root, first, state="finished", pid=None)
    pressed(page, "start_Full recipe")
    shown = (
        "0003-train" if followed else "0002-train"
    )  # that of the address has ended; else the next one is shown
    assert f"{Jobs(root).get(shown).run_id} waits at place" in said(page)


def test_where_stop_was_a_second_click_does_not_resume(opened, root):
    write_live(root)
    job_id = write_job(root, "running", run_id="live")
    page = opened()
    place = labels(page).index("Stop")
    change(root, job_id, state="stopped", pid=None, stop="asked")
    page.run()
    assert labels(page)[place] == "Stop"
    assert page.button(key="stop_followed").disabled
    assert "resume_followed" in [button.key for button in page.button]


def test_what_is_kept_of_a_stopped_run_is_said_only_where_it_logged_something(opened, root):
    write_live(root, "long")
    write_live(root, "short", epochs=0)
    for run_id, kept in (("long", "what was logged is kept"), ("short", "nothing was logged yet")):
        job_id = write_job(root, "stopped", run_id=run_id)
        change(root, job_id, stop="asked")
        assert f"stopped on request; {kept}" in [box.value for box in opened(job=job_id).warning]


def test_the_class_means_stand_above_the_curves_beside_the_words_how_far_it_is(opened, root):
    names = ["<b>x</b>", "*y*", "$z$", "w"]
    write_run(root, "live", epochs=2, classes=names, aligned=True)
    write_job(root, "finished", run_id="live")
    page = opened()
    assert "collapsed at epoch 2: of the way from the null to the optimum, test features f have come" in said(
        page
    )
    charts = page.get("vega_lite_chart")
    specs = [json.loads(chart.proto.spec) for chart in charts]
    assert len(charts) == 7
    # the matrix, then the plane, then NC1 and alignment, then what is left
    assert specs[0]["mark"]["type"] == "rect"
    assert set(specs[0]["encoding"]["y"]["scale"]["domain"]) == set(names), "names are shown as written"
    assert {"field": "class"} in [layer["encoding"].get("text") for layer in specs[1]["layer"]]
    assert [spec["encoding"]["y"]["title"] for spec in specs[2:4]] == ["NC1", "mean cosine"]
    assert set(specs[2]["encoding"]["color"]["scale"]["domain"]) >= {"train", "test"}
    assert "**Angles of class means**, epoch 2: above train, below test" in said(page)
    slider = page.get("select_slider")[0]
    slider.set_value(1).run()
    assert not page.exception
    assert "**Angles of class means**, epoch 1: above train, below test" in said(page)


def test_a_running_job_shows_its_newest_class_means_and_leads_to_the_buttons_for_another(opened, root):
    write_run(root, "live", epochs=3)
    path = root / "live" / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "running", "num_epochs": 9}))
    write_job(root, "running", run_id="live")
    page = opened()
    assert "**Class means in the plane of a simplex ETF**, epoch 3" in said(page)
    assert not page.get("select_slider"), "the newest epoch is shown"
    assert "[Start another](#start)" in said(page)
    assert any(heading.proto.anchor == "start" for heading in page.subheader)


def test_a_damaged_newest_epoch_leaves_the_pictures_of_the_one_before(opened, root):
    write_run(root, "live", epochs=2)
    (root / "live" / "epochs" / "0001.safetensors").write_bytes(b"x")
    write_job(root, "finished", run_id="live")
    page = opened()
    assert "**Angles of class means**, epoch 1" in said(page)
    # chosen by the slider, it leaves them and the slider there too
    page.get("select_slider")[0].set_value(2).run()
    assert "**Angles of class means**, epoch 1" in said(page)
    assert page.get("select_slider")
