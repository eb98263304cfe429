"""What a test reads of the Train page, and the runs that its jobs write."""

from mlcnc.store import RunWriter
from tests.app.conftest import words


def said(page):
    kinds = (page.error, page.success, page.toast, page.code)
    return words(page) + " ".join(str(element.value) for kind in kinds for element in kind)


def labels(page):
    return [button.label for button in page.button]


def button_of(page, key):
    """Return a button by its name; one that queues something has a token after it."""
    (found,) = [button for button in page.button if button.key == key or button.key.startswith(f"{key} ")]
    return found


def pressed(page, key):
    button_of(page, key).click().run()
    assert not page.exception, page.exception
    return page


def write_live(root, run_id="live", epochs=3, num_epochs=10, finished=False):
    """Write a run with the metrics that live charts show."""
    run = RunWriter.create(
        root,
        run_id,
        class_names=["a", "b", "c"],
        class_counts=[90, 40, 2],
        config={"method": {"kind": "mlc_nc", "embedding_dim": 8}},
        num_epochs=num_epochs,
        device="cpu, 2 threads",
    )
    for epoch in range(epochs):
        run.log_epoch(
            epoch,
            {
                "seconds": 4.0,
                "seconds_train": 2.0,
                "images_per_second": 640.0,
                "train/loss": 5.0 - epoch,
                "test/map_total": 10.0 + epoch,
                "test.f/nc1_trace": 30.0 / (epoch + 1),
                "test.f/nc1_trace_shuffled": 91.0,
                "test.f/angle_min_class": 40.0,
            },
        )
    if finished:
        run.finish()
    else:
        run._closed.set()
