"""The search for devices beside the pages: what is known is said at once, nothing is kept for ever."""

import threading

import pytest

from app import device_search
from app.device_search import DeviceSearch, FoundDevices
from mlcnc.launch import Device, LaunchError
from tests.processes.stand_in import wait_until

CPU = Device("cpu", "CPU, 2 cores", None, None, "auto takes the CPU, as torch could not be asked")
GPU = Device("cuda:0", "a GPU", 2**34, None, "auto takes the first GPU")


def test_a_slow_search_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(device_search, "_QUICK_SECONDS", 0.01)
    answers = threading.Event()
    search = DeviceSearch(lambda: [GPU] if answers.wait(60) else [])
    assert search.found() == search.found() == FoundDevices(is_searching=True)
    answers.set()
    wait_until(lambda: search.found() == FoundDevices((GPU,)), 30)


def test_a_failure_is_said_and_not_kept():
    refused = [LaunchError("the folder is not yours"), OSError("no room")]

    def look():
        if refused:
            raise refused.pop(0)
        return [CPU]

    search = DeviceSearch(look)
    wait_until(lambda: search.found() == FoundDevices((CPU,)), 30)
    assert not refused


def test_a_failure_is_one_sentence():
    def look():
        raise LaunchError("the folder is not yours")

    search = DeviceSearch(look)
    wait_until(lambda: search.found() == FoundDevices(problem="the folder is not yours"), 30)


def test_an_error_that_nobody_knows_is_raised_and_not_kept():
    def look():
        if not broken:
            return [CPU]
        raise ZeroDivisionError(broken.pop())

    broken = ["once"]
    search = DeviceSearch(look)
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: search.found().devices != (), 30)
    wait_until(lambda: search.found().devices == (CPU,), 30)


def test_an_answer_is_asked_again_after_a_while_and_stays_until_then(monkeypatch):
    answers = iter([[CPU], [GPU]])
    search = DeviceSearch(lambda: next(answers))
    wait_until(lambda: search.found().devices == (CPU,), 30)
    assert search.found().devices == (CPU,)
    monkeypatch.setattr(device_search, "KEPT_SECONDS", 0.0)
    wait_until(lambda: search.found().devices == (GPU,), 30)
