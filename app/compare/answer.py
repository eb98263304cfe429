"""What a comparison supports, in a line: the order of recipes, over seeds and test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.overview.matrix import known_errors
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.pair_sentences import RULE, recipes_sentence, unequal_choice_sentence
from mlcnc.analysis.comparison.seeds import SeedGroup, by_dataset, map_sentence, repeats_sentence
from mlcnc.store import Run


def show_answer(groups: Sequence[SeedGroup], bucket: str, runs: Mapping[str, Run], *, paired: bool) -> str:
    """Say who leads in a bucket, and whether seeds and test images support it; return what was said.

    Args:
        groups: runs taken together.
        bucket: of classes.
        runs: by id.
        paired: whether a group is a recipe, whose seeds can be paired with another's.
    """
    errors_of = known_errors(runs)
    said = recipes_sentence(groups, errors_of, bucket) if paired else map_sentence(groups, bucket)
    st.markdown(f"##### {plain(said)}", help=RULE if paired else None)
    if paired and (alone := [own[0].dataset for own in by_dataset(groups) if len(own) == 1]):
        where = plain(" and ".join(alone))
        st.caption(f"Pick a run of another recipe on {where} in the sidebar; if there is none, train one.")
    if warning := unequal_choice_sentence(groups):
        st.caption(plain(warning))
    for sentence in errors_of.sentences:
        st.warning(plain(sentence))
    if repeated := repeats_sentence(groups):
        st.caption(plain(repeated))
    return said
