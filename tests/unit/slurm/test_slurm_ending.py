"""How a job of Slurm ended, from Slurm's word and from what the job left; and no Slurm here."""

from __future__ import annotations

import pytest

from mlcnc.analysis.curves.live import seconds_between
from mlcnc.errors import LaunchError
from mlcnc.slurm import is_here
from mlcnc.slurm.commands import SlurmState, cancel, said, states
from mlcnc.slurm.ending import Traces, ending, noted_status, stage


@pytest.mark.parametrize(
    ("word", "traces", "state", "words"),
    [
        ("COMPLETED", Traces(0, last_line="best validation mAP 71"), "finished", "best validation mAP 71"),
        # its script requeued it, or it lost its node after the last line: the job's own word counts
        ("NODE_FAIL", Traces(0, last_line="done"), "finished", "done"),
        ("FAILED", Traces(1, error="no such data set"), "failed", "no such data set"),
        ("FAILED", Traces(None), "failed", "see its log"),
        ("FAILED", Traces(130, error="stopped; what was logged is kept"), "stopped", "what was logged is kept"),
        ("CANCELLED", Traces(130, error="stopped"), "stopped", "cancelled in Slurm"),
        ("TIMEOUT", Traces(None, "lost"), "stopped", "its time limit of 60 minutes"),
        ("PREEMPTED", Traces(130), "stopped", "taken for a job of more weight"),
        ("OUT_OF_MEMORY", Traces(None), "failed", "more memory"),
        ("NODE_FAIL", Traces(None), "lost", "its node n1 failed"),
        ("INVENTED_LATER", Traces(None), "lost", "INVENTED_LATER"),
        (None, Traces(0, last_line="done"), "finished", "done"),
        (None, Traces(None, "finished", last_line="done"), "finished", "done"),
        (None, Traces(None, "stopped"), "stopped", "stopped from outside"),
        (None, Traces(None, "failed", error="boom"), "failed", "boom"),
        (None, Traces(None), "lost", "does not know it any more"),
    ],
)
def test_endings(word, traces, state, words):
    found = None if word is None else SlurmState(word, "None", "n1")
    assert stage(found) == "ended"
    told, sentence = ending(found, traces, 60)
    assert told == state
    assert words in sentence


def test_a_stop_shortly_before_the_time_limit_says_so():
    def told(minutes):
        found = SlurmState("FAILED", "None", "n1", "2026-01-01T00:00:00+00:00", "2026-01-01T00:58:40+00:00")
        return ending(found, Traces(130, error="stopped"), minutes)

    assert told(60) == ("stopped", "stopped shortly before its time limit of 60 minutes")
    assert told(90) == ("stopped", "stopped")


def test_stages():
    assert [stage(SlurmState(word)) for word in ("PENDING", "REQUEUE_HOLD", "CONFIGURING")] == ["queued"] * 3
    assert [stage(SlurmState(word)) for word in ("RUNNING", "COMPLETING", "SUSPENDED")] == ["running"] * 3


def test_the_noted_status_is_read_and_nothing_else(tmp_path):
    log = tmp_path / "0001-train.log"
    assert noted_status(log) is None
    for text, status in (
        ("812 130\n", 130),
        ("812 0", 0),
        ("812", None),
        ("", None),
        ("1 x", None),
        ("1 999", None),
    ):
        log.with_suffix(".exit").write_text(text)
        assert noted_status(log) == status


def test_what_slurm_says_becomes_one_sentence():
    text = "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified\n"
    assert said(text) == (
        "invalid partition specified: nope; Batch job submission failed: Invalid partition name specified"
    )
    assert said("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n") == (
        "Unable to contact slurm controller (connect failure)"
    )


def test_without_slurm_one_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_here()
    for ask in (lambda: states([7]), lambda: cancel(7)):
        with pytest.raises(
            LaunchError, match=r"^Slurm is not on this machine: there is no command s[a-z]+; ask on"
        ):
            ask()


ACCOUNTED = """1|COMPLETED|None|n1|2026-11-29T02:56:59|2026-11-29T02:56:59
2|FAILED|None|n2|2026-11-29T02:56:59|2026-11-29T02:56:59
3|COMPLETED|None|n[1-2]|2026-11-29T02:57:00|2026-11-29T02:57:00
4|CANCELLED by 0|None|n1|2026-11-29T02:57:07|2026-11-29T02:57:11
5|CANCELLED by 0|None|None assigned|Unknown|2026-11-29T02:57:11
6|RUNNING|None|n1|2026-11-29T02:57:11|Unknown
"""


def test_what_the_controller_forgot_is_read_from_the_accounting(monkeypatch, tmp_path):
    # as sacct 22.05 prints them with slurmdbd and MariaDB, which nobody has to install for this test
    programs = {
        "squeue": "echo '6|RUNNING|None|n1|2026-11-29T02:57:11|2026-11-29T02:58:11'",
        "sacct": f"echo '{ACCOUNTED}'",
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = states([1, 2, 3, 4, 5, 6, 7])
    assert {number: (state.word, state.nodes) for number, state in found.items()} == {
        1: ("COMPLETED", "n1"),
        2: ("FAILED", "n2"),
        3: ("COMPLETED", "n[1-2]"),
        4: ("CANCELLED", "n1"),
        5: ("CANCELLED", ""),
        6: ("RUNNING", "n1"),
    }
    assert seconds_between(found[4].started, found[4].ended) == 4.0
    assert found[5].started is None
    # of what both know the controller counts, which says when the time limit ends it
    assert seconds_between(found[6].started, found[6].ended) == 60.0
