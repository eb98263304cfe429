"""Figures are pure functions of records: what is drawn is what was measured."""

import io
from base64 import b64decode
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from app.figures.attention import attention_overlay, image_address
from app.figures.comparison import bucket_dots, metric_bands, metric_curves
from app.figures.live_picture import PICTURE_HEIGHT, ring_spec, ring_table
from app.figures.style import (
    BUCKET_COLOURS,
    DASHES,
    EMBEDDING_COLOURS,
    METHOD_COLOURS,
    NEUTRAL,
    OPTIMUM_COLOUR,
    OTHER_COLOURS,
    epoch_axis,
    family_colour,
    recipe_colour,
    run_dash,
    run_mark,
    told_apart,
)
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.curves.curve import band, curve
from mlcnc.analysis.geometry.class_arrows import simplex_vertices
from mlcnc.analysis.geometry.class_ring import ClassRing
from mlcnc.analysis.images.attention import probe_attention
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.methods.settings import METHODS
from mlcnc.store import RunStore


@pytest.fixture
def runs(catalogue):
    return {run.run_id: run for run in RunStore(catalogue("full")).scan()}


def test_dots_are_means_of_the_seeds(runs):
    groups = seed_groups(run_rows(runs.values()))
    figure = bucket_dots(groups)
    assert [trace.marker.color for trace in figure.data] == [EMBEDDING_COLOURS[g.family] for g in groups]
    for trace, group in zip(figure.data, groups, strict=True):
        totals = [row.map_percent["total"] for row in group.rows]
        assert trace.y[0] == pytest.approx(np.mean(totals))
        assert not trace.error_y.visible, "two runs have no interval worth drawing"
        assert "n=2" in trace.name
    assert figure.layout.yaxis.title.text == "test mAP (%)"


def test_one_seed_has_no_whisker(runs):
    groups = seed_groups(run_rows([runs["etf-s0"]]))
    assert not bucket_dots(groups).data[0].error_y.visible


def test_curves_and_bands_show_every_epoch(runs):
    rows = run_rows(runs.values())
    pairs = [(row, curve(runs[row.run_id], "test/map_total")) for row in rows]
    figure = metric_curves(pairs, "mAP", log=False, optimum=50.0)
    np.testing.assert_array_equal(figure.data[0].x, [1, 2, 3])
    np.testing.assert_allclose(
        figure.data[0].y, [line["test/map_total"] for line in runs[rows[0].run_id].metrics()]
    )
    assert figure.layout.shapes[0].y0 == 50.0
    groups = seed_groups(rows)
    bands = [(g, band([curve(runs[row.run_id], "test/map_total") for row in g.rows])) for g in groups]
    drawn = metric_bands(bands, "mAP", log=True)
    assert drawn.layout.yaxis.type == "log"
    assert len(drawn.data) == 2 * len(groups)


def test_attention_lies_over_the_image_cell_by_cell(runs):
    record = probe_attention(runs["etf-s0"], 2, 0, 0)
    figure = attention_overlay(record, 0.4)
    trace = figure.data[0]
    np.testing.assert_allclose(trace.x, [2, 6, 10, 14])
    assert np.mean(trace.z) == pytest.approx(1, abs=0.001)
    assert (trace.zmin, trace.colorscale[0][1][-4:]) == (1, "0.0)"), "below even is transparent"
    assert trace.opacity == 0.4
    box = figure.layout.shapes[0]
    assert (box.x0, box.y0, box.x1, box.y1) == (0, 0, 8, 8)


def test_an_image_under_attention_keeps_every_pixel():
    image = np.random.default_rng(3).integers(0, 256, (24, 40, 3)).astype(np.uint8)
    form, _, text = image_address(image).partition(",")
    assert form == "data:image/webp;base64"
    with Image.open(io.BytesIO(b64decode(text))) as opened:
        np.testing.assert_array_equal(np.asarray(opened.convert("RGB")), image)


def test_the_colour_is_of_the_recipe_and_dash_and_mark_are_of_the_run(runs):
    rows = told_apart(run_rows(runs.values()))
    for row in rows:
        assert recipe_colour(row) == EMBEDDING_COLOURS[row.embedding]
    for look in (run_dash, lambda row: run_mark(row, "circle")):
        assert len({(recipe_colour(row), look(row)) for row in rows}) == len(rows)


