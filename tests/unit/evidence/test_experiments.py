"""Tables, figures and studies: their rows can be trained on every data set, and equal rows are one run."""

from itertools import product

import pytest

from mlcnc.analysis.comparison.bench import entries
from mlcnc.analysis.comparison.published import published_rows
from mlcnc.analysis.runs.rows import NOT_TRAINING
from mlcnc.analysis.runs.settings import flattened
from mlcnc.data import dataset_facts
from mlcnc.evidence.experiments import EXPERIMENTS
from mlcnc.evidence.quantities import QUANTITIES
from mlcnc.evidence.rows import ALIGNED_RATE, DATASETS, MLC_NC, PAPER_SETS, RATES, base_config, rates_of
from mlcnc.presets import preset
from mlcnc.store.schema import RUN_ID
from mlcnc.training.gallery import gallery


@pytest.mark.parametrize("dataset", DATASETS)
def test_rows_have_usable_settings_and_one_name_is_one_run(dataset):
    runs, images = {}, {}
    for experiment in EXPERIMENTS.values():
        rows = experiment.rows(dataset)
        keys = [row.entry.key for row in rows]
        assert len(set(keys)) == len(keys) > 1, experiment.key
        for row in rows:
            bench = base_config(dataset, row.entry.kind)[1]
            config = row.entry.config(bench, RATES[0] if dataset not in PAPER_SETS else bench.training.lr, 0)
            assert config.data.dataset == dataset
            assert config.method.problem_with(config.training.epochs) is None
            assert config.method.problem_with_classes(len(dataset_facts(dataset).class_names)) is None
            images.setdefault(experiment.key, set()).add((config.data.dataset, config.data.test_images))
            assert runs.setdefault(row.entry.key, config) == config
            assert RUN_ID.fullmatch(row.entry.run_id(dataset, 0.00025, 99))
        assert set(experiment.quantities) <= set(QUANTITIES)
    assert all(len(found) == 1 for found in images.values()), "rows are tested on the same images"
    # nor is it the name of another run of the race
    for entry in entries(frozen=dataset == "voc07-lt"):
        if entry.key in runs and dataset in ("voc07-lt", "pictogram-lt"):
            config = entry.config(base_config(dataset, entry.kind)[1], RATES[0], 0)
            assert runs[entry.key] == config


@pytest.mark.parametrize(("key", "dataset"), list(product(EXPERIMENTS, DATASETS)))
def test_claims_are_about_rows_and_quantities_that_are_reported(key, dataset):
    experiment = EXPERIMENTS[key]
    rows = experiment.rows(dataset)
    claims = experiment.claims(rows)
    assert claims
    keys = {row.entry.key for row in rows}
    for claim in claims:
        assert claim.first in keys
        assert claim.second is None or claim.second in keys - {claim.first}
        assert claim.quantity in experiment.quantities
        assert claim.published is None or claim.published >= 0


def test_recorded_runs_are_rows_of_table_4_measured_more_often():
    of_seed = {run_id: config for run_id, config in gallery() if run_id.endswith("-s1")}
    compared = set()
    for dataset in ("voc07-lt", "pictogram-lt"):
        for row in EXPERIMENTS["table4"].rows(dataset):
            settings = trained_settings(row.entry.config(base_config(dataset, MLC_NC)[1], ALIGNED_RATE, 1))
            assert settings.pop("training.precision") == "auto"
            for run_id, config in of_seed.items():
                recorded = trained_settings(config)
                precision = recorded.pop("training.precision")
                if recorded == settings:
                    assert precision == "bfloat16"
                    compared.add(run_id)
    assert compared == {
        "pictogram-etf-s1", "pictogram-trainable-s1", "pictogram-glove-s1", "voc07-etf-s1", "voc07-etf-aligned-s1",
        "voc07-trainable-s1", "voc07-trainable-aligned-s1", "voc07-glove-s1", "voc07-glove-aligned-s1",
    }  # fmt: skip


def trained_settings(config):
    """Return the settings that change what is trained."""
    return {k: v for k, v in flattened(config.model_dump(mode="json")) if k not in NOT_TRAINING}


def test_published_rows_stand_beside_the_rows_that_repeat_them():
    beside = [
        row.published
        for key, dataset in (("table1", "voc-lt"), ("table1", "coco-lt"), ("table2", "vg200"), ("table3", "voc-lt"),
                             ("table4", "voc-lt"), ("figure3", "voc-lt"), ("figure4", "voc-lt"))
        for row in EXPERIMENTS[key].rows(dataset)
    ]  # fmt: skip
    missing = [row for row in published_rows() if row not in beside]
    # the optimum is no run
    assert [row.variant for row in missing] == ["ideal ETF, 20 classes"]


def test_what_the_paper_has_no_number_of_is_a_study():
    found = {
        key: any(row.published for row in experiment.rows("voc-lt")) for key, experiment in EXPERIMENTS.items()
    }
    assert found == {key: not experiment.study for key, experiment in EXPERIMENTS.items()}


def test_published_differences_are_those_of_the_tables():
    def gaps(key, quantity):
        experiment = EXPERIMENTS[key]
        claims = experiment.claims(experiment.rows("voc-lt"))
        return [claim.published for claim in claims if claim.quantity == quantity]

    # the paper trained one weight of the alignment
    assert gaps("table4", "map_total") == [0.45, 0.63, None, None, None, None]
    assert gaps("figure3", "angle_mean_class") == [35.0, None]
    assert gaps("table3", "map_total") == [2.24, 2.24, 0.94, 0.94, 4.78, 4.78]
    assert gaps("figure4", "map_total") == [0.39, 0.98, 1.35, 2.89, 2.15]
    assert gaps("table1", "map_total")[:2] == [13.51, 8.99]


@pytest.mark.parametrize("dataset", PAPER_SETS)
def test_on_the_papers_data_sets_methods_keep_the_recipes_of_their_authors(dataset):
    for row in EXPERIMENTS["table1"].rows(dataset):
        name, config = base_config(dataset, row.entry.kind)
        assert preset(name).training.lr == config.training.lr
        assert rates_of(dataset, row.entry) == (config.training.lr,)
