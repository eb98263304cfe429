"""A catalogue of odd runs, written by the real writer in the real format."""

from __future__ import annotations

import base64
import functools
import gzip
import io
import json
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from mlcnc.data.voc import voc07_lt_splits
from mlcnc.metrics import AlignmentAccumulator, measure_split
from mlcnc.metrics.measurement import alignment_metrics
from mlcnc.store import RunWriter, Space
from tests.conftest import ROOT

# a server looks once through all installed packages for components, AppTest once a page: most of a page's time
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)

CLASSES = ["person", "chair", "dog", "bus", "cow"]
COUNTS = [500, 120, 40, 12, 4]


def pictures(number):
    """Return one grey picture for every test image, brighter from image to image."""
    encoded = []
    for index in range(number):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8), (2 * index,) * 3).save(stream, "WEBP", lossless=True)
        encoded.append(stream.getvalue())
    return {
        "pictures/split": np.ones(number, np.uint8),
        "pictures/index": np.arange(number),
        "pictures/ends": np.cumsum([len(part) for part in encoded]),
        "pictures/bytes": np.frombuffer(b"".join(encoded), np.uint8),
    }


def own_images(rng):
    """Return probe images and pictures of test images, as a run keeps them that may."""
    return {"probes/images": rng.integers(0, 255, (2, 16, 16, 3), dtype=np.uint8), **pictures(90)}


def named_images(ids):
    """Return what a run keeps that may store no picture."""
    return {
        "probes/size": np.array([16, 16]),
        "probes/targets": np.eye(2, len(CLASSES), 0, np.uint8) + np.eye(2, len(CLASSES), 1, np.uint8),
        "test/id_ends": np.cumsum([len(name.encode()) for name in ids]),
        "test/id_bytes": np.frombuffer("".join(ids).encode(), np.uint8),
    }


def write_run(
    root,
    run_id,
    *,
    embedding="etf",
    classifier="fixed",
    seed=0,
    epochs=3,
    slim=False,
    validation=True,
    quality=0.0,
    features=True,
    classes=None,
    co_occurrence=None,
    method="mlc_nc",
    every=1,
    lr=0.1,
    dataset="toy-lt",
    ids=None,
    aligned=False,
):
    """Write a run whose measurements are computed from random features, by the real metrics.

    Args:
        method: ``mlc_nc`` with class-wise f and mu, ``erm`` with image-wise z and no attention, or None: another
            loop, which declares nothing and measures f.
        every: measured so many epochs apart, and at the last one.
        ids: of the 90 test images; it stores these, and no pictures.
        aligned: the cosines of f with a label embedding are measured too, and which loss trains.
    """
    names = classes or CLASSES
    number = len(names)
    rng = np.random.default_rng([seed, len(run_id)])
    targets = (rng.random((90, number)) < 0.3).astype(np.uint8)
    targets[:number] = np.eye(number, dtype=np.uint8)
    rows, labels = np.nonzero(targets[:30])
    config = {
        "data": {"dataset": dataset},
        "method": SETTINGS[method]
        if method != "mlc_nc"
        else {
            "kind": "mlc_nc",
            "label_embedding": embedding,
            "attention": "multihead",
            "classifier": classifier,
            "embedding_dim": 8,
            "classification": {"kind": "two_way", "two_way_temperature": 4.0},
        },
        "training": {"seed": seed, "lr": lr, "measure_every": every},
    }
    run = RunWriter.create(
        root,
        run_id,
        class_names=names,
        class_counts=(COUNTS * number)[:number] if classes else COUNTS,
        config=config,
        method=method,
        spaces=SPACES[method],
        seed=seed,
        co_occurrence=co_occurrence,
        num_epochs=epochs,
        num_train=90,
        num_validation=90 if validation else 0,
        num_test=90,
        device="cpu",
    )
    if not slim:
        run.log_samples(
            {
                "test/targets": targets,
                "probes/image_index": np.arange(2),
                "probes/targets": targets[:2],
                "probes/boxes": np.array([[0, 0, 0, 0, 8, 8]], np.float32),
                "samples/image_index": rows,
                "samples/class_index": labels,
                "samples/split": np.arange(len(rows)) % 2,
                **(own_images(rng) if ids is None else named_images(ids)),
            }
        )
    for epoch in range(epochs):
        metrics, arrays = {"train/loss": 3.0 - epoch, **TERMS[method]}, {}
        if epoch % every and epoch < epochs - 1:
            run.log_epoch(epoch, metrics)
            continue
        scores = rng.normal(size=targets.shape) + (quality + epoch) * targets
        spaces = {}
        if features:
            spaces = {
                space: rng.normal(size=(90, number, dim)) + 4 * np.eye(number, dim)[None]
                for space, dim in (("f", 8), ("mu", 6))
            }
        if features and method is None:
            spaces.pop("mu")
        if features and method == "erm":
            spaces = {"z": rng.normal(size=(90, 6)) + 4 * targets @ np.eye(number, 6)}
        for split in ("train", "validation", "test") if validation else ("train", "test"):
            found, stored = measure_split(
                split,
                targets=targets,
                groups=run.info.groups,
                scores=None if split == "train" else scores,
                spaces={} if split == "validation" else spaces,
            )
            metrics.update(found)
            arrays.update(stored)
        for split in ("train", "test") if aligned else ():
            cosines = AlignmentAccumulator(number)
            cosines.update(spaces["f"], targets, np.eye(number, 8))
            found, stored = alignment_metrics(f"{split}.f", cosines.compute(), run.info.groups)
            metrics |= found | {f"{split}.f/alignment_positive_untrained": 0.01} | SHARES
            arrays |= stored
        for space, features_of_space in spaces.items():
            of_pairs = features_of_space[rows] if space == "z" else features_of_space[rows, labels]
            arrays[f"samples/{space}"] = of_pairs.astype(np.float32)
        if method == "mlc_nc":
            arrays["label_embedding/gram"] = np.eye(number)
            arrays["classifier/gram"] = np.eye(number)
            attention = np.zeros((2, number, 4, 4))
            attention[:, :, :2, :2] = 0.25
            arrays["probes/attention"] = attention.astype(np.float16)
        run.log_epoch(epoch, metrics, None if slim else arrays)
    return run


