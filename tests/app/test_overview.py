"""The overview over odd folders of runs: values at a moment, filters, picks, problems, notes."""

import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.overview.notes import changed_notes, tags_of
from app.overview.table import run_frame
from app.widgets.run_picker import default_picks
from mlcnc.analysis.comparison.findings import geometry_sentence, undecided_sentence
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.runs.rows import run_row, run_rows
from mlcnc.store import RunStore, RunWriter
from tests.app.conftest import words, write_run
from tests.conftest import ROOT

NASTY = "*x* [y](javascript:alert(1)) <b>z</b> $q$"


def write_hill(root, run_id="hill", shift=0.0, dataset="toy-lt", epochs=5, **settings):
    """A run whose best epoch on validation is its second of five."""
    config = {"data": {"dataset": dataset}, "model": {"label_embedding": "etf", "classifier": "fixed"}}
    run = RunWriter.create(
        root, run_id, class_names=["a", "b"], class_counts=[9, 2], num_epochs=5, config=config, **settings
    )
    for epoch, value in enumerate([1.0, 7.0, 4.0, 3.0, 2.0][:epochs]):
        run.log_epoch(
            epoch,
            {
                "validation/map_total": value,
                "test/map_total": 10 + value + shift,
                "test.f/nc1_trace": float(epoch),
                "test.f/nc1_trace_shuffled": 9.0,
            },
        )
    return run


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """Return a function that opens the overview over ``tmp_path``, with settings of the address."""
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])

    def opened(script="app/overview/page.py", **address):
        page = AppTest.from_file(str(ROOT / script), default_timeout=30)
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception, page.exception
        return page

    return opened


def table(page):
    return page.dataframe[0].value


@pytest.mark.parametrize(
    ("address", "value", "nc1", "at", "said"),
    [
        ({}, 17.0, 1.0, 2, "values at the best epoch on validation of each run"),
        ({"at": "last"}, 12.0, 4.0, 5, "values at the last measured epoch of each run"),
        ({"at": "epoch", "at_epoch": "3"}, 14.0, 2.0, 3, "values at epoch 3 of each run"),
        ({"at": "epoch"}, 12.0, 4.0, 5, "values at epoch 5 of each run"),
        ({"at": "nonsense", "at_epoch": "-7"}, 17.0, 1.0, 2, "values at the best epoch on validation"),
    ],
)
def test_best_last_and_a_chosen_epoch_differ_and_the_caption_says_which(
    shown, tmp_path, address, value, nc1, at, said
):
    write_hill(tmp_path).finish()
    page = shown(**address)
    line = table(page).iloc[0]
    assert (line["mAP total"], line["NC1"], line["at epoch"]) == (value, nc1, at)
    assert line["NC1 shuffled"] == 9.0
    assert list(line["mAP curve"]) == [11.0, 17.0, 14.0, 13.0, 12.0]
    assert said in words(page)


def test_runs_that_did_not_reach_the_chosen_epoch_are_named(shown, tmp_path):
    write_hill(tmp_path).finish()
    write_hill(tmp_path, "short", epochs=2).finish()
    page = shown(at="epoch", at_epoch="4")
    values = table(page).set_index("run")["mAP total"]
    assert values["hill"] == 13.0
    assert values.isna()["short"]
    assert "Not measured at epoch 4, so left empty: short." in words(page)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ({}, ["hill", "ridge", "vale"]),
        ({"q": "RIDGE"}, ["ridge"]),
        ({"q": "winter"}, ["vale"]),
        ({"q": "data.dataset=other"}, ["vale"]),
        ({"dataset": "other"}, ["vale"]),
        ({"dataset": "absent"}, ["hill", "ridge", "vale"]),
        ({"min_map": "20"}, ["ridge"]),
        ({"min_map": "17", "at": "last"}, ["ridge"]),
        ({"min_map": "lots"}, ["hill", "ridge", "vale"]),
        ({"state": "failed"}, ["ridge"]),
    ],
)
def test_filters_come_from_the_address(shown, tmp_path, address, kept):
    write_hill(tmp_path).finish()
    write_hill(tmp_path, "ridge", shift=30.0).__exit__(ValueError, ValueError("no room"), None)
    write_hill(tmp_path, "vale", dataset="other").finish()
    RunStore(tmp_path).open("vale").write_notes({"tags": ["Winter"]})
    page = shown(**address)
    assert list(table(page)["run"]) == kept[::-1], "the newest first"
    count = "3 runs" if len(kept) == 3 else f"{len(kept)} of 3 runs"
    assert count in words(page)


