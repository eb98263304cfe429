"""A pen that draws one object on a transparent square, in percent of its side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

INK: Colour = (32, 28, 30)
WHITE: Colour = (240, 238, 232)
GLASS: Colour = (176, 205, 222)
RUBBER: Colour = (44, 44, 48)
STEEL: Colour = (150, 154, 160)
GREEN: Colour = (62, 128, 66)


class Pen:
    """Draws filled shapes with a dark outline; coordinates run from 0 to 100 right and down.

    Args:
        side: of the canvas in pixels.
        rng: source of the object's own variations.
        main: colour of the body.
        second: colour of details.
    """

    def __init__(self, side: int, rng: np.random.Generator, main: Colour, second: Colour) -> None:
        self.image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        self.draw = ImageDraw.Draw(self.image)
        self.scale = side / 100.0
        self.rng = rng
        self.main = main
        self.second = second
        self.width = max(1, round(2.2 * self.scale))

    def near(self, value: float, spread: float) -> float:
        """Return ``value`` moved by at most ``spread`` at random."""
        return value + spread * (2.0 * float(self.rng.random()) - 1.0)

    def polygon(self, points: Points, fill: Colour) -> None:
        """Fill a polygon."""
        scaled = self._scaled(points)
        self.draw.polygon(scaled, fill=fill)
        self.draw.line([*scaled, scaled[0]], fill=INK, width=self.width, joint="curve")

    def oval(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """Fill the ellipse inside a box."""
        self.draw.ellipse(self._box(left, top, right, bottom), fill=fill, outline=INK, width=self.width)

    def box(
        self, left: float, top: float, right: float, bottom: float, fill: Colour, radius: float = 0.0
    ) -> None:
        """Fill a rectangle, with rounded corners where a radius is given."""
        self.draw.rounded_rectangle(
            self._box(left, top, right, bottom),
            radius=radius * self.scale,
            fill=fill,
            outline=INK,
            width=self.width,
        )

    def patch(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """Fill an ellipse without an outline."""
        self.draw.ellipse(self._box(left, top, right, bottom), fill=fill)

    def line(self, points: Points, fill: Colour, width: float = 4.0) -> None:
        """Draw a thick line."""
        self.draw.line(self._scaled(points), fill=fill, width=max(1, round(width * self.scale)), joint="curve")

    def ring(self, x: float, y: float, radius: float, fill: Colour, width: float = 4.0) -> None:
        """Draw a circle that is not filled."""
        self.draw.ellipse(
            self._box(x - radius, y - radius, x + radius, y + radius),
            outline=fill,
            width=max(1, round(width * self.scale)),
        )

    def wheel(self, x: float, y: float, radius: float) -> None:
        """Draw a tyre with a hub."""
        self.oval(x - radius, y - radius, x + radius, y + radius, RUBBER)
        hub = 0.45 * radius
        self.patch(x - hub, y - hub, x + hub, y + hub, STEEL)

    def eye(self, x: float, y: float, radius: float = 2.6) -> None:
        """Draw a dark eye with a light spot."""
        self.patch(x - radius, y - radius, x + radius, y + radius, INK)

    def _scaled(self, points: Points) -> list[tuple[float, float]]:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        k = self.scale
        return (min(left, right) * k, min(top, bottom) * k, max(left, right) * k, max(top, bottom) * k)


def trimmed(image: Image.Image) -> Image.Image:
    """Return the image cut to its opaque part."""
    return image.crop(image.getbbox() or (0, 0, 1, 1))


def shaded(colour: Colour, factor: float) -> Colour:
    """Return a darker (factor < 1) or lighter (factor > 1) colour."""
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in colour)
    return red, green, blue


def mixed(
    first: NDArray[np.float64], second: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``first`` moved towards ``second`` by ``share``."""
    return first * (1.0 - share) + second * share
