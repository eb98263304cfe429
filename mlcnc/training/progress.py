"""How far a training run is: a bar for a terminal, one line an epoch for a log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

from tqdm import tqdm


@dataclass(frozen=True)
class EpochProgress:
    """What the progress bar shows after a batch; the losses are those of a step that is a few steps old."""

    batch: int
    num_batches: int
    num_images: int
    losses: Mapping[str, float]


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

    def on_epoch(self, epoch: int, best: dict[str, float], metrics: dict[str, float]) -> None:
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


class EpochLines:
    """One line an epoch: loss, mAP, NC1 by space, images per second, time left; a context manager like the bar.

    Args:
        first: the epoch that comes first.
        num_epochs: of the whole run.
        say: receives the lines.
    """

    def __init__(self, first: int, num_epochs: int, say: Callable[[str], None]) -> None:
        self.first = first
        self.num_epochs = num_epochs
        self.say = say
        self.started = time.perf_counter()

    def on_batch(self, progress: EpochProgress) -> None:
        """Say nothing: a log is read by the epoch."""

    def on_epoch(self, epoch: int, best: dict[str, float], metrics: dict[str, float]) -> None:
        """Say how the epoch went."""
        parts = [words.format(metrics[name]) for name, words in LOGGED.items() if name in metrics]
        collapse = [f"{found[1]} {metrics[found[0]]:.3f}" for found in map(NC1.fullmatch, metrics) if found]
        if collapse:
            parts.append(f"NC1 of train {', '.join(collapse)}")
        if "images_per_second" in metrics:
            parts.append(f"{metrics['images_per_second']:.0f} images/s")
        left = self.num_epochs - 1 - epoch
        if left:
            seconds = (time.perf_counter() - self.started) / (epoch + 1 - self.first) * left
            minutes, rest = divmod(round(seconds), 60)
            parts.append(f"{minutes}:{rest:02d} left")
        self.say(f"epoch {epoch + 1}/{self.num_epochs}: {', '.join(parts)}")

    def __enter__(self) -> EpochLines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say nothing: the last line is that of the last epoch."""


LOGGED = {
    "train/loss": "loss {:.3f}",
    "validation/map_total": "validation mAP {:.1f}",
    "test/map_total": "test mAP {:.1f}",
}
"""What a line says first of an epoch, by metric."""

NC1 = re.compile(r"train\.([^/]+)/nc1_trace")
"""By space; which there are hangs on the method."""


def progress_of(
    first: int, num_epochs: int, *, visible: bool, say: Callable[[str], None] | None
) -> ProgressBar | EpochLines:
    """Return what reports on a run: lines where somebody hears them, else a bar that may be invisible."""
    if say is not None:
        return EpochLines(first, num_epochs, say)
    return ProgressBar(first, num_epochs, visible=visible)
