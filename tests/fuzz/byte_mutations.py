"""Damage that knows nothing of a format: cut, flipped, inserted, removed and foreign bytes."""

from __future__ import annotations

from random import Random


def damaged_bytes(rng: Random, raw: bytes) -> tuple[bytes, str]:
    """Return other bytes and what was done to them."""
    kind = rng.choice(sorted(_KINDS))
    return _KINDS[kind](rng, raw), kind


def place_in(rng: Random, raw: bytes) -> int:
    """Return a place, half of the time among the first bytes, where headers are."""
    if not raw:
        return 0
    return rng.randrange(min(len(raw), 200)) if rng.random() < 0.5 else rng.randrange(len(raw))


def _cut(rng: Random, raw: bytes) -> bytes:
    ends = [0, 1, 7, 8, 9, 40, len(raw) // 2, max(len(raw) - 1, 0), place_in(rng, raw)]
    return raw[: rng.choice(ends)]


def _without_start(rng: Random, raw: bytes) -> bytes:
    return raw[rng.choice([1, 8, place_in(rng, raw)]) :]


def _flip(rng: Random, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.choice([1, 1, 1, 2, 16])):
        if changed:
            changed[place_in(rng, raw)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _insert(rng: Random, raw: bytes) -> bytes:
    place = place_in(rng, raw)
    filling = rng.choice([b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\r\n", b'"', b"{", b"[" * 5000, b"\n\n"])
    return raw[:place] + filling + raw[place:]


def _remove(rng: Random, raw: bytes) -> bytes:
    place = place_in(rng, raw)
    return raw[:place] + raw[place + rng.choice([1, 2, 8, 100]) :]


def _zeros(rng: Random, raw: bytes) -> bytes:
    place, length = place_in(rng, raw), rng.choice([1, 8, 512])
    return (raw[:place] + bytes(length) + raw[place + length :])[: max(len(raw), 1)]


def _twice(rng: Random, raw: bytes) -> bytes:
    place = place_in(rng, raw)
    return raw[:place] + raw[place : place + 300] + raw[place:]


_KINDS = {
    "cut": _cut,
    "without its start": _without_start,
    "bits flipped": _flip,
    "bytes inserted": _insert,
    "bytes removed": _remove,
    "zeros": _zeros,
    "a piece twice": _twice,
    "empty": lambda rng, raw: b"",
    "byte order mark": lambda rng, raw: b"\xef\xbb\xbf" + raw,
    "garbage": lambda rng, raw: rng.randbytes(rng.choice([1, 50, 3000])),
    "garbage behind": lambda rng, raw: raw + rng.randbytes(20),
    "other encoding": lambda rng, raw: raw.decode("latin-1").encode("utf-16"),
}
