import itertools
import json
import os
import subprocess
import sys

import pytest

from mlcnc.errors import LaunchError
from mlcnc.launch.device_search import DeviceSearch
from mlcnc.launch.devices import (
    DevicesUnknownError,
    chosen_device,
    devices,
    gpu_key,
    gpu_uuid,
    known_facts,
    lanes_with_locks,
    lock_name,
    visible_gpus,
)
from tests.processes.stand_in import wait_until

ANSWER = {"cuda": [["One", 1, ""]], "mps": False, "why": ""}

# the package's own name for it is the function
module = sys.modules["mlcnc.launch.devices"]


def lanes_for(name, uuid=""):
    return list(lanes_with_locks(name, uuid))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes this machine one with such devices, as torch would report them."""
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)

    monkeypatch.setitem(module._unknown, "until", 0.0)

    def make(gpus=(), mps=False, why="", uuids=()):
        found = [
            [name, 8 * 2**30, uuid]
            for name, uuid in itertools.zip_longest(gpus, uuids[: len(gpus)], fillvalue="")
        ]
        answer = json.dumps({"cuda": found, "mps": mps, "why": why})
        monkeypatch.setattr(module, "_probe", lambda: f"a warning first\n{answer}\n")

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
    with pytest.raises(LaunchError, match="device cuda:0 is not on this machine"):
        lanes_for("cuda:0")


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
    for damaged in ("", "[]", '{"facts": {"cuda": 3}}', json.dumps({"key": [], "facts": {}}), "[" * 10_000):
        module._answers.clear()
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


def test_a_gpu_has_one_lock_whatever_a_process_calls_it(machine, tmp_path, monkeypatch):
    uuids = ["aaaa-1111", "bbbb-2222"]
    machine(gpus=["One", "Two"], uuids=uuids)
    devices()
    assert (lock_name("cuda:0"), lock_name("cuda:1")) == ("cuda-aaaa-1111", "cuda-bbbb-2222")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bbbb-2222")
    machine(gpus=["Two"], uuids=uuids[1:])
    devices()
    assert (lock_name("cuda:0"), visible_gpus("cuda:0")) == ("cuda-bbbb-2222", "GPU-bbbb-2222")
    # a UUID that would leave the folder of locks is none
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    machine(gpus=["Two"], uuids=["../../outside"])
    devices()
    assert lock_name("cuda:0") == "cuda-1"


def test_a_gpu_that_was_asked_for_is_found_by_its_uuid_where_it_has_another_number(machine, monkeypatch):
    machine(gpus=["One", "Two"], uuids=["aaaa-1111", "bbbb-2222"])
    devices()
    asked = gpu_uuid("cuda:1")
    assert (asked, gpu_uuid("cuda:5"), gpu_uuid("cpu"), gpu_uuid("auto")) == ("bbbb-2222", "", "", "")
    assert lanes_for("cuda:1", asked) == ["cuda:1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    machine(gpus=["Two"], uuids=["bbbb-2222"])
    devices()
    assert lanes_for("cuda:1", asked) == ["cuda:0"]
    with pytest.raises(
        LaunchError, match="device cuda:0 is not on this machine, or hidden from the supervisor"
    ):
        lanes_for("cuda:0", "aaaa-1111")


def test_what_is_not_known_is_not_taken_for_a_machine_without_a_gpu(machine, tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(module.subprocess, "run", fail)
    assert [(device.name, device.why) for device in devices()] == [
        ("cpu", "auto takes the CPU, as torch could not be asked")
    ]
    for name in ("auto", "cuda:0"):
        with pytest.raises(DevicesUnknownError, match="is not known, as torch could not be asked; try again"):
            chosen_device(name)
        with pytest.raises(DevicesUnknownError, match="waits until torch has said"):
            lanes_for(name)
    assert chosen_device("cpu")[0] == lanes_for("cpu")[0] == "cpu"
    # for a while it is not asked again, then it is
    machine(gpus=["One"])
    with pytest.raises(DevicesUnknownError):
        chosen_device("auto")
    module._unknown["until"] = 0.0
    assert chosen_device("auto")[0] == "cuda:0"
    assert lanes_for("auto") == ["cuda:0"]


def test_an_answer_that_cannot_be_written_is_kept_in_the_process(machine, tmp_path):
    (tmp_path / "devices.json").mkdir()
    (tmp_path / "devices.json" / "in-the-way").touch()
    machine(gpus=["One"])
    assert devices()[0].label == "One"
    machine(gpus=["Other"])
    assert devices()[0].label == "One"
    assert lanes_for("auto") == ["cuda:0"]


def test_the_supervisor_asks_without_waiting(machine, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("mlcnc.launch.device_search.time.monotonic", lambda: clock[0])
    answers = iter(["print('nonsense')", "import time; time.sleep(600)", f"print({json.dumps(ANSWER)!r})"])
    asked = []

    def program():
        asked.append(next(answers))
        return [sys.executable, "-I", "-S", "-c", asked[-1]]

    monkeypatch.setattr("mlcnc.launch.device_search.probe_argv", program)
    search = DeviceSearch()
    try:
        search.advance()
        wait_until(lambda: search.advance() or search._process is None)
        assert known_facts() is None
        search.advance()
        assert len(asked) == 1, "not asked again at once"
        clock[0] += 61
        search.advance()
        assert len(asked) == 2
        clock[0] += 121
        search.advance()
        assert search._process is None, "a question without an answer is given up"
        clock[0] += 61
        search.advance()
        wait_until(lambda: search.advance() or known_facts())
        assert lanes_for("auto") == ["cuda:0"]
    finally:
        search.close()


def test_the_launcher_loads_neither_torch_nor_umap():
    program = "import sys, mlcnc.launch, mlcnc.launch.supervisor; print([m for m in ('torch', 'umap', 'sklearn', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
