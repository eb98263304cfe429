"""Pages of runs of photographs that may not be copied: with the reader's folder, without it, and reports."""

import json
import os
import re
from datetime import UTC, datetime

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.attention import attention_overlay
from app.figures.attention_course import attention_course_figure
from app.figures.backdrop import NO_PICTURE, holds_photograph, without_photographs
from app.report.command import report_page
from app.session import data_root
from app.widgets.downloads import figure_page, mode_bar
from mlcnc.analysis.images.attention import attention_course, probe_attention
from mlcnc.analysis.samples.layouts import sample_table
from mlcnc.store import RunStore
from tests.app.conftest import charts, words
from tests.conftest import ROOT
from tests.photograph_tree import photographs

HOW = "Pictures of voc07-lt are not stored in runs; show them with"
WEBP = "data:image/webp;base64,"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of data sets with the first 60 of the 90 test photographs of the runs."""
    root = tmp_path_factory.mktemp("data")
    photographs(root, 60)
    return root


@pytest.fixture
def page_of(monkeypatch, catalogue):
    monkeypatch.setenv("MLCNC_RUNS", str(catalogue("photographs")))
    monkeypatch.delenv("MLCNC_DATA", raising=False)

    def opened(name, root=None, **query):
        monkeypatch.setattr("sys.argv", ["streamlit", *([] if root is None else ["--data-root", str(root)])])
        page = AppTest.from_file(str(ROOT / "app" / name / "page.py"), default_timeout=60)
        for key, value in query.items():
            page.query_params[key] = value
        return page.run()

    return opened


def images_of(page):
    return [element.proto.imgs[0].url for element in page.get("image")]


def charts_of(page):
    return [json.dumps(chart.figure) for chart in charts(page)]


def some_selected(page):
    """Select the first samples of the map's split."""
    run = RunStore(os.environ["MLCNC_RUNS"]).open("voc-etf")
    page.session_state["map_selected"] = tuple(sample_table(run).of_split("test")[:3].tolist())
    return page.run()


@pytest.mark.parametrize("name", ["images", "map"])
def test_without_the_folder_pages_say_once_how_to_show_photographs(page_of, name):
    page = page_of(name)
    if name == "map":
        page = some_selected(page)
    assert not page.exception
    assert words(page).count(HOW) == 1
    assert "mlcnc data prepare voc07-lt" in words(page)
    assert images_of(page) == []
    assert "This run kept no pictures" not in words(page)
    assert "no picture stored" not in words(page)
    assert not [button for button in page.button if button.key.startswith("open_")]
    assert any("image" in frame.value for frame in page.dataframe)


def test_without_the_folder_attention_lies_over_grey(page_of):
    page = page_of("images", image="0", **{"class": "person", "a": "voc-etf", "b": "voc-own"})
    (attention,) = [spec for spec in charts_of(page) if "times even attention" in spec]
    assert attention.count(NO_PICTURE) == 2
    assert WEBP not in attention
    assert "of the attention of person lies on the object" in words(page)
    (table,) = [item.value for item in page.dataframe if "on the object" in item.value]
    assert set(zip(table["on the object"], table["if even"], strict=True)) == {("100 %", "25 %")}


def test_with_the_folder_pages_show_photographs(page_of, folder):
    page = page_of("images", folder, image="0", **{"class": "person", "a": "voc-etf", "b": "voc-own"})
    assert not page.exception
    assert HOW not in words(page)
    (attention,) = [spec for spec in charts_of(page) if "times even attention" in spec]
    assert attention.count(WEBP) == 2
    assert NO_PICTURE not in attention
    opening = [int(b.key.removeprefix("open_")) for b in page.button if b.key.startswith("open_")]
    assert len(images_of(page)) == 1 + sum(image < 60 for image in opening)
    assert all(address.startswith(WEBP) for address in images_of(page))
    places = some_selected(page_of("map", folder))
    assert not places.exception
    assert "no picture stored" not in words(places)
    assert len(images_of(places)) >= 3


def test_a_folder_without_the_data_set_says_what_is_missing(page_of, tmp_path):
    page = page_of("images", tmp_path)
    assert not page.exception
    assert "JPEGImages is missing" in words(page)
    assert images_of(page) == []


def test_the_lesson_draws_attention_over_photographs_too(page_of, folder):
    page = page_of("learn", folder, step="5")
    assert not page.exception
    assert any("times even attention" in spec and WEBP in spec for spec in charts_of(page))
    without = page_of("learn", step="5")
    assert words(without).count(HOW) == 1


