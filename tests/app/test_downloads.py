"""Downloads: built on the click only, numbers that load again, charts that keep their frames."""

import io
import json
import re
import zipfile

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import mlcnc.exports.formats
from app.widgets.downloads import figure_page, mode_bar
from mlcnc.errors import ConfigError
from mlcnc.exports import export_archive
from mlcnc.store import RunStore
from tests.app.test_report import figures, without_library


@pytest.fixture
def offered(monkeypatch):
    """Collect what download buttons would give, by label."""
    found = {}

    def button(label, data, name, *_, **settings):
        assert settings["on_click"] == "ignore", "a click must not run the page again"
        found[label, name] = data

    monkeypatch.setattr("app.widgets.downloads.st.download_button", button)
    return found


def test_nothing_is_built_before_the_click(opened, offered, monkeypatch):
    built = []
    monkeypatch.setattr("app.widgets.downloads.figure_page", lambda *_, **__: built.append("page") or "<html>")
    page = opened("compare", "full")
    assert not page.exception
    assert not built
    assert offered
    assert all(callable(data) for data in offered.values())
    for (label, name), data in offered.items():
        content = data()
        if name.endswith(".csv"):
            assert len(pd.read_csv(io.BytesIO(content))) > 0
        else:
            assert content == "<html>", label
    assert built


def test_picked_runs_are_written_for_other_tools_on_the_click(opened, offered, monkeypatch):
    written = []
    real = mlcnc.exports.formats.export_run
    monkeypatch.setattr("mlcnc.exports.archive.export_run", lambda *given: written.append(1) or real(*given))
    assert not opened("overview", "full").exception
    assert not written
    for name, file in (("csv", "metrics.csv"), ("json", "run.json")):
        archive = zipfile.ZipFile(io.BytesIO(offered[f"{name.upper()} (zip)", f"mlcnc-runs-{name}.zip"]()))
        folders = {path.split("/")[0] for path in archive.namelist()}
        assert {"etf-s0", "glove-s0"} <= folders
        content = archive.read(f"etf-s0/{file}")
        if name == "csv":
            assert list(pd.read_csv(io.BytesIO(content))["epoch"]) == [1, 2, 3]
        else:
            assert [line["epoch"] for line in json.loads(content)["epochs"]] == [1, 2, 3]


def test_a_run_that_cannot_be_exported_leaves_a_sentence_and_the_others(catalogue, monkeypatch):
    runs = list(RunStore(catalogue("full")).scan())[:2]
    real = mlcnc.exports.formats.export_run

    def one_fails(run, *given):
        if run is runs[0]:
            raise ConfigError("run x logged no epoch yet")
        return real(run, *given)

    monkeypatch.setattr("mlcnc.exports.archive.export_run", one_fails)
    archive = zipfile.ZipFile(io.BytesIO(export_archive(runs, "json")))
    assert archive.namelist() == [f"{runs[0].run_id}/not-exported.txt", f"{runs[1].run_id}/run.json"]
    assert b"logged no epoch" in archive.read(f"{runs[0].run_id}/not-exported.txt")


def test_numbers_load_again_as_they_were_plotted(offered):
    from app.widgets.downloads import offer_downloads

    frame = pd.DataFrame({"class": ['a, "b"', "ü\nc"], "value": [1.0 / 3.0, np.nan], "count": [3, 4]})
    offer_downloads("angles", "Angles", go.Figure(), frame)
    text = offered["Numbers (CSV)", "angles.csv"]()
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(text)), frame)


def test_a_downloaded_player_keeps_its_frames_and_its_first_500_numbers():
    from app.figures.player import with_player

    figure = go.Figure(go.Bar(x=["a"], y=[1]))
    figure.frames = [go.Frame(data=[go.Bar(x=["a"], y=[i])], traces=[0]) for i in range(3)]
    with_player(figure, [1, 2, 3])
    frame = pd.DataFrame({"value": np.arange(700)})
    page = figure_page(figure, "Played", frame=frame)
    tree = figures(page)[0]
    assert [item["data"][0]["y"] for item in tree["frames"]] == [[0], [1], [2]]
    assert tree["layout"]["updatemenus"]
    text = without_library(page)
    assert "the first 500 of 700 rows" in text
    assert text.count("<tr>") == 501


def test_no_chart_offers_a_cloud_and_pictures_carry_the_name_of_the_chart():
    bar = mode_bar("map")
    assert bar["toImageButtonOptions"] == {"format": "png", "scale": 2, "filename": "map"}
    page = figure_page(go.Figure(), "Empty")
    settings = json.loads(re.search(r'id="mode-bar">(.*?)</script>', page).group(1))
    assert "sendChartToCloud" in settings["modeBarButtonsToRemove"] == bar["modeBarButtonsToRemove"]
    assert settings["displaylogo"] is False


def test_a_name_inside_the_escape_of_another_is_escaped_once():
    figure = go.Figure().add_scatter(x=[1], y=[2], name="<i> & x")
    page = figure_page(figure, "t", frame=pd.DataFrame({"name": ["<i>", "&", "<i> & x"]}))
    assert r"\u0026lt;i\u0026gt; \u0026amp; x" in page
    assert r"\u0026amp;lt;" not in page
