"""``python -m tests.processes.few_images_command`` is ``python -m mlcnc`` on a few drawn images."""

from mlcnc import stopping

if __name__ == "__main__":
    stopping.listen()
    try:
        from tests.processes.small_training import main

        status = main()
    except KeyboardInterrupt:
        status = stopping.EXIT_STATUS
    stopping.leave(status)