def test_a_filter_that_nothing_fits_can_be_cleared(shown, tmp_path):
    write_hill(tmp_path).finish()
    page = shown(q="nowhere", min_map="99")
    assert "No run fits the filter." in words(page)
    page.button[0].click().run()
    assert list(table(page)["run"]) == ["hill"]


def test_the_page_says_what_geometry_says_and_what_stays_open(opened, catalogue):
    groups = seed_groups(run_rows(list(RunStore(catalogue("full")).scan())))
    said = words(opened("overview", "full"))
    assert geometry_sentence(groups) in said
    assert undecided_sentence(groups) in said


def test_cards_name_the_highest_run_of_the_main_data_set(shown, tmp_path):
    write_hill(tmp_path).finish()
    write_hill(tmp_path, "peak", shift=5.0).finish()
    write_hill(tmp_path, "easy", shift=80.0, dataset="easier").finish()
    page = shown()
    cards = {card.label: card.value for card in page.metric}
    assert cards["Runs"] == "3"
    assert cards["Top total mAP"] == "22.0 %"  # a run on another data set is not above it
    assert cards["Top tail mAP"] == "-"
    assert "3 finished" in words(page)
    assert "97.0 %" in {card.value for card in shown(dataset="easier").metric}


def test_unknown_runs_of_the_address_are_said_in_one_notice(shown, tmp_path):
    write_hill(tmp_path).finish()
    write_hill(tmp_path, "ridge").finish()
    page = shown("app/main.py", r=["ridge", "gone", "lost*"])
    assert page.sidebar.multiselect[0].value == ["ridge"]
    notices = [str(item.value) for item in page.sidebar.warning]
    assert len(notices) == 1
    assert notices[0].startswith("The address asks for gone, lost\\*; there are no such runs here")
    page.sidebar.multiselect[0].set_value(["hill"]).run()
    assert not page.sidebar.warning
    only_unknown = shown("app/main.py", r=["gone"])
    assert only_unknown.sidebar.multiselect[0].value == ["hill"]
    assert len(only_unknown.sidebar.warning) == 1


def test_without_picks_the_table_stays_and_the_next_step_is_said(shown, tmp_path):
    write_hill(tmp_path).finish()
    page = shown("app/main.py")
    page.sidebar.multiselect[0].set_value([]).run()
    assert not page.exception
    assert list(table(page)["run"]) == ["hill"]
    assert "tick one to eight boxes in the table" in words(page)


def test_many_broken_folders_do_not_flood_the_page(shown, tmp_path):
    write_hill(tmp_path).finish()
    for number in range(60):
        (tmp_path / f"bad-{number}").mkdir()
    page = shown()
    assert not page.warning
    assert [box.label for box in page.expander if "cannot be read" in box.label] == [
        "60 folders cannot be read as runs"
    ]
    listed = str(page.expander[-1].markdown[0].value)
    assert listed.count("\n") == 49
    assert "bad-0 cannot be read: run.json of run bad-0 is missing" in listed


def test_only_broken_folders_say_so_and_the_next_step(shown, tmp_path):
    (tmp_path / "bad").mkdir()
    page = shown()
    assert "bad cannot be read" in words(page)
    assert "Train one" in words(page)
    assert not page.dataframe


def test_a_failed_run_tells_its_reason(opened):
    assert "Its reason: ValueError: the reason" in words(opened("overview", "failed"))


def test_names_of_every_kind_reach_the_page_as_text(shown, tmp_path):
    write_hill(tmp_path, name=NASTY).finish()
    page = shown("app/main.py")
    assert table(page)["run"][0] == NASTY
    everything = words(page)
    assert "[y](javascript" not in everything
    assert "\\*x\\* \\[y\\]" in everything
    assert "&lt;b&gt;z&lt;/b&gt;" in str(page.sidebar.get("html")[0].proto.body)


