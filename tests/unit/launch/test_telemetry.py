import os
import subprocess
import sys

import psutil
import pytest

from mlcnc.launch.telemetry import GpuMeter, ProcessMeter
from tests.processes.stand_in import wait_until

module = sys.modules["mlcnc.launch.devices"]


def test_a_process_and_its_children_are_measured():
    program = "import os, time; os.fork(); x = bytearray(2**24); end = time.monotonic() + 600\nwhile time.monotonic() < end: pass"
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", program], start_new_session=True)
    try:
        wait_until(lambda: len(psutil.Process(process.pid).children()) == 1)
        meter = ProcessMeter(process.pid)
        assert meter.measure()[0] == 0.0
        wait_until(lambda: meter.measure()[1] > 2 * 2**24)
        wait_until(lambda: meter.measure()[0] > 5)
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    wait_until(lambda: meter.measure() is None)
    assert ProcessMeter(process.pid).measure() is None


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a program of that name on the path that reports two GPUs, as the real one does."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '*memory.free*) echo "0, GPU-aa, 7000"; echo "1, GPU-bb, 100" ;;\n'
        '*) echo "0, GPU-aa, 35, 1024, 8192"; echo "1, GPU-bb, [N/A], 5, 8192"; exec sleep 600 ;;\n'
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_the_gpu_of_a_job_is_measured_by_index_or_name(nvidia_smi):
    meter = GpuMeter()
    try:
        wait_until(lambda: meter.read("0"))
        assert meter.read("0") == meter.read("GPU-aa") == (35.0, 1024 * 2**20, 8192 * 2**20)
        assert meter.read("1") is None
    finally:
        meter.close()
    meter.close()


def test_free_memory_of_gpus_is_known_by_index_and_name(nvidia_smi, monkeypatch):
    monkeypatch.setitem(module._free, "at", -1e9)
    free = module._free_gpu_bytes()
    assert free == {"0": 7000 * 2**20, "GPU-aa": 7000 * 2**20, "1": 100 * 2**20, "GPU-bb": 100 * 2**20}
    monkeypatch.setitem(module._free, "at", -1e9)


def test_without_the_driver_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert GpuMeter().read("0") is None


def test_a_closed_meter_forgets_what_it_has_seen(nvidia_smi, monkeypatch):
    meter = GpuMeter()
    try:
        wait_until(lambda: meter.read("0"))
        meter.close()
        monkeypatch.setattr("mlcnc.launch.telemetry.os.read", lambda *more: b"")
        assert meter.read("0") is None
    finally:
        meter.close()
