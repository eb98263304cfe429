"""Lessons 5 to 7: what they say is what the toys and the recorded runs give, with and without runs."""

import json
import re
import shutil

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.angle_panels import AnglePanel, angle_panels
from app.figures.blind_quiz import BLIND_NAMES, blind_looks, open_looks, quiz_buckets, quiz_curves
from app.figures.label_embeddings import embedding_panels, feature_against_embedding
from app.figures.several_labels import (
    between_centres_plane,
    feature_for_each,
    labelled_scene,
    own_and_other,
    shared_images,
)
from app.figures.style import EMBEDDING_COLOURS, GREY_GROUND
from app.learn.frame import COLOURS, FIVE, MARKS, TEN
from app.learn.quiz_plots import bucket_frame
from app.learn.step7 import KIND_NAMES
from mlcnc.analysis.comparison.blind_quiz import (
    claim_sentence,
    claims,
    deal,
    reading,
    support_sentence,
    supported_claim,
    values_sentence,
)
from mlcnc.analysis.comparison.pair_errors import PairErrors
from mlcnc.analysis.comparison.pairs import of_one_size, pairs
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.curves.curve import curve
from mlcnc.analysis.geometry.co_occurrence import co_occurrence, head_company_sentence
from mlcnc.analysis.geometry.embedding_drift import closest_of_random
from mlcnc.analysis.geometry.label_pairs import label_pairs_course
from mlcnc.analysis.images.attention import (
    attention_epochs,
    attention_sentence,
    localisation,
    localisation_sentence,
    probe_attention,
    probe_labels,
)
from mlcnc.analysis.images.drawn_scene import drawn_scene
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.store import RunStore
from mlcnc.toys.collapse import collapse_course
from mlcnc.toys.label_embeddings import KINDS, embedding_end
from mlcnc.toys.several_labels import between_centres, several_labels
from tests.app.conftest import CATALOGUE, words, write_run
from tests.conftest import ROOT


def lesson(monkeypatch, folder, step, **settings):
    monkeypatch.setenv("MLCNC_RUNS", str(folder))
    monkeypatch.setattr("sys.argv", ["streamlit"])
    page = AppTest.from_file(str(ROOT / "app" / "learn" / "page.py"), default_timeout=30)
    page.query_params["step"] = str(step)
    for name, value in settings.items():
        page.query_params[name] = value
    shown = page.run()
    assert not shown.exception, shown.exception
    return shown


def said(page):
    """Return all words, answers of questions included."""
    return words(page) + " ".join(str(item.value) for kind in (page.success, page.warning) for item in kind)


def figures(page):
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


@pytest.mark.parametrize(
    ("step", "situation"),
    [(step, situation) for step in (5, 7, 8) for situation in CATALOGUE]
    + [(6, "broken"), (6, "nothing_but_loss")],
)
def test_no_situation_breaks_a_lesson(monkeypatch, catalogue, step, situation):
    shown = lesson(monkeypatch, catalogue(situation), step)
    assert shown.title[0].value.endswith("?")


def test_step_5_says_what_the_toy_gives(monkeypatch, catalogue):
    shown = lesson(monkeypatch, catalogue("none"), 5, times="50")
    even = between_centres(several_labels([10] * 5), 0, 2)
    uneven = between_centres(several_labels([500, 10, 10, 10, 10]), 0, 2)
    assert f"One feature: **{even.to_first:.1f}°** to person, **{even.to_second:.1f}°** to horse" in words(
        shown
    )
    apart = collapse_course(decay=0.05).angles.angles[-1][0, 2]
    assert f"One feature for each class: **{apart:.1f}°** apart" in words(shown)
    assert f"Person 50 : 1 horse: **{uneven.to_first:.1f}°** to person" in words(shown)
    assert "No recorded run here keeps attention maps" in words(shown)
    assert "no matrix to show" in words(shown)
    shown.radio(key="guess_5_where").set_value("at the centre of horse").run()
    assert "Not quite" in said(shown)


def test_step_5_measures_two_features_of_one_image(monkeypatch, tmp_path):
    together = np.array(
        [[500, 90, 20, 8, 4], [90, 120, 9, 2, 0], [20, 9, 40, 1, 1], [8, 2, 1, 12, 0], [4, 0, 1, 0, 4]]
    )
    write_run(tmp_path, "ours", co_occurrence=together).finish()
    run = RunStore(tmp_path).open("ours")
    shown = lesson(monkeypatch, tmp_path, 5)
    last = label_pairs_course(run)[-1]
    assert f"Then {100 * last.nearer_own:.0f} % lie nearer to the mean of their own class" in words(shown)
    record = co_occurrence(run)
    assert (sum(item.together for item in record.tail), sum(item.count for item in record.tail)) == (12, 16)
    assert head_company_sentence(record.tail) in words(shown)
    assert "The paper of MLC-NC counts 100 % on VOC-LT, 99.26 % on COCO-LT" in words(shown)
    # the toy run's two probe images have one label each
    assert "No recorded run here keeps attention maps of images with two labels" in words(shown)


