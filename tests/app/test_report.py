"""``mlcnc report``: the numbers of the runs on one page, names as text, errors as sentences."""

import base64
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from html import unescape

import numpy as np
import pytest

from app.offline.page import Chart, Section, offline_page, prose
from app.report.about import reported
from app.report.command import report_page
from app.widgets.downloads import figure_page
from mlcnc.analysis.comparison.pair_sentences import RULE, recipes_sentence
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.geometry.angles import class_mean_angles, closest_pairs, geometry_sentence
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.cli import main
from mlcnc.store import RunStore
from tests.app.conftest import write_run

WHEN = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"


def without_library(page):
    """Leave out plotly.js, which is most of the page."""
    return re.sub(r"<script>.*?</script>", "", page, flags=re.S)


def figures(page):
    trees = re.findall(r'<script type="application/json" id="c\d+-data">(.*?)</script>', page, flags=re.S)
    return [json.loads(tree) for tree in trees]


def values(array):
    """Return numbers that Plotly may have packed."""
    if isinstance(array, dict):
        array = np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"])
    return np.array(array, dtype=float)


@pytest.fixture(scope="module")
def report(catalogue):
    runs = list(RunStore(catalogue("full")).scan())
    return runs, report_page(runs, written_at=WHEN)


def test_the_page_states_what_the_runs_say(report):
    runs, page = report
    text = unescape(without_library(page))
    rows = run_rows(runs)
    assert "03 February 2026, 04:05 UTC" in text
    assert "toy-lt (5 classes; train, validation and test images 90, 90, 90)" in text
    for bucket in ("total", "tail"):
        assert recipes_sentence(seed_groups(rows), reported(runs).errors_of, bucket) in text
    assert RULE.replace("**", "") in text
    for row in rows:
        assert f"<td>{row.name}</td><td>finished</td><td>3/3</td>" in text
        assert f"<td>{row.map_percent['tail']:.1f}</td>" in text
    record = class_mean_angles(runs[0], 2, split="test", space="f", centring="class")
    assert geometry_sentence(record) in text
    pair = closest_pairs(record)[0]
    assert f"<td>{pair.first} · {pair.second}</td>" in text
    assert f"<td>{pair.angle:.1f}°</td>" in text
    assert "<td>method.label_embedding</td>" in text
    assert "<td>training.lr</td>" not in text  # equal in all runs


def test_charts_hold_the_numbers_of_the_runs(report):
    runs, page = report
    trees = figures(page)
    bars = trees[0]["data"]
    groups = seed_groups(run_rows(runs))
    assert [trace["y"] for trace in bars] == [
        pytest.approx([group.map_percent[bucket].mean for bucket in ("total", "head", "medium", "tail")])
        for group in groups
    ]
    # of each of the three runs with arrays: a matrix, a histogram of its 10 pairs, pictures with attention
    kinds = [trace["type"] for tree in trees for trace in tree["data"]]
    assert kinds.count("heatmap") - len([tree for tree in trees if tree["layout"].get("images")]) == 3
    histograms = [tree["data"][0] for tree in trees[1:] if tree["data"][0]["type"] == "bar"]
    assert [np.sum(values(trace["y"])) for trace in histograms] == [10, 10, 10]
    assert len([tree for tree in trees if tree["layout"].get("images")]) >= 3


def test_nc1_stands_beside_its_shuffle_baseline(report):
    runs, page = report
    text = unescape(without_library(page))
    for run in runs:
        last = run.metrics()[-1]
        own, chance = last["test.f/nc1_trace"], last["test.f/nc1_trace_shuffled"]
        query = last["test.f/nc1_trace_query_only"]
        beside = f"{chance:.2f} with labels shuffled, {query:.2f} of as many images without the class"
        assert f"{run.run_id} {own:.2f} ({beside})" in text
    alone = figures(report_page(runs[:1], written_at=WHEN))
    nc1 = next(tree for tree in alone if "NC1, trace ratio" in tree["layout"]["yaxis"]["title"]["text"])
    assert nc1["data"][-1]["line"]["dash"] == "dash"


