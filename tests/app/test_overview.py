"""The overview over odd folders of runs: values at a moment, filters, picks, problems, notes."""

import json
import re
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.overview.matrix import pair_frame, pair_table
from app.overview.notes import changed_notes, tags_of
from app.overview.table import run_frame
from app.widgets.run_picker import default_picks
from mlcnc.analysis.comparison.pair_sentences import leader_sentence, pairs_sentence
from mlcnc.analysis.comparison.pairs import of_one_size, pairs
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


def matrix(page):
    return next(str(part.proto.body) for part in page.get("html") if "pairs" in str(part.proto.body))


def test_the_verdict_and_the_matrix_are_of_the_pairs_of_one_size(shown, tmp_path):
    for embedding, quality in (("etf", 0.0), ("glove", 3.0)):
        for seed in range(3):
            root = f"{embedding}-{seed}"
            write_run(tmp_path, root, embedding=embedding, seed=seed, quality=quality, slim=True).finish()
    write_run(tmp_path, "long", embedding="trainable", epochs=5, slim=True).finish()
    page = shown()
    same, others = of_one_size(seed_groups(run_rows(RunStore(tmp_path).scan())))
    assert [group.rows[0].run_id for group in others] == ["long"]
    (pair,) = found = pairs(same, lambda *_: {})
    assert pairs_sentence(found) in words(page)
    assert "MLC-NC glove is ahead of MLC-NC etf" in words(page)
    assert all(
        cell.value in matrix(page) and cell.interval in matrix(page) for cell in pair.cells if not cell.why
    )
    assert "trainable" not in matrix(page)
    assert "Of another size, so left out: MLC-NC trainable (5 epochs)." in words(page)


def write_turning(root, lr, seed, nc1):
    """A finished run, best on validation at its second epoch of three, with an NC1 and an angle at each."""
    run = RunWriter.create(
        root, f"lr{lr:g}-{seed}".replace(".", "-"), class_names=["a", "b"], class_counts=[9, 2], num_epochs=3,
        config={"data": {"dataset": "toy-lt"}, "training": {"lr": lr, "seed": seed}}, seed=seed,
    )  # fmt: skip
    for epoch, validation in enumerate((1.0, 7.0, 4.0)):
        values = {"validation/map_total": validation, "test/map_total": 50 + validation + 10 * lr + seed}
        values |= {"test.f/nc1_trace": nc1[epoch] + 0.01 * seed * lr, "test.f/angle_min_class": 80 - nc1[epoch]}
        run.log_epoch(epoch, values)
    run.finish()


@pytest.mark.parametrize(
    ("address", "nc1", "said"),
    [
        ({}, "+3.00", "at its best epoch"),
        ({"at": "last"}, "+3.00", "All values are at the last measured epoch of each run (epoch 3)."),
        ({"at": "epoch", "at_epoch": "2"}, "\u22122.00", "All values are at epoch 2."),
    ],
)
def test_collapse_in_the_matrix_is_of_the_end_of_training(shown, tmp_path, address, nc1, said):
    """The first recipe has less NC1 at the best epoch and more at the last one."""
    for seed in range(3):
        write_turning(tmp_path, 0.1, seed, (9.0, 2.0, 7.0))
        write_turning(tmp_path, 0.4, seed, (9.0, 4.0, 4.0))
    page = shown(**address)
    (line,) = re.findall("<tbody><tr>(.*)</tr></tbody>", matrix(page))
    assert f"<b>{nc1}</b>" in line
    assert "undecided" not in line
    if not address:
        assert "<b>\u22123.0</b>" in line, "mAP stays at the chosen moment"
        said = (
            "mAP is at each run's epoch best on validation (epoch 2), of the 3 at which it was measured; NC1, "
            "smallest angle and alignment are at the last one measured (epoch 3)"
        )
    assert said in words(page)


def test_the_pairs_are_of_the_data_set_of_the_picked_runs_until_another_is_chosen(shown, tmp_path):
    for dataset, number in (("toy", 3), ("other", 2)):
        for place in range(number):
            name = f"{dataset}-{place}"
            write_run(tmp_path, name, dataset=dataset, lr=0.1 * (place + 1), epochs=1, slim=True).finish()
    assert matrix(shown()).count("<tr>") == 1 + 3
    assert "On toy, " in words(shown())
    page = shown(pairs_of="other")
    assert matrix(page).count("<tr>") == 1 + 1
    assert leader_sentence(own(tmp_path, "other"), lambda *_: {}) in words(page)
    picked = shown("app/main.py", r=["other-1"])
    assert matrix(picked).count("<tr>") == 1 + 1


def own(root, dataset):
    return [group for group in seed_groups(run_rows(RunStore(root).scan())) if group.dataset == dataset]


def test_many_recipes_are_held_against_one_which_the_address_names(shown, tmp_path):
    for number in range(6):
        write_run(tmp_path, f"run-{number}", lr=0.1 * (number + 1), epochs=1, slim=True).finish()
    assert matrix(shown()).count("<tr>") == 1 + 5
    assert matrix(shown(against="every pair")).count("<tr>") == 1 + 15
    assert matrix(shown(against="no such recipe")).count("<tr>") == 1 + 5


