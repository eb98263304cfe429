"""A drawn scene has the objects that were asked for, and is the same each time."""

import numpy as np
import pytest

from mlcnc.analysis.images.drawn_scene import drawn_scene


def test_a_scene_is_deterministic_and_keeps_the_order_of_its_labels():
    scene, again, turned = (
        drawn_scene(labels, seed=9, size=96)
        for labels in (("person", "horse"), ("person", "horse"), ("horse", "person"))
    )
    assert scene.image.shape == (96, 96, 3)
    np.testing.assert_array_equal(scene.image, again.image)
    assert scene.labels == ("person", "horse")
    assert turned.labels == ("horse", "person")
    assert (scene.boxes[:, :2] < scene.boxes[:, 2:]).all()
    assert (scene.boxes >= 0).all()
    assert (scene.boxes <= 96).all()


def test_an_unknown_label_is_named():
    with pytest.raises(ValueError, match=r"labels must be among the pictogram classes .*, got unicorn"):
        drawn_scene(["unicorn"], seed=0)