def test_eight_runs_of_one_recipe_have_eight_dashes(runs):
    (row,) = run_rows([runs["etf-s0"]])
    rows = told_apart([replace(row, seed=seed) for seed in range(8)])
    assert len({run_dash(item) for item in rows}) == 8
    assert "dash" not in DASHES, "plain dashes are those of optima and baselines"


def test_an_unusual_recipe_has_the_hue_of_its_embedding_and_another_dash(runs):
    (row,) = run_rows([runs["etf-s0"]])
    usual, block = told_apart([row, replace(row, unusual=("block-aligned",))])
    assert recipe_colour(usual) == recipe_colour(block)
    assert run_dash(usual) != run_dash(block)


def test_methods_of_one_colour_differ_by_dash_too(runs):
    (row,) = run_rows([runs["etf-s0"]])
    named = [replace(row, method=f"method_{number}", embedding="") for number in range(8)]
    looks = {(recipe_colour(item), run_dash(item)) for item in told_apart(named)}
    assert len(looks) == len(named)
    assert family_colour("erm") not in {*EMBEDDING_COLOURS.values(), *OTHER_COLOURS}


def test_every_method_of_the_package_and_every_embedding_has_a_colour_of_its_own():
    families = [*EMBEDDING_COLOURS, *(kind for kind in METHODS if kind != "mlc_nc")]
    assert len({family_colour(family) for family in families}) == len(families)


@pytest.mark.parametrize("ground", ["#FFFFFF", "#181713"], ids=["light", "dark"])
def test_every_colour_with_a_meaning_stands_out_from_both_grounds(ground):
    """Contrast by WCAG 2: the orange of Okabe and Ito has 2.25 on white, the lightest bucket 1.9, the least here."""
    colours = [*EMBEDDING_COLOURS.values(), *METHOD_COLOURS.values(), *OTHER_COLOURS]
    apart = [distance(one, other) for one, other in combinations(colours, 2)]
    assert min(apart) > 14, "two recipes look the same"
    for colour in [*colours, *BUCKET_COLOURS.values(), OPTIMUM_COLOUR, NEUTRAL]:
        low, high = sorted((luminance(colour), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) > 1.9, colour


def distance(one, other):
    """Return how different two colours look: 2.3 is just noticed (CIE 1976)."""
    return float(np.linalg.norm(lab(one) - lab(other)))


def lab(colour):
    """Return lightness and the two colour axes of CIELAB, for white of D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(
        to_xyz @ linear(colour) / [0.9505, 1.0, 1.089]
    )  # none here is dark enough for the other branch
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def linear(colour):
    """Return red, green and blue of sRGB without its gamma."""
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    """Return the relative luminance of a colour, as the contrast rules of WCAG 2 define it."""
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("epochs", [[1], [1, 2], [3, 4, 5], range(1, 41), range(1, 90_001, 7)])
def test_an_axis_of_epochs_has_whole_ticks_and_holds_all_of_them(epochs):
    axis = epoch_axis(epochs)
    low, high = axis["range"]
    assert low < min(epochs)
    assert max(epochs) < high
    assert isinstance(axis.get("dtick"), int) or axis["tickformat"] == "d"
    assert (high - low) / axis.get("dtick", high - low) < 11


@pytest.mark.parametrize("number", [5, 10, 20])
def test_names_around_the_plane_of_the_live_picture_do_not_lie_on_each_other(number):
    names = ("pottedplant",) * number
    ideal = simplex_vertices(number)[:, :2]
    ring = ClassRing(names, ("head",) * number, {"train": ideal}, ideal, 0)
    table = ring_table(ring).to_pydict()
    scale = ring_spec(ring)["encoding"]["x"]["scale"]["domain"][1]
    pixels = PICTURE_HEIGHT / (2 * scale)
    boxes = []
    for place, name in enumerate(names):
        x, y = (pixels * table[f"name_{axis}"][place] for axis in "xy")
        wide = 5 * len(name)
        left = x if table["ideal_x"][place] >= 0 else x - wide
        assert max(abs(left), abs(left + wide), abs(y)) < PICTURE_HEIGHT / 2, f"{name} is cut off"
        boxes.append((left, left + wide, y - 5, y + 5))
    for one, two in combinations(boxes, 2):
        assert one[1] <= two[0] or two[1] <= one[0] or one[3] <= two[2] or two[3] <= one[2], (one, two)
