import json

import pytest

from mlcnc.config import ExperimentConfig, leaf_fields, override, parse
from mlcnc.errors import ConfigError
from mlcnc.methods.settings import METHODS
from mlcnc.settings_file import read_file


def settings_of(tmp_path, text, ending="yaml"):
    path = tmp_path / f"settings.{ending}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return override(ExperimentConfig(), read_file(path))


@pytest.mark.parametrize(
    ("text", "ending", "changed"),
    [
        ("training.lr: 0.01", "yaml", {"training.lr": 0.01}),
        (
            '{"training.lr": 0.01, "training": {"epochs": 12}}',
            "json",
            {"training.lr": 0.01, "training.epochs": 12},
        ),
        ("method.classification.kind: bce\nmethod.embedding_dim: 64", "yaml", {"method.embedding_dim": 64}),
        ("training:\n# lr: 1\nmethod:\n", "yaml", {}),
        ("", "yaml", {}),
        ("", "json", {}),
        ("# nothing\n", "yml", {}),
        ("\ufefftraining: {lr: 0.01}", "yaml", {"training.lr": 0.01}),
        ('\ufeff{"training": {"epochs": "12"}}', "JSON", {"training.epochs": 12}),
        ("training: {seed: 010, lr: 1e-4}", "yaml", {"training.seed": 10, "training.lr": 1e-4}),
        ("training: {epochs: 1.2e1, seed: 1_000}", "yaml", {"training.epochs": 12, "training.seed": 1000}),
        ("training: {lr: '0.05', epochs: 12.0}", "yaml", {"training.lr": 0.05, "training.epochs": 12}),
        ("name: no\ndata: {flip: no, shift: 3}", "yaml", {"name": "no", "data.flip": False, "data.shift": 3}),
        ("name: 2024-01-01", "yaml", {"name": "2024-01-01"}),
        ("training: {clip_norm: none}\nmodel: {weights: ~}", "yaml", {"training.clip_norm": None}),
        (
            '{"training": {"clip_norm": "none"}, "model": {"weights": null}}',
            "json",
            {"training.clip_norm": None},
        ),
        (
            "training: {<<: {lr: 0.3, epochs: 9}, epochs: 12}",
            "yaml",
            {"training.lr": 0.3, "training.epochs": 12},
        ),
        ("training: {lr: 0.3, }", "yaml", {"training.lr": 0.3}),
        ("training:\r\n  lr_drops: [5, 7]\r\n", "yaml", {"training.lr_drops": (5, 7)}),
        ("%YAML 1.1\n---\ntraining: {lr: 0.3}\n...\n", "yaml", {"training.lr": 0.3}),
    ],
)
def test_files_as_people_write_them_are_read(tmp_path, text, ending, changed):
    config, before = settings_of(tmp_path, text, ending), ExperimentConfig()

    def value(tree, path):
        for part in path:
            tree = getattr(tree, part)
        return tree

    paths = [path for path, _ in leaf_fields(before) if path[-1] != "kind" and "classification" not in path]
    found = {".".join(path): value(config, path) for path in paths}
    assert {name: one for name, one in found.items() if one != value(before, name.split("."))} == changed


