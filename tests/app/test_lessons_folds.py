"""Answers of the lessons: folded until the reader has guessed, and opened without a guess by who wants to."""

import pytest
from streamlit.testing.v1 import AppTest

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


def in_the_open(shown):
    """Return the words of a page that no fold hides."""
    folded = {id(item) for fold in shown.expander for item in fold.markdown}
    return " ".join(item.value for item in shown.markdown if id(item) not in folded)


@pytest.mark.parametrize(("key", "answer"), SPOILERS.items())
def test_an_answer_is_folded_until_a_guess_is_made(lesson, key, answer):
    shown = lesson(key[0])
    assert answer in words(shown), "it can be opened without a guess"
    assert answer not in in_the_open(shown)
    radio = next(item for item in shown.radio if item.key == f"guess_{key}")
    radio.set_value(radio.options[0]).run()
    assert not shown.exception
    assert answer in in_the_open(shown)


def test_the_chart_that_answers_a_question_is_folded_too(lesson):
    shown = lesson("1")
    (fold,) = [item for item in shown.expander if item.get("plotly_chart")]
    assert fold.label == "What happened"
    shown.radio(key="guess_1_twenty").set_value("it grows").run()
    assert not [item for item in shown.expander if item.get("plotly_chart")]
    assert len(shown.get("plotly_chart")) == 2


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
