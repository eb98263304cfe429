import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mlcnc.devices import chosen_device, cuda_of_torch, devices, environment_of, gpu_use, lanes_of
from mlcnc.errors import LaunchError

# the package's own name for it is the function
module = sys.modules["mlcnc.devices"]


class Driver:
    """What ``pynvml`` says of some GPUs; it can be asked too much."""

    class NVMLError(Exception):
        pass

    def __init__(self, gpus, cuda):
        self._gpus, self._cuda = gpus, cuda

    def nvmlSystemGetCudaDriverVersion(self):
        return self._cuda

    def nvmlDeviceGetCount(self):
        return len(self._gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        return self._gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid):
        for gpu in self._gpus:
            if gpu[1] == uuid:
                return gpu
        raise self.NVMLError("not found")

    def nvmlDeviceGetName(self, gpu):
        return gpu[0]

    def nvmlDeviceGetUUID(self, gpu):
        return gpu[1]

    def nvmlDeviceGetMemoryInfo(self, gpu):
        return SimpleNamespace(total=8 * 2**30, used=2**30)

    def nvmlDeviceGetUtilizationRates(self, gpu):
        if gpu[0] == "Part":
            raise self.NVMLError("not supported")
        return SimpleNamespace(gpu=35)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes this machine one with such GPUs, as their driver reports them."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def make(gpus=(), *, driver=13_010, torch=12, visible=None):
        found = [(name, f"GPU-{index}{index}") for index, name in enumerate(gpus)]
        monkeypatch.setattr(module, "_library", lambda: Driver(found, driver) if driver else None)
        monkeypatch.setattr(module, "cuda_of_torch", lambda: torch)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return make


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"torch": None}, "this torch is built without CUDA"),
        ({"driver": None}, "the driver of NVIDIA GPUs is not there"),
        ({"driver": 11_040, "gpus": ["One"]}, "the NVIDIA driver is for CUDA 11, and this torch needs 12"),
        ({"gpus": ["One"], "visible": ""}, "no NVIDIA GPU is visible"),
        ({"gpus": ["One"], "visible": "-1,0"}, "no NVIDIA GPU is visible"),
    ],
)
def test_without_a_gpu_auto_is_the_cpu_and_says_why(machine, monkeypatch, how, why):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    machine(**how)
    (cpu,) = devices()
    assert (cpu.name, cpu.label) == ("cpu", f"CPU, {os.cpu_count()} core{'s' * (os.cpu_count() != 1)}")
    assert cpu.total_bytes >= cpu.free_bytes > 0
    assert chosen_device("auto").why == f"auto takes the CPU, as {why}"
    assert lanes_of("auto") == ["cpu"]
    with pytest.raises(LaunchError, match="device 'cuda:0' is not on this machine; use auto or one of cpu"):
        chosen_device("cuda:0")


def test_auto_takes_any_gpu_the_first_one_first(machine):
    machine(["One", "Two"])
    assert [(device.name, device.label) for device in devices()][:2] == [("cuda:0", "One"), ("cuda:1", "Two")]
    assert chosen_device("auto").name == "cuda:0"
    assert chosen_device("cuda:1").lane == "GPU-11"
    assert lanes_of("auto") == ["GPU-00", "GPU-11"]
    assert devices()[0].free_bytes == 7 * 2**30
    assert devices()[-1].why == "auto takes a GPU instead"


def test_on_a_mac_auto_is_its_gpu(machine, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    machine(torch=None)
    assert [device.name for device in devices()] == ["mps", "cpu"]
    assert lanes_of("auto") == ["mps"]
    assert chosen_device("auto").why == "auto takes the Apple GPU, as this torch is built without CUDA"


@pytest.mark.parametrize(
    ("visible", "lanes"),
    [
        ("1", ["GPU-11"]),
        ("2, 0", ["GPU-22", "GPU-00"]),
        ("GPU-11", ["GPU-11"]),
        ("GPU-2,1", ["GPU-22", "GPU-11"]),
        ("0,7,1", ["GPU-00"]),
        ("0,GPU-77", []),
        ("nonsense", []),
    ],
)
def test_a_gpu_has_one_lane_whatever_a_process_calls_it(machine, visible, lanes):
    machine(["One", "Two", "Three"], visible=visible)
    assert [device.lane for device in devices() if device.name.startswith("cuda")] == lanes


def test_a_name_that_would_leave_the_folder_of_locks_is_no_lane(machine):
    machine(["One"])
    driver = module._library()
    driver._gpus[0] = ("One", "GPU-../../outside")
    module._library = lambda: driver
    assert lanes_of("auto") == ["cpu"]


def test_a_job_sees_its_own_device_alone():
    assert environment_of("GPU-11")["CUDA_VISIBLE_DEVICES"] == "GPU-11"
    assert environment_of("cpu") == {
        "MLCNC_DEVICE": "cpu",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "",
    }
    assert "MLCNC_DEVICE" not in environment_of("network")


def test_what_a_gpu_does_is_asked_of_its_driver(machine):
    machine(["One", "Part"])
    assert gpu_use("GPU-00") == module.GpuUse(35.0, 2**30, 8 * 2**30)
    assert gpu_use("GPU-11").percent is None
    assert gpu_use("GPU-77") is None
    assert gpu_use("cpu") is None
    machine(driver=None)
    assert gpu_use("GPU-00") is None


def test_without_the_driver_its_library_is_not_there():
    module._library.cache_clear()
    assert module._library() is None or module._library().nvmlDeviceGetCount() >= 0


def test_for_which_cuda_torch_is_built_is_known_without_loading_it():
    import torch

    built_for = torch.version.cuda
    assert cuda_of_torch() == (None if built_for is None else int(built_for.partition(".")[0]))


def test_the_launcher_loads_neither_torch_nor_umap():
    program = "import sys, mlcnc.launch.worker; from mlcnc.devices import devices; devices(); print([m for m in ('torch', 'umap', 'sklearn', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
