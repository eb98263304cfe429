"""Tables and figures of the paper, and studies: the question of each, its rows, and what is claimed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlcnc.evidence import rows
from mlcnc.evidence.claims import Claim
from mlcnc.evidence.quantities import ANGLES, CENTRINGS, COLLAPSE, MAP, MAP_AND_G
from mlcnc.evidence.rows import ALPHAS, PAPER_ALPHA, STRONG_ALPHA, Row

COLLAPSED = 0.1
"""Share of NC1 in that of as many images without the class, below which features are said to collapse."""


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
        over: title of the axis along which its rows make a curve; empty where they make none.
        raced: every row is trained at the rate that the recorded race chose for its method, if there was one.
        study: it is one of this project, of which the paper claims nothing.
    """

    key: str
    title: str
    question: str
    rows: Callable[[str], list[Row]]
    claims: Callable[[list[Row]], list[Claim]]
    quantities: Sequence[str] = MAP
    over: str = ""
    raced: bool = False
    study: bool = False


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


def _first_above(*quantities: str) -> Callable[[list[Row]], list[Claim]]:
    def claims(rows: list[Row]) -> list[Claim]:
        first, *others = rows
        return [_above(quantity, first, other) for quantity in quantities for other in others]

    return claims


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


def _alpha_claims(rows: list[Row]) -> list[Claim]:
    found = []
    for start in range(0, len(rows), len(ALPHAS)):
        of_kind = dict(zip(ALPHAS, rows[start : start + len(ALPHAS)], strict=True))
        strong, weak = of_kind[STRONG_ALPHA], of_kind[PAPER_ALPHA]
        found += [_above("map_total", strong, weak), _above("map_tail", strong, weak)]
    return found


def _terminal_claims(rows: list[Row]) -> list[Claim]:
    found = []
    for row in rows:
        claims = {
            "nc1_share": (COLLAPSED, False, "train NC1 of f falls below a tenth of its query-only null"),
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


EXPERIMENTS: dict[str, Experiment] = {
    each.key: each
    for each in (
        Experiment(
            "table1", "Table 1: methods", "Is MLC-NC above the other methods?",
            rows.table1_rows, _first_above("map_total", "map_tail"), MAP, raced=True,
        ),
        Experiment(
            "table2", "Table 2: methods by G-mAP", "Is MLC-NC above the other methods where G-mAP counts?",
            rows.table2_rows, _first_above("map_total", "g_map"), MAP_AND_G, raced=True,
        ),
        Experiment(
            "table3", "Table 3: parts of MLC-NC", "Does each part of MLC-NC lift it?",
            rows.table3_rows, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
        ),
        Experiment(
            "table4", "Table 4: label embeddings", "Is the fixed ETF the best label embedding?",
            rows.table4_rows, _etf_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
        ),
        Experiment(
            "figure3", "Figure 3: angles between class means", "Does the ETF embedding spread the class means?",
            rows.figure3_rows, _figure3_claims, (*ANGLES, *COLLAPSE),
        ),
        Experiment(
            "figure4", "Figure 4: dimension of the projection", "Is a narrow projection better?",
            rows.figure4_rows, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
            over="dimension p of the projection (the last: none)",
        ),
        Experiment(
            "alpha", "Weight of the alignment", "What does the alignment do as its weight grows?",
            rows.alpha_rows, _alpha_claims, (*MAP, *COLLAPSE),
            over="weight alpha of the alignment", study=True,
        ),
        Experiment(
            "terminal", "Terminal phase", "Do features collapse when trained ten times longer?",
            rows.terminal_rows, _terminal_claims, (*COLLAPSE, "nc1_moves", "alignment_moves", *MAP),
            study=True,
        ),
        Experiment(
            "classifier", "ETF classifiers", "Does it matter how the ETF classifier meets the class features?",
            rows.classifier_rows, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
            study=True,
        ),
        Experiment(
            "query_norm", "Norm of the queries", "Does it matter how long the label embedding is as a query?",
            rows.query_norm_rows, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
            over="norm of the queries", study=True,
        ),
        Experiment(
            "objectness", "Objectness of the label embedding", "Does a direction that all labels share help?",
            rows.objectness_rows, _first_above("map_total", "map_tail"), (*MAP, *COLLAPSE),
            over="length of the shared direction", study=True,
        ),
    )
}  # fmt: skip
"""By key: the paper's tables and figures, then studies."""
