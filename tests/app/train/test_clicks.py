"""What a click on the Train page does and says: once, truly, and whatever else is clicked meanwhile."""

import json
from contextlib import suppress

import pytest
from streamlit.runtime.scriptrunner import RerunException

from app.train import actions
from mlcnc.launch import JobRequest, Jobs, LaunchError
from tests.app.job_files import write_job
from tests.app.train.page_words import button_of, pressed, said, write_live


@pytest.mark.parametrize(
    ("key", "number"),
    [("start_One-minute demonstration", 1), ("start_Five-minute comparison", 2), ("queue_form", 1)],
)
def test_a_token_queues_once_and_the_button_drawn_next_again(opened, root, key, number):
    page = opened()
    first = button_of(page, key).key
    pressed(page, key)
    assert len(Jobs(root).all()) == number
    assert button_of(page, key).key != first
    pressed(page, key)
    assert len(Jobs(root).all()) == 2 * number


def test_the_second_half_of_a_double_click_queues_nothing(opened, root):
    """It carries the token of the button that was on the page when it was made."""
    page = opened()
    name = "start_One-minute demonstration"
    token = button_of(page, name).key.removeprefix(f"{name} ")
    asked = [JobRequest(kind="train", preset="demo")] * 2
    said = []
    for _ in range(2):
        with suppress(RerunException):
            actions.submit(
                name, token, lambda: asked, lambda queued: said.append([job.job_id for job in queued]) or ""
            )
    assert said == [["0001-train", "0002-train"]] * 2
    assert len(Jobs(root).all()) == 2


def test_a_run_is_resumed_once_however_often_that_is_clicked(opened, root):
    write_live(root)
    path = root / "live" / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "stopped"}))
    stopped = Jobs(root).get(write_job(root, "stopped", run_id="live"))
    for _ in range(2):
        with suppress(RerunException):
            actions.resume(stopped)
    assert [job.request.kind for job in Jobs(root).all()] == ["resume", "train"]


def test_another_request_right_after_the_first_is_queued(opened, root):
    page = pressed(opened(), "start_One-minute demonstration")
    pressed(page, "queue_form")
    assert len(Jobs(root).all()) == 2


def test_what_could_not_be_done_is_said_while_the_page_changes_by_itself_and_until_it_is_used(opened, root):
    page = opened()
    page.session_state["train_clicked"].say(False, "it cannot be")
    for toasts in (1, 0, 0):
        page.session_state["train_clicked"].by_itself = True
        page.run()
        assert page.error[0].value == "it cannot be"
        assert len(page.toast) == toasts
    assert not page.run().error, "somebody used the page"


def test_what_was_done_is_said_once(opened, root):
    page = pressed(opened(), "start_One-minute demonstration")
    assert "is queued" in page.toast[0].value
    page.session_state["train_clicked"].by_itself = True
    assert not page.run().toast


def test_of_a_group_that_cannot_be_queued_whole_nothing_stays(opened, root, monkeypatch):
    submit = Jobs.submit

    def submit_first_only(jobs, request, token):
        if Jobs(root).all():
            raise LaunchError("the disk is full")
        return submit(jobs, request, token)

    page = opened()
    monkeypatch.setattr(Jobs, "submit", submit_first_only)
    pressed(page, "start_Five-minute comparison")
    assert page.error[0].value == "The disk is full."
    assert Jobs(root).all() == []


def test_of_a_group_that_cannot_be_queued_whole_what_has_begun_is_named(opened, root, monkeypatch):
    def submit_first_only(jobs, request, token):
        if Jobs(root).all():
            raise OSError(28, "No space left on device")
        write_job(root, "running", run_id="mine")
        return Jobs(root).all()[0]

    page = opened()
    monkeypatch.setattr(Jobs, "submit", submit_first_only)
    pressed(page, "start_Five-minute comparison")
    assert page.error[0].value == "No space left on device; begun meanwhile and going on: mine."


def test_a_job_that_was_removed_is_not_in_the_address_any_more(opened, root):
    first, second = write_job(root, "finished"), write_job(root, "failed")
    page = opened(job=first)
    pressed(page, f"remove_{second}")
    assert page.query_params["job"] in (first, [first])
    pressed(page, f"remove_{first}")
    assert "job" not in page.query_params


def test_an_address_that_asks_for_a_job_that_is_not_here_says_so(opened, root):
    there = write_job(root, "finished")
    page = opened(job="0099-train")
    assert "The address asks for job 0099-train, which is not in the list" in said(page)
    assert "0099-train" not in said(opened(job=there))


def test_who_chose_another_job_meanwhile_stays_with_it(opened, root, monkeypatch):
    other = write_job(root, "finished")
    submit = Jobs.submit
    page = opened()

    def submit_while_another_is_chosen(jobs, request, token):
        actions.follow(other)
        return submit(jobs, request, token)

    monkeypatch.setattr(Jobs, "submit", submit_while_another_is_chosen)
    page.query_params["job"] = other
    pressed(page, "start_One-minute demonstration")
    assert len(Jobs(root).all()) == 2
    assert page.query_params["job"] in (other, [other])
