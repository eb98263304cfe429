import json
import re
import shutil

import pytest

from mlcnc.cli import build_parser, config_of, main
from mlcnc.cli_help import shown, value_at
from mlcnc.config import ExperimentConfig, leaf_fields, override, parse
from mlcnc.errors import ConfigError
from mlcnc.methods.settings import LOSSES, METHODS
from mlcnc.presets import PRESETS, preset, with_width
from mlcnc.settings_file import read_file
from mlcnc.store import RunStore
from mlcnc.training.record import closing_sentence
from tests.conftest import ROOT


def configured(*arguments):
    return config_of(build_parser().parse_args(["train", *arguments]))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_round_trip(name):
    config = preset(name)
    assert parse(json.loads(json.dumps(config.model_dump()))) == config


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"one of demo, comparison, pictogram-lt, .* got 'fast'"):
        preset("fast")


@pytest.mark.parametrize("name", ["nosuch", "fast", "odd"])
def test_a_preset_that_is_like_none_gets_no_suggestion(name):
    with pytest.raises(ConfigError) as raised:
        preset(name)
    assert "did you mean" not in str(raised.value)
    with pytest.raises(ConfigError, match="did you mean 'bench'"):
        preset("bnech")


def test_what_is_advised_of_deferred_weights_is_taken():
    for epochs in range(2, 400):
        with pytest.raises(ConfigError, match="at most") as raised:
            override(
                preset("erm"),
                {"method": {"kind": "ldam", "deferred_from": 0.9999}, "training": {"epochs": epochs}},
            )
        most = float(str(raised.value).partition("at most ")[2].partition(",")[0])
        override(
            preset("erm"), {"method": {"kind": "ldam", "deferred_from": most}, "training": {"epochs": epochs}}
        )


def test_the_last_part_of_several_settings_names_them_all(capsys):
    for name in ("max_margin", "scale", "kind"):
        with pytest.raises(SystemExit):
            main(["train", f"--{name}", "1"])
        said = capsys.readouterr().err
        assert f"say --method.classification.{name} or --method.{name}" in said or (
            f"say --method.{name} or --method.classification.{name}" in said
        )


def test_the_demonstration_stores_arrays_at_every_epoch_and_its_recipe_is_the_full_one():
    full, demo = preset("pictogram-lt"), preset("demo")
    assert demo.training.arrays_every == 1
    assert override(demo, {"training": full.training.model_dump(), "method": full.method.model_dump()}) == full


@pytest.mark.parametrize(("dim", "heads"), [(300, 10), (50, 10), (128, 8), (97, 1), (3, 3)])
def test_a_comparison_takes_the_width_of_the_vectors(dim, heads):
    model = with_width(preset("comparison"), dim).method
    assert (model.embedding_dim, model.num_heads) == (dim, heads)


def test_every_setting_has_help():
    for path, field in leaf_fields():
        assert field.description, path


