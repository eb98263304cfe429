"""``python -m mlcnc`` is the console script ``mlcnc``."""

from mlcnc import stopping

if __name__ == "__main__":
    # before anything else is loaded: a signal to stop that comes meanwhile is one too
    stopping.listen()
    try:
        from mlcnc.cli import main

        status = main()
    except KeyboardInterrupt:
        status = stopping.EXIT_STATUS
    stopping.leave(status)
