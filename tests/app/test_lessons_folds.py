"""Answers of the lessons: they wait for a guess or five seconds; of the quiz, for a guess or a click."""

import json
import re
import shutil

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.learn.frame import HOLD_KEY, STEPS
from mlcnc.analysis.geometry.does_it_align import alignment_cases
from mlcnc.etf import optimal_angle_degrees
from mlcnc.evidence.results import read_results
from mlcnc.evidence.weight_of_alignment import alignment_answer, weight_courses
from mlcnc.store import RunStore
from tests.app.conftest import words
from tests.conftest import ROOT


@pytest.fixture
def lesson(monkeypatch):
    """Return a function that opens a step alone over the recorded runs."""
    monkeypatch.setattr("sys.argv", ["streamlit"])

    def open_step(number, runs=ROOT / "runs", **address):
        monkeypatch.setenv("MLCNC_RUNS", str(runs))
        page = AppTest.from_file(str(ROOT / "app" / "learn" / "page.py"), default_timeout=60)
        for name, value in ({"step": number} | address).items():
            page.query_params[name] = value
        shown = page.run()
        assert not shown.exception, shown.exception
        return shown

    return open_step


SPOILERS = {
    "1_four": "four at **109.47°**",
    "2_moves": "This is **variability collapse**",
    "3_equal": "class means become a simplex ETF",
    "3_trap": "made-up class means",
    "4_rare": "**It depends on weight decay.**",
    "5_where": "**The trouble.**",
    "5_uneven": "Person 20 : 1 horse",
    "6_softmax": "**With softmax, close embeddings matter little**",
    "8_share": "**Why?** A loss trains by its part of the gradient.",
}


def waiting(block, inside=False):
    """Return the words that the browser shows only after five seconds."""
    found = []
    for child in getattr(block, "children", {}).values():
        late = inside or "-later_" in getattr(child.proto, "id", "")
        if late and child.type == "markdown":
            found.append(child.value)
        found += waiting(child, late)
    return found


@pytest.mark.parametrize(("key", "answer"), SPOILERS.items())
def test_an_answer_waits_five_seconds_unless_a_guess_is_made(lesson, key, answer):
    shown = lesson(key[0])
    assert answer in " ".join(waiting(shown.main)), "it comes without a guess"
    radio = next(item for item in shown.radio if item.key == f"guess_{key}")
    radio.set_value(radio.options[0]).run()
    assert not shown.exception
    assert answer in words(shown)
    assert answer not in " ".join(waiting(shown.main))


DECIDES = {
    "1_four": r"109\.47|tetrahedron",
    "1_twenty": r"93\.0|90\.7",
    "2_moves": "no weight decay|Without it NC1 still is 0.16|A run with weight decay",
    "3_equal": "other starts",
    "3_trap": r"93\.1|Switch the centring",
    "4_rare": r"71\.8|stay as far apart",
    "5_where": r"52\.2|no longer collapse to one",
    "5_uneven": r"35\.4|69\.3",
    "6_softmax": r"84\.1",
    "8_share": r"\d % of the gradient",
}


def in_sight(block, key):
    """Return all that stands open beside a question, with specs and data of charts; no more than it asks."""
    sent = ""
    for child in getattr(block, "children", {}).values():
        # options and what is folded have to be opened or read as what they are
        if getattr(child, "key", None) == f"guess_{key}" or child.type == "expander":
            continue
        if "-later_" in getattr(child.proto, "id", ""):
            continue
        more = in_sight(child, key) if hasattr(child, "children") else str(child.proto)
        # ids are hashes, of where the checkout lies too, in which any number may stand
        sent += re.sub(r"\$\$ID-[0-9a-f]+", "", more)
    return sent


@pytest.mark.parametrize(("key", "decides"), DECIDES.items())
def test_what_decides_a_question_does_not_stand_beside_it(lesson, key, decides):
    shown = lesson(key[0])
    found = re.search(decides, in_sight(shown.main, key))
    assert not found, found
    assert re.search(decides, " ".join(waiting(shown.main)))


def test_step_7_does_not_say_beside_its_plots_what_they_support(lesson):
    shown = lesson("7")
    assert not re.search(r"Supported: |Undecided: |84\.37", in_sight(shown.main, "7_claims_0"))
    late = " ".join(waiting(shown.main))
    for answer in ("Supported: Run 1 above Run 3", "Tail mAP. Undecided:", "ETF 84.37"):
        assert answer in late
    shown.button(key="quiz_reveal").click().run()
    assert "Supported: Run 1" not in " ".join(waiting(shown.main))


def test_the_answers_of_all_steps_are_held_by_one_switch_that_the_address_keeps(lesson):
    assert not lesson("1").toggle(key=HOLD_KEY).value
    shown = lesson("1", hold="true")
    assert shown.toggle(key=HOLD_KEY).value
    shown.button(key="step_next").click().run()
    assert shown.title[0].value == STEPS[1].title
    assert shown.toggle(key=HOLD_KEY).value
    assert shown.query_params["hold"] == "true"


def test_step_7_folds_what_the_plots_support_until_a_guess(lesson):
    def folds(page):
        return [item for item in page.expander if item.label == "What they support"]

    shown = lesson("7", quiz="3")
    (fold,) = folds(shown)
    assert "**Supported.**" in " ".join(item.value for item in fold.markdown)
    (radio,) = [item for item in shown.radio if item.key == "guess_7_claims_3"]
    radio.set_value(radio.options[0]).run()
    assert not shown.exception
    assert not folds(shown)
    assert "**Supported.**" in words(shown)
    shown = lesson("7", quiz="3")
    shown.button(key="quiz_reveal").click().run()
    assert not folds(shown), "who knows the names has read what parts the runs"