def test_every_chart_has_a_takeaway_and_a_reading(report):
    page = without_library(report[1])
    charts = re.findall(r'class="chart" id="(c\d+)" role="group" aria-label="([^"]+)"', page)
    assert len(charts) == len(figures(report[1])) > 10
    assert all(len(alt) > 20 for _, alt in charts)
    for section in re.findall(r"<section.*?</section>", page, flags=re.S):
        assert ("<figure" in section) == ("How to read this" in section)


def test_the_page_is_one_file_that_asks_for_nothing(report):
    page = report[1]
    assert 4e6 < len(page) < 7e6
    assert page.count("plotly.js v") == 1
    rest = without_library(page)
    assert not re.findall(r'(?:src|href)="(?!#|data:)', rest)
    assert "@import" not in rest
    assert "default-src 'none'" in rest


def test_names_are_text_wherever_they_stand(tmp_path):
    for run_id, embedding in (("one", "etf"), ("two", "glove")):
        run = write_run(tmp_path, run_id, embedding=embedding, classes=["a & b", HOSTILE, "c", "d", "<b>e</b>"])
        run.finish()
        path = tmp_path / run_id / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"name": f"{HOSTILE} {run_id}"}))
    page = report_page(list(RunStore(tmp_path).scan()), written_at=WHEN)
    assert HOSTILE not in page
    assert "<b>e</b>" not in page
    assert HOSTILE in unescape(without_library(page))
    labels = {str(label) for tree in figures(page) for trace in tree["data"] for label in trace.get("x", [])}
    # Plotly reads a little markup in labels, so they hold entities
    assert "&lt;script&gt;alert(1)&lt;/script&gt; (120)" in labels
    assert not [label for label in labels if "<" in label]


@pytest.mark.parametrize(
    "situation",
    ["one", "running", "no_epoch", "lost", "failed", "damaged_arrays", "damaged_samples", "half_line",
     "nothing_but_loss", "nan", "no_validation", "slim", "many_classes", "analyzed"],
)  # fmt: skip
def test_odd_runs_still_make_a_page(catalogue, situation):
    runs = list(RunStore(catalogue(situation)).scan())
    page = without_library(report_page(runs, written_at=WHEN))
    assert not re.findall(r"<td>nan<|\bnan [%°)]|nan°", page.replace("<td>nan</td><td>finished", ""))
    assert f"({runs[0].status.state}, " in page
    expected = {
        "damaged_arrays": "is damaged",
        "half_line": "half-written",
        "nothing_but_loss": "None of the runs logged a test mAP.",
        "slim": "None of the runs stored class means",
        "running": "is running: what it logged so far is shown.",
    }
    assert expected.get(situation, "") in page


def test_a_damaged_file_of_a_pair_is_said_as_on_the_pages(tmp_path):
    for name in ("ours", "them"):
        for seed in (0, 1):
            embedding = "etf" if name == "ours" else "glove"
            write_run(tmp_path, f"{name}-s{seed}", embedding=embedding, seed=seed).finish()
    whole = without_library(report_page(list(RunStore(tmp_path).scan()), written_at=WHEN))
    assert "Intervals leave out" not in whole
    for path in (tmp_path / "ours-s1" / "epochs").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    page = unescape(without_library(report_page(list(RunStore(tmp_path).scan()), written_at=WHEN)))
    (said,) = re.findall(r"Intervals leave out the choice of test images: [^<]*", page)
    assert "of run ours-s1 is damaged" in said


def test_many_runs_become_bands_over_seeds(tmp_path):
    for seed in range(9):
        write_run(tmp_path, f"s{seed}", seed=seed, slim=True, epochs=2).finish()
    page = report_page(list(RunStore(tmp_path).scan()), written_at=WHEN)
    names = [trace.get("name") for tree in figures(page) for trace in tree["data"]]
    assert "MLC-NC etf (n=9)" in names
    assert "s0" not in names


