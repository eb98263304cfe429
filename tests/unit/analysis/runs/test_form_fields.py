"""The settings as a form shows them: those of a method once, with kind and bounds, and back again."""

import pytest

from mlcnc.analysis.runs.form_fields import COMMON, changed_settings, form_fields, value_at, with_kind
from mlcnc.config import ExperimentConfig, leaf_fields, nested, override
from mlcnc.errors import ConfigError
from mlcnc.methods.settings import LOSSES, METHODS
from mlcnc.presets import PRESETS, preset

METHOD, LOSS = ("method", "kind"), ("method", "classification", "kind")


def by_name(config=None):
    return {field.name: field for field in form_fields(config or ExperimentConfig())}


@pytest.mark.parametrize("name", ["pictogram-lt", "erm"])
def test_every_setting_is_shown_once_and_the_common_ones_come_first(name):
    config = preset(name)
    fields = form_fields(config)
    assert {field.path for field in fields} == {path for path, _ in leaf_fields(config)}
    assert len(fields) == len({field.path for field in fields})
    common = tuple(path for path in COMMON if name != "erm" or path[0] != "method")
    assert tuple(field.path for field in fields[: len(common)]) == common
    assert all(field.help for field in fields)


def test_a_form_holds_the_settings_of_its_method_and_loss_only():
    erm = by_name(preset("erm"))
    assert "method.classification.kind" in erm
    assert not {"method.embedding_dim", "method.classification.two_way_temperature"} & set(erm)
    assert "method.classification.two_way_temperature" in by_name()


def test_what_is_left_out_is_left_out():
    config = ExperimentConfig()
    left = form_fields(config, (("training", "device"),))
    assert "training.device" not in {field.name for field in left}
    assert len(left) == len(form_fields(config)) - 1


def test_a_kind_says_what_each_choice_is():
    kinds = by_name()["method.kind"]
    assert kinds.choices[:2] == ("mlc_nc", "erm")
    assert kinds.sentences[1].startswith("ERM: global average pool")
    losses = by_name(preset("erm"))["method.classification.kind"].sentences
    assert losses[0].startswith("two-way: the two-way loss")
    for section, sentences in ((METHODS, kinds.sentences), (LOSSES, losses)):
        for settings, sentence in zip(section.values(), sentences, strict=True):
            assert sentence.startswith(f"{settings.title}: ")
            assert sentence.count(settings.title + ": ") == 1
    assert by_name()["training.schedule"].sentences == ()


@pytest.mark.parametrize(
    ("name", "kind", "lowest", "highest", "optional"),
    [
        ("training.epochs", "whole", 1, 10_000, False),
        ("training.lr", "number", 0, None, False),
        ("training.num_threads", "whole", 1, 1024, True),
        ("training.batch_size", "whole", 1, None, False),
        ("training.ema_decay", "number", 0, 1, True),
        ("data.flip", "switch", None, None, False),
        ("data.dataset", "suggestions", None, None, False),
        ("data.sampler", "suggestions", None, None, True),
        ("training.lr_drops", "text", None, None, False),
        ("method.label_embedding", "choice", None, None, False),
        ("method.glove_path", "text", None, None, True),
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
        ("method.dropout", "at least 0, below 1"),
        ("training.lr", "above 0"),
        ("data.flip", ""),
    ],
)
def test_the_range_of_a_number_is_said_in_words(name, words):
    assert by_name()[name].range_words == words


def test_choices_are_those_of_the_config():
    assert by_name()["method.label_embedding"].choices == ("etf", "trainable", "glove")
    assert by_name()["name"].max_length == 120
    assert by_name()["data.dataset"].choices[:2] == ("pictogram-lt", "digits-lt")


@pytest.mark.parametrize("name", PRESETS)
def test_the_values_of_a_form_give_back_every_preset(name):
    wanted = preset(name)
    values = {field.path: value_at(wanted, field.path) for field in form_fields(wanted)}
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


@pytest.mark.parametrize("base", PRESETS)
def test_changes_lead_from_every_preset_to_every_other(base):
    for name in PRESETS:
        assert override(preset(base), changed_settings(preset(base), preset(name))) == preset(name), name


def test_another_method_changes_only_what_differs_from_its_own_defaults():
    base = preset("demo")
    assert changed_settings(base, override(base, {"method": {"kind": "erm"}})) == {"method": {"kind": "erm"}}
    wanted = override(
        base, {"method": {"kind": "erm", "classification": {"kind": "two_way", "two_way_mean": "all"}}}
    )
    assert changed_settings(base, wanted) == {
        "method": {"kind": "erm", "classification": {"kind": "two_way", "two_way_mean": "all"}}
    }
    back = changed_settings(preset("erm"), override(ExperimentConfig(), {"method": {"embedding_dim": 64}}))
    assert back == {"method": {"kind": "mlc_nc", "embedding_dim": 64}}


def test_another_kind_starts_from_its_defaults_and_leaves_the_rest():
    config = override(ExperimentConfig(), {"method": {"embedding_dim": 64}, "training": {"epochs": 9}})
    assert with_kind(config, METHOD, "mlc_nc") is config
    erm = with_kind(config, METHOD, "erm")
    assert (erm.method, erm.training) == (preset("erm").method, config.training)
    of_loss = with_kind(config, LOSS, "bce")
    assert (of_loss.method.classification.kind, of_loss.method.embedding_dim) == ("bce", 64)
    assert with_kind(of_loss, LOSS, "two_way") == config
    # whether the method can be trained for so few epochs is judged when all is filled in
    short = override(erm, {"training": {"epochs": 2}})
    assert with_kind(short, METHOD, "mlc_nc").method.warmup_epochs == 3
    with pytest.raises(ConfigError, match=r"method\.kind must be one of"):
        with_kind(config, METHOD, "nothing")
