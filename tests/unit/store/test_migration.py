"""Runs of older versions: the recorded ones on disk, and trees of loops that are not ours."""

import json
from pathlib import Path

import pytest

from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.runs.rows import run_row, run_rows
from mlcnc.analysis.runs.spaces import spaces_with_means, spaces_with_nc1, spaces_with_samples
from mlcnc.config import ExperimentConfig, leaf_fields, parse
from mlcnc.store import RunStore, Space
from mlcnc.store.schema import parse_info
from tests.conftest import ROOT

STORE = RunStore(Path(__file__).parent / "version_1")
"""Runs as the trainer of then wrote them, one of them with arrays."""

RECORDED = STORE.run_ids()


def recipe_of(run_id):
    return f"MLC-NC {run_id.split('-')[1]}"


def test_all_of_them_are_of_version_1():
    assert len(RECORDED) == 5
    for run_id in RECORDED:
        assert json.loads((STORE.root / run_id / "run.json").read_text())["schema_version"] == 1


@pytest.mark.parametrize("run_id", RECORDED)
def test_a_recorded_run_opens_as_a_run_of_mlc_nc(run_id):
    run = STORE.open(run_id)
    before = json.loads((run.folder / "run.json").read_text())
    config = parse(run.info.config)
    assert run.info.method == config.method.kind == "mlc_nc"
    # every setting of then has its value still, wherever it stands now
    now = {path[-1]: value(config, path) for path, _ in leaf_fields(config)}
    for section, settings in before["config"].items():
        for name, was in settings.items() if isinstance(settings, dict) else ():
            if name == "mixed_precision":
                assert config.training.precision == ("auto" if was else "float32")
            elif (section, name) not in {("data", "sampler"), ("data", "seed"), ("training", "seed")}:
                assert now[name] == was, name
    assert (config.data.seed, config.training.seed) == tuple(
        before["config"][section]["seed"] for section in ("data", "training")
    )
    number = len(before["class_names"])
    dim, projected = (before["config"]["model"][name] for name in ("embedding_dim", "projection_dim"))
    assert run.spaces == (
        Space(name="f", dim=dim),
        Space(name="mu", dim=projected),
        Space(name="concat", kind="image", dim=number * projected),
    )
    # of concatenated features no spread was stored, so they cannot be drawn
    drawn = ["f", "mu"] if run.array_epochs() else []
    assert [space.name for space in spaces_with_means(run)] == drawn
    assert [space.name for space in spaces_with_samples(run)] == drawn
    assert [space.name for space in spaces_with_nc1(run)] == ["f", "mu"]
    row = run_row(run)
    assert (row.recipe, row.nc1_space, row.method_title) == (recipe_of(run_id), "f", "MLC-NC")


def value(config, path):
    found = config
    for part in path:
        found = getattr(found, part)
    return found


def test_seeds_of_one_embedding_are_one_group():
    rows = run_rows([STORE.open(run_id) for run_id in RECORDED])
    found = {(group.dataset, group.name): {row.seed for row in group.rows} for group in seed_groups(rows)}
    assert found == {
        ("pictogram-lt", "MLC-NC etf"): {1, 2},
        ("pictogram-lt", "MLC-NC trainable"): {1},
        ("pictogram-lt", "MLC-NC glove"): {1},
        ("digits-lt", "MLC-NC etf"): {0},
    }


@pytest.mark.parametrize(("root", "run_id"), [(STORE.root, RECORDED[0]), (ROOT / "runs", "pictogram-erm-s0")])
def test_a_run_trained_now_joins_the_group_of_one_recorded_with_the_same_settings(root, run_id):
    from mlcnc.analysis.runs.rows import _group_key

    recorded = RunStore(root).open(run_id).info.config
    again = parse({**recorded, "data": {**recorded["data"], "num_workers": 2}})
    now = again.model_dump(mode="json")
    now["training"] |= {"measure_every": 5, "num_measured_train": 300, "seed": 7}
    assert _group_key(now, "new") == _group_key(recorded, "old")
    now["method"]["classification"]["two_way_temperature"] = 3.0
    assert _group_key(now, "new") != _group_key(recorded, "old")


SECTIONS = {"data": {}, "model": {"label_embedding": "etf"}, "loss": {}, "training": {}}


def migrated(config, **fields):
    return parse_info(
        {
            "schema_version": 1, "run_id": "mine", "name": "mine", "created_at": "2026", "config": config,
            "class_names": ["a", "b"], "class_counts": [3, 2], "groups": {}, **fields,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"net": "my own", "lr": 0.1},
        {"model": {"label_embedding": "etf"}},
        {"data": {}, "model": {"width": 3}, "loss": {}, "training": {}},
        {"data": 1, "model": {"label_embedding": "etf"}, "loss": {}, "training": {}},
        SECTIONS | {"model": {"label_embedding": "word2vec"}},
        SECTIONS | {"model": {"label_embedding": ["etf"]}},
        SECTIONS | {"model": {"label_embedding": "etf", "layers": 3}},
        SECTIONS | {"loss": {"kind": "asl"}},
        SECTIONS | {"loss": {"classification": "focal", "input_map": "z"}},
        SECTIONS | {"training": {"scheduler": "cosine"}},
        SECTIONS | {"data": {"root": "voc"}},
    ],
)
def test_a_tree_of_another_loop_stays_as_it_is(config):
    # what another loop kept under names of now was ignored then
    for fields in ({}, {"method": {}, "spaces": 3}, {"method": "asl", "spaces": ["f"]}):
        info = migrated(config, **fields)
        assert info.config == config
        assert info.method is None
        assert info.spaces is None


def test_settings_of_version_1_are_mlc_nc_whatever_else_the_tree_holds():
    info = migrated(SECTIONS, method={}, spaces=3)
    assert info.method == info.config["method"]["kind"] == "mlc_nc"
    assert info.config["method"]["classification"]["kind"] == "two_way"
    assert [space.name for space in info.spaces] == ["f", "mu"]


@pytest.mark.parametrize("dim", [-1, 2**60, True, "20", 0.5, None])
def test_a_dimension_that_is_none_is_not_known(dim):
    model = {"label_embedding": "etf", "embedding_dim": dim}
    assert [space.dim for space in migrated(SECTIONS | {"model": model}).spaces] == [None, None]
    model = {"label_embedding": "etf", "embedding_dim": 8, "projection_dim": 2**53}
    assert [space.dim for space in migrated(SECTIONS | {"model": model}).spaces] == [8, 2**53, None]


def test_the_default_config_names_the_sections_that_a_migrated_one_has():
    assert set(STORE.open(RECORDED[0]).info.config) == set(ExperimentConfig().model_dump())
