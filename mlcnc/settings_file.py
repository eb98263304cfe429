"""Files of settings: YAML or JSON, read as people write them; nothing in one is executed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlcnc.errors import ConfigError
from mlcnc.named_paths import named_path

MOST_BYTES = 1_000_000
"""All settings with their descriptions take a tenth of it."""
MOST_VALUES = 10_000
MOST_SECTIONS = 20
"""In each other; the settings themselves go three deep."""


def read_file(path: str | Path) -> dict[str, Any]:
    """Return the settings of a YAML or JSON file as a nested mapping.

    A name may be dotted in place of nested (``training.lr: 0.01``), and a section may be empty. Values of YAML
    are texts, as on a command line: ``1e-3``, ``010`` and ``no`` mean what they say, whichever version of YAML
    the writer had in mind; ``null``, ``~``, ``none`` and nothing at all are None.

    Raises:
        ConfigError: the file is missing, is not YAML or JSON in UTF-8, is too large, does not hold a mapping,
            or gives a setting twice.
    """
    path = named_path(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"config file {path} cannot be read: {getattr(error, 'strerror', error)}") from None
    if len(content) > MOST_BYTES:
        raise ConfigError(f"config file {path} must be at most {MOST_BYTES:,} bytes of settings; it is larger")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"config file {path} must be text in UTF-8, got the byte 0x{content[error.start]:02x} at place "
            f"{error.start}; save it as UTF-8"
        ) from None
    try:
        tree = _of_json(text) if path.suffix.lower() == ".json" else _of_yaml(text)
        if tree is None:
            return {}
        if not isinstance(tree, dict):
            raise ConfigError(f"must hold a mapping of settings, got {_said(tree)}")
        _check_size(tree)
        return unfolded(tree)
    except RecursionError:
        raise ConfigError(f"config file {path} has sections too deep in each other") from None
    except ConfigError as error:
        raise ConfigError(f"config file {path} {error}") from None


def unfolded(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with dotted names as sections.

    Raises:
        ConfigError: a name is no text, or a setting is given twice.

    Example:
        >>> unfolded({"training.lr": 0.1, "training": {"epochs": 3}})
        {'training': {'lr': 0.1, 'epochs': 3}}
    """
    result: dict[str, Any] = {}
    for name, value in tree.items():
        if not isinstance(name, str):
            raise ConfigError(f"must name settings by texts, got {_said(name)} as a name")
        first, _, rest = name.partition(".")
        if rest:
            value = unfolded({rest: value})
        elif isinstance(value, Mapping):
            value = unfolded(value)
        _put(result, first, value, first)
    return result


def _put(into: dict[str, Any], name: str, value: Any, path: str) -> None:
    if name not in into:
        into[name] = value
    elif isinstance(value, Mapping) and isinstance(into[name], dict):
        for inner, part in value.items():
            _put(into[name], inner, part, f"{path}.{inner}")
    elif value is None and isinstance(into[name], dict):
        return  # a section without settings says nothing
    elif into[name] is None and isinstance(value, Mapping):
        into[name] = value
    elif path == "method" or path == "method.classification":
        raise ConfigError(f"gives {path} both by name and by settings; write the name as {path}.kind")
    else:
        raise ConfigError(f"gives the setting {path} twice; keep one of them")


# ---- YAML and JSON -------------------------------------------------------------------------------------------


class _Texts(yaml.SafeLoader):
    """Leaves every scalar but nothing a text, and refuses a name that comes twice in a mapping."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # as PyYAML declares it

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = [name for name, times in Counter(names).items() if times > 1 and name != "<<"]
            if twice:
                line = node.start_mark.line + 1
                raise ConfigError(f"gives {twice[0]!r} twice in the section from line {line}; keep one of them")
        return super().construct_mapping(node, deep=deep)


_Texts.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|none|None|NONE|)\Z"), None
)
_Texts.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), ["<"])


def _of_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Texts)  # a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context or "it cannot be read"
        advice = "; indent with spaces" if "'\\t'" in problem else ""
        if "single document" in (error.context or ""):
            problem, advice = "there are several documents in it", "; keep one"
        raise ConfigError(f"is not valid YAML{place}: {problem}{advice}") from None
    except (yaml.YAMLError, ValueError) as error:
        words = " ".join(str(error).split())
        raise ConfigError(f"is not valid YAML: {words}") from None


def _of_json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        before = text[: error.pos].rstrip()
        advice = (
            "; leave out the comma before it"
            if before.endswith(",") and text[error.pos : error.pos + 1] in "]}"
            else ""
        )
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"is not valid JSON in {place}: {error.msg.lower()}{advice}") from None
    except ValueError:
        raise ConfigError("is not valid JSON: a number in it has too many digits") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"gives {twice!r} twice in one section; keep one of them")
    return tree


def _check_size(tree: Any, depth: int = 0, so_far: int = 0) -> int:
    """Return how many values a tree has, an anchor's once for each of its uses."""
    if depth > MOST_SECTIONS:
        raise ConfigError("has sections too deep in each other")
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for value in inner:
        so_far = _check_size(value, depth + 1, so_far + 1)
        if so_far > MOST_VALUES:
            raise ConfigError(f"must hold at most {MOST_VALUES:,} values; it holds more")
    return so_far


def _said(value: Any) -> str:
    names = {"list": "a list", "str": "a text", "dict": "a mapping", "bool": "true or false"}
    return names.get(type(value).__name__, "a number" if isinstance(value, int | float) else "nothing")
