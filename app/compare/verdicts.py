"""Verdicts on claims of recorded results: how many there are of each, and where runs fall short of a claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.widgets.plain_text import plain
from mlcnc.evidence.claims import Shortfall, published_is_inside, shortfall
from mlcnc.evidence.experiments import EXPERIMENTS
from mlcnc.evidence.quantities import QUANTITIES

SIDES = ("mean", "low", "high", "published")
SMALLER_PIXELS = 420
"""Height of the list of claims that are smaller than published, in which longer ones scroll."""


ORDER = ("reproduced", "not reproduced", "undecided", "not testable here")


def headline(trees: Sequence[Mapping[str, Any]]) -> str:
    """Return how many claims of the paper were reproduced on each data set, and of studies in all.

    Args:
        trees: all results.
    """
    papers = [tree for tree in trees if not is_study(tree)]
    told = [
        f"on {name} {_counts(claim for tree in papers if tree['dataset'] == name for claim in tree['claims'])}"
        for name in dict.fromkeys(tree["dataset"] for tree in papers)
    ]
    parts = [f"Claims of the paper: {'; '.join(told)}."] if told else []
    if studies := [claim for tree in trees if is_study(tree) for claim in tree["claims"]]:
        parts.append(f"Of our own studies: {_counts(studies)}.")
    return " ".join(parts)


def _counts(claims: Iterable[Mapping[str, Any]]) -> str:
    counts = Counter(claim["verdict"] for claim in claims)
    return ", ".join(f"{counts[label]} {label}" for label in ORDER if counts[label])


def verdict_sentence(trees: Sequence[Mapping[str, Any]]) -> str:
    """Return how many claims have which verdict, those of the paper apart from those of studies.

    Of differences that the paper publishes, it says how many intervals of the runs exclude them.

    Args:
        trees: results on one data set.
    """
    parts: list[str] = []
    for study, whose in ((False, "of the paper"), (True, "of our own studies")):
        claims = [claim for tree in trees if is_study(tree) == study for claim in tree["claims"]]
        inside = [held for claim in claims if (held := published_is_inside(claim)) is not None]
        if claims:
            number, told = len(claims), _counts(claims)
            of = f"of {number} {whose}" if parts else f"Of {number} claims {whose} on {trees[0]['dataset']}"
            outside = f"{inside.count(False)} of {len(inside)} intervals exclude the published difference"
            parts.append(f"{of}: {told}{f'; {outside}' if inside else ''}")
    return f"{'; '.join(parts)}."


def short_claims(trees: Sequence[Mapping[str, Any]], kind: Shortfall) -> list[str]:
    """Return claims that the runs fall short of in one way, a line an experiment and what they are about."""
    found: dict[str, list[str]] = {}
    for tree in trees:
        for claim in tree["claims"]:
            if shortfall(claim) == kind:
                text, _, about = claim["text"].rpartition(": ")
                value = f"{claim['mean']:+.{QUANTITIES[claim['quantity']].digits}f}".replace("-", "\u2212")
                found.setdefault(f"{_where(tree)}, {about}", []).append(f"{text} ({value})")
    return [f"{where}: {'; '.join(claims)}" for where, claims in found.items()]


def smaller_frame(trees: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a line a claim whose published difference lies above the interval, with both."""
    return pd.DataFrame(
        [
            {"results": _where(tree), "claim": claim["text"]} | {key: claim[key] for key in SIDES}
            for tree in trees
            for claim in tree["claims"]
            if shortfall(claim) == "smaller than published"
        ]
    )


def show_shortfalls(trees: Sequence[Mapping[str, Any]]) -> None:
    """List claims that were not reproduced, are smaller than published, or contradicted by one seed."""
    failed, contradicted = (
        short_claims(trees, kind) for kind in ("not reproduced", "contradicted by one seed")
    )
    smaller = smaller_frame(trees)
    if not (failed or contradicted or len(smaller)):
        return
    with st.popover("What was not reproduced", icon=":material/fact_check:"):
        if failed:
            st.markdown("\n".join(f"- {plain(line)}" for line in failed))
        if len(smaller):
            st.markdown("**Smaller than published: the published difference lies above the interval**")
            st.dataframe(
                smaller,
                hide_index=True,
                height=min(SMALLER_PIXELS, 37 + 35 * len(smaller)),
                alt="Claims whose published difference lies above our 95 % interval over seeds, with both",
                key="smaller",
                placeholder="",
                column_config={
                    "results": st.column_config.Column(width=235),
                    "claim": st.column_config.Column(width=330),
                    **{name: st.column_config.NumberColumn(format="%+.2f", width=75) for name in SIDES},
                },
            )
        if contradicted:
            st.markdown("**One seed, no interval: the value contradicts the claim**")
            st.markdown("\n".join(f"- {plain(line)}" for line in contradicted))
        st.caption(
            "In brackets, and as mean: our mean difference in the direction of the claim. Low and high: its "
            "95 % interval over seeds."
        )


def _where(tree: Mapping[str, Any]) -> str:
    return f"{tree['title']}{' (our study)' if is_study(tree) else ''}, on {tree['dataset']}"


def is_study(tree: Mapping[str, Any]) -> bool:
    """Return whether results are of a study that the paper does not have."""
    return EXPERIMENTS[tree["experiment"]].study
