"""The tables and figures of the paper, and studies: rows that are trained, and claims about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from mlcnc.analysis.comparison.bench import Entry, entries
from mlcnc.analysis.comparison.published import PublishedRow, published_rows
from mlcnc.config import ExperimentConfig, override
from mlcnc.evidence.claims import Claim
from mlcnc.evidence.quantities import ANGLES, CENTRINGS, COLLAPSE, MAP, MAP_AND_G
from mlcnc.original_recipes import original_config, original_name
from mlcnc.presets import ALIGNED, BENCHES, GLOVE_DIM, RACED, bench_config, preset

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
ALPHAS = (0.0, 0.5, 2.0, 10.0, 50.0, 100.0)
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
    """

    entry: Entry
    published: PublishedRow | None = None
    note: str = ""


@dataclass(frozen=True)
class Experiment:
    """A table, figure or study.

    Attributes:
        key: as the command line has it.
        title: as a page has it.
        question: that it answers.
        rows: from the data set to its rows.
        claims: from the data set and its rows to what is said of them.
        quantities: keys of what is reported of each row.
        raced: every row is trained at the rate that the recorded race chose for its method, if there was one.
    """

    key: str
    title: str
    question: str
    rows: Callable[[str], list[Row]]
    claims: Callable[[list[Row]], list[Claim]]
    quantities: Sequence[str] = MAP
    raced: bool = False


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
        entry: of the row.
        raced: take what the recorded race chose for its method.
    """
    if dataset in PAPER_SETS:
        return (base_config(dataset, entry.kind)[1].training.lr,)
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


def _aligned(dataset: str, kind: str) -> Entry:
    """Return a row whose features lie on their label embedding; its settings are those for photographs."""
    alpha = ALIGNED["method"]["alignment_weight"]
    settings: dict[str, Any] = {"label_embedding": kind, "alignment_weight": alpha, **_wide(dataset, kind)}
    if dataset != "voc07-lt":
        return _embedding(dataset, kind, alpha)
    # the decay by an update, which is what counts, stays that at every rate
    return variant(
        dataset, f"{EMBEDDINGS[kind]}, alpha {alpha:g}, half the decay", ALIGNED["training"], **settings
    )


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


def _gap(quantity: str, first: Row, second: Row) -> float | None:
    """Return by how much the paper has the first row above the second, None where it does not say."""
    name = quantity.removeprefix("map_")
    values = [None if row.published is None else row.published.values.get(name) for row in (first, second)]
    if values[0] is None or values[1] is None:
        return None
    return round(values[0] - values[1], 4)


def _above(quantity: str, first: Row, second: Row) -> Claim:
    """Return that the first row lies above the second, or below it where the paper has it so."""
    gap = _gap(quantity, first, second)
    higher = gap is None or gap >= 0
    where = {"map_total": "total mAP", "map_tail": "mAP of tail classes", "g_map": "G-mAP"}[quantity]
    one, other = (f'"{row.entry.name}"' if "," in row.entry.name else row.entry.name for row in (first, second))
    text = f"{one} {'above' if higher else 'below'} {other}: {where}"
    return Claim(
        text,
        quantity,
        first.entry.key,
        second.entry.key,
        higher=higher,
        published=None if gap is None else abs(gap),
    )


_PAPER_NAMES = {"focal": "Focal Loss", "cb_focal": "CB Focal"}


def _methods(table: str, dataset: str, kinds: Sequence[str] = ()) -> list[Row]:
    name = {"coco-lt": "COCO-LT", "vg200": "VG200"}.get(dataset, "VG200" if table == "Table 2" else "VOC-LT")
    rows = []
    for entry in entries(list(kinds), frozen=False):
        if "+" not in entry.key:
            title = "BCE" if table == "Table 2" and entry.key == "erm" else entry.name
            rows.append(Row(entry, _published(table, _PAPER_NAMES.get(entry.key, title), dataset=name)))
    return rows


def _table1(dataset: str) -> list[Row]:
    return _methods("Table 1", dataset)


def _table2(dataset: str) -> list[Row]:
    return _methods("Table 2", dataset, ("mlc_nc", "erm", "db", "db_focal", "asl", "urs", "mfm"))


def _first_above(*quantities: str) -> Callable[[list[Row]], list[Claim]]:
    def claims(rows: list[Row]) -> list[Claim]:
        first, *others = rows
        return [_above(quantity, first, other) for quantity in quantities for other in others]

    return claims


def _table3(dataset: str) -> list[Row]:
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


def _table4(dataset: str) -> list[Row]:
    published = {"etf": ("Table 3", "EGFL+FPC+BEC"), "trainable": ("Table 4", "trainable embedding")}
    published["glove"] = ("Table 4", "GloVe embedding")
    return [
        Row(row(kind), _published(published[kind][0], variant=published[kind][1]) if place == 0 else None)
        for place, row in enumerate(_weights(dataset))
        for kind in EMBEDDINGS
    ]


def _etf_above(*quantities: str) -> Callable[[list[Row]], list[Claim]]:
    """Return the claims that, of every three rows, the first lies above the two others."""

    def claims(rows: list[Row]) -> list[Claim]:
        threes = [rows[start : start + 3] for start in range(0, len(rows), 3)]
        return [
            _above(quantity, first, other)
            for quantity in quantities
            for first, *others in threes
            for other in others
        ]

    return claims


def _figure3(dataset: str) -> list[Row]:
    published = {"etf": "fixed ETF label embedding", "trainable": "trainable label embedding"}
    return [
        Row(row(kind), _published("Figure 3", variant=published[kind]) if place == 0 else None)
        for place, row in enumerate((_weights(dataset)[0], _weights(dataset)[-1]))
        for kind in published
    ]


def _figure3_claims(rows: list[Row]) -> list[Claim]:
    pairs = [rows[start : start + 2] for start in range(0, len(rows), 2)]
    return [
        Claim(
            f"{first.entry.name}: the class means of test f stand further apart than with {second.entry.name} "
            f"(mean angle, centring {centring})",
            f"angle_mean_{centring}",
            first.entry.key,
            second.entry.key,
            published=_gap("angle_degrees", first, second),
        )
        for first, second in pairs
        for centring in CENTRINGS
    ]


def _figure4(dataset: str) -> list[Row]:
    width = getattr(base_config(dataset, MLC_NC)[1].method, "embedding_dim", 768)
    found = []
    for p in (20, 64, 128, 256, 512, None):
        title = f"unprojected, {width} numbers" if p is None else f"p = {p}"
        published = _published("Figure 4", variant=f"projection dimension {p or 768}")
        if p is None or p < width:  # a wider one would not project
            found.append(Row(variant(dataset, title, projection_dim=p), published))
    return found


def _alpha(dataset: str) -> list[Row]:
    return [Row(_embedding(dataset, kind, alpha)) for kind in EMBEDDINGS for alpha in ALPHAS]


def _alpha_claims(rows: list[Row]) -> list[Claim]:
    found = []
    for start in range(0, len(rows), len(ALPHAS)):
        of_kind = dict(zip(ALPHAS, rows[start : start + len(ALPHAS)], strict=True))
        strong, weak = of_kind[STRONG_ALPHA], of_kind[PAPER_ALPHA]
        found += [_above("map_total", strong, weak), _above("map_tail", strong, weak)]
    return found


def _terminal(dataset: str) -> list[Row]:
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


def _terminal_claims(rows: list[Row]) -> list[Claim]:
    found = []
    for row in rows:
        claims = {
            "nc1_share": (0.1, False, "train NC1 of f falls below a tenth of its query-only null"),
            "alignment": (0.9, True, "train f aligns with the label embedding to 0.9"),
            "nc2_share": (1.0, False, "class means of train f are nearer to an ETF than random directions are"),
            "nc3": (0.9, True, "class means of train f lie on the label embedding, to a cosine of 0.9"),
            "nc1_moves": (0.05, False, "NC1 moves by less than 5 % over the last quarter"),
            "alignment_moves": (0.05, False, "the alignment moves by less than 5 % over the last quarter"),
        }
        found += [
            Claim(f"{row.entry.name}: {text}", quantity, row.entry.key, than=than, higher=higher)
            for quantity, (than, higher, text) in claims.items()
        ]
    return found


def _classifier(dataset: str) -> list[Row]:
    return [
        Row(variant(dataset, title, classifier=kind))
        for kind, title in (
            ("fixed", "plain ETF"),
            ("block_aligned", "block-aligned ETF"),
            ("init_only", "trained from an ETF"),
        )
    ]


def _query_norm(dataset: str) -> list[Row]:
    return [
        Row(variant(dataset, title, query_norm=norm))
        for norm, title in (
            (None, "norm sqrt(d)"),
            (1.0, "norm 1 (paper)"),
            (4.0, "norm 4"),
            (64.0, "norm 64"),
        )
    ]


def _objectness(dataset: str) -> list[Row]:
    return [
        Row(variant(dataset, f"offset {length:g}" if length else "simplex ETF", objectness=length))
        for length in (0.0, 0.5, 1.0, 2.0)
    ]


EXPERIMENTS: dict[str, Experiment] = {
    each.key: each
    for each in (
        Experiment(
            "table1", "Table 1: methods", "Is MLC-NC above the other methods?",
            _table1, _first_above("map_total", "map_tail"), MAP, raced=True,
        ),
        Experiment(
            "table2", "Table 2: methods by G-mAP", "Is MLC-NC above the other methods where G-mAP counts?",
            _table2, _first_above("map_total", "g_map"), MAP_AND_G, raced=True,
        ),
        Experiment(
            "table3", "Table 3: parts of MLC-NC", "Does each part of MLC-NC lift it?",
            _table3, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
        ),
        Experiment(
            "table4", "Table 4: label embeddings", "Is the fixed ETF the best label embedding?",
            _table4, _etf_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
        ),
        Experiment(
            "figure3", "Figure 3: angles between class means", "Does the ETF embedding spread the class means?",
            _figure3, _figure3_claims, (*ANGLES, *COLLAPSE),
        ),
        Experiment(
            "figure4", "Figure 4: dimension of the projection", "Is a narrow projection better?",
            _figure4, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
        ),
        Experiment(
            "alpha", "Weight of the alignment", "What does the alignment do as its weight grows?",
            _alpha, _alpha_claims, (*MAP, *COLLAPSE),
        ),
        Experiment(
            "terminal", "Terminal phase", "Do features collapse when trained ten times longer?",
            _terminal, _terminal_claims, (*COLLAPSE, "nc1_moves", "alignment_moves", *MAP),
        ),
        Experiment(
            "classifier", "ETF classifiers", "Does it matter how the ETF classifier meets the class features?",
            _classifier, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
        ),
        Experiment(
            "query_norm", "Norm of the queries", "Does it matter how long the label embedding is as a query?",
            _query_norm, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
        ),
        Experiment(
            "objectness", "Objectness of the label embedding", "Does a direction that all labels share help?",
            _objectness, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
        ),
    )
}  # fmt: skip
"""By key: the paper's tables and figures, then studies."""