SHARES = {"gradient_share/alignment": 0.125, "gradient_share/two_way": 0.875}
SPACES = {
    "mlc_nc": [Space(name="f", dim=8), Space(name="mu", dim=6)],
    "erm": [Space(name="z", kind="image", dim=6)],
    None: None,
}
TERMS = {
    "mlc_nc": {"train/alignment": 0.4, "train/calibration": 0.3, "train/two_way": 0.2},
    "erm": {"train/bce": 0.3},
    None: {},
}
SETTINGS = {"erm": {"kind": "erm", "classification": {"kind": "bce"}}, None: {"net": "my own"}}


def full(root):
    for embedding in ("etf", "trainable", "glove"):
        for seed in range(2):
            name = f"{embedding}-s{seed}"
            write_run(root, name, embedding=embedding, seed=seed, slim=seed > 0, quality=seed).finish()


def none(root):
    root.mkdir(exist_ok=True)


def one(root):
    write_run(root, "only").finish()


def running(root):
    run = write_run(root, "growing", epochs=2)
    run._closed.set()


def no_epoch(root):
    write_run(root, "young", epochs=0)._closed.set()


def lost(root):
    run = write_run(root, "dead")
    run._closed.set()
    path = run.folder / "status.json"
    tree = json.loads(path.read_text())
    tree |= {"heartbeat_at": "2001-01-01T00:00:00+00:00", "process_start_time": 1.0, "process_start_ticks": 1}
    path.write_text(json.dumps(tree))


def failed(root):
    run = write_run(root, "broke")
    run.__exit__(ValueError, ValueError("the reason"), None)


def broken(root):
    one(root)
    run = write_run(root, "garbled")
    run.finish()
    (run.folder / "run.json").write_text("{")


def newer(root):
    run = write_run(root, "future")
    run.finish()
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 7}))


def damaged_arrays(root):
    run = write_run(root, "scratched")
    run.finish()
    for path in (run.folder / "epochs").iterdir():
        path.write_bytes(path.read_bytes()[:50])


def damaged_samples(root):
    run = write_run(root, "blurred")
    run.finish()
    path = run.folder / "samples.safetensors"
    path.write_bytes(path.read_bytes()[:50])