def test_step_8_sets_the_share_of_the_alignment_beside_its_cosine(lesson):
    store = RunStore(ROOT / "runs")
    names = ("voc07-etf-aligned-s0", "voc07-etf-s0")
    weak, strong = alignment_cases([store.open(name) for name in names])
    assert weak.run_id == "voc07-etf-s0"
    assert weak.share < 0.1 < strong.share < 1
    assert weak.train < 0.2 < 0.8 < strong.train
    assert strong.test < strong.train
    shown = lesson("8")
    table = shown.dataframe[0].value
    line = table[(table["data set"] == "voc07-lt") & (table["recipe"] == "MLC-NC etf")]
    seeds = [
        case.train for case in alignment_cases(list(store.scan())) if case.run_id.startswith("voc07-etf-s")
    ]
    assert list(line["cosine, training"]) == [
        f"{np.mean(seeds):.2f} ({min(seeds):.2f}-{max(seeds):.2f}, n={len(seeds)})"
    ]
    # two runs of one data set and label embedding, named
    assert re.search(r"In \*\*voc07-etf-s0\*\*.*In \*\*voc07-etf-aligned-s0\*\*", words(shown), re.DOTALL)
    assert "differ in alignment weight (0.5, 100.0) and weight decay (10.0, 5.0)" in words(shown)


def test_step_8_answers_first_and_leaves_nothing_empty(lesson):
    (tree,) = [tree for tree in read_results(ROOT / "runs")[0] if tree["experiment"] == "alpha"]
    shown = lesson("8")
    assert alignment_answer(weight_courses(tree)) in words(shown)
    first = shown.get("plotly_chart")[0]
    assert first.proto.id.endswith("lesson8_weights")
    assert len(shown.dataframe) >= 3
    for table in shown.dataframe:
        cells = table.value.astype(str).to_numpy().ravel().tolist()
        assert not {"nan", "None", "?", "", "-"} & set(cells)
    assert "alpha" not in " ".join(item.value.to_string() for item in shown.dataframe)


def test_step_8_answers_whether_longer_training_collapses(lesson):
    shown = lesson("8")
    last = RunStore(ROOT / "runs").open("balanced-etf-terminal-s0").metrics()[-1]
    tables = [item.value for item in shown.dataframe if "without the class" in item.value.columns]
    lines, on_long_tail = (table.set_index("recipe") for table in tables)
    strong, usual = (
        lines.loc["ETF, weight 50, 400 epochs"],
        lines.loc["balanced-etf-terminal-s0, weight 50, at epoch 41"],
    )
    assert strong["NC1, training"] == f"{last['train.f/nc1_trace']:.3f}"
    assert strong["without the class"] == f"{last['train.f/nc1_trace_query_only']:.3g}"
    assert strong["smallest angle (°), test"] == f"{last['test.f/angle_min_class']:.1f}"
    assert float(usual["NC1, training"]) > 2 * float(strong["NC1, training"])
    assert on_long_tail.loc["ETF, weight 50, 400 epochs", "smallest angle (°), test"] == "40.6"
    said = words(shown)
    assert "10 times longer than the 40 epochs" in said
    assert (
        "**The features of a class draw together in 2 of 2 rows; the closest class means come to 63.9°" in said
    )
    assert "from 62.5° to 87.4° with weight 50, where an ETF has 93.0°.**" in said
    assert "the features of a class draw together, NC1 is 0.11, that is 5.5 % of the 2.1" in said
    assert "at epoch 41: the features of a class draw together, NC1 is 0.32, that is 5.2 % of the 6.1" in said
    assert f"stand 63.9° apart, those of an ETF {optimal_angle_degrees(20):.1f}°" in said


def test_step_8_takes_whatever_results_there_are(lesson, tmp_path):
    folder = tmp_path / "_results"
    folder.mkdir()
    trees = {path.stem: json.loads(path.read_text()) for path in (ROOT / "runs" / "_results").glob("*.json")}
    longer, study = trees["terminal-pictogram-balanced"], trees["alpha-voc07-lt"]
    for row in study["rows"]:
        row["values"] = {}
    longer |= {"dataset": "pictogram-lt", "seeds": [0, 1]}
    longer["rows"][0]["values"]["alignment"] = {"mean": 0.5, "lowest": 0.4, "highest": 0.6, "runs": [0.4, 0.6]}
    longer["rows"][1]["values"] = {}
    for name, tree in (("alpha-voc07-lt", study), ("terminal-pictogram-lt", longer)):
        (folder / f"{name}.json").write_text(json.dumps(tree))
    shown = lesson("8", runs=tmp_path)
    (table,) = [item.value for item in shown.dataframe if "recipe" in item.value.columns]
    assert list(table["cosine, training"]) == ["0.500 (0.400 to 0.600)"]
    assert "Measured: pictogram-lt, 2 seeds" in words(shown)
    assert "No finished run here measured" in words(shown)


def test_step_5_shows_person_and_horse_where_a_run_has_them(lesson, tmp_path):
    shutil.copytree(ROOT / "runs" / "voc07-etf-s0", tmp_path / "voc07-etf-s0")
    options = next(item for item in lesson("5", runs=tmp_path).selectbox if item.key == "pair").options
    assert "person" in options[0]
    assert "horse" in options[0]


def test_step_5_shows_attention_over_images_that_can_be_seen(lesson):
    said = words(lesson("5", r="voc07-etf-s0"))
    assert "attention of one test image in the run pictogram-etf-s0" in said
    assert "pictogram-lt (drawn scenes" in said
    assert "are not stored in runs" not in said
