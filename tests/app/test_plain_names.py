"""Tags in names of runs and classes are shown, not followed."""

import html
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.comparison import bucket_dots
from app.figures.plain_names import _FOREIGN, with_plain_names
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.store import RunStore
from tests.app.conftest import charts, write_run
from tests.conftest import ROOT

LINK = '<a href="https://example.org">click</a>'


def test_a_link_in_a_name_becomes_text_everywhere():
    figure = go.Figure(
        go.Scatter(x=[LINK, "dog"], y=[1.0, 2.0], name=LINK, customdata=np.array([[LINK], ["b"]]))
    )
    figure.update_layout(title={"text": LINK}, annotations=[{"text": f"<b>{LINK}</b><br>two"}])
    figure.frames = [go.Frame(name="1", data=[go.Scatter(name=LINK)])]
    shown = with_plain_names(figure)
    assert "<a" not in shown.to_json()
    assert "</a" not in shown.to_json()
    assert shown.layout.annotations[0].text.startswith("<b>&lt;a href")
    assert shown.layout.annotations[0].text.endswith("</b><br>two")
    np.testing.assert_array_equal(shown.data[0].y, [1.0, 2.0])
    assert len(shown.frames) == 1


def test_a_figure_without_foreign_tags_is_the_same_object():
    figure = go.Figure(go.Bar(x=["a", "b"], y=[1, 2], hovertemplate="<b>%{x}</b><extra></extra>"))
    assert with_plain_names(figure) is figure


def test_a_run_named_by_a_link_is_drawn_as_text(tmp_path):
    write_run(tmp_path, "odd", classes=[LINK, "<script>alert(1)</script>", "dog"]).finish()
    run = RunStore(tmp_path).open("odd")
    run.write_notes({"name": LINK})
    groups = seed_groups(run_rows([run]))
    assert "<script" not in with_plain_names(bucket_dots(groups, singles=True)).to_json()


ODD = [
    "<b>bold</b>", "bold", "<b>", "H<sub>2</sub>O", "&lt;x&gt;", "&#65;", "a & b", "%{x}", "<extra>e", "<br>",
    "</b>", "<i>", "</br>", "b>", "<", ">", "a<br>b", "<b", "%{y}", "%{", "<br><b>",
    "$x^2$", "**md**", "😀 ü", "\u05d0\u05d1 rtl", "zero\u200bwidth", "n" * 300, "two\nlines", "=1+1", "{name}",
]  # fmt: skip


def as_plotly_shows(text):
    """Return a text after Plotly's templates, tags and entities were read; None where one was followed."""
    if re.search(r"%\{", text) or re.search(r"</?(?:b|i|br|sup|sub|extra|a|em|s|u)\b", text):
        return None
    return html.unescape(text)


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_shown_as_written_in_ticks_legends_hovers_and_titles(name):
    label = f"{name} (12)"
    figure = go.Figure(go.Bar(x=[label], y=[1], name=name, customdata=np.array([[name]], dtype=object)))
    figure.update_layout(xaxis={"ticktext": [label], "tickvals": [0]}, title={"text": f"<b>{name}</b>"})
    figure.frames = [go.Frame(name="1", data=[go.Bar(x=[label])])]
    shown = with_plain_names(figure, ODD)
    texts = [shown.data[0].x[0], shown.layout.xaxis.ticktext[0], shown.frames[0].data[0].x[0]]
    assert [as_plotly_shows(text) for text in texts] == [label] * 3
    assert as_plotly_shows(shown.data[0].name) == as_plotly_shows(shown.data[0].customdata[0][0]) == name
    # a name that closes the tag around it is as readable, and not bold
    assert html.unescape(re.sub("</?b>", "", shown.layout.title.text)) in (name, f"<b>{name}</b>")


@pytest.mark.parametrize(
    "name", ["<b>", "</b>", "<br>", "<", ">", "b>", "<b", "%{x}", "<extra>", "</extra>", "<br><b>"]
)
def test_a_name_that_is_a_tag_leaves_the_tags_of_the_house(name):
    figure = go.Figure(
        go.Bar(x=[name, f"{name} (12)"], y=[1, 2], hovertemplate="<b>%{x}</b><br>%{y}<extra></extra>")
    )
    figure.update_layout(
        title={"text": "<b>Angles</b><br><sup>of 3</sup>"}, annotations=[{"text": f"{name} and dog"}]
    )
    shown = with_plain_names(figure, [name, "dog"])
    assert shown.layout.title.text == figure.layout.title.text
    assert shown.data[0].hovertemplate == figure.data[0].hovertemplate
    assert [as_plotly_shows(text) for text in shown.data[0].x] == [name, f"{name} (12)"]
    assert as_plotly_shows(shown.layout.annotations[0].text) == f"{name} and dog"
    bold = with_plain_names(go.Figure(layout={"title": f"<b>{name}</b>"}), [name]).layout.title.text
    assert html.unescape(bold).count(name) >= 1
    assert _FOREIGN.search(bold) is None


def test_tags_of_the_house_stay_and_a_figure_without_such_names_is_the_same_object():
    figure = go.Figure(go.Bar(x=["bold"], y=[1], hovertemplate="<b>%{x}</b><extra></extra>"))
    assert with_plain_names(figure, ["bold", "dog", "<i>x</i>"]) is figure


def texts_of(tree):
    if isinstance(tree, str):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from texts_of(part)


@pytest.mark.parametrize("page", ["geometry", "variability", "compare", "images", "map"])
def test_pages_escape_the_names_of_the_classes_they_show(page, tmp_path, monkeypatch):
    names = ["<b>bold</b>", "bold", "H<sub>2</sub>O", "&lt;x&gt;", "%{x}", "<b>", "a<br>b"]
    write_run(tmp_path, "odd", classes=names).finish()
    RunStore(tmp_path).open("odd").write_notes({"name": "<i>my</i> run"})
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    shown = AppTest.from_file(str(ROOT / "app" / page / "page.py"), default_timeout=30).run()
    assert not shown.exception
    texts = [text for chart in charts(shown) for text in texts_of(chart.figure)]
    assert texts
    for name in ("<b>bold</b>", "H<sub>2</sub>O", "<i>my</i> run", "a<br>b"):
        assert not [text for text in texts if name in text]
    # tags of the house stay, each closed, and templates are templates
    assert all(text.count("<b>") == text.count("</b>") for text in texts)
    assert not [text for text in texts if "%&#123;" in text and "<extra>" in text]
