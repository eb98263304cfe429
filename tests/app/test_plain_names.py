"""Tags in names of runs and classes are shown, not followed."""

import numpy as np
import plotly.graph_objects as go

from app.figures.comparison import bucket_bars
from app.figures.plain_names import with_plain_names
from mlcnc.analysis.comparison import seed_groups
from mlcnc.analysis.runs import run_rows
from mlcnc.store import RunStore
from tests.app.conftest import write_run

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
    assert "<script" not in with_plain_names(bucket_bars(groups, dots=True)).to_json()
