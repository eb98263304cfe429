"""What is trained for a table, figure or study: its rows on a data set, and the settings they start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mlcnc.analysis.comparison.bench import Entry, entries
from mlcnc.analysis.comparison.published import PublishedRow, published_rows
from mlcnc.config import ExperimentConfig, override
from mlcnc.original_recipes import original_config, original_name
from mlcnc.presets import ALIGNED, ALIGNED_SCENES, BENCHES, GLOVE_DIM, RACED, bench_config, preset

MLC_NC = "mlc_nc"
RATES = (0.0005, 0.001, 0.002)
"""Learning rates that are tried of every variant of MLC-NC, on validation images at the first seed."""

PAPER_SETS: dict[str, dict[str, Any]] = {
    "voc-lt": {},
    "coco-lt": {"data": {"dataset": "coco-lt", "num_samples": 22_560, "test_images": "labelled"}},
    "vg200": {
        "data": {"dataset": "vg200", "num_samples": 13_900, "augmentation": "vg200", "image_size": 448},
    },
}
"""Data sets of the paper, on which methods keep their authors' recipe, with what is not that of VOC-LT."""

DATASETS = (*BENCHES, "pictogram-balanced", *PAPER_SETS)

EMBEDDINGS = {"etf": "ETF", "trainable": "trainable", "glove": "GloVe"}
ALPHAS = (0.0, 0.5, 10.0, 50.0, 100.0)
PAPER_ALPHA = 0.5
STRONG_ALPHA = 50.0
LONGER = 10
"""How many times longer the terminal phase is trained than the recipe of its data set."""


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        entry: what is trained.
        published: the paper's row; None where it has none.
        note: what a reader must know of it, a sentence without a full stop; may be empty.
        at: the setting that rows differ in, as the axis of a curve has it; empty where rows make no curve.
        series: which curve it belongs to, where there are several.
    """

    entry: Entry
    published: PublishedRow | None = None
    note: str = ""
    at: str = ""
    series: str = ""


def base_config(dataset: str, kind: str) -> tuple[str, ExperimentConfig]:
    """Return the preset and the settings from which the rows of a method depart on a data set.

    Args:
        dataset: one of :data:`DATASETS`.
        kind: of the method.
    """
    if dataset in BENCHES:
        return BENCHES[dataset], bench_config(dataset, kind)
    if dataset == "pictogram-balanced":
        return BENCHES["pictogram-lt"], override(
            bench_config("pictogram-lt", kind), {"data": {"dataset": dataset}}
        )
    if kind == MLC_NC:
        return dataset, preset(dataset)
    changes = PAPER_SETS[dataset]
    return original_name(kind), override(original_config(kind), changes)


def rates_of(dataset: str, entry: Entry, *, raced: bool = False) -> tuple[float, ...]:
    """Return the learning rates that are tried of a row.

    Args:
        dataset: on one of the paper, which has no validation images, that of the recipe alone.
        entry: of the row; one that is there to be aligned has the rate at which it is.
        raced: take what the recorded race chose for its method.
    """
    if dataset in PAPER_SETS:
        return (base_config(dataset, entry.kind)[1].training.lr,)
    if _is_aligned(entry):
        return (ALIGNED_RATE,)
    found = RACED.get(dataset, {}).get(entry.kind) if raced else None
    return RATES if found is None else (found.rate,)


def variant(dataset: str, title: str, training: Mapping[str, Any] | None = None, **method: Any) -> Entry:
    """Return a row of MLC-NC; one of equal settings has an equal key, whatever experiment asks for it.

    Args:
        dataset: settings that its recipe has anyway are left out of the key.
        title: of the row.
        training: settings of the training that differ.
        method: settings of the method that differ.
    """
    usual = base_config(dataset, MLC_NC)[1].method.model_dump()
    changed = {name: value for name, value in method.items() if usual[name] != value}
    # the number of heads goes with the width
    words = [_word(name, value) for name, value in sorted(changed.items()) if name != "num_heads"]
    words += [
        f"{_TRAINING_WORDS[name]}{value:g}"
        for name, value in sorted((training or {}).items())
        if name in _TRAINING_WORDS
    ]
    changes: dict[str, Any] = {"method": changed} if changed else {}
    if training:
        changes["training"] = dict(training)
    return Entry(title, "+".join([MLC_NC, *words]), changes)


_TRAINING_WORDS = {"epochs": "e", "weight_decay": "wd"}
_WORDS = {
    "label_embedding": "{}", "alignment_weight": "a{:g}", "calibration_weight": "b{:g}",
    "dropout": "drop{:g}", "classifier": "{}", "projection_dim": "p{}", "queries": "{}_queries",
    "query_norm": "norm{:g}", "objectness": "objectness{:g}", "embedding_dim": "d{}",
    "warmup_epochs": "warm{}",
}  # fmt: skip


def _word(name: str, value: Any) -> str:
    if value is None:
        return {"projection_dim": "unprojected", "query_norm": "norm_sqrt_d"}[name]
    return _WORDS[name].format(value)


def _wide(dataset: str, kind: str = "glove") -> dict[str, Any]:
    """Return the width that a comparison of label embeddings gives all of its rows, that of the GloVe file."""
    # on data sets of the paper only GloVe's rows depart from the recipe, as the paper's Table 4 does
    if dataset in PAPER_SETS and kind != "glove":
        return {}
    return {"embedding_dim": GLOVE_DIM, "num_heads": 10}


ALIGNED_ROWS = {
    "voc07-lt": (ALIGNED, "half the decay"),
    "pictogram-lt": (ALIGNED_SCENES, "decay 1, three times the epochs"),
}
"""Settings under which train f aligns to 0.9 at :data:`ALIGNED_RATE`, and what a row says of them."""

ALIGNED_RATE = 0.001
"""Of these rows: a lower one, which validation images prefer on voc07-lt, leaves features unaligned."""


def _aligned(dataset: str, kind: str) -> Entry:
    """Return a row whose features lie on their label embedding, on the data sets where it is known how."""
    changes, told = ALIGNED_ROWS.get(dataset, (ALIGNED, ""))
    alpha = changes["method"]["alignment_weight"]
    if not told:
        return _embedding(dataset, kind, alpha)
    title = f"{EMBEDDINGS[kind]}, alpha {alpha:g}, {told}"
    settings: dict[str, Any] = {"label_embedding": kind, "alignment_weight": alpha, **_wide(dataset, kind)}
    return variant(dataset, title, changes["training"], **settings)


def _is_aligned(entry: Entry) -> bool:
    return entry.changes.get("training") in [changes["training"] for changes, _ in ALIGNED_ROWS.values()]


def _embedding(dataset: str, kind: str, alpha: float) -> Entry:
    settings: dict[str, Any] = {"label_embedding": kind, "alignment_weight": alpha, **_wide(dataset, kind)}
    if alpha == 0:
        settings["warmup_epochs"] = 0  # the warm-up trains nothing but the alignment
    return variant(dataset, f"{EMBEDDINGS[kind]}, alpha {alpha:g}", **settings)


def _published(
    table: str, method: str = "MLC-NC", variant: str = "", dataset: str = "VOC-LT"
) -> PublishedRow | None:
    for row in published_rows():
        if (
            (row.table, row.dataset) == (table, dataset)
            and row.method == method
            and variant in (row.variant, "")
        ):
            return row
    return None


_PAPER_NAMES = {"focal": "Focal Loss", "cb_focal": "CB Focal"}


def _methods(table: str, dataset: str, kinds: Sequence[str] = ()) -> list[Row]:
    name = {"coco-lt": "COCO-LT", "vg200": "VG200"}.get(dataset, "VG200" if table == "Table 2" else "VOC-LT")
    rows = []
    for entry in entries(list(kinds), frozen=False):
        if "+" not in entry.key:
            title = "BCE" if table == "Table 2" and entry.key == "erm" else entry.name
            rows.append(Row(entry, _published(table, _PAPER_NAMES.get(entry.key, title), dataset=name)))
    return rows


def table1_rows(dataset: str) -> list[Row]:
    return _methods("Table 1", dataset)


def table2_rows(dataset: str) -> list[Row]:
    return _methods("Table 2", dataset, ("mlc_nc", "erm", "db", "db_focal", "asl", "urs", "mfm"))


def table3_rows(dataset: str) -> list[Row]:
    def row(title: str, published: str, note: str, **method: Any) -> Row:
        return Row(variant(dataset, title, **method), _published("Table 3", variant=published), note)

    no_alignment = {"alignment_weight": 0.0, "warmup_epochs": 0}
    return [
        row("MLC-NC", "EGFL+FPC+BEC", ""),
        row(
            "without EGFL, as worded",
            "FPC+BEC (no EGFL)",
            "no label guides the features: learned queries, no alignment",
            label_embedding="trainable",
            **no_alignment,
        ),
        row(
            "without EGFL, by its weight",
            "FPC+BEC (no EGFL)",
            "the ETF still attends; the alignment weighs nothing",
            **no_alignment,
        ),
        row(
            "without FPC, as worded",
            "EGFL+BEC (no FPC)",
            "neither projection nor calibration",
            projection_dim=None,
            calibration_weight=0.0,
        ),
        row(
            "without FPC, by its weight",
            "EGFL+BEC (no FPC)",
            "the projection stays; the calibration weighs nothing",
            calibration_weight=0.0,
        ),
        row(
            "without BEC, as worded",
            "EGFL+FPC (no BEC)",
            "a trainable linear classifier a class, no concatenation",
            classifier="linear",
        ),
        row(
            "without BEC, as the code does",
            "EGFL+FPC (no BEC)",
            "the same, and learned queries attend while features align to the ETF",
            classifier="linear",
            queries="trainable",
        ),
    ]


def _weights(dataset: str) -> list[Callable[[str], Entry]]:
    """Return, for three weights of the alignment, what makes a row of a label embedding."""
    plain = [partial(_embedding, dataset, alpha=alpha) for alpha in (PAPER_ALPHA, STRONG_ALPHA)]
    return [*plain, partial(_aligned, dataset)]


def table4_rows(dataset: str) -> list[Row]:
    published = {"etf": ("Table 3", "EGFL+FPC+BEC"), "trainable": ("Table 4", "trainable embedding")}
    published["glove"] = ("Table 4", "GloVe embedding")
    return [
        Row(
            entry := row(kind),
            _published(published[kind][0], variant=published[kind][1]) if place == 0 else None,
            "at the rate at which train f aligns, not a tuned one" if _is_aligned(entry) else "",
        )
        for place, row in enumerate(_weights(dataset))
        for kind in EMBEDDINGS
    ]


def figure3_rows(dataset: str) -> list[Row]:
    published = {"etf": "fixed ETF label embedding", "trainable": "trainable label embedding"}
    return [
        Row(row(kind), _published("Figure 3", variant=published[kind]) if place == 0 else None)
        for place, row in enumerate((_weights(dataset)[0], _weights(dataset)[-1]))
        for kind in published
    ]


def figure4_rows(dataset: str) -> list[Row]:
    width = getattr(base_config(dataset, MLC_NC)[1].method, "embedding_dim", 768)
    found = []
    for p in (20, 64, 128, 256, 512, None):
        title = f"unprojected, {width} numbers" if p is None else f"p = {p}"
        published = _published("Figure 4", variant=f"projection dimension {p or 768}")
        if p is None or p < width:  # a wider one would not project
            at = str(width) if p is None else str(p)
            found.append(Row(variant(dataset, title, projection_dim=p), published, at=at))
    return found


def alpha_rows(dataset: str) -> list[Row]:
    return [
        Row(_embedding(dataset, kind, alpha), at=f"{alpha:g}", series=name)
        for kind, name in EMBEDDINGS.items()
        for alpha in ALPHAS
    ]


def terminal_rows(dataset: str) -> list[Row]:
    epochs = LONGER * base_config(dataset, MLC_NC)[1].training.epochs
    # at a constant rate: under one that falls to nothing, everything stops moving
    training = {
        "epochs": epochs, "measure_every": epochs // 20, "arrays_every": epochs // 20, "schedule": "step",
    }  # fmt: skip
    return [
        Row(
            variant(
                dataset,
                f"ETF, alpha {alpha:g}, {epochs} epochs",
                training,
                alignment_weight=alpha,
                **_wide(dataset),
            )
        )
        for alpha in (PAPER_ALPHA, STRONG_ALPHA)
    ]


def classifier_rows(dataset: str) -> list[Row]:
    return [
        Row(variant(dataset, title, classifier=kind))
        for kind, title in (
            ("fixed", "plain ETF"),
            ("block_aligned", "block-aligned ETF"),
            ("init_only", "trained from an ETF"),
        )
    ]


def query_norm_rows(dataset: str) -> list[Row]:
    return [
        Row(variant(dataset, title, query_norm=norm), at=at)
        for norm, title, at in (
            (1.0, "norm 1 (paper)", "1"),
            (4.0, "norm 4", "4"),
            (None, "norm sqrt(d)", "sqrt(d)"),
            (64.0, "norm 64", "64"),
        )
    ]


def objectness_rows(dataset: str) -> list[Row]:
    return [
        Row(
            variant(dataset, f"offset {length:g}" if length else "simplex ETF", objectness=length),
            at=f"{length:g}",
        )
        for length in (0.0, 0.5, 1.0, 2.0)
    ]