@pytest.mark.parametrize(
    ("text", "ending", "words"),
    [
        (
            "lr: 0.01",
            "yaml",
            r"unknown setting 'lr'; did you mean 'training.lr' \(in a file: training: \{lr: ...\}\)\?",
        ),
        ("seed: 3", "yaml", "did you mean 'data.seed' or 'training.seed'"),
        ("model: {lr: 1}", "yaml", "unknown setting 'model.lr'; did you mean 'training.lr'"),
        ("embeding_dim: 3", "yaml", "did you mean 'method.embedding_dim'"),
        ("training.lr: 1\ntraining: {lr: 2}", "yaml", "gives the setting training.lr twice"),
        ("training:\n  lr: 1\n  lr: 2", "yaml", "gives 'lr' twice in the section from line 2"),
        ('{"training": {"lr": 1, "lr": 1}}', "json", "gives 'lr' twice"),
        ("method: asl\nmethod.neck_dim: 3", "yaml", "write the name as method.kind"),
        ("training: [lr, 1]", "yaml", "training must be a section of settings, got"),
        ("training: 3", "yaml", "training must be a section of settings, got '3'"),
        ("training.lr.x: 3", "yaml", "training.lr: input should be a valid number"),
        ("training: {clip_norm: .inf}", "yaml", "training.clip_norm: .*got '.inf'; none is off"),
        ("training: {epochs: yes}", "yaml", "training.epochs: .*got 'yes'"),
        ('{"training": {"epochs": true}}', "json", "training.epochs: must be a number, got True"),
        ('{"training": {"lr": true}}', "json", "training.lr: must be a number, got True"),
        ('{"training": {"clip_norm": Infinity}}', "json", "clip_norm: .*finite number, got inf; none is off"),
        ('{"training": {"lr": NaN}}', "json", "training.lr: .*finite number, got nan"),
        ('{"training": {"lr": 1' + "0" * 400 + "}}", "json", "training.lr: must be at most"),
        ('{"training": {"epochs": 1' + "0" * 5000 + "}}", "json", "a number in it has too many digits"),
        ("training: {epochs: 1" + "0" * 5000 + "}", "yaml", "training.epochs: must be a whole number"),
        ("training: {epochs: 12.5}", "yaml", "training.epochs: input should be a valid integer"),
        ("training: {epochs: 0x10}", "yaml", "training.epochs: input should be a valid integer"),
        ("training:\n\tlr: 1", "yaml", "line 2, column 1: .*; indent with spaces"),
        ("a: 1\n---\nb: 2", "yaml", "several documents in it; keep one"),
        ("training: {lr: 1", "yaml", "is not valid YAML in line 1"),
        ('{"training": {"lr": 1,}}', "json", "line 1, column 23: .*; leave out the comma before it"),
        ("[1]", "json", "must hold a mapping of settings, got a list"),
        ("just words", "yaml", "must hold a mapping of settings, got a text"),
        ("? [1, 2]\n: 3", "yaml", "is not valid YAML"),
        ("!!python/object/apply:os.system [echo]", "yaml", "is not valid YAML"),
        ("training: &a [*a]", "yaml", "sections too deep in each other"),
        ("[" * 30_000, "yaml", "sections too deep in each other"),
        ("[" * 100_000, "json", "sections too deep in each other"),
        (b"name: \xff", "yaml", "must be text in UTF-8, got the byte 0xff at place 6"),
        ("name: x".encode("utf-16"), "yaml", "must be text in UTF-8"),
        (b"name: a\0b", "yaml", "is not valid YAML"),
        ("# " + "x" * 1_000_000, "yaml", "must be at most 1,000,000 bytes"),
    ],
    ids=lambda part: part[:40] if isinstance(part, str) else None,
)
def test_other_files_are_refused_in_one_sentence(tmp_path, text, ending, words):
    with pytest.raises(ConfigError, match=words) as caught:
        settings_of(tmp_path, text, ending)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_name_is_never_suggested_in_place_of_itself():
    for name in ("training.lr", "method.embedding_dim", "data.root", "name", "lr", "embedding_dim"):
        for given in ({name: 1}, {"model": {name: 1}}):
            with pytest.raises(ConfigError) as caught:
                parse(given if name != "name" else {"model": given})
            assert f"{name!r}; did you mean {name!r}" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"unknown setting 'training.lr'; write training: \{lr: ...\}"):
        parse({"training.lr": 1})


def test_anchors_that_multiply_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="must hold at most 10,000 values"):
        settings_of(tmp_path, "\n".join(lines))


def test_a_file_may_be_a_pipe_and_must_be_there(tmp_path):
    assert read_file("/dev/null") == {}
    for path in (tmp_path, tmp_path / "none.yaml", "a\0b", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_file(path)


NUMBERS = ["inf", "-inf", "nan", float("inf"), float("-inf"), float("nan"), 10**400, True, False, [], {}]


def numeric_settings():
    for kind in METHODS:
        for path, field in leaf_fields(parse({"method": {"kind": kind}})):
            if ("int" in str(field.annotation) or "float" in str(field.annotation)) and "tuple" not in str(
                field.annotation
            ):
                yield kind, path


@pytest.mark.parametrize("kind", METHODS)
def test_no_number_of_any_setting_may_be_infinite_or_a_truth(kind):
    config = parse({"method": {"kind": kind}})
    settings = [path for of, path in numeric_settings() if of == kind]
    assert ("training", "clip_norm") in settings
    for *sections, leaf in settings:
        for value in NUMBERS:
            tree = {leaf: value}
            for section in reversed(sections):
                tree = {section: tree}
            if value == {}:
                continue
            with pytest.raises(ConfigError) as caught:
                override(config, tree)
            said = str(caught.value)
            assert said.startswith(".".join((*sections, leaf))), said
            assert "\n" not in said
            json.dumps(config.model_dump(mode="json"), allow_nan=False)
