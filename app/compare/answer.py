"""What a comparison supports: the order over seeds, and the difference of two runs on the same test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.session import remembered
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.intervals import difference_sentence, map_difference
from mlcnc.analysis.comparison.seeds import SeedGroup, repeats_sentence, verdict
from mlcnc.analysis.comparison.setting_groups import leading_pair
from mlcnc.analysis.runs.rows import nearest_array_epoch
from mlcnc.errors import RunFormatError
from mlcnc.store import Run


def show_answer(groups: Sequence[SeedGroup], bucket: str, runs: Mapping[str, Run]) -> None:
    """Say who leads in a bucket, whether the seeds support it, and whether the test images alone do.

    Args:
        groups: runs taken together.
        bucket: of classes.
        runs: by id.
    """
    said = [plain(verdict(groups, bucket))]
    pair = leading_pair(groups, bucket)
    if pair is not None:
        said.append(_over_images(pair, bucket, runs))
    said.append(plain(repeats_sentence(groups)))
    st.markdown("\n".join(f"- {sentence}" for sentence in said if sentence))


def _over_images(pair: tuple[SeedGroup, SeedGroup], bucket: str, runs: Mapping[str, Run]) -> str:
    try:
        stored = [
            next((row for row in group.rows if runs[row.run_id].array_epochs("test/scores")), None)
            for group in pair
        ]
    except RunFormatError as error:
        return plain(error)
    first, second = stored
    if first is None or second is None:
        lacking = plain(pair[0 if first is None else 1].name)
        return (
            f"No run of {lacking} stored its test scores, so nothing is said about the choice of test images."
        )
    chosen = []
    for row in (first, second):
        run = runs[row.run_id]
        chosen.append((run, nearest_array_epoch(run, row.epoch, "test/scores") or 0))
    try:
        found = remembered(map_difference, chosen[0], chosen[1])
    except RunFormatError as error:
        return plain(error)
    if found is None or f"map_{bucket}" not in found:
        return "The leading runs stored no scores of the same test images, so these are not compared."
    at = [found_at[1] + 1 for found_at in chosen]
    epochs = f" One run each, at epochs {at[0]} and {at[1]}: scores of images are stored at some epochs only."
    return plain(difference_sentence(f"{bucket} mAP", first.name, second.name, found[f"map_{bucket}"])) + epochs
