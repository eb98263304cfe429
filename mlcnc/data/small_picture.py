"""Pictures made small, as runs keep them and pages show them."""

from __future__ import annotations

import io

from PIL import Image

QUALITY = 80


def small_webp(picture: Image.Image, longest_side: int) -> bytes:
    """Return an RGB picture as WebP with no side above ``longest_side`` pixels."""
    small = picture.copy()
    small.thumbnail((longest_side, longest_side), Image.Resampling.BOX)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=QUALITY, method=4)
    return stream.getvalue()
