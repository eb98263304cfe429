import numpy as np
import pytest
from PIL import Image

from mlcnc.data.view import View


def dotted(width, height, x, y):
    """A black picture with one white block of 4 x 4, whose upper left corner is at (x, y)."""
    array = np.zeros((height, width, 3), np.uint8)
    array[y : y + 4, x : x + 4] = 255
    return Image.fromarray(array)


def middle_of_the_white(picture):
    rows, columns = np.nonzero(np.asarray(picture)[..., 0] > 127)
    return columns.mean() + 0.5, rows.mean() + 0.5


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("view", "width", "height"),
    [
        (View(37), 61, 47),
        (View(37, shorter_side=41), 61, 47),
        (View(37, shorter_side=41), 47, 61),
        (View(37, shorter_side=20), 61, 47),
        (View(37, shorter_side=41, mirrored=True), 61, 47),
    ],
)
def test_a_box_stays_on_its_object(view, width, height, interpolation):
    view = View(view.size, view.shorter_side, interpolation, view.mirrored)
    left, top = width // 2 + 3, height // 2 - 8
    shares = np.array([[2, left / width, top / height, (left + 4) / width, (top + 4) / height]], np.float32)
    seen = set()
    for index in range(6):
        picture = view.picture(dotted(width, height, left, top), index)
        assert picture.size == (37, 37)
        ((label, x0, y0, x1, y1),) = view.boxes(shares, (width, height), index)
        assert label == 2
        np.testing.assert_allclose(((x0 + x1) / 2, (y0 + y1) / 2), middle_of_the_white(picture), atol=0.7)
        seen.add(round(float(x0), 3))
    assert len(seen) == 1 + view.mirrored


def test_what_is_cut_away_has_no_box():
    view = View(10, shorter_side=10)
    ends = np.array([[0, 0, 0, 0.2, 1], [1, 0.2, 0, 0.6, 1]], np.float32)
    boxes = view.boxes(ends, (30, 10), 0)
    np.testing.assert_allclose(boxes, [[1, 0, 0, 8, 10]], atol=1e-5)
    assert view.boxes(np.zeros((0, 5), np.float32), (30, 10), 0).shape == (0, 5)


def test_a_strip_is_cut_before_it_is_resized(monkeypatch):
    """At 224 pixels the whole would take gigabytes."""
    strip = dotted(40_000, 4, 20_000 - 2, 0).resize((40_000, 2))
    resize, sizes = Image.Image.resize, []
    monkeypatch.setattr(
        Image.Image, "resize", lambda own, size, *a: sizes.append(size) or resize(own, size, *a)
    )
    seen = np.asarray(View(16, shorter_side=20).picture(strip, 0))
    assert sizes == [(16, 16)]
    whole = strip.crop((19_900, 0, 20_100, 2)).resize((2000, 20), Image.Resampling.BILINEAR)
    kept = np.asarray(whole.crop((992, 2, 1008, 18)))
    # only pixels at the edge of the cut-out know of what lies beyond it
    np.testing.assert_allclose(seen[:, 4:-4].astype(int), kept[:, 4:-4], atol=45)


def test_the_same_half_is_mirrored_every_time():
    view = View(8, mirrored=True)
    which = [view.is_mirrored(index) for index in range(400)]
    assert which == [view.is_mirrored(index) for index in range(400)]
    assert 150 < sum(which) < 250
    assert not any(View(8).is_mirrored(index) for index in range(50))
