"""A signal to stop is heard once, waits where it must, and is not lost where Python swallows it."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from mlcnc.launch.ending import noted_exit
from mlcnc.launch.processes import JOB_VARIABLE
from tests.conftest import ROOT

BEGIN = """
import os, signal, sys
from mlcnc import stopping
def stop(number=signal.SIGTERM):
    os.kill(os.getpid(), number)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored in the background
stopping.listen()
"""
CASES = {
    "at once, and later ones are ignored": """
        try:
            stop()
        except KeyboardInterrupt:
            print("raised")
        stop(); stop(signal.SIGINT); stop(signal.SIGHUP)
        print("alive", stopping.was_raised())
        """,
    "kept until the flag is read, and later ones are ignored": """
        try:
            with stopping.deferred():
                stop(); stop(); stop(signal.SIGHUP)
                print("written")
                stopping.raise_if_asked()
        except KeyboardInterrupt:
            print("raised")
            stop(); stop(signal.SIGINT)
        """,
    "raised by a second Ctrl-C": """
        try:
            with stopping.deferred():
                stop(signal.SIGINT)
                print("written")
                stop(signal.SIGINT)
                print("never")
        except KeyboardInterrupt:
            print("raised")
            stop(signal.SIGINT)
        """,
    "all done before the flag was read": """
        with stopping.deferred():
            stop()
        print("done", stopping.was_raised())
        """,
    "swallowed in a destructor, raised before a run begins": """
        class Swallows:
            def __del__(self):
                stop()
        sys.unraisablehook = lambda problem: print("swallowed")
        try:
            Swallows()
            with stopping.deferred():
                print("never")
        except KeyboardInterrupt:
            print("raised")
        """,
}
EXPECTED = {
    "at once, and later ones are ignored": ["raised", "alive True"],
    "kept until the flag is read, and later ones are ignored": ["written", "raised"],
    "raised by a second Ctrl-C": ["written", "raised"],
    "all done before the flag was read": ["done False"],
    "swallowed in a destructor, raised before a run begins": ["swallowed", "raised"],
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
        'stop(signal.SIGHUP); print("alive", stopping.was_raised())',
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert done.stdout == "alive False\n"


COMMAND = """
import tempfile
from pathlib import Path
import mlcnc.cli
from mlcnc.errors import MlcncError
from mlcnc.store import RunStore, RunWriter
folder = Path(tempfile.mkdtemp())
def command(arguments):
BODY
class Options:
    pass
Options.command = staticmethod(command)
mlcnc.cli.build_parser = lambda: type("P", (), {"parse_args": lambda self, arguments: Options})()
status = mlcnc.cli.main([])
print(*[run.status.state for run in RunStore(folder).scan()])
sys.exit(status)
"""
WRITER = 'with stopping.deferred(), RunWriter.create(folder, "run", class_names=["a"], class_counts=[1]):\n'
ENDS = {
    "an import that was interrupted": (
        "try:\n    stop()\nexcept KeyboardInterrupt:\n    raise ImportError('half of a module')",
        (130, ""),
    ),
    "a signal that is read": (WRITER + "    stop()\n    stopping.raise_if_asked()", (130, "stopped")),
    "a second Ctrl-C": (WRITER + "    stop(signal.SIGINT)\n    stop(signal.SIGINT)", (130, "stopped")),
    "an error of its own after a signal": (WRITER + "    stop()\n    1 / 0", (1, "failed")),
    "a known error of its own after a signal": (
        WRITER + "    stop()\n    raise MlcncError('no')",
        (1, "failed"),
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_exit_status_and_recorded_state_agree_after(case):
    body, (status, state) = ENDS[case]
    done = run(COMMAND.replace("BODY", textwrap.indent(body, "    ")))
    assert done.returncode == status, done.stderr
    if status == 130:
        assert done.stderr == "mlcnc: stopped\n"
    elif "known" in case:
        assert done.stderr == "mlcnc: no\n"
    else:
        assert "ZeroDivisionError" in done.stderr  # a mistake of ours has a traceback, as always
        return
    assert done.stdout.strip() == state


def test_a_run_whose_command_failed_after_a_signal_is_failed():
    body, (status, state) = ENDS["an error of its own after a signal"]
    program = COMMAND.replace("BODY", textwrap.indent(body, "    "))
    program = program.replace(
        "status = mlcnc.cli.main([])",
        "try:\n    mlcnc.cli.main([])\nexcept ZeroDivisionError:\n    status = 1",
    )
    done = run(program)
    assert (done.returncode, done.stdout.strip()) == (status, state), done.stderr


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return 0", 0),
        ("return 1", 1),
        ("raise KeyboardInterrupt", 130),
        ("sys.exit(2)", 2),
        ("raise ValueError('unforeseen')", 1),
    ],
)
def test_a_command_of_a_job_leaves_its_exit_status(tmp_path, body, status):
    program = f"import sys, mlcnc.cli, mlcnc.__main__\ndef main():\n    {body}\nmlcnc.cli.main = main\nmlcnc.__main__.run()"
    environment = {**os.environ, JOB_VARIABLE: f"{tmp_path}/job"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )
    said = process.communicate(timeout=60)[1]
    assert process.returncode == status
    assert noted_exit(tmp_path / "job.exit", process.pid) == status
    assert (b"ValueError: unforeseen" in said) == ("ValueError" in body)


def test_the_command_mlcnc_leaves_the_exit_status_of_a_job(tmp_path):
    environment = {**os.environ, JOB_VARIABLE: f"{tmp_path}/job"}
    command = [sys.executable, "-m", "mlcnc", "runs", "list", "--runs", str(tmp_path / "none")]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = process.communicate(timeout=60)[0]
    assert noted_exit(tmp_path / "job.exit", process.pid) == process.returncode, said
