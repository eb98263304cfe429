"""Compare, tab Tables: the verdicts and numbers of recorded results, beside the published ones."""

import json
import math
import re
from urllib.parse import unquote_plus

import pytest

from app.compare.tables import claim_frame, row_frame, value_frame
from app.compare.verdicts import headline, short_claims, smaller_frame, verdict_sentence
from app.figures.claims import claim_intervals
from app.figures.study_values import study_values
from app.widgets.plain_text import plain
from mlcnc.evidence.experiments import EXPERIMENTS
from mlcnc.evidence.results import FOLDER, read_results, results
from mlcnc.store import RunStore
from tests.app.conftest import words, write_run
from tests.app.test_compare import opened_at
from tests.conftest import ROOT

SEEDS = (0, 1)
RATE = 0.001


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A runs folder with results of Table 3, of whose rows the last is not trained."""
    root = tmp_path_factory.mktemp("tables")
    rows = EXPERIMENTS["table3"].rows("pictogram-lt")
    for place, row in enumerate(rows[:-1]):
        for seed in SEEDS:
            run_id = row.entry.run_id("pictogram-lt", RATE, seed)
            write_run(root, run_id, seed=seed, quality=1.0 - place, dataset="pictogram-lt").finish()
    tree = results(
        RunStore(root), "table3", "pictogram-lt", SEEDS, rates=[RATE], command="mlcnc reproduce table3"
    )
    (root / FOLDER).mkdir()
    (root / FOLDER / "table3-pictogram-lt.json").write_text(json.dumps(tree))
    return root, tree


def drawn_sentence(tree):
    """Return the counts of the claims about the quantity that is drawn at first."""
    about = tree["claims"][0]["quantity"]
    return verdict_sentence([tree | {"claims": [c for c in tree["claims"] if c["quantity"] == about]}])


def test_verdicts_and_rows_are_those_of_the_file(monkeypatch, recorded):
    root, tree = recorded
    shown = opened_at(monkeypatch, root, show="Tables")
    text = words(shown)
    assert drawn_sentence(tree) in text
    assert "Not trained: without BEC, as the code does." in text
    assert tree["rule"] in text
    assert "FPC: projection of features" in text, "what rows are called is not said"
    (frame,) = [table.value for table in shown.dataframe if "row" in table.value]
    assert list(frame["row"]) == [row["name"] for row in tree["rows"]]
    value = tree["rows"][0]["values"]["map_total"]
    assert frame["total mAP (%)"][0] == f"{value['mean']:.2f} ({value['lowest']:.2f} to {value['highest']:.2f})"
    assert frame["published total (VOC-LT)"][0] == 84.37


@pytest.mark.parametrize("tab", ["Tables", "Published"])
def test_where_other_runs_are_shown_the_verdict_of_the_picked_ones_is_not(monkeypatch, recorded, tab):
    root, tree = recorded
    first = opened_at(monkeypatch, root)
    (verdict,) = [part.value for part in first.markdown if part.value.startswith("#####")]
    assert "Answer for" in [box.label for box in first.button_group]
    shown = opened_at(monkeypatch, root, show=tab)
    assert verdict not in words(shown)
    assert "Answer for" not in [box.label for box in shown.button_group]
    if tab == "Tables":
        assert shown.markdown[0].value == f"##### {headline([tree])}", "its own answer first"


def test_claims_not_reproduced_are_listed_first(monkeypatch, recorded, tmp_path):
    tree = json.loads(json.dumps(recorded[1]))
    tree["claims"][0] |= {"verdict": "not reproduced", "mean": -1.234}
    text, _, about = tree["claims"][0]["text"].rpartition(": ")
    said = f"Table 3: parts of MLC-NC, on pictogram-lt, {about}: {text} (\u22121.23)"
    assert short_claims([tree], "not reproduced") == [said]
    write_run(tmp_path, "any", epochs=1, slim=True).finish()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "table3-pictogram-lt.json").write_text(json.dumps(tree))
    shown = opened_at(monkeypatch, tmp_path, show="Tables")
    (failed,) = [part for part in shown.get("popover") if part.proto.popover.label == "What was not reproduced"]
    assert failed.markdown[0].value == f"- {plain(said)}"


def made_up(experiment, *claims):
    """Return results on pictogram-lt whose claims have these fields, and those of a claim without an interval."""
    usual = {"text": "A above B: total mAP", "quantity": "map_total", "verdict": "undecided", "mean": None}
    usual |= {"low": None, "high": None, "n": 1, "published": None, "why": ""}
    title = EXPERIMENTS[experiment].title
    tree = {"experiment": experiment, "title": title, "dataset": "pictogram-lt"}
    return tree | {"claims": [usual | claim for claim in claims]}


def test_claims_whose_published_difference_lies_above_the_interval_are_listed():
    angle = {"text": "ETF: further apart than trainable", "quantity": "angle_mean_none", "published": 35.0}
    trees = [
        made_up("figure3", angle | {"mean": 0.72, "low": -10.03, "high": 11.46}, angle | {"mean": 30, "low": 20, "high": 40}),
        made_up("table1", {"verdict": "reproduced", "mean": 4.8, "low": 1.75, "high": 7.84, "published": 15.45}),
        made_up("table1", {"verdict": "not reproduced", "mean": -4, "low": -7, "high": -1, "published": 14.0}),
    ]  # fmt: skip
    assert smaller_frame(trees).to_numpy().tolist() == [
        ["Figure 3: angles between class means, on pictogram-lt", angle["text"], 0.72, -10.03, 11.46, 35.0],
        ["Table 1: methods, on pictogram-lt", "A above B: total mAP", 4.8, 1.75, 7.84, 15.45],
    ]
    assert short_claims(trees, "not reproduced") == [
        "Table 1: methods, on pictogram-lt, total mAP: A above B (\u22124.00)"
    ]
    assert not short_claims(trees, "contradicted by one seed")


def test_claims_that_the_value_of_one_seed_contradicts_are_listed():
    nc1 = {"text": "ETF: NC1 rests", "quantity": "nc1_moves"}
    trees = [
        made_up("terminal", nc1 | {"mean": -0.048}, nc1 | {"mean": 0.048}, nc1),
        made_up("terminal", nc1 | {"mean": -1.0, "low": -3.0, "high": 1.0}),
    ]
    said = ["Terminal phase (our study), on pictogram-lt, NC1 rests: ETF (\u22120.048)"]
    assert short_claims(trees, "contradicted by one seed") == said
    assert smaller_frame(trees).empty
    assert not short_claims(trees, "not reproduced")


def test_every_group_of_the_list_has_its_heading(monkeypatch, recorded, tmp_path):
    tree = json.loads(json.dumps(recorded[1]))
    tree["claims"][0] |= {"verdict": "undecided", "mean": 0.5, "low": -1.0, "high": 2.0, "published": 3.0}
    tree["claims"][1] |= {"verdict": "undecided", "mean": -0.5, "low": None, "high": None, "n": 1}
    tree["claims"] = tree["claims"][:2]
    write_run(tmp_path, "any", epochs=1, slim=True).finish()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "table3-pictogram-lt.json").write_text(json.dumps(tree))
    shown = opened_at(monkeypatch, tmp_path, show="Tables")
    (short,) = [part for part in shown.get("popover") if part.proto.popover.label == "What was not reproduced"]
    smaller, contradicts, line = (part.value for part in short.markdown)
    assert smaller == "**Smaller than published: the published difference lies above the interval**"
    assert contradicts == "**One seed, no interval: the value contradicts the claim**"
    assert "\u22120.50" in line
    assert list(short.dataframe[0].value["published"]) == [3.0]


def test_claims_of_the_paper_are_counted_apart_from_those_of_studies():
    paper = made_up("table4", {"verdict": "reproduced"}, {}, {})
    study = made_up("alpha", {"verdict": "reproduced"}, {"verdict": "not reproduced"})
    assert verdict_sentence([paper, study, study]) == (
        "Of 3 claims of the paper on pictogram-lt: 1 reproduced, 2 undecided; "
        "of 4 of our own studies: 2 reproduced, 2 not reproduced."
    )
    assert verdict_sentence([study]).startswith("Of 2 claims of our own studies on pictogram-lt: 1 rep")
    assert headline([paper, study, paper | {"dataset": "voc07-lt"}]) == (
        "Claims of the paper: on pictogram-lt 1 reproduced, 2 undecided; on voc07-lt 1 reproduced, 2 undecided. "
        "Of our own studies: 1 reproduced, 1 not reproduced."
    )
    assert headline([study]) == "Of our own studies: 1 reproduced, 1 not reproduced."


def test_what_intervals_say_of_published_differences_is_counted_and_stands_at_each_claim():
    inside = {"mean": 1.0, "low": -1.0, "high": 3.0, "published": 1.6, "n": 3}
    outside = inside | {"text": "A above C: total mAP", "high": 1.5}
    trees = [
        made_up("table4", inside, outside, {"published": 1.6}),
        made_up("alpha", {"verdict": "reproduced"}),
    ]
    assert verdict_sentence(trees) == (
        "Of 3 claims of the paper on pictogram-lt: 3 undecided; 1 of 2 intervals exclude the published "
        "difference; of 1 of our own studies: 1 reproduced."
    )
    said = ["compatible with the published +1.6", "below the published +1.6", ""]
    assert list(claim_frame(trees[0]["claims"])["beside the published"]) == said
    claims = trees[0]["claims"][:2]
    figure = claim_intervals(claims, "points")
    assert [text.rpartition("<br>")[2] for text in figure.layout.yaxis.ticktext] == [
        f"<i>{s}</i>" for s in said[:2]
    ]
    assert [row[2] for row in figure.data[0].customdata] == said[:2], "not in the hover of the mark"


def test_a_study_says_that_it_is_not_of_the_paper(monkeypatch):
    for name, said in (
        ("Norm of the queries, on pictogram-lt", True),
        ("Table 4: label embeddings, on voc07-lt", False),
    ):
        text = words(opened_at(monkeypatch, ROOT / "runs", show="Tables", results=name))
        assert ("A study of our own, not of the paper." in text) == said
        assert "must not be compared with that of the picked runs" in text


def test_an_interval_that_its_mark_covers_stands_out_from_it():
    claim = made_up("table1", {"mean": 9.0, "low": 8.87, "high": 9.13, "verdict": "reproduced"})["claims"]
    (trace,) = claim_intervals(claim, "points").data
    assert 2 * trace.error_x.width > trace.marker.size + 2 * trace.marker.line.width


def test_a_cell_without_a_value_is_empty(monkeypatch, recorded):
    for tab in ("Tables", "Published"):
        shown = opened_at(monkeypatch, recorded[0], show=tab)
        assert all(
            table.proto.placeholder == "" and table.proto.HasField("placeholder") for table in shown.dataframe
        )


def test_the_readme_links_to_results_that_are_recorded():
    (name,) = re.findall("show=Tables&results=([^`]+)`", (ROOT / "README.md").read_text())
    recorded = read_results(ROOT / "runs")[0]
    assert unquote_plus(name) in [f"{tree['title']}, on {tree['dataset']}" for tree in recorded]


def test_every_claim_has_a_row_and_its_interval(recorded):
    claims = [claim for claim in recorded[1]["claims"] if claim["quantity"] == "map_total"]
    figure = claim_intervals(claims, "points")
    drawn = {}
    for trace in figure.data:
        if trace.name != "published difference":
            ends = zip(trace.x, trace.error_x.arrayminus, trace.error_x.array, strict=True)
            drawn |= dict(zip(trace.y, [(x - below, x, x + above) for x, below, above in ends], strict=True))
    assert len(figure.layout.yaxis.categoryarray) == len(claims)
    with_value = [claim for claim in claims if claim["mean"] is not None]
    assert len(drawn) == len(with_value) == len(claims) - 1
    for claim in with_value:
        (found,) = [
            value for text, value in drawn.items() if claim["text"] == f"{text.replace('<br>', ' ')}: total mAP"
        ]
        assert all(map(math.isclose, found, (claim["low"], claim["mean"], claim["high"])))


def test_without_results_the_tab_says_how_to_make_them(monkeypatch, catalogue):
    assert "mlcnc reproduce table4" in words(opened_at(monkeypatch, catalogue("slim"), show="Tables"))


def test_damaged_results_are_said_and_others_shown(monkeypatch, recorded):
    root, tree = recorded
    torn = root / FOLDER / "torn.json"
    torn.write_text("{")
    try:
        text = words(opened_at(monkeypatch, root, show="Tables"))
    finally:
        torn.unlink()
    assert "torn.json" in text
    assert drawn_sentence(tree) in text


def test_a_single_seed_has_a_value_without_a_range(recorded):
    root, _ = recorded
    tree = results(RunStore(root), "table3", "pictogram-lt", (0,), rates=[RATE])
    cell = row_frame(tree)["total mAP (%)"][0]
    assert cell == f"{tree['rows'][0]['values']['map_total']['mean']:.2f}"
    assert all(claim["low"] is None for claim in tree["claims"])
    claim_intervals(tree["claims"], "points")


def test_every_seed_of_every_row_is_drawn_beside_its_mean(recorded):
    tree = recorded[1]
    figure = study_values(tree, "map_total", "total mAP (%)", None)
    seeds, means = figure.data
    trained = [row for row in tree["rows"] if row["values"]]
    assert sorted(seeds.x) == sorted(run for row in trained for run in row["values"]["map_total"]["runs"])
    assert list(means.x) == [row["values"]["map_total"]["mean"] for row in trained]
    assert len(value_frame(tree, "map_total")) == len(seeds.x) == len(SEEDS) * len(trained)


@pytest.mark.parametrize(
    ("key", "series", "at"),
    [
        ("alpha", ["ETF", "trainable", "GloVe"], ["0", "0.5", "10", "50", "100"]),
        ("figure4", ["mean of seeds"], ["20", "64", "128"]),
    ],
)
def test_rows_that_differ_in_one_setting_are_curves_over_it(tmp_path, key, series, at):
    for place, row in enumerate(EXPERIMENTS[key].rows("pictogram-lt")):
        run_id = row.entry.run_id("pictogram-lt", RATE, 0)
        write_run(tmp_path, run_id, seed=0, quality=1.0 - place / 9, dataset="pictogram-lt").finish()
    tree = results(RunStore(tmp_path), key, "pictogram-lt", (0,), rates=[RATE])
    figure = study_values(tree, "map_total", "total mAP (%)", 100.0)
    curves = [trace for trace in figure.data if "lines" in trace.mode]
    assert [curve.name for curve in curves] == series
    assert all(list(curve.x) == at for curve in curves)
    assert list(figure.layout.xaxis.categoryarray) == at
    assert [curve.y[1] for curve in curves] == [
        row["values"]["map_total"]["mean"] for row in tree["rows"] if row["at"] == at[1]
    ]
    assert figure.layout.shapes[0].y0 == 100.0
