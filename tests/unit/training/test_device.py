import pytest
import torch

from mlcnc.devices import environment_of
from mlcnc.errors import ConfigError
from mlcnc.training.device import DEVICE_VARIABLE, select_device
from mlcnc.training.ranks import alone
from tests.processes.small_training import small_config


@pytest.fixture
def machine(monkeypatch):
    """Return a function that lets this machine have such devices, as far as torch is asked."""
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)

    def make(*, mps=False, cuda=False):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)

    return make


def test_the_config_decides_where_nothing_was_given(machine, monkeypatch):
    machine(mps=True)
    assert [select_device(name)[0].type for name in ("auto", "cpu", "mps")] == ["mps", "cpu", "mps"]
    assert select_device("cpu")[1].endswith(("thread (asked for)", "threads (asked for)"))
    with pytest.raises(
        ConfigError, match=r"training\.device: 'cuda' is not available here; use one of mps, cpu"
    ):
        select_device("cuda")
    monkeypatch.setenv(DEVICE_VARIABLE, "")
    assert select_device("auto")[0].type == "mps"


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "mps"])
@pytest.mark.parametrize("given", ["cpu", "mps"])
def test_the_device_that_a_job_was_given_goes_before_the_config_of_its_run(machine, monkeypatch, name, given):
    machine(mps=True)
    monkeypatch.setenv(DEVICE_VARIABLE, given)
    device, note = select_device(name)
    assert device.type == given
    assert note.endswith("(given to this job by MLCNC_DEVICE)")


@pytest.mark.parametrize("given", ["cuda", "gpu"])
def test_a_given_device_that_is_not_here_is_named(machine, monkeypatch, given):
    machine()
    monkeypatch.setenv(DEVICE_VARIABLE, given)
    with pytest.raises(ConfigError, match=f"MLCNC_DEVICE: '{given}' is not available here; use one of cpu"):
        select_device("cpu")


def test_jobs_and_training_mean_the_same_variable():
    assert environment_of("cpu")[DEVICE_VARIABLE] == "cpu"
    assert environment_of("GPU-aa")[DEVICE_VARIABLE] == "cuda"


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
@pytest.mark.parametrize("has_bfloat16", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_precision_that_the_processor_lacks_is_said(machine, monkeypatch, precision, has_bfloat16, compiled):
    machine()
    monkeypatch.setattr("mlcnc.training.device.has_bfloat16", lambda: has_bfloat16)
    note = alone(small_config(training={"precision": precision, "compile": compiled}).training).note
    lacks = precision == "bfloat16" and not has_bfloat16
    assert ("no products of bfloat16" in note) == lacks
    assert ("training.compile" in note) == (lacks and compiled)
