"""Read damaged run folders under watch: ``python -m tests.fuzz FIRST [END]``; with one number, replay it.

With ``--folder`` the folders are made there and kept.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzz.cases import Damage, Playground
from tests.fuzz.small_runs import SECRET
from tests.fuzz.surface import read_everything
from tests.fuzz.watch import Inotify, Watch, limit_memory

SECONDS_A_CASE = 20
MEMORY = 768 * 2**20


class TooSlow(BaseException):
    """A case took longer than anything may."""


def main() -> int:
    """Read the cases and print what was found as the last line, in JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int, nargs="?")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the analyses that is called in each case")
    parser.add_argument("--jobs", action="store_true", help="damage folders of jobs instead of runs")
    options = parser.parse_args()
    end = options.end if options.end is not None else options.first + 1
    with tempfile.TemporaryDirectory() as own:
        report = run_cases(options.first, end, options.folder or Path(own), options.share, options.jobs)
    if options.end is None:
        for finding in report["findings"]:
            print(finding["trace"])
        print("\n".join(report["said"]))
    print(json.dumps(report))
    return 1 if report["findings"] else 0


def run_cases(first: int, end: int, folder: Path, share: float, of_jobs: bool) -> dict[str, Any]:
    """Return how many cases were read in what time, and what they found."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    playground: Playground
    if of_jobs:
        from tests.fuzz.job_cases import JobPlayground, read_all_jobs

        playground = JobPlayground(folder)
        read_all_jobs(playground.root)
    else:
        playground = Playground(folder)
        read_everything(playground.root)
    # everything is imported before the watch begins
    watch = Watch([playground.root, Path(sys.prefix), Path(sys.base_prefix), Path("/proc"), Path("/usr")])
    outside = Inotify(playground.outside) if sys.platform == "linux" else None
    limit_memory(MEMORY)
    signal.signal(signal.SIGALRM, _ring)
    findings: list[dict[str, str]] = []
    said: Counter[str] = Counter()
    slowest = (0.0, "")
    started = time.perf_counter()
    for seed in range(first, end):
        dice = Random(f"{seed} analyses")

        def picked(dice: Random = dice) -> bool:
            return dice.random() < share

        with playground.damaged(seed) as damage:
            if outside is not None:
                outside.heard()
            begun = time.perf_counter()
            try:
                signal.alarm(SECONDS_A_CASE)
                with watch.watching():
                    if of_jobs:
                        sentences = read_all_jobs(playground.root)
                    else:
                        sentences = read_everything(playground.root, damaged=damage.file, pick=picked)
            except (Exception, TooSlow) as error:
                sentences = []
                findings.append(_finding(damage, error))
            finally:
                signal.alarm(0)
            slowest = max(slowest, (time.perf_counter() - begun, str(damage)))
            said.update(_kind_of(text) for text in sentences)
            problems = [f"{SECRET} was read" for text in sentences if SECRET in text]
            if not of_jobs:  # whoever asks for a job that is not there is told where it was looked for
                problems += [
                    f"{text[:80]!r} names a path" for text in sentences if str(playground.root) in text
                ]
            problems += watch.seen + [
                f"{name} outside was opened" for name in (outside.heard() if outside else [])
            ]
            watch.seen.clear()
            findings += [{"case": str(damage), "error": text, "trace": text} for text in problems]
    return {
        "cases": end - first,
        "seconds": round(time.perf_counter() - started, 2),
        "slowest": slowest,
        "findings": findings,
        "said": [f"{number} {text}" for text, number in said.most_common()],
    }


def _finding(damage: Damage, error: BaseException) -> dict[str, str]:
    trace = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in trace if "/mlcnc/" in frame.filename] or list(trace)
    where = " < ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(own[-3:])
    )
    return {
        "case": str(damage),
        "error": f"{type(error).__name__} at {where}: {str(error)[:200]}",
        "trace": "".join(traceback.format_exception(error))[-6000:],
    }


def _kind_of(text: str) -> str:
    return "".join("#" if letter.isdigit() else letter for letter in text)[:100]


def _ring(number: int, frame: Any) -> None:
    raise TooSlow(f"a case took more than {SECONDS_A_CASE} s")


if __name__ == "__main__":
    sys.exit(main())
