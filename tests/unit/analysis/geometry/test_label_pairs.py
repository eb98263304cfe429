"""Two labels of one image, against a loop over stored samples."""

import json

import numpy as np
import pytest

from mlcnc.analysis.geometry.label_pairs import label_pairs, label_pairs_course
from mlcnc.store import RunStore

NAMES = ["Run 1", "Run 2", "Run 3"]


@pytest.fixture
def etf_run(tmp_path):
    from tests.app.conftest import write_run

    write_run(tmp_path, "ours").finish()
    return RunStore(tmp_path).open("ours")


def test_label_pairs_are_those_of_a_loop_over_stored_samples(etf_run):
    samples, arrays = etf_run.samples(), etf_run.arrays(2)
    image, label = samples.get("samples/image_index"), samples.get("samples/class_index")
    split, features = samples.get("samples/split"), arrays.get("samples/f").astype(float)
    means = arrays.get("test.f/class_means").astype(float)
    middle = means.mean(axis=0)

    def degrees(one, other):
        return np.degrees(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))

    own, other, apart = [], [], []
    for i in range(len(image)):
        for j in range(len(image)):
            if split[i] == split[j] == 1 and image[i] == image[j] and label[i] != label[j]:
                own.append(degrees(features[i] - middle, means[label[i]] - middle))
                other.append(degrees(features[i] - middle, means[label[j]] - middle))
                apart.append(degrees(features[i] - middle, features[j] - middle))
    found = label_pairs(etf_run, 2)
    assert len(own) > 4
    assert found.to_own == pytest.approx(np.mean(own), abs=1e-3)
    assert found.to_other == pytest.approx(np.mean(other), abs=1e-3)
    assert found.apart == pytest.approx(np.mean(apart), abs=1e-3)
    assert found.nearer_own == pytest.approx(np.mean(np.array(own) < np.array(other)))
    assert found.num_images <= found.num_features <= len(own)
    assert [record.epoch for record in label_pairs_course(etf_run)] == [0, 1, 2]


def test_label_pairs_are_none_without_stored_samples(tmp_path):
    from tests.app.conftest import write_run

    write_run(tmp_path, "slim", slim=True).finish()
    write_run(tmp_path, "plain", features=False).finish()
    assert label_pairs_course(RunStore(tmp_path).open("slim")) == ()
    assert label_pairs(RunStore(tmp_path).open("plain"), 0) is None


def test_labels_of_one_image_share_an_image_wise_feature(tmp_path, etf_run):
    path = etf_run.folder / "run.json"
    tree = json.loads(path.read_text())
    tree["spaces"] = [{"name": "f", "kind": "image"}, {"name": "mu", "kind": "class"}]
    path.write_text(json.dumps(tree))
    assert label_pairs(RunStore(tmp_path).open("ours"), 2).space == "mu"
    path.write_text(json.dumps({**tree, "spaces": tree["spaces"][:1]}))
    assert label_pairs_course(RunStore(tmp_path).open("ours")) == ()
