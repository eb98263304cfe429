"""docs/methods.md, from the settings of methods and losses, their docstrings, the presets and recorded races."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from recipes_page import benches, race, recipes  # beside this script

from mlcnc.config import ExperimentConfig, override
from mlcnc.data.samplers import SAMPLERS
from mlcnc.methods.method import named
from mlcnc.methods.settings import LOSSES, METHODS, LossSettings, MethodSettings, Section, kind_of
from mlcnc.presets import BENCHES
from mlcnc.training.build import sampler_of

FIELDS = ("Formula", "Source", "Read", "Ours", "Departures", "Not recorded")

INTRODUCTION = """\
# Methods and losses

Written from the docstrings and fields of `mlcnc.methods.settings`, of `mlcnc.losses` and of the presets by `python docs/generate.py`;
a test fails where they differ. h are the logits, y the labels, 0 or 1, b(h, y) = log(1 + e^h) - y h the binary cross-entropy, $n_c$ the
training images of class c out of N, and C the number of classes. Counts and co-occurrence are those of the training set before any
resampling. No code was copied: *Source* says whose method it is, *Read* which files of public repositories were held against ours and at
which commit. *Ours* says what no public source fixes or what we chose, *Departures* where we knowingly differ, *Not recorded* what is not
known of the published rows.

`mlcnc train --method KIND` trains a method and `--classification KIND` gives one that names its loss another; both have their
settings as options (`mlcnc train --method KIND --help`).
"""

_STATISTICS = {"co_occurrence": "co-occurrence", "num_images": "number of images"}


def methods_page(folder: Path) -> str:
    """Return docs/methods.md.

    Args:
        folder: of ``bench/DATASET.json``, what recorded races reached; any may be missing.
    """
    parts = [INTRODUCTION, _table(), _samplers()]
    parts += [_method(settings) for settings in METHODS.values()]
    parts += [_shared(), "## Losses\n"]
    parts += [_loss(settings) for settings in LOSSES.values()]
    parts += [benches(), recipes()]
    parts += [
        race(dataset, json.loads(path.read_text()))
        for dataset in BENCHES
        if (path := folder / "bench" / f"{dataset}.json").is_file()
    ]
    return "\n".join(parts)


def docstring_parts(of: object) -> dict[str, str]:
    """Return ``Summary`` (the first sentences), ``More`` (paragraphs after it) and the fields of a docstring."""
    text = inspect.cleandoc(getattr(of, "__doc__", None) or "")
    names = "|".join((*FIELDS, *_OTHER_FIELDS))
    prose, *rest = re.split(rf"^({names}):\s", text, flags=re.M)
    summary, _, more = prose.strip().partition("\n\n")
    found = {"Summary": _plain(summary), "More": _plain(more)}
    fields = zip(rest[::2], rest[1::2], strict=True)
    return found | {name: _plain(value) for name, value in fields if name in FIELDS}


_OTHER_FIELDS = ("Args", "Returns", "Raises", "Attributes", "Example")


def _plain(text: str) -> str:
    text = re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split()))
    text = re.sub(r":(?:func|class|mod):`~?([\w.]+)`", lambda match: f"`{match[1].rsplit('.', 1)[-1]}`", text)
    # outside of code, markdown takes these for italics and its own
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>])", r"\\\1", part)
        for part in re.split(r"(`[^`]+`)", text)
    )


def _table() -> str:
    heads = (
        "method",
        "what it is",
        "loss",
        "draws from",
        "statistics",
        "label vectors",
        "beside backbone and linear layer",
    )
    rows = [heads, ("---",) * len(heads)]
    for kind, settings in METHODS.items():
        loss = _default_loss(settings)
        statistics = [*settings.statistics, *(loss.statistics if loss else ())]
        rows.append((
            f"[{settings.title}](#{_anchor(settings.title)})",
            sentence(settings),
            f"[{loss.title}](#{_anchor(_loss_heading(loss))})" if loss else "its own",
            drawn_from(kind),
            _words(statistics),
            settings.label_vectors,
            settings.extra_network,
        ))  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _words(statistics: Sequence[str]) -> str:
    names = dict.fromkeys(statistics)
    return ", ".join(_STATISTICS.get(name, name.replace("_", " ")) for name in names)


def sentence(settings: type[Section]) -> str:
    """Return what a method is, without its name."""
    summary = docstring_parts(settings)["Summary"]
    _, colon, what = summary.partition(": ")
    return (what if colon else summary).removesuffix(".")


def drawn_from(kind: str) -> str:
    """Return the samplers of a method's streams, each with those of its stages, e.g. ``uniform, then class_aware``."""
    config = override(ExperimentConfig(), {"method": {"kind": kind}})
    streams = []
    for stream in range(len(config.method.streams)):
        stages = [sampler_of(config, stream, epoch) for epoch in range(config.training.epochs)]
        streams.append(", then ".join(f"`{name}`" for name in dict.fromkeys(stages)))
    return " and ".join(streams)


