"""What cannot work is refused before anything is drawn, downloaded or built."""

import pytest

from mlcnc.config import override
from mlcnc.errors import ConfigError, MlcncError
from mlcnc.obstacles import obstacles
from mlcnc.presets import quick
from mlcnc.training import train


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    def drawn(*_, **__):
        raise AssertionError("data were drawn")

    monkeypatch.setattr("mlcnc.training.build.build_dataset", drawn)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"method": {"embedding_dim": 16}},
            "embedding_dim must be at least 19 for an ETF of 20 classes, got 16",
        ),
        ({"data": {"sampler": "nosuch"}}, "data.sampler must be .*one of .*, got 'nosuch'"),
        ({"data": {"sampler": "uniform"}, "method": {"kind": "bbn"}}, "data.sampler must be none for BBN"),
        ({"data": {"dataset": "nosuch"}}, "data.dataset must be one of"),
        ({"model": {"backbone": "nosuch"}}, "model.backbone must be one of"),
        ({"model": {"weights": "imagenet"}}, "the small backbone has no pre-trained weights"),
        ({"model": {"stage": 3}}, "model.stage must be none for small"),
        ({"model": {"trained_blocks": 3}}, "model.trained_blocks must be 0 where"),
        ({"training": {"device": "cuda"}}, "'cuda' is not available here"),
    ],
)
def test_settings_that_do_not_fit_each_other(tmp_path, changes, words):
    config = override(override(quick(), {"data": {"dataset": "pictogram-lt"}}), {"method": {"kind": "mlc_nc"}})
    with pytest.raises(MlcncError, match=words) as caught:
        train(override(config, changes), runs_root=tmp_path / "runs", say=lambda _: None)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_job_of_too_small_an_embedding_is_not_queued(tmp_path):
    config = override(quick(), {"data": {"dataset": "pictogram-lt"}, "method": {"embedding_dim": 16}})
    assert any("at least 19 for an ETF of 20" in sentence for sentence in obstacles(config, tmp_path, "cpu"))


@pytest.mark.parametrize("value", ["1e308", "-1e308", "1e-320", 1e39, 1e-46])
def test_numbers_beyond_float32_are_no_settings(value):
    for section, name in (("training", "lr"), ("method", "query_norm"), ("training", "clip_norm")):
        with pytest.raises(ConfigError, match=f"{section}.{name}: "):
            override(quick(), {section: {name: value}})