def test_command_line_beats_file_beats_preset(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("training: {epochs: 9, lr: 0.5}\nmethod: {projection_dim: null}\n")
    config = configured(
        "--preset", "digits-lt", "--config", str(path), "--epochs", "7", "--method.dropout", "0"
    )
    assert config.data.dataset == "digits-lt"
    assert config.training.epochs == 7
    assert config.training.lr == 0.5
    assert config.method.projection_dim is None
    assert config.method.dropout == 0
    assert configured("--seed", "4").training.seed == 4
    assert configured("--data.seed", "4").data.seed == 4
    assert configured("--flip", "false").data.flip is False
    assert configured("--glove", "x.txt").method.glove_path == "x.txt"


def test_a_kind_is_given_in_short_and_starts_from_its_own_defaults(tmp_path):
    assert configured("--method", "erm") == configured("--method.kind", "erm") == preset("erm")
    path = tmp_path / "settings.yaml"
    path.write_text("method: {kind: mlc_nc, label_embedding: trainable, classification: {kind: bce}}\n")
    config = configured("--config", str(path), "--classification", "two_way", "--two_way_temperature", "2")
    assert config.method.label_embedding == "trainable"
    assert config.method.classification.two_way_temperature == 2
    # what the file says of one method is nothing to another
    assert configured("--config", str(path), "--method", "erm") == preset("erm")
    path.write_text("method: erm\n")
    assert configured("--config", str(path), "--preset", "demo").method == preset("erm").method


def test_short_names_are_those_of_settings_with_one_path():
    short = configured(
        "--label_embedding", "trainable", "--embedding_dim", "64", "--lr", "0.1", "--epochs", "9"
    )
    assert (short.method.label_embedding, short.method.embedding_dim) == ("trainable", 64)
    assert (short.training.lr, short.training.epochs) == (0.1, 9)
    with pytest.raises(SystemExit):
        configured("--kind", "erm")


def test_epochs_are_listed_with_commas():
    training = configured("--schedule", "step", "--lr_drops", "5,7").training
    assert training.lr_drops == (5, 7)
    assert configured("--lr_drops", "").training.lr_drops == ()


def test_none_is_nothing_except_where_it_is_one_of_the_choices():
    config = configured("--model.weights", "none", "--name", "none", "--training.ema_decay", "None")
    assert (config.model.weights, config.name, config.training.ema_decay) == ("none", None, None)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"training": {"epocs": 3}}, "unknown setting 'training.epocs'; did you mean 'training.epochs'"),
        ({"training": {"lr": -1}}, "training.lr: input should be greater than 0, got -1"),
        ({"method": {"num_heads": 7}}, "num_heads must divide embedding_dim = 128, got 7"),
        ({"method": {"warmup_epochs": 40}}, "warmup_epochs must be below training.epochs = 40"),
        ({"method": {"label_embedding": "word2vec"}}, "method.label_embedding"),
        ({"method": {"kind": "emr"}}, "got 'emr'; did you mean 'erm'"),
        ({"method": {"kind": "DB-Focal"}}, "got 'DB-Focal'; did you mean 'db_focal'"),
        (
            {"method": {"kind": "ldam", "classification": "asl"}},
            "'method.classification' of the method ldam; leave it out, or take a method that has it: mlc_nc, erm, rs, rw, ",
        ),
        (
            {"method": {"kind": "erm", "label_embedding": "etf"}},
            "'method.label_embedding' of the method erm; leave it out, or take a method that has it: mlc_nc$",
        ),
        (
            {"method": {"classification": {"kind": "bce", "negative_gamma": 1}}},
            "'method.classification.negative_gamma' of the loss bce; leave it out, or take a loss that has it: asl, mfm$",
        ),
        ({"method": {"kind": "erm", "classificatoin": "asl"}}, "erm; did you mean 'method.classification'"),
        (
            {"method": {"kind": "erm", "negative_gamma": 1}},
            r"erm; did you mean 'method.classification.negative_gamma' \(of asl, mfm\)\?$",
        ),
        ({"method": {"kind": "erm", "epochs": 1}}, "erm; did you mean 'training.epochs'"),
        ({"method": {"kind": "erm", "seed": 1}}, "erm; did you mean 'data.seed' or 'training.seed'"),
        (
            {"method": {"kind": "erm", "embeding_dim": 1}},
            r"erm; did you mean 'method.embedding_dim' \(of mlc_nc\)",
        ),
        ({"method": {"kind": "erm", "xyz": 1}}, "unknown setting 'method.xyz' of the method erm$"),
        ({"training": {"xyz": 1}}, "unknown setting 'training.xyz'$"),
        ({"trainig": {"epochs": 1}}, "unknown setting 'trainig'; did you mean 'training'"),
        ({"epochs": 1}, "unknown setting 'epochs'; did you mean 'training.epochs'"),
        (
            {"method": {"kind": "ldam", "deferred_from": 0.8}, "training": {"epochs": 2}},
            "got 0.8, which is the end of epoch 2, the last; give it at most 0.5, none for no ",
        ),
        (
            {"method": {"kind": "ldam", "deferred_from": 0.8}, "training": {"epochs": 1}},
            "got 0.8, which is the end of epoch 1, the last; give it none for no deferred weights, or more",
        ),
        (
            {"method": {"kind": "oltr"}, "training": {"epochs": 1}},
            "got 0.33, which is none of them; train at least 2 epochs",
        ),
        ({"training": {"lr_drops": "5,x"}}, "training.lr_drops.1: input should be a valid integer"),
        ({"training": {"epochs": "many"}}, "training.epochs"),
        (
            {"training": {"seed": 2**53}},
            "training.seed: input should be less than or equal to 9007199254740991",
        ),
        (
            {"training": {"num_threads": 5000}},
            "training.num_threads: input should be less than or equal to 1024",
        ),
        ({"data": {"num_samples": 10**9}}, "data.num_samples: input should be less than or equal to 10000000"),
    ],
)
def test_bad_settings_are_named(tree, words):
    with pytest.raises(ConfigError, match=words):
        parse(tree)
    with pytest.raises(ConfigError, match=words):
        override(ExperimentConfig(), tree)


