"""What is done to photographs before a network sees them, in training and when they are measured, by name.

``db``, ``mlc_nc`` and ``vg200`` follow the published code of the DB paper (Wu et al. 2020) and of MLC-NC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlcnc.data.augmentation import Augmentation, v2
from mlcnc.data.protocol import Normalisation
from mlcnc.data.view import Interpolation
from mlcnc.errors import ConfigError, nearest

INATURALIST = Normalisation((0.466, 0.471, 0.380), (0.195, 0.194, 0.192))
"""Of iNaturalist's photographs; MLC-NC's code normalises VOC and COCO by them."""


@dataclass(frozen=True)
class AugmentationPreset:
    """One way to train on photographs; how they are seen when measured is ``view_of`` of the same name.

    Attributes:
        train: of side in pixels, interpolation, and whether half of the images are mirrored, the v2 transform
            of a whole picture; None takes the light one of the settings, on what the view shows.
        normalisation: in place of the backbone's; None leaves it.
    """

    train: Callable[[int, Interpolation, bool], Augmentation] | None = None
    normalisation: Normalisation | None = None


class CropSides(v2.Transform):  # type: ignore[misc]  # it ships no types
    """A random part of a picture, each side a share of the whole one's drawn from [smallest, 1].

    The two shares are drawn again while the part is narrower or wider than ``ratio`` allows, ten times at most,
    then the whole picture is taken.

    Args:
        smallest: least share of a side.
        ratio: least and largest height over width.
    """

    NUM_TRIALS = 10

    def __init__(self, smallest: float = 0.8, ratio: tuple[float, float] = (0.5, 2.0)) -> None:
        super().__init__()
        self.smallest = smallest
        self.ratio = ratio

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Return top, left, height and width of the part, in pixels."""
        height, width = v2.functional.get_size(flat_inputs[0])
        # a constant number of draws, whatever is taken
        draws = torch.rand(self.NUM_TRIALS, 4).tolist()
        for tall, wide, down, right in draws:
            rows = round(height * (self.smallest + (1 - self.smallest) * tall))
            columns = round(width * (self.smallest + (1 - self.smallest) * wide))
            if rows and columns and self.ratio[0] <= rows / columns <= self.ratio[1]:
                top, left = int(down * (height - rows + 1)), int(right * (width - columns + 1))
                return {"top": top, "left": left, "height": rows, "width": columns}
        return {"top": 0, "left": 0, "height": height, "width": width}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the part of a PIL image or tensor."""
        return v2.functional.crop(inpt, **params)


class ShiftBrightness(v2.Transform):  # type: ignore[misc]  # it ships no types
    """With probability 1/2, the same number added to every pixel, uniform in [-largest, largest] of 255."""

    def __init__(self, largest: float = 32.0) -> None:
        super().__init__()
        self.largest = largest

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Return the number to add."""
        whether, how = torch.rand(2).tolist()
        return {"shift": (2.0 * how - 1.0) * self.largest if whether < 0.5 else 0.0}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        """Return uint8 (3, H, W) of a PIL image or a uint8 tensor."""
        image = inpt if isinstance(inpt, Tensor) else v2.functional.pil_to_tensor(inpt)
        return (image.float() + params["shift"]).round_().clamp_(0, 255).to(torch.uint8)


def crop_augmentation(size: int, interpolation: Interpolation, flip: bool) -> Augmentation:
    """Return random resized crop of 40 % to the whole of the area, mirror: ours, for maps that are cached."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.4, 1.0), interpolation=_mode(interpolation), antialias=True),
            _mirror(flip),
        ]
    )


def db_augmentation(size: int, interpolation: Interpolation, flip: bool) -> Augmentation:
    """Return photometric distortion, crop of each side to [0.8, 1], squash to a square, mirror (DB's trainer).

    Source: Wu et al. (2020), released code. Departure: the colours change after the resizing, on
    fewer pixels; both orders give the same but for rounding.
    """
    return v2.Compose(
        [
            CropSides(),
            v2.Resize((size, size), interpolation=_mode(interpolation), antialias=True),
            ShiftBrightness(),
            v2.RandomPhotometricDistort(
                brightness=(1.0, 1.0), contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=(-0.05, 0.05), p=0.5
            ),
            _mirror(flip),
        ]
    )


def mlc_nc_augmentation(size: int, interpolation: Interpolation, flip: bool) -> Augmentation:
    """Return random resized crop of usual scale and ratio, mirror, colour jitter of 0.4 (MLC-NC's code)."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, interpolation=_mode(interpolation), antialias=True),
            _mirror(flip),
            v2.ColorJitter(0.4, 0.4, 0.4),
        ]
    )


def vg200_augmentation(size: int, interpolation: Interpolation, flip: bool) -> Augmentation:
    """Return squash, a square crop of 1, 6/7 or 5/7 of the side, squash again, mirror (MLC-NC's code on VG200).

    At 448 pixels the crops are of 448, 384 and 320.
    """
    resize = v2.Resize((size, size), interpolation=_mode("bicubic"), antialias=True)
    crops = [v2.RandomCrop(round(size * share / 7)) for share in (7, 6, 5)]
    return v2.Compose([resize, v2.RandomChoice(crops), resize, _mirror(flip)])


AUGMENTATIONS = {
    "light": AugmentationPreset(),
    "crop": AugmentationPreset(crop_augmentation),
    "db": AugmentationPreset(db_augmentation),
    "mlc_nc": AugmentationPreset(mlc_nc_augmentation, INATURALIST),
    "vg200": AugmentationPreset(vg200_augmentation),
}


def augmentation_preset(name: str) -> AugmentationPreset:
    """Return the preset of that name.

    Raises:
        ConfigError: no such preset; the message lists the known ones.
    """
    if name not in AUGMENTATIONS:
        known = ", ".join(AUGMENTATIONS)
        raise ConfigError(
            f"data.augmentation must be none or one of {known}, got {name!r}{nearest(name, AUGMENTATIONS)}"
        )
    return AUGMENTATIONS[name]


def _mirror(flip: bool) -> Any:
    return v2.RandomHorizontalFlip(p=0.5 if flip else 0.0)


def _mode(interpolation: Interpolation) -> Any:
    return v2.InterpolationMode(interpolation)
