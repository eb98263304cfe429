"""The progress bar of a training run: epoch, loss parts, images per second, time left."""

from __future__ import annotations

import time
from types import TracebackType

from tqdm import tqdm

from mlcnc.training.epoch import EpochProgress


class ProgressBar:
    """One bar over all epochs that are left; a context manager.

    Args:
        first: the epoch that comes first.
        num_epochs: of the whole run.
        visible: False draws nothing.
    """

    def __init__(self, first: int, num_epochs: int, *, visible: bool) -> None:
        self.epoch = first
        self.num_epochs = num_epochs
        self.started: float | None = None
        self.num_images = 0
        form = "{desc} |{bar:20}| {percentage:3.0f} % [{elapsed} < {remaining}]{postfix}"
        self.bar = tqdm(total=float(num_epochs - first), disable=not visible, bar_format=form, mininterval=0.2)
        self._describe()

    def on_batch(self, progress: EpochProgress) -> None:
        """Move on by one batch and show its losses."""
        parts = [f"{name} {value:.3f}" for name, value in progress.losses.items()]
        if self.started is None:
            self.started = time.perf_counter()  # the first batch only starts the clock
        else:
            self.num_images += progress.num_images
            parts.append(f"{self.num_images / (time.perf_counter() - self.started):.0f} images/s")
        self.bar.set_postfix_str(", ".join(parts), refresh=False)
        self.bar.update(1.0 / progress.num_batches)

    def on_epoch(self, epoch: int, best: dict[str, float]) -> None:
        """Show the best validation mAP so far and begin the next epoch."""
        self.epoch = epoch + 1
        self.num_images = 0
        self.started = None
        self._describe(best)

    def _describe(self, best: dict[str, float] | None = None) -> None:
        now = min(self.epoch + 1, self.num_epochs)
        note = f", best validation mAP {best['value']:.1f}" if best else ""
        self.bar.set_description_str(f"epoch {now}/{self.num_epochs}{note}", refresh=False)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()
