"""What a comparison supports, in a line: the order of recipes, over seeds and test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.overview.matrix import recipe_pairs
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.pairs import RULE, of_one_size, pairs_sentence
from mlcnc.analysis.comparison.seeds import SeedGroup, repeats_sentence, verdict
from mlcnc.analysis.runs.rows import BUCKETS
from mlcnc.store import Run


def show_answer(groups: Sequence[SeedGroup], bucket: str, runs: Mapping[str, Run], *, paired: bool) -> None:
    """Say who leads in a bucket, and whether seeds and test images support it.

    Args:
        groups: runs taken together.
        bucket: of classes.
        runs: by id.
        paired: whether a group is a recipe, whose seeds can be paired with another's.
    """
    same, others = of_one_size(groups) if paired else ([], [])
    if len(same) < 2:
        st.markdown(f"##### {plain(verdict(groups, bucket))}")
    else:
        found, problems = recipe_pairs(same, runs)
        st.markdown(f"##### {plain(pairs_sentence(found, BUCKETS.index(bucket)))}", help=RULE)
        if others:
            names = ", ".join(f"{group.name} on {group.dataset}" for group in others)
            st.caption(plain(f"Of another data set or size, so not in this order: {names}."))
        for problem in problems:
            st.warning(plain(f"Intervals leave out the choice of test images: {problem}."))
    if repeated := repeats_sentence(groups):
        st.caption(plain(repeated))
