"""``python -m mlcnc`` is the console script ``mlcnc``; as a job it also leaves its exit status."""

from mlcnc.cli import main
from mlcnc.launch.exit_note import note_exit

if __name__ == "__main__":
    raise SystemExit(note_exit(main()))
