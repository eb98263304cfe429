"""The settings as a form shows them: every one once, with its kind and bounds, and back again."""

import pytest

from mlcnc.analysis.form_fields import COMMON, changed_settings, form_fields, known_datasets, nested, value_at
from mlcnc.config import PRESETS, leaf_fields, override, preset


def by_name():
    return {field.name: field for field in form_fields()}


def test_every_setting_is_shown_once_and_the_common_ones_come_first():
    fields = form_fields()
    assert {field.path for field in fields} == {path for path, _ in leaf_fields()}
    assert len(fields) == len({field.path for field in fields})
    assert tuple(field.path for field in fields[: len(COMMON)]) == COMMON
    assert all(field.help for field in fields)


def test_what_is_left_out_is_left_out():
    left = form_fields((("training", "device"),))
    assert "training.device" not in {field.name for field in left}
    assert len(left) == len(form_fields()) - 1


@pytest.mark.parametrize(
    ("name", "kind", "lowest", "highest", "optional"),
    [
        ("training.epochs", "whole", 1, 10_000, False),
        ("training.lr", "number", 0, None, False),
        ("training.num_threads", "whole", 1, 1024, True),
        ("training.batch_size", "whole", 1, None, False),
        ("training.ema_decay", "number", 0, 1, True),
        ("data.flip", "switch", None, None, False),
        ("model.label_embedding", "choice", None, None, False),
        ("model.glove_path", "text", None, None, True),
        ("name", "text", None, None, True),
    ],
)
def test_kind_and_bounds_are_those_of_the_config(name, kind, lowest, highest, optional):
    field = by_name()[name]
    assert (field.kind, field.lowest, field.highest, field.is_optional) == (kind, lowest, highest, optional)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("training.epochs", "at least 1, at most 10000"),
        ("training.lr_rise", "above 0, below 1"),
        ("model.dropout", "at least 0, below 1"),
        ("training.lr", "above 0"),
        ("data.flip", ""),
    ],
)
def test_the_range_of_a_number_is_said_in_words(name, words):
    assert by_name()[name].range_words == words


def test_choices_are_those_of_the_config():
    assert by_name()["model.label_embedding"].choices == ("etf", "trainable", "glove")
    assert by_name()["name"].max_length == 120


@pytest.mark.parametrize("name", PRESETS)
def test_the_values_of_a_form_give_back_every_preset(name):
    wanted = preset(name)
    values = {field.path: value_at(wanted, field.path) for field in form_fields()}
    assert override(preset("pictogram-lt"), nested(values)) == wanted


def test_changes_are_only_what_differs_and_lead_from_one_config_to_the_other():
    base = preset("pictogram-lt")
    wanted = override(base, {"name": "mine", "training": {"epochs": 7, "num_threads": 2}})
    changes = changed_settings(base, wanted)
    assert changes == {"name": "mine", "training": {"epochs": 7, "num_threads": 2}}
    assert override(base, changes) == wanted
    assert changed_settings(base, base) == {}
    # none is a value: it must be sent where the base has another
    unset = override(base, {"training": {"clip_norm": None}})
    assert changed_settings(base, unset) == {"training": {"clip_norm": None}}


def test_data_sets_are_those_of_the_presets():
    assert known_datasets()[:2] == ["pictogram-lt", "digits-lt"]