def open_notes(page):
    page.session_state["edit_notes"] = True
    return page.run()


def test_name_tags_and_notes_are_saved_and_nothing_else_is_lost(shown, tmp_path):
    write_hill(tmp_path).finish()
    run = RunStore(tmp_path).open("hill")
    run.write_notes({"tags": ["old"], "rating": 5})
    page = open_notes(shown())
    boxes = {box.label: box for box in page.text_input}
    assert boxes["Tags"].value == "old"
    boxes["Name"].set_value("  The   hill ")
    boxes["Tags"].set_value("keep, keep, *bold*")
    page.text_area[0].set_value("two\nlines")
    page.button[0].click().run()
    assert not page.exception
    stored = json.loads((tmp_path / "hill" / "notes.json").read_text())
    assert stored == {
        "schema_version": 1,
        "rating": 5,
        "name": "The hill",
        "tags": ["keep", "*bold*"],
        "notes": "two\nlines",
    }
    assert table(page)["run"][0] == "The hill"
    assert list(table(page)["tags"][0]) == ["keep", "*bold*"]
    again = shown(q="lines")  # a new session finds it by its notes
    assert list(table(again)["run"]) == ["The hill"]


def test_notes_that_cannot_be_saved_are_said_and_stay_typed(shown, tmp_path):
    write_hill(tmp_path).finish()
    page = open_notes(shown())
    page.text_area[0].set_value("precious")
    (tmp_path / "hill" / "notes.json").mkdir()
    page.button[0].click().run()
    assert not page.exception
    assert str(page.error[0].value).startswith("Nothing was changed and what you typed is still here:")
    assert page.text_area[0].value == "precious"


def test_a_second_half_of_a_double_click_on_save_accuses_nobody(shown, tmp_path):
    write_hill(tmp_path).finish()
    run = RunStore(tmp_path).open("hill")
    page = open_notes(shown())
    boxes = {box.label: box for box in page.text_input}
    boxes["Tags"].set_value("a,b,")
    page.text_area[0].set_value("same ")
    # as the first half left it, which was broken off after it had written
    run.write_notes({"tags": ["a", "b"], "notes": "same"})
    page.button[0].click().run()
    assert not page.warning
    assert "Saved" in page.success[0].value
    assert {box.label: box for box in page.text_input}["Tags"].value == "a, b", "as it is stored"


def test_notes_of_two_visitors_do_not_displace_each_other_unseen(shown, tmp_path):
    write_hill(tmp_path).finish()
    first, second = open_notes(shown()), open_notes(shown())
    first.text_area[0].set_value("of the first")
    first.button[0].click().run()
    second.text_area[0].set_value("of the second")
    second.button[0].click().run()
    assert "Not saved, for somebody else changed" in second.warning[0].value
    assert "of the first" in second.warning[0].value
    assert second.text_area[0].value == "of the second"
    assert RunStore(tmp_path).open("hill").notes()["notes"] == "of the first"
    second.button[0].click().run()
    assert "Saved" in second.success[0].value
    assert RunStore(tmp_path).open("hill").notes()["notes"] == "of the second"
    # the first one's fields hold what it stored itself, so the second's words are in its way now
    next(box for box in first.text_input if box.label == "Tags").set_value("x")
    first.button[0].click().run()
    assert "of the second" in first.warning[0].value


def test_notes_keep_what_the_form_does_not_know():
    found = changed_notes({"name": "old", "more": 1}, name="own", own_name="own", tags="", text=" a ")
    assert found == {"more": 1, "tags": [], "notes": "a"}
    assert tags_of("a,, b c ,a") == ["a", "b c"]


def test_a_short_run_of_ones_own_takes_the_place_of_no_other(tmp_path):
    for run_id, settings in {
        "a-etf": {"epochs": 1},
        "y-etf-0": {"seed": 0},
        "y-etf-1": {"seed": 1},
        "z-glove": {"embedding": "glove"},
    }.items():
        write_run(tmp_path, run_id, **settings).finish()
    short, *longer = run_rows(RunStore(tmp_path).scan())
    own = replace(short, group_key=short.group_key + ";training.epochs=1")
    assert default_picks([own, *longer]) == ["y-etf-0", "z-glove"]
    # without more seeds the longer one
    assert default_picks([own, longer[1]]) == ["y-etf-1"]


