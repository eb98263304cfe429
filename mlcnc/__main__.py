"""``python -m mlcnc`` is the console script ``mlcnc``."""

from mlcnc.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
