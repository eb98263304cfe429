"""Photographs on the Train page: a run where they are found, else the way to get them."""

import pytest

from mlcnc.launch import Jobs
from tests.app.train.page_words import button_of, labels, pressed, said
from tests.photograph_tree import photographs

START, DOWNLOAD, FOLDER = "Start on photographs", "photographs_download", "photographs_folder"


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch):
    monkeypatch.delenv("MLCNC_DATA", raising=False)


def test_where_there_are_none_the_page_says_how_to_get_them(opened, root):
    page = opened()
    assert page.text_input(key=FOLDER).value == str(root.parent / "data")
    assert START not in labels(page)
    assert "mlcnc data prepare voc07-lt" in said(page)
    page.text_input(key=FOLDER).set_value(str(root)).run()
    assert "JPEGImages is missing" in said(page)


def test_the_download_is_a_job_and_is_offered_once(opened, root):
    page = pressed(opened(), DOWNLOAD)
    (job,) = Jobs(root).all()
    assert (job.request.kind, job.request.dataset) == ("data", "voc07-lt")
    assert job.request.out == str(root.parent / "data")
    assert DOWNLOAD not in {button.key for button in page.button}
    assert "A download is in the list of jobs" in said(page)


@pytest.mark.parametrize("how", ["argument", "variable", "field"])
def test_where_they_are_found_a_run_is_offered_and_finds_them(opened, root, tmp_path, monkeypatch, how):
    data = tmp_path / "photographs"
    photographs(data)
    if how == "argument":
        monkeypatch.setattr("sys.argv", ["streamlit", "--data-root", str(data)])
    elif how == "variable":
        monkeypatch.setenv("MLCNC_DATA", str(data))
    page = opened()
    if how == "field":
        page.text_input(key=FOLDER).set_value(str(data)).run()
    assert START in labels(page)
    assert f"Found in {data}/voc07-lt." in said(page)
    assert DOWNLOAD not in {button.key for button in page.button}
    page = pressed(page, "start_photographs")
    (job,) = Jobs(root).all()
    assert (job.request.preset, job.request.settings) == ("voc07-lt", {"data": {"root": str(data)}})
    assert f"The run on photographs is queued: {job.run_id}." in said(page)


def test_a_form_with_photographs_names_their_folder_or_what_is_missing(opened, tmp_path):
    page = opened()
    page.selectbox(key="form_0_data.dataset").select("voc07-lt").run()
    assert "the photographs of voc07-lt cannot be found" in said(page).lower().replace("the the", "the")
    assert button_of(page, "queue_form").disabled
    data = tmp_path / "photographs"
    photographs(data)
    page.text_input(key=FOLDER).set_value(str(data)).run()
    assert not page.error
    assert f"--data.root {data}" in page.code[-1].value
    assert not button_of(page, "queue_form").disabled


def test_a_folder_that_cannot_be_is_a_sentence(opened):
    page = opened()
    for name in ("a\0b", "/dev/null", "~nobody/x"):
        page.text_input(key=FOLDER).set_value(name).run()
        assert not page.exception
        assert START not in labels(page)