def test_default_picks_have_pictures_where_any_run_has(tmp_path):
    for run_id, embedding in (("a-etf", "etf"), ("b-etf", "etf"), ("c-glove", "glove")):
        write_run(tmp_path, run_id, epochs=1, embedding=embedding).finish()
    rows = [replace(row, has_pictures=row.run_id == "b-etf") for row in run_rows(RunStore(tmp_path).scan())]
    assert default_picks(rows) == ["b-etf"]


def test_default_picks_are_one_run_a_plain_recipe_of_the_main_data_set(tmp_path):
    for run_id, settings in {
        "a-glove": {"embedding": "glove"},
        "b-etf-block": {"classifier": "block_aligned"},
        "c-etf": {},
        "d-etf": {"seed": 1},
        "e-slim": {"embedding": "trainable", "slim": True},
    }.items():
        write_run(tmp_path, run_id, epochs=1, **settings).finish()
    rows = run_rows(RunStore(tmp_path).scan())
    assert default_picks(rows) == ["c-etf", "a-glove"]
    assert default_picks([row for row in rows if not row.has_arrays]) == ["e-slim"]
    assert default_picks([]) == []


def test_the_curve_of_a_long_run_is_thinned_for_the_browser(tmp_path):
    run = RunWriter.create(tmp_path, "long", class_names=["a", "b"], class_counts=[9, 2])
    for epoch in range(100):
        run.log_epoch(epoch, {"test/map_total": float(epoch) if epoch % 10 else float("nan")})
    run.finish()
    curve = run_frame([run_row(RunStore(tmp_path).open("long"))])["mAP curve"][0]
    assert len(curve) == 20
    assert (curve[0], curve[-1]) == (1.0, 99.0)


def test_a_running_run_of_unknown_length_says_no_none(monkeypatch, tmp_path):
    write_run(tmp_path, "going", epochs=1)
    path = tmp_path / "going" / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_epochs": None}))
    monkeypatch.setenv("MLCNC_RUNS", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / "overview" / "page.py"), default_timeout=30).run()
    assert not page.exception
    assert "still running: 1 epoch so far" in words(page)


def test_runs_still_going_or_of_another_length_are_told_and_never_the_top(shown, tmp_path):
    write_run(tmp_path, "short", embedding="glove", epochs=1, quality=3.0, slim=True).finish()
    write_run(tmp_path, "long", epochs=3, slim=True).finish()
    going = write_run(tmp_path, "going", embedding="trainable", epochs=2, quality=9.0, slim=True)
    page = shown()
    text = words(page)
    assert "MLC-NC trainable has" not in text
    assert "epochs, so this order is not one of methods" in text
    assert "Their lengths differ, 1 to 3 epochs." in text
    assert {metric.label for metric in page.metric} >= {"Top total mAP", "Top tail mAP"}
    assert not any("going" in caption.value and "epochs" in caption.value for caption in page.caption)
    of_map = [f"mAP {bucket}" for bucket in ("total", "head", "medium", "tail")]
    assert list(table(page).columns[:7]) == ["run", "recipe", "epochs", *of_map]
    going._closed.set()


def test_a_single_run_is_no_top(shown, tmp_path):
    write_run(tmp_path, "only", slim=True).finish()
    page = shown()
    assert {metric.label for metric in page.metric} >= {"total mAP", "tail mAP"}
    assert "toy-lt: MLC-NC etf reaches a total mAP of" in words(page)
    assert "has the highest" not in words(page)
    assert "has the lowest" not in words(page)


def test_runs_that_differ_in_a_setting_are_told_apart_by_their_recipes(shown, tmp_path):
    for number, lr in enumerate((0.1, 0.4)):
        write_run(tmp_path, f"run-{number}", lr=lr, slim=True).finish()
    page = shown("app/main.py", r=["run-0", "run-1"])
    names = {f"MLC-NC etf (lr={lr})" for lr in (0.1, 0.4)}
    assert set(table(page)["recipe"]) == names
    assert all(name in " ".join(part.proto.body for part in page.sidebar.get("html")) for name in names)
