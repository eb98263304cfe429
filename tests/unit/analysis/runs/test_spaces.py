"""Which spaces of features are offered, and what is said of them; how a method's recipe is called."""

import pytest

from mlcnc.analysis.runs.recipe import unusual_settings
from mlcnc.analysis.runs.spaces import offered_spaces, space_for, spaces_sentence
from mlcnc.config import override
from mlcnc.original_recipes import ORIGINALS
from mlcnc.presets import PRESETS, preset
from mlcnc.store import RunStore, RunWriter, Space

F, MU, Z = Space(name="f", dim=8), Space(name="mu", dim=6), Space(name="z", kind="image", dim=5)


@pytest.mark.parametrize(
    ("stored", "offered"),
    [
        ([], []),
        ([()], []),
        ([(F, MU)], ["f", "mu"]),
        ([(F, MU), (F,)], ["f"]),
        ([(F, MU), (Space(name="f", dim=99), MU)], ["f", "mu"]),
        ([(Z,), (F, MU)], ["f", "mu"]),
        ([(), (Z,)], ["z"]),
    ],
)
def test_what_all_have_is_offered_or_else_what_one_has(stored, offered):
    assert offered_spaces(stored) == offered


def test_a_run_without_the_space_shows_its_first():
    assert [space_for(spaces, "mu") for spaces in ((F, MU), (Z,), ())] == ["mu", "z", "mu"]


def test_the_sentence_says_what_the_features_are_and_who_has_others():
    assert spaces_sentence([("a", ())], "f") == ""
    assert spaces_sentence([("a", (F, MU)), ("b", (F,))], "f") == (
        "f: one feature for every class of an image. mu is not offered, for b stored none of it."
    )
    said = spaces_sentence([("a", (F,)), ("b", (Z,)), ("c", (Z,))], "f")
    assert said.count("one feature for an image, counted for each of its classes") == 1
    assert "b, c have no f: their z is drawn" in said
    assert said.endswith("Numbers of two spaces are not compared.")


def test_spaces_that_nobody_declared_are_those_of_the_last_measured_epoch(tmp_path):
    with RunWriter.create(tmp_path, "mine", class_names=["a", "b"], class_counts=[9, 2]) as run:
        run.log_epoch(0, {"test.f/nc1_trace": 1.0, "test.z/nc1_trace": 2.0})
        run.log_epoch(1, {"train/loss": 0.5})
    assert RunStore(tmp_path).open("mine").spaces == (Space(name="f"), Space(name="z", kind="image"))


def test_presets_of_other_attention_losses_weights_or_dropout_are_unusual():
    found = {
        name: unusual_settings(config.method.kind, config.method.model_dump())
        for name, config in ((name, preset(name)) for name in PRESETS if name not in ORIGINALS)
    }
    assert {name: parts for name, parts in found.items() if parts} == {
        "pictogram-lt-cosine": ("cosine",),
        "voc07-lt": ("alignment weight 50", "dropout 0.3"),
        "voc07-lt-last-blocks": ("alignment weight 50", "dropout 0.3"),
        "mlc-nc-asl": ("ASL loss",),
        "mlc-nc-db-focal": ("DB-Focal loss",),
        "mlc-nc-mfm": ("MFM loss",),
    }


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"method": {"classification": {"kind": "bce"}}}, ("BCE loss",)),
        ({"method": {"classifier": "init_only", "projection_dim": 9}}, ("init-only",)),
        ({"method": {"kind": "erm", "classification": {"kind": "two_way"}}}, ("two-way loss",)),
        ({"method": {"classification": {"kind": "asl", "negative_gamma": 2.0}}}, ("ASL loss",)),
        ({"method": {"kind": "rw", "classification": {"weight_power": 1.0}}}, ("weight power 1",)),
        ({"method": {"kind": "asl", "classification": {"normalisation": "none"}}}, ("normalisation none",)),
        (
            {"method": {"kind": "oltr", "class_bias": False, "first_stage": 0.5}},
            ("first stage 0.5", "no class bias"),
        ),
        ({"method": {"kind": "ml_gcn", "glove_path": "vectors.txt"}}, ()),
        (
            {"method": {"kind": "erm", "classification": {"kind": "two_way", "two_way_temperature": 2.0}}},
            ("two way temperature 2", "two-way loss"),
        ),
    ],
)
def test_unusual_settings_are_named_in_short(changes, parts):
    method = override(preset("demo"), changes).method
    assert unusual_settings(method.kind, method.model_dump()) == parts


def test_a_method_that_nobody_registered_has_nothing_unusual():
    assert unusual_settings("from_elsewhere", {"kind": "from_elsewhere", "width": 3}) == ()
    assert unusual_settings(None, {}) == ()
