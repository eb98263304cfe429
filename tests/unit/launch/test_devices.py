import json
import os
import subprocess
import sys

import pytest

from mlcnc.errors import LaunchError
from mlcnc.launch.devices import chosen_device, devices, gpu_key, lanes_for, lock_name, visible_gpus

# the package's own name for it is the function
module = sys.modules["mlcnc.launch.devices"]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes this machine one with such devices, as torch would report them."""
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)

    def make(gpus=(), mps=False, why=""):
        facts = {"cuda": [[name, 8 * 2**30] for name in gpus], "mps": mps, "why": why}
        monkeypatch.setattr(module, "_probe", lambda: facts)

    return make


def test_without_a_gpu_auto_is_the_cpu_and_says_why(machine):
    machine(why="this torch is built without CUDA")
    (cpu,) = devices()
    assert (cpu.name, cpu.label) == ("cpu", f"CPU, {os.cpu_count()} core{'s' * (os.cpu_count() != 1)}")
    assert cpu.total_bytes >= cpu.free_bytes > 0
    assert chosen_device("auto") == ("cpu", "auto takes the CPU, as this torch is built without CUDA")
    assert chosen_device("cpu") == ("cpu", "the CPU was asked for")
    assert lanes_for("auto") == ["cpu"]
    with pytest.raises(LaunchError, match="device 'cuda:0' is not on this machine; use auto or one of cpu"):
        chosen_device("cuda:0")


def test_auto_takes_any_gpu_the_first_one_first(machine):
    machine(gpus=["One", "Two"])
    assert [(device.name, device.label) for device in devices()][:2] == [("cuda:0", "One"), ("cuda:1", "Two")]
    assert chosen_device("auto") == ("cuda:0", "auto takes the first NVIDIA GPU")
    assert chosen_device("cuda:1") == ("cuda:1", "cuda:1 was asked for")
    assert lanes_for("auto") == ["cuda:0", "cuda:1"]
    assert lanes_for("cpu") == ["cpu"]
    assert devices()[-1].why == "auto takes a GPU instead"


def test_on_a_mac_auto_is_its_gpu(machine):
    machine(mps=True, why="this torch is built without CUDA")
    assert [device.name for device in devices()] == ["mps", "cpu"]
    assert lanes_for("auto") == ["mps"]
    assert chosen_device("auto")[1] == "auto takes the Apple GPU, as this torch is built without CUDA"


def test_torch_is_asked_once_a_start_of_the_machine(machine, tmp_path, monkeypatch):
    machine(gpus=["One"])
    devices()
    machine(gpus=["Other"])
    assert devices()[0].label == "One"
    monkeypatch.setattr(module, "boot_id", lambda: "next start")
    assert devices()[0].label == "Other"
    for damaged in ("", "[]", '{"facts": {"cuda": 3}}', json.dumps({"key": [], "facts": {}})):
        (tmp_path / "devices.json").write_text(damaged)
        machine(gpus=["Again"])
        assert devices()[0].label == "Again"


def test_a_gpu_is_locked_by_its_place_in_the_machine_not_by_what_this_process_may_see(machine, monkeypatch):
    machine(gpus=["One", "Two"])
    assert (gpu_key("cuda:1"), lock_name("cuda:1"), visible_gpus("cuda:1")) == ("1", "cuda-1", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-abc")
    assert (lock_name("cuda:0"), visible_gpus("cuda:0")) == ("cuda-3", "3")
    assert lock_name("cuda:1") == "cuda-GPU-abc"
    assert (lock_name("cpu"), visible_gpus("cpu"), visible_gpus("mps")) == ("cpu", "", "")


def test_a_torch_that_cannot_be_asked_leaves_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path))

    def fail(*arguments, **settings):
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(module.subprocess, "run", fail)
    try:
        assert chosen_device("auto") == ("cpu", "auto takes the CPU, as torch could not be asked")
        # for a while it is not asked again, then it is
        monkeypatch.setattr(module.subprocess, "run", lambda *arguments, **settings: pytest.fail("asked again"))
        assert lanes_for("auto") == ["cpu"]
        monkeypatch.setattr(module, "_probe", lambda: {"cuda": [["One", 1]], "mps": False, "why": ""})
        assert lanes_for("auto") == ["cpu"]
        module._unknown["until"] = 0.0
        assert lanes_for("auto") == ["cuda:0"]
    finally:
        module._unknown["until"] = 0.0


def test_the_launcher_loads_neither_torch_nor_umap():
    program = "import sys, mlcnc.launch, mlcnc.launch.supervisor; print([m for m in ('torch', 'umap', 'sklearn', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
