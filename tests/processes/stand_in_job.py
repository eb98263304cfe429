"""A job that only rests, resists or dies: what is run in place of a training, to test the runner quickly.

Started with ``-I -S``, so that it is there within milliseconds: BEHAVIOUR LEDGER.
"""

import contextlib
import os
import signal
import sys
import time

# longer than any test waits, so that none passes because a stand-in ended by itself
LONG = 600


def main():
    behaviour, ledger = sys.argv[1:3]
    device = os.environ.get("CUDA_VISIBLE_DEVICES") or os.environ.get("MLCNC_DEVICE", "none")
    what, _, value = behaviour.partition(":")

    def note(word, *more):
        with open(ledger, "a") as stream:
            stream.write(
                " ".join([word, device, str(time.monotonic()), str(os.getpid()), *map(str, more)]) + "\n"
            )

    def end_politely(*_):
        # as mlcnc does: a polite stop ends in status 130, also where what it says finds no room
        with contextlib.suppress(OSError):
            print("mlcnc: stopped; what was logged is kept", flush=True)
        os._exit(130)

    def ignore_polite_stops():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    if what == "rest":
        note("begin")
        time.sleep(float(value))
        note("end")
    elif what == "polite":
        signal.signal(signal.SIGTERM, end_politely)
        note("begin")
        time.sleep(LONG)
    elif what == "stubborn":
        ignore_polite_stops()
        # as a loader of data: a copy of the process that holds what it holds
        child = os.fork()
        if child:
            signal.signal(signal.SIGTERM, lambda *_: note("told"))
            note("begin", child)
        time.sleep(LONG)
    elif what == "orphan":
        if not os.fork():
            ignore_polite_stops()
            time.sleep(LONG)
    elif what == "exit":
        print(f"mlcnc: ended on purpose with {value}")
        sys.exit(int(value))
    elif what == "crash":
        raise ValueError("crashed on purpose")
    elif what == "signal":
        os.kill(os.getpid(), int(value))
        time.sleep(LONG)
    elif what == "device":
        print(os.environ.get("MLCNC_DEVICE", "none"))
    elif what == "environment":
        for name in sorted(os.environ):
            print(name)


if __name__ == "__main__":
    main()