@pytest.mark.parametrize(
    ("text", "words"), [("- 1\n", "must hold a mapping"), ("a: [", "not valid YAML"), (None, "cannot be read")]
)
def test_bad_files_are_one_sentence(tmp_path, text, words):
    path = tmp_path / "settings.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_file(path)


def test_configs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        ExperimentConfig().training.lr = 1.0


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["train", "--training.epocs", "3"], "--training.epochs"),
        (["train", "--lerning-rate=0.1"], "--training.lr"),
        (["jobs", "start", "train", "--learning_rate", "1"], "--training.lr"),
        (["jobs", "logs", "x", "--folow"], "--follow"),
        (["train", "--training.lerning_rate", "1"], "--training.lr"),
        (["train", "--folow"], None),
        (["train", "--output", "x"], None),
        (["evaluate", "x", "--gpu"], None),
    ],
)
def test_unknown_option_names_the_nearest_of_its_command(capsys, words, meant):
    with pytest.raises(SystemExit):
        main(words)
    said = capsys.readouterr().err
    assert (f"did you mean {meant!r}" in said) if meant else ("did you mean" not in said)
    command = " ".join(word for word in words[:3] if word in ("train", "jobs", "start", "logs", "evaluate"))
    assert said.startswith(f"usage: mlcnc {command} ")


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["trian"], "train"), (["jobs", "lst"], "list"), (["runs", "verfy"], "verify"), (["xyz"], None)],
)
def test_unknown_command_names_the_nearest(capsys, words, meant):
    with pytest.raises(SystemExit):
        main(words)
    said = capsys.readouterr().err
    assert (f"did you mean {meant!r}" in said) if meant else ("did you mean" not in said)


def helped(capsys, *arguments):
    assert main([*arguments]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_is_short_and_shows_what_is_trained_without_options(capsys):
    assert main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) < 80
    for path, _ in leaf_fields(ExperimentConfig()):
        value = shown(value_at(ExperimentConfig(), path))
        option = path[-2] if path[-1] == "kind" else path[-1]
        assert f"{option} {value}" in text or path == ("name",), path
    assert "negative_gamma" not in text
    assert "db_focal (DB-Focal)" in " ".join(text.split())


def test_help_of_methods_and_losses_shows_every_setting_with_their_own_defaults(capsys):
    kinds = [("method", kind) for kind in METHODS] + [("classification", kind) for kind in LOSSES]
    seen = set()
    for option, kind in kinds:
        words = helped(capsys, "train", f"--{option}", kind, "--help").replace(" ", "")
        config = override(
            ExperimentConfig(),
            {"method": {"kind": kind} if option == "method" else {"classification": {"kind": kind}}},
        )
        for path, field in leaf_fields(config):
            if path[0] == "method":
                said = f"{field.description} [{shown(value_at(config, path))}]"
                assert "".join(said.split()) in words, path  # broken after hyphens too
                seen.add(path)
    assert seen == {path for path, _ in leaf_fields() if path[0] == "method"}


@pytest.mark.parametrize("command", [["train"], ["jobs", "start", "train"]])
def test_help_of_parts_and_presets(capsys, command):
    words = helped(capsys, *command, "--preset", "original-db-focal", "-h", "all")
    assert "peak learning rate of the schedule [0.02]" in words
    assert "--data.seed INT" in words
    assert "--embedding_dim" not in words
    training = helped(capsys, *command, "--help", "training", "--preset", "quick")
    assert "[4]" in training
    assert "photographs" not in training.partition("settings of training")[2]
    assert "--epochs 4 " in helped(capsys, *command, "--help", "--preset", "quick", "--epochs", "0")


def test_a_bucket_without_classes_has_a_dash(capsys):
    balanced = "balanced-etf-terminal-s0"
    assert main(["runs", "show", balanced, "--runs", str(ROOT / "runs")]) == 0
    assert re.search(r"^test mAP [\d.]+ / [\d.]+ / - / -  ", capsys.readouterr().out, re.MULTILINE)
    assert re.search(r" medium - / tail -$", closing_sentence(RunStore(ROOT / "runs"), balanced))


