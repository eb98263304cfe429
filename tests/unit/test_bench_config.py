"""What methods share in a race: backbone, optimiser, schedule, epochs, images and steps."""

import json
from itertools import product

import pytest

from mlcnc.config import override
from mlcnc.data import dataset_facts
from mlcnc.methods.settings import METHODS
from mlcnc.presets import BENCHES, RACED, bench_config, preset
from tests.conftest import ROOT

OWN = {
    "data": {"num_samples": None},
    "model": {"trained_blocks": 0},
    "training": {"batch_size": 32, "backbone_lr_factor": 1.0},
}
"""What a method of several streams, or of branches on a frozen backbone, has otherwise."""


@pytest.mark.parametrize(("dataset", "kind"), list(product(BENCHES, METHODS)))
def test_every_method_sees_as_many_images_in_as_many_steps(dataset, kind):
    base, config = preset(BENCHES[dataset]), bench_config(dataset, kind)
    assert config.method.kind == kind
    assert config.method.problem_with(config.training.epochs) is None
    streams = len(config.method.streams)
    images = dataset_facts(dataset).num_train
    drawn = config.data.num_samples or images
    assert 0 <= images - streams * drawn < streams
    # as many updates an epoch for all
    assert -(-drawn // config.training.batch_size) == -(-images // base.training.batch_size)
    assert config.training.batch_size * streams == base.training.batch_size
    assert override(config, {**OWN, "method": base.method.model_dump()}) == base


@pytest.mark.parametrize("kind", METHODS)
def test_branches_of_a_frozen_backbone_are_trained_and_nothing_else_of_it_is(kind):
    blocks = {dataset: bench_config(dataset, kind).model.trained_blocks for dataset in BENCHES}
    assert blocks == {"pictogram-lt": 0, "voc07-lt": 1 if kind in ("bbn", "urs") else 0}


@pytest.mark.parametrize("dataset", BENCHES)
def test_what_the_recorded_race_chose_and_took_is_that_of_its_table(dataset):
    recorded = json.loads((ROOT / f"docs/bench/{dataset}.json").read_text(encoding="utf-8"))
    table = {each["key"]: (each["rate"], round(each["seconds"])) for each in recorded["methods"]}
    assert {key: tuple(found) for key, found in RACED[dataset].items()} == {
        key: found for key, found in table.items() if key in METHODS
    }
