"""A signal to stop is heard once, waits where it must, and is not lost where Python swallows it."""

import signal
import subprocess
import sys
import textwrap

import pytest

from tests.conftest import ROOT

BEGIN = """
import os, signal, sys
from mlcnc import stopping
def stop(number=signal.SIGTERM):
    os.kill(os.getpid(), number)
stopping.listen()
"""
CASES = {
    "at once, and later ones are ignored": """
        try:
            stop()
        except KeyboardInterrupt:
            print("raised")
        stop(); stop(signal.SIGINT); stop(signal.SIGHUP)
        print("alive", stopping.was_asked())
        """,
    "kept until a place that can be interrupted": """
        try:
            with stopping.uninterrupted():
                stop()
                print("written")
                with stopping.interruptible():
                    print("never")
        except KeyboardInterrupt:
            print("raised")
        """,
    "raised inside such a place": """
        try:
            with stopping.uninterrupted():
                with stopping.interruptible():
                    stop()
                    print("never")
        except KeyboardInterrupt:
            print("raised")
        """,
    "all done before it could be raised": """
        with stopping.uninterrupted():
            stop()
        print("done", stopping.was_asked())
        """,
    "swallowed in a destructor, raised behind it": """
        class Swallows:
            def __del__(self):
                stop()
        sys.unraisablehook = lambda problem: print("swallowed")
        try:
            with stopping.uninterrupted():
                with stopping.interruptible():
                    Swallows()
                print("never")
        except KeyboardInterrupt:
            print("raised")
        """,
}
EXPECTED = {
    "at once, and later ones are ignored": ["raised", "alive True"],
    "kept until a place that can be interrupted": ["written", "raised"],
    "raised inside such a place": ["raised"],
    "all done before it could be raised": ["done True"],
    "swallowed in a destructor, raised behind it": ["swallowed", "raised"],
}


def run(program, **named):
    return subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **named,
    )


@pytest.mark.parametrize("case", CASES)
def test_a_signal_to_stop_is(case):
    done = run(CASES[case])
    assert done.stderr == ""
    assert done.stdout.splitlines() == EXPECTED[case]
    assert done.returncode == 0


def test_what_the_parent_lets_be_ignored_stays_ignored():
    """As ``nohup`` does with SIGHUP, and a shell with SIGINT for what it starts in the background."""
    done = run(
        'stop(signal.SIGHUP); print("alive", stopping.was_asked())',
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert done.stdout == "alive False\n"


def test_a_command_that_is_stopped_while_it_loads_ends_with_130():
    """Whatever an interrupted import raises, nobody sees a traceback."""
    program = """
        import mlcnc.cli
        def interrupted(arguments):
            stop_now()
        def stop_now():
            try:
                stop()
            except KeyboardInterrupt:
                raise ImportError("half of a module")
        parser = mlcnc.cli.build_parser()
        class Options:
            command = staticmethod(interrupted)
        mlcnc.cli.build_parser = lambda: type("P", (), {"parse_args": lambda self, arguments: Options})()
        sys.exit(mlcnc.cli.main([]))
        """
    done = run(program)
    assert done.returncode == 130
    assert done.stderr.startswith("mlcnc: stopped")