def test_step_5_shows_two_labels_of_a_recorded_image(monkeypatch):
    run = RunStore(ROOT / "runs").open("pictogram-etf-s0")
    labels = probe_labels(run)
    first = next(i for i, names in enumerate(labels) if "person" in names and len(names) > 1)
    shown = lesson(monkeypatch, ROOT / "runs", 5)
    epoch = attention_epochs(run)[-1]
    for name in labels[first][:2]:
        record = probe_attention(run, epoch, first, run.info.class_names.index(name))
        assert record.mass_in_box > 1.5 * record.chance, "attention finds the object"
        assert f"**{name}**{attention_sentence(record, name).removeprefix(name)}" in words(shown)
    assert localisation_sentence(localisation(run, epoch)) in words(shown)
    badges = words(shown)
    assert "Toy: five classes" in badges
    assert "Measured: attention of one test image in the run pictogram-etf-s0" in badges
    other = next(i for i, names in enumerate(labels) if len(names) == 3 and "person" not in names)
    shown.selectbox(key="pair").set_value(other).run()
    assert not shown.exception
    assert f"**{labels[other][0]}** is in the image" in words(shown)


@pytest.mark.parametrize("loss", ["alignment", "softmax"])
def test_step_6_says_what_the_toy_gives(monkeypatch, catalogue, loss):
    shown = lesson(monkeypatch, catalogue("none"), 6, toyloss=loss, steep="2")
    ends = [embedding_end(kind, loss, 2) for kind in KINDS]
    assert f"{loss} loss, 2 : 1: fixed ETF {ends[0].features.minimum:.1f}°, trainable" in words(shown)
    assert f"like word vectors {ends[2].features.minimum:.1f}°" in words(shown)
    softmax = embedding_end("correlated", "softmax", 10)
    assert f"dog and horse are {softmax.related_features:.1f}° apart" in words(shown)
    assert "No recorded run here logged how far" in words(shown)


def test_step_6_starts_with_the_loss_that_its_question_does_not_ask_for(monkeypatch, catalogue):
    shown = words(lesson(monkeypatch, catalogue("none"), 6))
    assert "Smallest angle between class features, alignment loss, 10 : 1" in shown
    assert shown.index("**With the alignment loss") < shown.index("**With softmax")


def test_step_6_reads_how_far_real_embeddings_moved(monkeypatch):
    shown = lesson(monkeypatch, ROOT / "runs", 6)
    least = min(
        (run.metrics()[-1]["label_embedding/drift_cosine"], run.run_id)
        for run in RunStore(ROOT / "runs").scan()
        if "trainable" in run.run_id
    )
    assert f"above {np.floor(1000 * least[0]) / 1000:.3f} in each (lowest: {least[1]})" in words(shown)
    many, few = (closest_of_random(10, dim) for dim in (300, 10))
    assert few < 60 < 80 < many
    assert f"10 random arrows stands at {many:.0f}° in 300 dimensions, but at {few:.0f}° in the 10 of" in words(
        shown
    )


