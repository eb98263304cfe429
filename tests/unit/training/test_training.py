import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from mlcnc.analysis.runs.settings import flattened
from mlcnc.errors import ConfigError, NonFiniteLossError, RunFormatError
from mlcnc.store import RunStore
from mlcnc.training import resume, train
from mlcnc.training.build import build
from mlcnc.training.epoch import train_epoch
from mlcnc.training.evaluation import evaluate
from mlcnc.training.gallery import gallery, record_gallery
from mlcnc.training.measurement import measure
from mlcnc.training.sample_choice import choose_samples
from tests.conftest import ROOT, tiny_config
from tests.processes.small_training import small_config, use_few_images

QUIET = {"say": lambda text: None, "show_progress": False}
TIMES = ("seconds", "images_per_second", "peak_memory")


def numbers(root, run_id):
    """Return everything a run measured, without what hangs on the clock or the process."""
    return [
        {name: value for name, value in line.items() if not name.startswith(TIMES)}
        for line in RunStore(root).open(run_id).metrics()
    ]


def assert_same_numbers(one, two):
    assert len(one) == len(two)
    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys()
        for name, value in first.items():
            np.testing.assert_array_equal(value, second[name], err_msg=f"epoch {first['epoch']}: {name}")


@pytest.fixture
def few(monkeypatch):
    """Let every training of a test be one of five classes and 37 images."""
    use_few_images(monkeypatch)


def test_a_run_logs_every_epoch_with_everything_the_pages_need(trained):
    run = RunStore(trained).open("tiny")
    lines = run.metrics()
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert "train/two_way" not in lines[0]  # warm-up is alignment only
    assert np.isfinite(lines[2]["train/two_way"])
    assert np.isfinite(lines[1]["train/calibration"])
    for name in ("test/map_total", "validation/map_tail", "train.f/nc1_trace", "test.mu/angle_min_class", "lr"):
        assert np.isfinite(lines[-1][name]), name
    assert run.array_epochs() == [0, 1, 2]
    arrays, samples = run.arrays(2), run.samples()
    pairs = len(samples.get("samples/class_index"))
    assert arrays.get("test/scores").shape == (1000, 20)
    assert arrays.get("train.f/class_means").shape == (20, 24)
    assert arrays.get("test.mu/class_means").shape == (20, 7)
    assert arrays.get("samples/mu").shape == (pairs, 7)
    assert arrays.get("probes/attention").shape == (5, 20, 8, 8)
    assert arrays.get("train.f/class_counts").tolist() == run.info.class_counts
    np.testing.assert_allclose(arrays.get("probes/attention").astype(float).sum(axis=(2, 3)), 1, atol=5e-3)
    assert run.status.state == "finished"
    assert run.info.num_test == 1000
    assert run.warnings == ()


def test_every_tail_positive_of_train_is_sampled(trained):
    run = RunStore(trained).open("tiny")
    samples = run.samples()
    train_pairs = samples.get("samples/class_index")[samples.get("samples/split") == 0]
    for label in run.info.groups["tail"]:
        assert (train_pairs == label).sum() == run.info.class_counts[label]