def test_runs_list_show_and_verify(trained, capsys):
    assert main(["runs", "list", "--runs", str(trained)]) == 0
    assert "tiny  finished" in capsys.readouterr().out
    assert main(["runs", "show", "tiny", "--runs", str(trained)]) == 0
    shown = capsys.readouterr().out
    assert "method.embedding_dim = 24" in shown
    assert "MLC-NC etf" in shown
    assert "on pictogram-lt, 20 classes" in shown
    # the side that a run took unasked is said, and is no setting that differs
    assert " of 64 px\n" in shown
    assert "image_size" not in shown
    assert main(["runs", "verify", "--runs", str(trained)]) == 0
    assert "agrees" in capsys.readouterr().out
    assert main(["evaluate", "tiny", "--runs", str(trained), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test/map_total"] > 0
    assert found["epoch"] == RunStore(trained).open("tiny").status.epoch


def test_verify_says_what_differs(trained, tmp_path, capsys):
    shutil.copytree(trained / "tiny", tmp_path / "tiny")
    path = tmp_path / "tiny" / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["test/map_total"] += 0.5
    lines[2]["train.f/nc1_trace"] *= 1.01
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["runs", "verify", "tiny", "--runs", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "epoch 2, test/map_total" in text
    assert "epoch 3, train.f/nc1_trace" in text
    *said, last = text.splitlines()
    assert len(said) == 4  # the mean is off by both its ways
    assert last.startswith("not recomputed in tiny: ")


def test_deleting_asks_and_obeys(trained, tmp_path, capsys):
    shutil.copytree(trained / "tiny", tmp_path / "tiny")
    assert main(["runs", "delete", "tiny", "--runs", str(tmp_path)]) == 1
    assert "give --yes" in capsys.readouterr().err
    assert main(["runs", "delete", "tiny", "--yes", "--runs", str(tmp_path)]) == 0
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs", "show", "absent"], "there is no run 'absent'"),
        (["runs", "show", "../up"], "run_id must be"),
        (["train", "--preset", "odd"], "preset must be one of"),
        (["train", "--lr", "fast"], "training.lr"),
        (["train", "--resume", "x", "--epochs", "3"], "leave out training.epochs"),
        (
            ["train", "--method", "erm", "--embedding_dim", "8"],
            "unknown setting 'method.embedding_dim' of the method erm",
        ),
        (
            ["jobs", "start", "train", "--method", "erm", "--glove", "x"],
            "'method.glove_path' of the method erm",
        ),
        (["train", "--device", "cuda"], "'cuda' is not available here"),
        (["data", "preview", "pictograms", "--out", "x.png"], "did you mean 'pictogram-lt'"),
        (["data", "preview", "digits-lt", "--out", "/nowhere/x.png"], "cannot be written"),
    ],
)
def test_known_errors_are_one_sentence_without_a_traceback(tmp_path, capsys, arguments, words):
    place = [] if arguments[0] == "data" else ["--runs", str(tmp_path)]
    assert main([*arguments, *place]) == 1
    text = capsys.readouterr().err
    assert words in text
    assert "Traceback" not in text
    assert text.startswith("mlcnc: ")


def test_preview_writes_a_picture(tmp_path, capsys):
    path = tmp_path / "sheet.png"
    assert main(["data", "preview", "digits-lt", "--out", str(path), "--per-class", "2"]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "10 classes" in capsys.readouterr().out


def test_an_empty_folder_says_what_to_do(tmp_path, capsys):
    assert main(["runs", "list", "--runs", str(tmp_path / "none")]) == 0
    assert "mlcnc train" in capsys.readouterr().out


def test_the_rate_of_the_race_is_said_where_that_of_mlc_nc_would_be_taken(tmp_path, capsys):
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    for arguments, said in (
        (["--method", "erm"], "take them with --lr 0.064 --weight_decay 1.5625e-06"),
        (["--preset", "bench-voc07-lt", "--method", "db_focal"], ""),
        (["--preset", "bench-voc07-lt", "--method", "oltr"], "--lr 6.25e-05 --weight_decay 160"),
        (["--method", "erm", "--lr", "0.01"], ""),
        (["--method", "erm", "--optimiser", "sgd"], ""),
        (["--method", "erm", "--dataset", "digits-lt"], ""),
        ([], ""),
    ):
        assert main(["train", *arguments, "--runs", str(nowhere)]) == 1
        sentence, *rest = capsys.readouterr().err.splitlines()
        assert said in sentence
        assert bool(rest) == bool(said)