def _samplers() -> str:
    lines = [
        "Two samplers joined by *and* are two streams, one batch of each a step. The class-aware samplers read which images each",
        "class has; `reversed` reads how many, for which BBN has class counts among its statistics.",
        "",
    ]
    lines += [
        f"- `{name}`: {_small(docstring_parts(sampler)['Summary'])}" for name, sampler in SAMPLERS.items()
    ]
    return "\n".join([*lines, ""])


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


def _method(settings: type[MethodSettings]) -> str:
    lines = described(settings.title, settings, f"`--method {kind_of(settings)}`")
    loss = _default_loss(settings)
    if loss is not None:
        lines.append(f"- **Loss**: {loss.title} (`{kind_of(loss)}`), or any other of the losses below")
    own = [(name, field) for name, field in settings.model_fields.items() if name not in _of_several(name)]
    return "\n".join([*lines, "", *_settings(own)])


def _loss(settings: type[LossSettings]) -> str:
    function = named(settings.function)
    lines = described(
        _loss_heading(settings), settings, f"`--classification {kind_of(settings)}`", function, "###"
    )
    if settings.statistics:
        lines.append(f"- **Statistics**: {_words(settings.statistics)}")
    if settings.sampler is not None:
        lines.append(f"- **Sampler**: `{settings.sampler}`, unless another is named")
    return "\n".join([*lines, "", *_settings(list(settings.model_fields.items()))])


def _loss_heading(settings: type[LossSettings]) -> str:
    return f"{settings.title} loss"


def described(
    title: str, settings: type[Section], option: str, function: object = None, level: str = "##"
) -> list[str]:
    """Return heading, summary and fields of a method or, with its function, of a loss."""
    parts = docstring_parts(settings)
    if function is not None:
        of_function = docstring_parts(function)
        formula = f"{of_function.pop('Summary')} {of_function.pop('More')}".strip()
        parts |= {"Formula": re.sub(r"^Return ", "", formula), **of_function}
    lines = [f"{level} {title}", "", f"{parts['Summary']} {option}", ""]
    lines += [parts["More"], ""] if parts["More"] else []
    return lines + [f"- **{field}**: {parts[field]}" for field in FIELDS if parts.get(field)]


def _settings(fields: Sequence[tuple[str, FieldInfo]]) -> list[str]:
    rows = [(name, field) for name, field in fields if name not in ("kind", "classification")]
    if not rows:
        return []
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    return [*lines, *(f"| `{name}` | {_shown(field.default)} | {_cell(field)} |" for name, field in rows), ""]


def _cell(field: FieldInfo) -> str:
    return _plain(field.description or "").replace("|", "\\|")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _of_several(name: str) -> list[str]:
    """Return the name where several methods have a setting alike, for these are shown once."""
    fields = [method.model_fields[name] for method in METHODS.values() if name in method.model_fields]
    alike = len({(field.default, field.description) for field in fields if name != "classification"}) == 1
    return [name] if alike and len(fields) > 1 else []


def _shared() -> str:
    names = dict.fromkeys(
        name for method in METHODS.values() for name in method.model_fields if _of_several(name)
    )
    lines = [
        "## Settings that several methods have",
        "",
        "| setting | default | what it is | of |",
        "|---|---|---|---|",
    ]
    for name in names:
        having = [method for method in METHODS.values() if name in method.model_fields]
        field = having[0].model_fields[name]
        whose = "all but " + ", ".join(m.title for m in METHODS.values() if m not in having)
        if 2 * len(having) < len(METHODS):
            whose = ", ".join(method.title for method in having)
        lines.append(f"| `{name}` | {_shown(field.default)} | {_cell(field)} | {whose} |")
    return "\n".join([*lines, ""])


def _default_loss(settings: type[MethodSettings]) -> type[LossSettings] | None:
    field = settings.model_fields.get("classification")
    return type(field.default) if field is not None else None


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
