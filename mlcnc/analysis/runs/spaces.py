"""The spaces of features that a run stored what a page draws of, and which one is shown."""

from __future__ import annotations

from collections.abc import Sequence

from mlcnc.analysis.curves.curve import metric_names
from mlcnc.analysis.runs.rows import FIRST_SPACE
from mlcnc.errors import RunFormatError
from mlcnc.store import Run, Space

KIND_WORDS = {
    "class": "one feature for every class of an image",
    "image": "one feature for an image, counted for each of its classes",
}


def spaces_with_means(run: Run) -> tuple[Space, ...]:
    """Return the spaces whose class means the run stored, f first, then as declared."""
    return _stored(run, [f"{split}.{{}}/class_means" for split in ("test", "train")])


def spaces_with_nc1(run: Run) -> tuple[Space, ...]:
    """Return the spaces whose NC1 can be drawn: by class where class means are stored, else over epochs."""
    logged = () if (stored := spaces_with_means(run)) else metric_names([run])
    return stored or tuple(s for s in _ordered(run) if f"test.{s.name}/nc1_trace" in logged)


def spaces_with_samples(run: Run) -> tuple[Space, ...]:
    """Return the spaces of which the run stored features of samples beside class means, f first."""
    means = {space.name for space in spaces_with_means(run)}
    return tuple(space for space in _stored(run, ["samples/{}"]) if space.name in means)


def offered_spaces(stored: Sequence[Sequence[Space]]) -> list[str]:
    """Return the names of the spaces to choose from: those that all runs have.

    Where they have none in common, those of the first run that has f, or else of the first.

    Args:
        stored: the spaces of each run, what is shown first in front; runs without any do not count.
    """
    held = [_names(spaces) for spaces in stored if spaces]
    if not held:
        return []
    common = [name for name in held[0] if all(name in names for names in held)]
    return common or min(held, key=lambda names: FIRST_SPACE not in names)


def space_for(spaces: Sequence[Space], wanted: str) -> str:
    """Return the space of a run that is drawn where another one is wanted: that one, or else its first.

    ``wanted`` itself where the run stored none.
    """
    names = _names(spaces)
    return wanted if wanted in names or not names else names[0]


def spaces_sentence(stored: Sequence[tuple[str, Sequence[Space]]], wanted: str) -> str:
    """Return what the space is, and which runs do not have it or have others beside it.

    Args:
        stored: name and spaces of each run.
        wanted: the space chosen.
    """
    known = {space.name: space for _, spaces in stored for space in spaces}
    if wanted not in known:
        return ""
    parts = [f"{wanted}: {KIND_WORDS[known[wanted].kind]}."]
    instead: dict[str, list[str]] = {}
    for name, spaces in stored:
        if spaces and wanted not in _names(spaces):
            instead.setdefault(space_for(spaces, wanted), []).append(name)
    for own, names in instead.items():
        have, is_drawn = ("has", f"its {own} is") if len(names) == 1 else ("have", f"their {own} is")
        parts.append(f"{', '.join(names)} {have} no {wanted}: {is_drawn} drawn, {KIND_WORDS[known[own].kind]}.")
    if instead:
        return f"{' '.join(parts)} Numbers of two spaces are not compared."
    for other in known:
        lacking = [name for name, spaces in stored if spaces and other not in _names(spaces)]
        if lacking:
            parts.append(f"{other} is not offered, for {', '.join(lacking)} stored none of it.")
    return " ".join(parts)


def image_wise(spaces: Sequence[Space]) -> list[str]:
    """Return the names of the spaces of which an image has one feature."""
    return [space.name for space in spaces if space.kind == "image"]


def _names(spaces: Sequence[Space]) -> list[str]:
    return [space.name for space in spaces]


def _stored(run: Run, patterns: Sequence[str]) -> tuple[Space, ...]:
    spaces, read = _ordered(run), False
    stored = run.array_epochs()
    for epoch in reversed(stored):
        try:
            arrays = run.arrays(epoch)
        except RunFormatError:
            continue
        read = True
        if found := tuple(s for s in spaces if any(pattern.format(s.name) in arrays for pattern in patterns)):
            return found
    # what is damaged is said where it is read
    return spaces if stored and not read else ()


def _ordered(run: Run) -> tuple[Space, ...]:
    return tuple(sorted(run.spaces, key=lambda space: space.name != FIRST_SPACE))