def test_the_command_writes_the_page_and_refuses_in_one_sentence(catalogue, tmp_path, capsys):
    root, out = str(catalogue("full")), tmp_path / "page.html"

    def refused(*arguments):
        assert main(["report", *arguments]) == 1
        text = capsys.readouterr().err
        assert text.startswith("mlcnc: ")
        assert text.count("\n") == 1
        return text

    assert main(["report", "etf-s0", "glove-s0", "--runs", root, "--out", str(out)]) == 0
    assert "report on 2 runs" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "give --force" in refused("etf-s0", "--runs", root, "--out", str(out))
    assert main(["report", "etf-s0", "--runs", root, "--out", str(out), "--force"]) == 0
    assert "trainable" not in without_library(out.read_text(encoding="utf-8"))
    new = str(tmp_path / "new.html")
    assert "there is no run 'nobody'" in refused("nobody", "--runs", root, "--out", new)
    assert "nor any other; start one with mlcnc train" in refused(
        "etf-s0", "--runs", str(tmp_path / "void"), "--out", new
    )
    assert "is a folder" in refused("etf-s0", "--runs", root, "--out", str(tmp_path))
    assert "there is no folder" in refused("etf-s0", "--runs", root, "--out", str(tmp_path / "a" / "b.html"))
    assert "cannot be written" in refused("etf-s0", "--runs", root, "--out", f"/proc/{out.name}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html"]


def test_the_command_works_from_any_folder_without_streamlit(catalogue, tmp_path):
    program = (
        "import sys; from mlcnc.cli import main; code = main(sys.argv[1:]); "
        "print(code, [m for m in ('streamlit', 'torch', 'pandas', 'umap') if m in sys.modules])"
    )
    arguments = ["report", "etf-s0", "--runs", str(catalogue("full")), "--out", "page.html"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"
    assert (tmp_path / "page.html").is_file()


def test_without_the_dashboard_the_command_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr("mlcnc.cli.distributions", lambda name: [])
    assert main(["report", "--out", "page.html", "etf-s0"]) == 1
    assert "pip install -e ." in capsys.readouterr().err


def test_a_downloaded_chart_carries_title_reading_and_numbers():
    import pandas as pd
    import plotly.graph_objects as go

    frame = pd.DataFrame({"class": [HOSTILE, "cow"], "angle": [1.0 / 3.0, np.nan]})
    figure = go.Figure(go.Bar(x=frame["class"], y=frame["angle"]))
    page = figure_page(figure, "Angles", alt="cow is missing", reading="Read **this**.", frame=frame)
    text = without_library(page)
    assert "<title>Angles</title>" in text
    assert "<strong>this</strong>" in text
    assert "cow is missing" in text
    assert "<td>0.333333</td>" in text
    assert HOSTILE not in page
    assert figures(page)[0]["data"][0]["x"][0] == "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_markdown_of_readings_becomes_text():
    html = "".join(prose("One\ntwo.\n\n- `a*b*c`\n- *it* <i>").splitlines())
    assert html == "<p>Onetwo.</p><ul><li><code>a*b*c</code></li><li><em>it</em> &lt;i&gt;</li></ul>"
    assert "<a" not in prose("[here](https://example.org) <https://example.org> ![](https://example.org/a.png)")
    assert "<img" not in prose("![](https://example.org/a.png)")


def test_charts_of_one_kind_share_their_reading():
    import plotly.graph_objects as go

    charts = tuple(Chart(go.Figure(), f"chart {i}", f"takeaway {i}", "The reading.") for i in range(2))
    page = without_library(offline_page("Two", [Section("Both", (charts,))]))
    assert page.count("The reading.") == 1
    assert page.count("takeaway 1</p>") == 1