def test_the_measurement_is_that_of_a_fresh_forward_pass(trained):
    """Stored statistics equal means over features of the checkpoint, computed the slow way."""
    from mlcnc.training.checkpoint import load_checkpoint

    run = RunStore(trained).open("tiny")
    experiment = build(tiny_config())
    load_checkpoint(experiment, run.folder)
    train_split = experiment.dataset.train
    images = (torch.from_numpy(train_split.images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    with torch.no_grad():
        output = experiment.method.eval()(images)
    rows = output.class_spaces["f"][:, 9][torch.from_numpy(train_split.targets[:, 9]) > 0].double()
    stored = run.arrays(2)
    np.testing.assert_allclose(stored.get("train.f/class_means", 9), rows.mean(dim=0).numpy(), atol=1e-5)
    scatter = ((rows - rows.mean(dim=0)) ** 2).sum()
    np.testing.assert_allclose(stored.get("train.f/within_scatter", 9), float(scatter), rtol=1e-4)


def test_repeating_a_run_gives_identical_metrics(few, tmp_path):
    for run_id in ("once", "again"):
        train(small_config(), runs_root=tmp_path, run_id=run_id, **QUIET)
    assert_same_numbers(numbers(tmp_path, "once"), numbers(tmp_path, "again"))


@pytest.mark.parametrize("after", [1, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(few, tmp_path, after, monkeypatch):
    from mlcnc.training import trainer

    train(small_config(), runs_root=tmp_path, run_id="whole", **QUIET)
    real = trainer.one_epoch

    def interrupted(experiment, events, epoch):
        if epoch == after:
            # part of an epoch is trained and lost
            def stop(progress):
                raise KeyboardInterrupt

            real(experiment, events._replace(report=stop), epoch)
        return real(experiment, events, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "one_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(small_config(), runs_root=tmp_path, run_id="cut", **QUIET)
    assert RunStore(tmp_path).open("cut").status.state == "stopped"
    resume("cut", runs_root=tmp_path, **QUIET)
    assert RunStore(tmp_path).open("cut").status.state == "finished"
    assert_same_numbers(numbers(tmp_path, "whole"), numbers(tmp_path, "cut"))
    said = []
    resume("cut", runs_root=tmp_path, say=said.append, show_progress=False)
    assert "is complete" in said[0]


@pytest.mark.parametrize(
    ("method", "training", "data"),
    [
        ({"label_embedding": "trainable"}, {"ema_decay": 0.9}, {"sampler": "uniform"}),
        ({"attention": "cosine", "classifier": "linear", "projection_dim": None}, {}, {}),
        ({"classifier": "block_aligned"}, {"optimiser": "adam", "clip_norm": None}, {}),
        ({"classifier": "init_only"}, {}, {"flip": False, "shift": 0, "jitter": 0}),
        ({"kind": "erm"}, {"optimiser": "sgd", "schedule": "step", "lr_drops": (1,), "accumulation": 2}, {}),
    ],
)
def test_every_choice_trains_the_same_epoch_again(few, tmp_path, method, training, data):
    config = small_config(method=method, training={"epochs": 3} | training, data=data)
    train(config, runs_root=tmp_path, run_id="whole", **QUIET)
    experiment = build(config)
    first = train_epoch(experiment, 0, lambda progress: None)
    line = RunStore(tmp_path).open("whole").metrics()[0]
    assert line["train/loss"] == first["train/loss"]


def test_glove_embeddings_train(tmp_path, shared):
    method = {
        "label_embedding": "glove",
        "embedding_dim": 300,
        "num_heads": 10,
        "glove_path": str(shared / "data" / "glove" / "voc20.300d.txt"),
    }
    config = tiny_config(method | {"warmup_epochs": 0}, epochs=1, num_pictures=2)
    train(config, runs_root=tmp_path, run_id="glove", **QUIET)
    line = RunStore(tmp_path).open("glove").metrics()[-1]
    assert line["label_embedding/drift_cosine"] == pytest.approx(1, abs=1e-6)


def test_glove_without_a_file_is_refused(monkeypatch):
    monkeypatch.delenv("MLCNC_GLOVE", raising=False)
    with pytest.raises(ConfigError, match="--glove PATH or set the MLCNC_GLOVE"):
        build(tiny_config({"label_embedding": "glove"}))


def test_a_non_finite_loss_stops_with_term_epoch_and_batch(few, tmp_path, monkeypatch):
    from mlcnc.losses import two_way

    monkeypatch.setattr(two_way, "two_way_loss", lambda logits, *args, **named: logits.sum() * float("nan"))
    with pytest.raises(NonFiniteLossError, match="the two_way loss became nan in epoch 3, batch 1"):
        train(small_config(), runs_root=tmp_path, run_id="nan", **QUIET)
    run = RunStore(tmp_path).open("nan")
    assert run.status.state == "failed"
    assert (run.status.error.epoch, run.status.error.batch) == (2, 0)
    assert len(run.metrics()) == 2


def test_evaluating_measures_the_same_again(trained):
    metrics, epoch = evaluate("tiny", runs_root=trained)
    assert epoch == 2
    stored = RunStore(trained).open("tiny").metrics()[-1]
    for name in ("test/map_total", "validation/map_tail", "test.f/nc1_trace", "train.mu/angle_min_class"):
        assert metrics[name] == pytest.approx(stored[name], rel=1e-9), name


def test_a_run_without_a_checkpoint_says_so(few, tmp_path):
    train(small_config(training={"epochs": 3, "checkpoint": False}), runs_root=tmp_path, run_id="bare", **QUIET)
    said = []
    resume("bare", runs_root=tmp_path, say=said.append, show_progress=False)
    assert "is complete" in said[0]
    status = tmp_path / "bare" / "status.json"
    status.write_text(status.read_text().replace('"finished"', '"stopped"'))
    for call in (evaluate, resume):
        with pytest.raises(RunFormatError, match="has no checkpoint"):
            call("bare", runs_root=tmp_path)
    path = tmp_path / "bare" / "checkpoints" / "last.pt"
    path.parent.mkdir()
    path.write_bytes(b"PK nonsense")
    with pytest.raises(RunFormatError, match="is damaged"):
        resume("bare", runs_root=tmp_path, **QUIET)


def test_measuring_leaves_training_alone(trained):
    experiment = build(tiny_config())
    state = {name: value.clone() for name, value in experiment.method.state_dict().items()}
    random_state = torch.get_rng_state()
    experiment.method.train()
    dataset, images = experiment.dataset, experiment.images
    choice = choose_samples(dataset, images.train, 50, 2, 0)
    measure(experiment.method, experiment.step, images, choice, groups=dataset.groups, with_arrays=True)
    assert experiment.method.training
    assert torch.equal(random_state, torch.get_rng_state())
    for name, value in experiment.method.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.slow  # by default few images are trained and stopped, in tests/processes/test_logs_and_stops.py
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_real_run_cleanly(tmp_path, number):
    command = [sys.executable, "-m", "mlcnc", "train", "--runs", str(tmp_path), "--run-id", "cut", "--quiet"]
    command += ["--epochs", "500", "--num_samples", "64", "--num_threads", "1", "--arrays_every", "50"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # a shell starts background jobs with SIGINT ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        lines = tmp_path / "cut" / "metrics.jsonl"
        deadline = time.monotonic() + 60
        while not lines.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "mlcnc: stopped" in errors
    assert "Traceback" not in errors
    run = RunStore(tmp_path).open("cut")
    assert run.status.state == "stopped"
    assert len(run.metrics()) >= 1


@pytest.mark.slow  # by default few images are trained and killed, in tests/processes/test_kill.py
@pytest.mark.parametrize("seed", range(4))
def test_a_killed_run_resumes_to_the_same_numbers(trained, tmp_path, seed):
    """SIGKILL at a random moment, also inside a write; the numbers are those of a run left alone."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(tiny_config().model_dump()))
    command = [sys.executable, "-m", "mlcnc", "train", "--runs", str(tmp_path), "--run-id", "dead", "--quiet"]
    process = subprocess.Popen([*command, "--config", str(config)], cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "dead" / "status.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(float(np.random.default_rng(seed).uniform(0.0, 3.0)))
    process.kill()
    process.wait()
    assert RunStore(tmp_path).open("dead").info.run_id == "dead"
    resume("dead", runs_root=tmp_path, **QUIET)
    assert_same_numbers(numbers(trained, "tiny"), numbers(tmp_path, "dead"))


@pytest.mark.parametrize("before", ["log", "checkpoint"])
def test_dying_between_log_and_checkpoint_loses_nothing(few, tmp_path, monkeypatch, before):
    from mlcnc.training import epoch

    train(small_config(), runs_root=tmp_path, run_id="whole", **QUIET)
    name = {"log": "has_arrays", "checkpoint": "save_checkpoint"}[before]
    real, calls = getattr(epoch, name), []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(epoch, name, dying)
        with pytest.raises(KeyboardInterrupt):
            train(small_config(), runs_root=tmp_path, run_id="cut", **QUIET)
    resume("cut", runs_root=tmp_path, **QUIET)
    assert_same_numbers(numbers(tmp_path, "whole"), numbers(tmp_path, "cut"))


def test_the_gallery_compares_like_with_like(tmp_path):
    configs = dict(gallery())
    plain = [configs[f"pictogram-{kind}-s0"].model_dump() for kind in ("etf", "trainable", "glove")]
    for tree in plain:
        tree["method"].pop("label_embedding")
    assert plain[0] == plain[1] == plain[2]
    said = []
    record_gallery(tmp_path, glove_path=None, dry_run=True, say=said.append)
    assert said == list(configs)
    with pytest.raises(ConfigError, match="--glove PATH"):
        record_gallery(tmp_path, glove_path=None, only="glove")


def test_recorded_runs_are_complete_and_verified():
    """What the project ships: every run of the gallery, readable, under 6 MB, agreeing with itself."""
    from mlcnc.analysis.verification.recomputation import verify_run

    store = RunStore(ROOT / "runs")
    for run_id, config in gallery():
        run = store.open(run_id)
        assert run.status.state == "finished"
        assert len(run.metrics()) == config.training.epochs
        stored, asked = (
            {k: v for k, v in flattened(tree) if k.startswith(("training.", "method."))}
            for tree in (run.info.config, config.model_dump(mode="json"))
        )
        assert stored == asked, run_id
        size = sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file())
        assert size < 6e6, run_id
        report = verify_run(run)
        assert not report.problems
        assert ("test/scores" in run.arrays(run.array_epochs()[-1])) == run_id.endswith("s0")
        assert str(ROOT.parent) not in json.dumps(run.info.model_dump())
