"""Answers of the lessons: they wait for a guess or five seconds; of the quiz, for a guess or a click."""

import pytest
from streamlit.testing.v1 import AppTest

from mlcnc.analysis.geometry.does_it_align import alignment_cases
from mlcnc.store import RunStore
from tests.app.conftest import words
from tests.conftest import ROOT


@pytest.fixture
def lesson(monkeypatch):
    """Return a function that opens a step alone over the recorded runs."""
    monkeypatch.setenv("MLCNC_RUNS", str(ROOT / "runs"))
    monkeypatch.setattr("sys.argv", ["streamlit"])

    def open_step(number, **address):
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
    "3_equal": "become a simplex ETF (NC2)",
    "4_rare": "**Minority collapse.**",
    "6_softmax": "**With softmax, close embeddings matter little**",
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
    assert table["share of alignment (%)"].is_monotonic_increasing
    assert {round(weak.test, 2), round(strong.test, 2)} <= set(table["cosine, test"])
    assert "nan" not in table.to_string()


def test_step_5_shows_person_and_horse_where_a_run_has_them(lesson):
    options = next(item for item in lesson("5").selectbox if item.key == "pair").options
    assert "person" in options[0]
    assert "horse" in options[0]