def test_step_7_without_three_kinds_says_what_is_missing(monkeypatch, catalogue):
    shown = lesson(monkeypatch, catalogue("one"), 7)
    assert "Here: ETF. Train the missing ones" in words(shown)
    assert "84.37" in words(shown)
    assert "GloVe 83.74" in words(shown)
    assert not shown.number_input


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three kinds with unmistakable names, three seeds each, two of them slim."""
    root = tmp_path_factory.mktemp("three")
    for kind, quality in (("etf", 0.5), ("trainable", 0.0), ("glove", 2.0)):
        for seed in range(3):
            name = f"zz-{kind:-<9}-{seed}"  # of one length: the same images
            write_run(root, name, embedding=kind, seed=seed, epochs=2, slim=seed > 0, quality=quality).finish()
    return root


def hand_of(root, seed):
    runs = list(RunStore(root).scan())
    errors_of = PairErrors({run.run_id: run for run in runs})
    return deal(list(zip(runs, run_rows(runs), strict=True)), [], seed, errors_of)


@pytest.mark.parametrize("seed", [0, 3])
def test_the_quiz_judges_as_the_table_of_pairs_does(three, seed):
    runs = list(RunStore(three).scan())
    groups = seed_groups(run_rows(runs))
    judged = {}
    for pair in pairs(of_one_size(groups)[0], PairErrors({run.run_id: run for run in runs})):
        for cell in pair.cells:
            both = frozenset((pair.first.family, pair.second.family))
            judged[cell.quantity.key, both] = bool(cell.ahead), abs(cell.mean), cell.with_images
    hand = hand_of(three, seed)
    found = claims(hand)
    assert len(found) == 12
    assert any(claim.supported for claim in found)
    assert {claim.cell.with_images for claim in found if claim.reading.quantity == "map_total"} == {True}
    for claim in found:
        both = frozenset((hand.answers[claim.above], hand.answers[claim.below]))
        said = claim.supported, pytest.approx(claim.gap), claim.cell.with_images
        assert judged[claim.reading.quantity, both] == said


def outputs(page):
    """Return everything the page sent, as text, but the options of the three selects."""
    parts = []
    for element in page.main:
        if element.type == "selectbox" and element.proto.id.find("quiz_guess") >= 0:
            continue
        parts.append(str(element.proto))
    return "\n".join(parts)


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_step_7_hides_the_names_until_asked(monkeypatch, three, seed):
    shown = lesson(monkeypatch, three, 7, quiz=str(seed))
    hand = hand_of(three, seed)
    sent = outputs(shown)
    assert len(shown.get("plotly_chart")) >= 6
    hidden = sent
    # the paper's row and the name of the step are about kinds, not about these runs
    for known in ("ETF 84.37, trainable 83.92, GloVe 83.74", "(a simplex ETF, trainable, or GloVe vectors"):
        assert known in hidden
        hidden = hidden.replace(known, "")
    assert not re.search(r"zz-|trainable|glove", hidden, re.IGNORECASE)
    for colour in EMBEDDING_COLOURS.values():
        assert colour not in json.dumps(figures(shown))
    assert values_sentence(reading(hand, "map_tail"), BLIND_NAMES) in words(shown)
    claim = supported_claim(hand)
    assert claim is not None
    assert claim_sentence(claim, BLIND_NAMES) in words(shown)


def test_step_7_reveals_names_and_says_why(monkeypatch, three):
    shown = lesson(monkeypatch, three, 7, quiz="3")
    hand = hand_of(three, 3)
    for index, kind in enumerate(hand.answers):
        guess = KIND_NAMES[kind] if index == 0 else KIND_NAMES[hand.answers[0]]
        shown.selectbox(key=f"quiz_guess_3_{index}").set_value(guess)
    shown.button(key="quiz_reveal").click().run()
    assert not shown.exception
    assert "**1 of 3 right.**" in words(shown)
    (right,) = [item.value for item in shown.success if item.value.startswith("Yes: Run 1")]
    assert f"**{KIND_NAMES[hand.answers[0]]}** ({hand.rows[0].run_id})" in right
    assert "zz-glove" in outputs(shown), "what the blind test looks for is found once the names are open"
    drawn = json.dumps(figures(shown))
    assert all(colour in drawn for colour in EMBEDDING_COLOURS.values())
    names = [f"Run {i + 1} ({KIND_NAMES[kind]})" for i, kind in enumerate(hand.answers)]
    for sentence in (values_sentence, support_sentence):
        assert sentence(reading(hand, "nc1"), names) in words(shown)
    shown.button(key="quiz_again").click().run()
    assert shown.number_input(key="quiz").value == 4
    assert "Reveal the names" in [button.label for button in shown.button]


def test_step_7_says_of_which_seed_and_epoch_its_pictures_are(monkeypatch):
    shown = lesson(monkeypatch, ROOT / "runs", 7)
    names = {f"pictogram-{kind}-s0" for kind in ("etf", "glove", "trainable")}
    ours = [row for row in run_rows(list(RunStore(ROOT / "runs").scan())) if row.run_id in names]
    assert len(ours) == 3
    titles = [note["text"] for chart in figures(shown) for note in chart["layout"].get("annotations", [])]
    marked = next(item for item in shown.markdown if "large open marks" in item.value).value
    for row in ours:
        of = f"seed 0, epoch {row.end_epoch + 1}"
        # picture and sentence have the same value
        assert f": {row.at_end['nc1']:.2f}, {of}" in marked
        assert any(f"{of}<br>smallest {row.at_end['angle_min']:.1f}°" in title for title in titles)
    (curves,) = [chart for chart in figures(shown) if "NC1" in str(chart["layout"].get("yaxis", {}))]
    marks = [trace for trace in curves["data"] if trace["name"].endswith("last measured epoch")]
    assert {(trace["x"][0], trace["y"][0]) for trace in marks} == {
        (row.end_epoch + 1, round(row.at_end["nc1"], 4)) for row in ours
    }


def test_what_the_quiz_says_of_a_quantity_and_of_its_differences_is_of_one_epoch():
    hand = hand_of(ROOT / "runs", 0)
    for quantity in ("nc1", "angle_min", "map_total"):
        found = reading(hand, quantity)
        for one, two, cell in found.pairs:
            assert cell.mean == pytest.approx(found.spreads[one].mean - found.spreads[two].mean), quantity


def test_step_7_names_no_run_when_a_file_is_damaged(monkeypatch, three, tmp_path):
    root = shutil.copytree(three, tmp_path / "runs")
    for path in (root / "zz-glove-----0" / "epochs").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    shown = lesson(monkeypatch, root, 7)
    assert "zz-" not in outputs(shown)
    assert "A file of one of these three runs is damaged" in words(shown)
    assert "Intervals leave out the choice of test images: a file of a run is damaged." in words(shown)


def test_step_5_shows_names_of_classes_as_they_are(monkeypatch, tmp_path):
    names = ["*person*", "chair", "dog", "bus", ":red[cow]"]
    together = np.ones((5, 5), int) + np.diag([499, 119, 39, 11, 3])
    write_run(tmp_path, "ours", classes=names, co_occurrence=together).finish()
    page = lesson(monkeypatch, tmp_path, 5)
    (sentence,) = [item.value for item in page.markdown if "It is lowest for" in item.value]
    assert "\\*person\\* too" in sentence
    assert ":red[" not in sentence


def test_the_quiz_gives_the_seed_of_each_run_in_its_data(tmp_path):
    for kind in ("etf", "trainable", "glove"):
        for seed in (3, 7):
            write_run(tmp_path, f"{kind}-{seed}", embedding=kind, seed=seed, epochs=1).finish()
    hand = hand_of(tmp_path, 0)
    frame = bucket_frame(hand, BLIND_NAMES)
    assert set(frame["seed"]) == {3, 7}
    line = frame[(frame["run"] == BLIND_NAMES[1]) & (frame["bucket"] == "tail") & (frame["seed"] == 7)]
    (row,) = [row for row in hand.groups[1] if row.seed == 7]
    assert list(line["map_percent"]) == [row.map_percent["tail"]]


def test_plane_draws_true_angles():
    found = between_centres(several_labels([100, 10, 10, 10, 10]), 0, 2)
    figure = between_centres_plane(found, FIVE, COLOURS, MARKS, reach=4)
    tips = {
        trace.text[1]: np.array([trace.x[1], trace.y[1]])
        for trace in figure.data
        if trace.text and trace.text[0] == ""
    }
    assert set(tips) == {"person alone", "horse alone", "person and horse"}

    def angle(one, other):
        return np.degrees(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))

    assert angle(tips["person alone"], tips["person and horse"]) == pytest.approx(found.to_first, abs=0.1)
    assert angle(tips["horse alone"], tips["person and horse"]) == pytest.approx(found.to_second, abs=0.1)
    assert figure.data[0].text[0] == "shadows of the others"
    assert list(figure.data[0].hovertext) == [name for name in FIVE if name not in ("person", "horse")]
    assert {note.text for note in figure.layout.annotations} == {
        f"{found.to_first:.1f}°",
        f"{found.to_second:.1f}°",
    }


def test_shared_images_and_angles_over_epochs_draw_the_record(tmp_path):
    together = np.arange(25).reshape(5, 5)
    run = write_run(tmp_path, "ours", co_occurrence=together + together.T)
    run.finish()
    stored = RunStore(tmp_path).open("ours")
    record = co_occurrence(stored)
    heat = shared_images(record).data[0]
    assert heat.z[0][1] == pytest.approx(100 * 6 / 500)
    assert np.isnan(heat.z[2][2])
    assert shared_images(record).layout.plot_bgcolor == GREY_GROUND
    course = label_pairs_course(stored)
    figure = own_and_other(course)
    lines = {trace.name.replace("<br>", " "): list(trace.y) for trace in figure.data}
    assert lines["to its own class mean"] == pytest.approx([item.to_own for item in course], abs=0.01)
    assert lines["to the other class mean"] == pytest.approx([item.to_other for item in course], abs=0.01)
    assert {note.text for note in figure.layout.annotations} == {trace.name for trace in figure.data}
    assert not figure.layout.showlegend


def test_marks_lie_on_the_diagonal_where_features_copy():
    ends = [embedding_end(kind, "alignment", 2) for kind in KINDS]
    marks = {
        trace.name: trace for trace in feature_against_embedding(ends, TEN).data if trace.mode == "markers"
    }
    for trace in marks.values():
        assert len(trace.x) == 45
        np.testing.assert_allclose(trace.x, trace.y, atol=0.2)
    closest = int(np.argmin(marks["fixed, like word vectors"].y))
    assert marks["fixed, like word vectors"].text[closest] in ("dog and horse", "cow and sheep")


def test_cells_of_a_white_matrix_have_edges_and_a_grey_diagonal():
    ends = [embedding_end(kind, "alignment", 2) for kind in KINDS]
    figure = angle_panels(embedding_panels(ends), TEN, ends[0].class_counts, ends[0].optimum, [4.5])
    grounds = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [shape.xref for shape in grounds] == [trace.xaxis for trace in figure.data] == ["x", "x2", "x3"]
    assert all(shape.layer == "below" for shape in grounds)
    assert all(trace.xgap > 0 and trace.ygap > 0 for trace in figure.data)
    assert all(np.isnan(trace.z[0][0]) for trace in figure.data)


def test_panels_share_one_scale_around_the_optimum():
    angles = np.array([[0.0, 80.0], [80.0, 0.0]])
    figure = angle_panels(
        [AnglePanel("one", angles), AnglePanel("two", angles + 5)], ["a", "b"], [3, 2], 180.0, [0.5]
    )
    assert [trace.z[0][1] for trace in figure.data] == [80, 85]
    assert all(np.isnan(trace.z[0][0]) for trace in figure.data)
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (120, 240)
    assert len(figure.layout.shapes) == 6


def test_a_matrix_alone_has_its_scale_below():
    (panel,) = embedding_panels([embedding_end("etf", "alignment", 2)])
    assert panel.title == "fixed ETF<br>smallest 96.4°"
    alone = angle_panels([panel], TEN, [4] * 10, 96.4)
    assert alone.layout.coloraxis.colorbar.orientation == "h"


def test_a_scene_has_a_frame_and_a_name_for_each_label():
    scene = drawn_scene(("person", "horse"), seed=9)
    figure = labelled_scene(scene, COLOURS)
    assert [note.text for note in figure.layout.annotations] == ["person", "horse"]
    for trace, label, (x0, y0, x1, y1) in zip(figure.data, scene.labels, scene.boxes, strict=True):
        assert trace.line.color == COLOURS[label]
        assert (min(trace.x), max(trace.x), min(trace.y), max(trace.y)) == (x0, x1, y0, y1)
    assert figure.layout.images[0].source.startswith("data:image/webp")


def test_a_feature_for_each_label_is_drawn_at_the_true_angle():
    figure = feature_for_each(104.5, ("person", "horse"), COLOURS, MARKS)
    first, second = (np.array([trace.x[1], trace.y[1]]) for trace in figure.data[:2])
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(104.5, abs=0.1)
    assert [note.text for note in figure.layout.annotations] == ["104.5°"]


def test_quiz_figures_show_values_and_hide_colours(three):
    hand = hand_of(three, 0)
    runs = [RunStore(three).open(row.run_id) for row in hand.rows]
    curves = [curve(run, "test.f/nc1_trace") for run in runs]
    drawn = quiz_curves(blind_looks(), curves, 50.0)
    assert [trace.name for trace in drawn.data[:3]] == list(BLIND_NAMES)
    assert set(BLIND_NAMES) < {note.text for note in drawn.layout.annotations}
    assert not drawn.layout.showlegend
    for trace, item in zip(drawn.data, curves, strict=False):
        assert list(trace.y) == pytest.approx(list(item.values), abs=1e-4)
    assert len({trace.line.color for trace in drawn.data[:3]}) == 1
    assert len({trace.marker.symbol for trace in drawn.data[:3]}) == 3
    total = reading(hand, "map_total")
    bars = quiz_buckets(open_looks(["x", "y", "z"], hand.answers), ["total"], [total])
    means, singles = bars.data[0::2], bars.data[1::2]
    for index in range(3):
        item = total.spreads[index]
        assert means[index].y[0] == pytest.approx(item.mean, abs=0.01)
        assert means[index].error_y.array[0] == pytest.approx(item.high - item.mean)
        assert list(singles[index].y) == pytest.approx(list(total.seeds[index]), abs=0.01)
        assert means[index].marker.color == EMBEDDING_COLOURS[hand.answers[index]]