def half_line(root):
    run = write_run(root, "cut")
    run.finish()
    with (run.folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 3, "te')


def nothing_but_loss(root):
    with RunWriter.create(root, "bare", class_names=["a", "b"], class_counts=[9, 2]) as run:
        run.log_epoch(0, {"train/loss": 0.5})


def nan(root):
    with RunWriter.create(root, "nan", class_names=["a", "b"], class_counts=[9, 2]) as run:
        run.log_epoch(0, {"test/map_total": float("nan"), "test.f/nc1_trace": float("nan")})


def no_validation(root):
    write_run(root, "blind", validation=False).finish()


def slim(root):
    write_run(root, "slim", slim=True).finish()


def analyzed(root):
    """A file of features as ``mlcnc analyze`` writes it: no scores, no negatives, one epoch."""
    from mlcnc.analysis.user_files.feature_file import read_features
    from mlcnc.analysis.user_files.features import analyse_features, write_feature_run

    rng = np.random.default_rng(0)
    labels = np.arange(6).repeat(9)
    root.mkdir()
    np.savez(root / "mine.npz", features=rng.normal(size=(54, 7)) + labels[:, None], targets=labels)
    file = read_features(root / "mine.npz")
    report = analyse_features(file, {"head": [0, 1], "medium": [2, 3], "tail": [4, 5]})
    write_feature_run(report, file, root, run_id="mine", source="mine.npz", thresholds=(100, 20))


def many_classes(root):
    write_run(root, "coco", classes=[f"class {i}" for i in range(80)]).finish()


def erm(root):
    write_run(root, "plain", method="erm").finish()


def mixed(root):
    """ERM beside ETF, and a second ETF run of the same recipe, with another learning rate."""
    write_run(root, "erm-s0", method="erm").finish()
    write_run(root, "etf-s0", quality=1.0).finish()
    write_run(root, "etf-demo", lr=0.2, epochs=2).finish()


def sparse(root):
    write_run(root, "seldom", epochs=8, every=3).finish()


def other_loop(root):
    write_run(root, "mine", method=None).finish()


def photographs(root):
    """Two runs of the same photographs, which may not be copied."""
    ids = [f"test-{name}" for name in voc07_lt_splits()["test"].ids[:90]]
    for name, embedding in (("voc-etf", "etf"), ("voc-own", "trainable")):
        write_run(root, name, embedding=embedding, dataset="voc07-lt", ids=ids).finish()


CATALOGUE = {
    maker.__name__: maker
    for maker in (
        none, one, full, running, no_epoch, lost, failed, broken, newer, damaged_arrays, damaged_samples,
        half_line, nothing_but_loss, nan, no_validation, slim, many_classes, analyzed, erm, mixed, sparse, other_loop,
        photographs,
    )
}  # fmt: skip


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory):
    """Return a function from the name of an odd situation to its runs folder."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name) / "runs"
            CATALOGUE[name](made[name])
        return made[name]

    return folder


@pytest.fixture
def opened(monkeypatch, catalogue):
    def open_page(page, situation):
        monkeypatch.setenv("MLCNC_RUNS", str(catalogue(situation)))
        monkeypatch.setattr("sys.argv", ["streamlit"])
        return AppTest.from_file(str(ROOT / "app" / page / "page.py"), default_timeout=30).run()

    return open_page


def words(page):
    kinds = (page.markdown, page.info, page.warning, page.caption, page.title, page.subheader)
    return " ".join(str(element.value) for kind in kinds for element in kind)


class DrawnChart(NamedTuple):
    """A chart of a page: its figure and Plotly's configuration as trees, and its description."""

    figure: dict
    config: dict
    alt: str


def charts(page):
    """Return the charts of a page or a part of it: those that stand still, then the players."""
    still = [
        DrawnChart(json.loads(chart.proto.spec), json.loads(chart.proto.config), chart.proto.alt)
        for chart in page.get("plotly_chart")
    ]
    components = [item.proto for item in page.get("bidi_component")]
    sent = [json.loads(item.json) for item in components if item.component_name == "mlcnc_player"]
    return still + [
        DrawnChart(json.loads(gzip.decompress(base64.b64decode(data["figure"]))), data["config"], data["alt"])
        for data in sent
    ]
