"""Runs of several methods on every page: what each is called, which features it has, what it lacks."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.comparison import bucket_dots, metric_curves
from app.figures.geometry import GeometryPanel, geometry_player
from app.figures.style import EMBEDDING_COLOURS, METHOD_COLOURS, told_apart
from app.figures.variability import variability_player
from app.report.command import report_page
from mlcnc.analysis.comparison.published import matching_row
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.curves.curve import curve
from mlcnc.analysis.geometry.angle_course import angle_course
from mlcnc.analysis.geometry.angle_history import angle_history
from mlcnc.analysis.geometry.variability import variability_history
from mlcnc.analysis.runs.filter import RunFilter, matching
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.store import RunStore
from tests.app.conftest import words, write_run
from tests.conftest import ROOT

ERM, ETF = METHOD_COLOURS["erm"], EMBEDDING_COLOURS["etf"]


@pytest.fixture
def mixed(catalogue):
    runs = {run.run_id: run for run in RunStore(catalogue("mixed")).scan()}
    return runs, dict(zip(runs, told_apart(run_rows(runs.values())), strict=True))


def opened_at(monkeypatch, root, view, **address):
    monkeypatch.setenv("MLCNC_RUNS", str(root))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / view / "page.py"), default_timeout=30)
    for name, found in address.items():
        page.query_params[name] = found
    if "r" in address:
        page.session_state["r"] = address["r"]
    shown = page.run()
    assert not shown.exception, shown.exception
    return shown


def test_a_run_is_called_by_its_method_and_a_stranger_by_nothing_of_ours(mixed, catalogue):
    _, rows = mixed
    assert (rows["erm-s0"].recipe, rows["erm-s0"].method_title, rows["erm-s0"].embedding) == ("ERM", "ERM", "")
    assert (rows["etf-s0"].recipe, rows["etf-s0"].method_title) == ("MLC-NC etf", "MLC-NC")
    (mine,) = run_rows(list(RunStore(catalogue("other_loop")).scan()))
    assert (mine.recipe, mine.embedding, mine.nc1_space) == ("another loop", "", "f")


def test_what_is_unusual_for_a_method_is_part_of_its_recipe(tmp_path):
    write_run(tmp_path, "block", classifier="block_aligned").finish()
    (row,) = run_rows([RunStore(tmp_path).open("block")])
    assert (row.recipe, row.is_plain) == ("MLC-NC etf, block-aligned", False)


def test_the_table_has_the_method_and_says_of_which_features_its_numbers_are(opened, mixed):
    _, rows = mixed
    table = opened("overview", "mixed").dataframe[0].value.set_index("run")
    assert table["recipe"].to_dict() == {
        "erm-s0": "ERM",
        "etf-s0": "MLC-NC etf (lr=0.1)",
        "etf-demo": "MLC-NC etf (lr=0.2)",
    }
    assert table["space"].to_dict() == {"erm-s0": "z", "etf-s0": "f", "etf-demo": "f"}
    assert table["embedding"]["erm-s0"] is None or table["embedding"].isna()["erm-s0"]
    assert table["NC1"]["erm-s0"] == pytest.approx(rows["erm-s0"].nc1)
    assert np.isfinite(rows["erm-s0"].nc1)


def test_groups_come_in_the_order_of_published_tables(mixed):
    _, rows = mixed
    kinds = ("tw", "from_elsewhere", "asl", "rs")
    groups = seed_groups(
        [*(replace(rows["erm-s0"], method=kind, group_key=kind) for kind in kinds), *rows.values()]
    )
    assert [group.family for group in groups] == ["etf", "etf", "erm", "rs", "asl", "tw", "from_elsewhere"]


@pytest.mark.parametrize(("text", "found"), [("erm", ["erm-s0"]), ("MLC-NC", ["etf-demo", "etf-s0"])])
def test_the_filter_finds_methods_by_kind_and_title(mixed, text, found):
    _, rows = mixed
    assert [row.run_id for row in matching(list(rows.values()), RunFilter(text))] == found


def test_two_runs_of_one_recipe_and_one_of_another_method_differ_on_every_chart(mixed):
    runs, rows = mixed
    spaces = {"erm-s0": "z", "etf-s0": "f", "etf-demo": "f"}
    curves = {name: curve(runs[name], f"test.{spaces[name]}/nc1_trace") for name in runs}
    lines = metric_curves([(rows[name], curves[name]) for name in runs], "NC1", log=True).data
    assert [trace.line.color for trace in lines] == [ERM, ETF, ETF]
    assert len({(trace.line.color, trace.line.dash) for trace in lines}) == 3
    assert len({trace.name for trace in lines}) == 3

    records = {
        name: [variability_history(runs[name], split="test", space=spaces[name]).nearest(at) for at in (0, 1)]
        for name in runs
    }
    shown = [(rows[name], records[name], curves[name]) for name in runs]
    figure = variability_player(shown, [0, 1], metric_label="NC1", baselines={})
    drawn = [trace for trace in figure.data if trace.line.dash and trace.name in runs]
    assert len({(trace.line.color, trace.line.dash) for trace in drawn}) == 3
    dots = [
        trace for trace in figure.data if trace.mode == "markers" and trace.x is not None and trace.name in runs
    ]
    assert len({(trace.marker.color, trace.marker.symbol[0]) for trace in dots}) == 3

    bars = bucket_dots(seed_groups(list(rows.values()))).data
    assert len({(trace.marker.color, trace.marker.symbol) for trace in bars}) == 3

    panels = []
    for name in ("etf-demo", "etf-s0"):
        of = {"subject": "class means", "split": "test", "space": "f", "centring": "class"}
        found = angle_history(runs[name], **of)
        course = angle_course(runs[name], found, quantity="smallest angle", **of)
        panels.append(GeometryPanel(rows[name], [found.nearest(0)], course))
    pair = geometry_player(panels, [0])
    named = [trace for trace in pair.data if trace.type != "heatmap" and trace.showlegend is not False]
    assert [trace.name for trace in named] == ["etf-demo", "etf-s0"]
    assert len({trace.line.dash for trace in named}) == 2
    assert pair.layout.showlegend


@pytest.mark.parametrize("view", ["geometry", "variability", "map"])
def test_a_page_offers_the_spaces_of_the_run_and_says_what_they_are(monkeypatch, catalogue, view):
    for situation, spaces, said in (
        ("erm", ["z"], "z: one feature for an image, counted for each of its classes."),
        ("one", ["f", "mu"], "f: one feature for every class of an image."),
        ("other_loop", ["f"], "f: one feature for every class of an image."),
    ):
        shown = opened_at(monkeypatch, catalogue(situation), view)
        control = shown.button_group(key="space")
        assert control.options == spaces
        assert control.value == spaces[0]
        assert said in words(shown)


def test_variability_of_one_feature_an_image_has_the_multi_label_form_too(monkeypatch, catalogue):
    (run,) = RunStore(catalogue("erm")).scan()
    line = run.metrics()[-1]
    said = words(opened_at(monkeypatch, catalogue("erm"), "variability"))
    assert f"enclose {line['test.z/ncm_ratio']:.2f} of the angle" in said
    assert f"over {line['test.z/ncm_pairs']:.0f} pairs" in said
    assert "Images of two labels" not in words(opened_at(monkeypatch, catalogue("one"), "variability"))


@pytest.mark.parametrize("view", ["geometry", "variability"])
def test_runs_without_a_common_space_are_drawn_each_in_its_own_and_it_is_said(monkeypatch, catalogue, view):
    shown = opened_at(monkeypatch, catalogue("mixed"), view, r=["etf-s0", "erm-s0"], a="etf-s0", b="erm-s0")
    said = words(shown)
    assert "has no " in said
    assert "is drawn, one feature for" in said
    assert "stored no" not in said


def test_a_space_that_only_one_run_of_a_pair_has_is_not_offered(monkeypatch, tmp_path):
    write_run(tmp_path, "both").finish()
    write_run(tmp_path, "mine", method=None).finish()
    shown = opened_at(monkeypatch, tmp_path, "geometry", r=["both", "mine"])
    assert shown.button_group(key="space").options == ["f"]
    assert "mu is not offered, for mine stored none of it." in words(shown)


def test_geometry_says_that_a_method_has_no_label_embedding(monkeypatch, catalogue):
    shown = opened_at(monkeypatch, catalogue("erm"), "geometry", of="label embedding")
    assert "plain is a run of ERM, which has no label embedding." in words(shown)
    assert "arrays_every" not in words(shown)


def test_images_of_a_method_without_attention_show_pictures_scores_and_misses(monkeypatch, catalogue):
    shown = opened_at(monkeypatch, catalogue("erm"), "images", image="0")
    said = words(shown)
    assert "plain is a run of ERM, which has no attention" in said
    assert "num_probes" not in said
    assert "ERM has no attention; lowest score first." in said
    assert "plain (ERM): " in said.replace("**", "")
    assert len(shown.dataframe) >= 2
    address = {"image": "0", "class": "person", "r": ["erm-s0", "etf-s0"], "a": "erm-s0"}
    beside = words(opened_at(monkeypatch, catalogue("mixed"), "images", **address))
    assert "erm-s0 is a run of ERM, which has no attention" in beside
    assert "of the attention of" in beside


def test_compare_opens_with_metrics_that_the_runs_have(monkeypatch, catalogue):
    shown = opened_at(monkeypatch, catalogue("erm"), "compare", show="Curves")
    assert shown.multiselect(key="metrics").value == [
        "test/map_total", "test/map_tail", "test.z/nc1_trace", "test.z/angle_min_class",
    ]  # fmt: skip
    both = opened_at(monkeypatch, catalogue("mixed"), "compare", show="Curves", r=["erm-s0", "etf-s0"])
    assert both.multiselect(key="metrics").value[2:] == ["test.f/nc1_trace", "test.z/nc1_trace"]


def test_compare_says_that_methods_differ_before_their_settings(monkeypatch, catalogue):
    shown = opened_at(monkeypatch, catalogue("mixed"), "compare", show="Settings", r=["erm-s0", "etf-s0"])
    said = words(shown)
    assert "What is compared are methods (ERM, MLC-NC)" in said or "methods (MLC-NC, ERM)" in said
    grouped = opened_at(monkeypatch, catalogue("mixed"), "compare", r=["erm-s0", "etf-s0"], group="method.kind")
    assert "kind=erm" in words(grouped)
    assert "also differ in classification; a" in words(grouped)


def test_a_sparse_run_is_a_connected_line_through_what_was_measured(catalogue):
    run = RunStore(catalogue("sparse")).open("seldom")
    (row,) = run_rows([run], "last")
    assert (row.num_logged, row.epoch) == (8, 7)
    item = curve(run, "test.f/nc1_trace")
    np.testing.assert_array_equal(item.epochs, [1, 4, 7, 8])
    (line, *_) = metric_curves([(row, item)], "NC1", log=True).data
    assert np.isfinite(np.array(line.y, dtype=float)).all()
    assert "lines" in line.mode
    assert len(curve(run, "train/loss").epochs) == 8


def test_last_is_the_last_measured_epoch_and_an_unmeasured_one_is_said(monkeypatch, tmp_path):
    run = write_run(tmp_path, "growing", epochs=5, every=3)
    run.log_epoch(5, {"train/loss": 0.1})
    run.finish()
    (last,) = run_rows([RunStore(tmp_path).open("growing")], "last")
    assert (last.epoch, last.num_logged) == (4, 6)
    assert np.isfinite(last.map_percent["total"])
    shown = opened_at(monkeypatch, tmp_path, "overview", at="epoch", at_epoch="3")
    assert "Not measured at epoch 3, so left empty: growing." in words(shown)


def test_published_rows_stand_beside_the_same_method(tmp_path):
    for run_id, settings in (
        ("erm", {"method": "erm"}), ("etf", {}), ("linear", {"classifier": "linear"}), ("own", {"method": None}),
    ):  # fmt: skip
        write_run(tmp_path, run_id, dataset="voc-lt", epochs=1, slim=True, **settings).finish()
    groups = {group.rows[0].run_id: group for group in seed_groups(run_rows(list(RunStore(tmp_path).scan())))}
    found = {name: matching_row(group) for name, group in groups.items()}
    assert found["erm"].method == "ERM"
    assert found["erm"].values["total"] == 70.86
    assert found["etf"].method == "MLC-NC"
    assert found["linear"] is found["own"] is None


def test_a_report_of_two_methods_says_what_each_is(mixed):
    from datetime import UTC, datetime
    from html import unescape

    runs, _ = mixed
    text = unescape(report_page([runs["etf-s0"], runs["erm-s0"]], written_at=datetime(2026, 2, 3, tzinfo=UTC)))
    assert "erm-s0 is a run of ERM, which has no attention." in text
    assert "test features f, z, last stored epoch" in text
    assert "z: one feature for an image, counted for each of its classes." in text
    assert "class means of test features z" in text
    for metric in ("NC1, trace ratio, test f", "NC1, trace ratio, test z"):
        assert metric in text