def test_names_in_the_matrix_are_text(tmp_path):
    for embedding in ("etf", "glove"):
        write_run(tmp_path, embedding, embedding=embedding, epochs=1, slim=True).finish()
    groups = [replace(group, name=NASTY) for group in seed_groups(run_rows(RunStore(tmp_path).scan()))]
    shown = pair_table(pairs(groups, lambda *_: {}))
    assert "&lt;b&gt;z&lt;/b&gt;" in shown
    assert "<b>z" not in shown


def test_a_pair_names_what_else_differs_and_its_csv_the_epochs(shown, tmp_path):
    write_run(tmp_path, "etf", epochs=2, slim=True).finish()
    write_run(tmp_path, "glove", embedding="glove", lr=0.2, epochs=2, slim=True).finish()
    (pair,) = pairs(seed_groups(run_rows(RunStore(tmp_path).scan())), lambda *_: {})
    assert '<small title="learning rate 0.1 against 0.2">also differs: learning rate</small>' in pair_table(
        [pair]
    )
    assert 'After "also differs" stand settings' in words(shown())
    line = pair_frame([pair]).iloc[0]
    rows = [pair.first.rows[0], pair.second.rows[0]]
    assert [line["epochs of first"], line["epochs of second"]] == [str(row.epoch + 1) for row in rows]
    assert line["differs besides the method"] == "learning rate 0.1 against 0.2"


def test_every_quantity_of_the_matrix_says_what_it_is(shown, tmp_path):
    for embedding in ("etf", "glove"):
        write_run(tmp_path, embedding, embedding=embedding, epochs=1, slim=True).finish()
    (heads,) = re.findall("<thead>(.*)</thead>", matrix(shown()))
    assert heads.count('<th scope="col" title="') == heads.count("<th") - 1 > 3
    assert heads.count("at the last measured epoch") == heads.count("lower is ahead") + 1 == 2
    assert "lower is more collapsed" in heads


def test_the_state_of_a_run_is_in_sight_on_a_narrow_screen(shown, tmp_path):
    write_hill(tmp_path).finish()
    page = shown()
    columns = json.loads(page.dataframe[0].proto.columns)
    widths = [columns.get(name, {}).get("width") for name in table(page)]
    boxes, state, alignment = 34, list(table(page)).index("state"), list(table(page)).index("alignment")
    assert boxes + sum(widths[: state + 1]) <= 468  # what a window of 800 pixels leaves beside the sidebar
    assert boxes + sum(widths[: alignment + 1]) <= 940  # of 1400


def test_a_link_leads_to_the_claims_that_were_not_reproduced(shown, tmp_path):
    write_hill(tmp_path).finish()
    links = [(link.proto.label, link.proto.query_string) for link in shown("app/main.py").get("page_link")]
    assert ("What was not reproduced", "show=Tables") in links


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
    assert list(table(page)["epochs"]) == ["1"]


def test_runs_still_going_or_damaged_are_said_at_the_top_and_in_no_pair(shown, tmp_path):
    write_run(tmp_path, "one", epochs=2, slim=True).finish()
    going = write_run(tmp_path, "going", embedding="trainable", epochs=2, quality=9.0, slim=True)
    (tmp_path / "bad").mkdir()
    page = shown()
    assert "Left out of comparisons: 1 running (going), 1 damaged" in words(page)
    assert "no two recipes of one size have finished" in words(page)
    of_map = [f"mAP {bucket}" for bucket in ("total", "head", "medium", "tail")]
    assert list(table(page).columns[:8]) == ["run", "state", "recipe", *of_map, "epochs"]
    going._closed.set()


def test_runs_that_differ_in_a_setting_are_told_apart_by_their_recipes(shown, tmp_path):
    for number, lr in enumerate((0.1, 0.4)):
        write_run(tmp_path, f"run-{number}", lr=lr, slim=True).finish()
    page = shown("app/main.py", r=["run-0", "run-1"])
    columns = json.loads(page.dataframe[0].proto.columns)
    assert all("share its features" in columns[name]["help"] for name in ("NC1", "min angle"))
    assert table(shown(q="run-0"))["recipe"].tolist() == ["MLC-NC etf (lr=0.1)"], "called as among all runs"
    names = {f"MLC-NC etf (lr={lr})" for lr in (0.1, 0.4)}
    assert set(table(page)["recipe"]) == names
    assert all(name in " ".join(part.proto.body for part in page.sidebar.get("html")) for name in names)


@pytest.mark.parametrize("asks", [True, False])
def test_a_page_takes_what_the_picker_read_and_no_later_script_does(tmp_path, monkeypatch, asks):
    write_run(tmp_path, "one", epochs=1, slim=True).finish()
    monkeypatch.setattr("sys.argv", ["streamlit", "--runs", str(tmp_path)])

    def page(asks):
        from unittest.mock import patch

        import streamlit as st

        from app.widgets import run_picker

        with patch.object(run_picker, "scanned", wraps=run_picker.scanned) as scanned:
            run_picker.show_picker()
            if asks:
                st.write(f"{len(run_picker.selection().runs)} run")
            st.write(f"read {scanned.call_count} times")
            run_picker.forget_gathered()
            run_picker.selection()  # as of a fragment
            st.write(f"read {scanned.call_count} times")

    test = AppTest.from_function(page, args=(asks,), default_timeout=60).run()
    assert [item.value for item in test.markdown] == ["1 run"] * asks + ["read 1 times", "read 2 times"]
