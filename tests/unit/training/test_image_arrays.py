"""What a run keeps of its images: pictures where it may, else ids; a real run of files that may not be copied."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mlcnc import data
from mlcnc.analysis.images.attention import attention_epochs, localisation, probe_attention
from mlcnc.analysis.images.image_ids import image_id
from mlcnc.analysis.images.pictures import picture_index
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.protocol import DatasetFacts
from mlcnc.store import RunStore
from mlcnc.training import train
from mlcnc.training.pictures import image_arrays
from mlcnc.training.sample_choice import choose_samples
from tests.processes.small_training import few_images, small_config

NAME = "few-files"
BOXES = np.array([[0, 0.25, 0.25, 0.75, 0.75]], np.float32)


@pytest.fixture(scope="module")
def of_files(tmp_path_factory):
    """Return the few images as files, with one box each."""
    folder = tmp_path_factory.mktemp("photographs")
    drawn = few_images(NAME)

    def written(name):
        split = getattr(drawn, name)
        paths = [folder / f"{name}-{index}é.png" for index in range(len(split))]
        for index, path in enumerate(paths):
            Image.fromarray(split.image(index)).save(path)
        return ImageFileSplit(name, paths, split.targets, object_boxes=lambda index: BOXES)

    return replace(drawn, **{name: written(name) for name in ("train", "validation", "test")})


@pytest.fixture
def registered(of_files):
    """Let the package know the files as a data set on disk."""

    def register(may_be_copied):
        facts = DatasetFacts(of_files.class_names, 37, 11, 13, root=lambda root: root)
        made = replace(of_files, may_be_copied=may_be_copied)
        data.register_dataset(NAME, lambda request: made, facts)
        return made

    yield register
    del data.DATASETS[NAME], data.FACTS[NAME]


def arrays_of(dataset, num_pictures):
    choice = choose_samples(dataset, dataset.train, 17, 2, 0)
    return image_arrays(dataset, dataset.train, choice, num_pictures)


@pytest.mark.parametrize(
    ("may_be_copied", "num_pictures", "keeps_images"), [(True, 3, True), (True, 0, False), (False, 3, False)]
)
def test_photographs_are_kept_where_they_may_be_and_are_asked_for(
    registered, may_be_copied, num_pictures, keeps_images
):
    found = arrays_of(registered(may_be_copied), num_pictures)
    assert ("probes/images" in found) == ("pictures/bytes" in found) == keeps_images
    assert found["probes/size"].tolist() == [32, 32]
    assert {len(found["train/id_ends"]), len(found["test/id_ends"])} == {37, 13}


def test_drawn_images_have_no_ids_and_always_their_probes():
    found = arrays_of(few_images("drawn"), 0)
    assert "probes/images" in found
    assert not [name for name in found if "/id_" in name or name.startswith("pictures/")]
    forbidden = arrays_of(replace(few_images("drawn"), may_be_copied=False), 3)
    assert "probes/images" not in forbidden
    assert len(forbidden["test/id_ends"]) == 13


def test_a_run_of_files_that_may_not_be_copied_holds_no_pixel(registered, of_files, tmp_path):
    registered(False)
    config = small_config(data={"dataset": NAME, "image_size": 32, "num_samples": 23})
    train(config, runs_root=tmp_path, run_id="files", say=lambda text: None, show_progress=False)
    run = RunStore(tmp_path).open("files")
    samples = run.samples()
    assert not {name for name in samples.keys() if "images" in name or "pictures" in name}  # noqa: SIM118
    assert picture_index(run).positions == {}
    for split, number in (("train", 37), ("test", 13)):
        ids = [image_id(run, split, index) for index in range(number)]
        assert ids == [getattr(of_files, split).image_id(index) for index in range(number)]
    epoch = attention_epochs(run)[-1]
    record = probe_attention(run, epoch, 0, 0)
    assert record.image is None
    assert record.size == (32, 32)
    assert record.boxes.tolist() == [[8, 8, 24, 24]]
    assert record.chance == 0.25
    assert localisation(run, epoch).num_objects == 2