def test_the_folder_is_that_of_the_command_line_else_of_the_variable(monkeypatch):
    monkeypatch.setattr("sys.argv", ["streamlit"])
    monkeypatch.delenv("MLCNC_DATA", raising=False)
    assert data_root() is None
    monkeypatch.setenv("MLCNC_DATA", "/variable")
    assert data_root() == "/variable"
    for given in (["--data-root", "/own"], ["--data-root=/own", "--runs", "r"]):
        monkeypatch.setattr("sys.argv", ["streamlit", *given])
        assert data_root() == "/own"


def test_a_report_holds_no_photograph_where_the_folder_is_there_either(catalogue, folder, monkeypatch):
    monkeypatch.setenv("MLCNC_DATA", str(folder))
    store = RunStore(catalogue("photographs"))
    page = report_page([store.open("voc-etf")], written_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert "Where a class looks" in page
    assert "Where the ground is grey the run does not store the photograph" in page
    assert NO_PICTURE in page
    figures = page.partition("<header>")[2]
    assert not re.search(r"data:image/(webp|jpeg);base64,.{20}", figures.partition("<script>/**")[0])


PHOTOGRAPH = f"{WEBP}UklGRg=="


@pytest.fixture
def record(catalogue):
    return probe_attention(RunStore(catalogue("photographs")).open("voc-etf"), 2, 0, 0)


def test_what_is_downloaded_has_grey_in_place_of_photographs(record, catalogue):
    run = RunStore(catalogue("photographs")).open("voc-etf")
    course = attention_course(run, 0, 0)
    pair = [("one", course), ("two", course)]
    for figure, number in (
        (attention_overlay(record, 0.5, backdrop=PHOTOGRAPH), 1),
        (attention_course_figure(pair, opacity=0.5, backdrops=(PHOTOGRAPH, PHOTOGRAPH)), 2),
    ):
        assert holds_photograph(figure)
        assert figure.to_json().count("UklGRg") == number
        leaving = without_photographs(figure)
        assert "UklGRg" not in leaving.to_json()
        assert leaving.to_json().count(NO_PICTURE) == number
        assert len(leaving.frames) == len(figure.frames)
        assert len(figure.layout.images) == number, "the figure of the page keeps them"
    grey = attention_overlay(record, 0.5)
    assert not holds_photograph(grey)
    assert without_photographs(grey) is grey
    stored = go.Figure(attention_overlay(record, 0.5)).add_layout_image(source=PHOTOGRAPH)
    assert not holds_photograph(stored), "a picture of the run may leave the page"


def test_a_chart_with_a_photograph_has_no_camera():
    assert "toImage" in mode_bar("chart", camera=False)["modeBarButtonsToRemove"]
    assert "toImage" not in mode_bar("chart")["modeBarButtonsToRemove"]


def test_a_downloaded_page_is_drawn_without_the_photograph(record):
    figure = attention_overlay(record, 0.5, backdrop=PHOTOGRAPH)
    assert "UklGRg" in figure_page(figure, "one")
    assert "UklGRg" not in figure_page(without_photographs(figure), "one")
    assert np.isfinite(record.attention).all()


def quiz_attention(runs_folder):
    from types import SimpleNamespace

    from app.learn.quiz_plots import _attention
    from mlcnc.store import RunStore

    runs = [RunStore(runs_folder).open(run_id) for run_id in ("voc-etf", "voc-own")]
    _attention(SimpleNamespace(rows=[SimpleNamespace(epoch=2, seed=0)] * 2), runs, ["A", "B"])


@pytest.mark.parametrize("with_folder", [True, False])
def test_the_quiz_shows_the_same_photograph_for_each_run(catalogue, folder, monkeypatch, with_folder):
    monkeypatch.delenv("MLCNC_DATA", raising=False)
    monkeypatch.setattr("sys.argv", ["streamlit", *(["--data-root", str(folder)] if with_folder else [])])
    page = AppTest.from_function(quiz_attention, args=(catalogue("photographs"),), default_timeout=60).run()
    assert not page.exception
    specs = charts_of(page)
    assert [WEBP in spec for spec in specs] == [with_folder] * 2
    assert [NO_PICTURE in spec for spec in specs] == [not with_folder] * 2
    assert words(page).count(HOW) == (not with_folder)
    without_camera = ["toImage" in chart.config["modeBarButtonsToRemove"] for chart in charts(page)]
    assert without_camera == [with_folder] * 2
