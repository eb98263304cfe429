"""How the features of every class point to the label embeddings, at the epoch of the page's player."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from app.figures.alignment import alignment_dots
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.verdict import show_verdicts
from mlcnc.analysis.geometry.alignment import (
    PARTS,
    AlignmentRecord,
    alignment_sentence,
    class_alignment,
)
from mlcnc.analysis.geometry.variability import data_sets
from mlcnc.analysis.runs.rows import RunRow, nearest_array_epoch
from mlcnc.analysis.verdict import Verdict, carry_over_sentence
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

READING = (
    "For every class the mean cosine of its features with label embeddings, over the images that have the "
    "class (above) and over those that do not (below): **marks** with the label embedding of the class "
    "itself, **short lines** with those of the other classes, on average. Circles are head, squares medium, "
    "triangles tail classes.\n\nThe **dashed line** is where the alignment loss (Eq. 6) is least: 1 with the "
    "class, -1/(C-1) without. What says something is the gap between marks above and below: the same "
    "label embedding asks every image, so that features of images **without** the class show what asking "
    "alone gives. In a comparison of label embeddings with a low alignment, the embedding has not been "
    "learned from."
)


def show_alignment(
    shown: Sequence[tuple[Run, RunRow]],
    epoch: int,
    *,
    split: str,
    spaces: Mapping[str, str],
) -> None:
    """Say of each run whether it is aligned, and draw the cosines of every class, or say why it has none.

    The verdict is on training features, on which the alignment loss works, where the run stored their cosines.

    Args:
        shown: one or two runs.
        epoch: of the player, from 0; of each run the nearest one that stored its cosines is shown.
        split: of the features.
        spaces: of the features, by run.
    """
    st.subheader("Alignment with the label embedding")
    drawn: list[tuple[RunRow, AlignmentRecord]] = []
    judged: list[AlignmentRecord] = []
    carried: list[str] = []
    for run, row in shown:
        space = spaces[run.run_id]
        try:
            record = _nearest(run, epoch, split, space)
            of_training, of_test = (_nearest(run, epoch, of, space) for of in ("train", "test"))
        except RunFormatError as error:
            st.warning(plain(error))
            continue
        if record is not None:
            drawn.append((row, record))
            judged.append(of_training or record)
            train, test = (None if of is None else of.verdict for of in (of_training, of_test))
            carried.append(carry_over_sentence(train, test))
        elif not row.embedding:
            st.caption(
                f"{plain(row.name)} is a run of {plain(row.method_title)}, which has no label embedding."
            )
        else:
            st.caption(
                f"{plain(row.name)} has no cosines of {split} features {plain(space)} with the label "
                "embedding: it was recorded before they were measured, or its label embedding lies in "
                "another space."
            )
    if not drawn:
        return
    show_verdicts(
        [(row.name, _verdict_of(record)) for (row, _), record in zip(drawn, judged, strict=True)],
        "alignment",
        when=[f"epoch {record.epoch + 1}" for record in judged],
        of=[f"{record.split} {record.space}" for record in judged],
    )
    for (row, _), said in zip(drawn, carried, strict=True):
        if said:
            st.markdown(f"**{plain(row.name)}**: {plain(said)}")
    sentences = [
        f"{row.name}, epoch {record.epoch + 1}: {alignment_sentence(record)}." for row, record in drawn
    ]
    st.markdown("  \n".join(plain(sentence) for sentence in sentences))
    for turn, places in enumerate(data_sets([record for _, record in drawn])):
        group = [drawn[place] for place in places]
        show_chart(
            drawing_of(alignment_dots, group),
            key=f"alignment_{turn + 1}" if turn else "alignment",
            title="Cosine of class-wise features with label embeddings",
            alt=" ".join(sentences[place] for place in places),
            reading=READING,
            frame=partial(alignment_frame, group),
        )


def _nearest(run: Run, epoch: int, split: str, space: str) -> AlignmentRecord | None:
    at = remembered(nearest_array_epoch, run, epoch, f"{split}.{space}/alignment")
    return None if at is None else remembered(class_alignment, run, at, split=split, space=space)


def _verdict_of(record: AlignmentRecord) -> Verdict | None:
    found = record.verdict
    return found and found._replace(text=f"{record.split} features {record.space}, {found.text}")


def alignment_frame(drawn: Sequence[tuple[RunRow, AlignmentRecord]]) -> pd.DataFrame:
    """Return the drawn cosines: a row a class and run."""
    parts = [
        pd.DataFrame(
            {
                "run": row.run_id,
                "stored epoch shown": record.epoch + 1,
                "split": record.split,
                "space": record.space,
                "class": record.class_names,
                "bucket": record.buckets,
                "training images": record.train_counts,
                **{
                    name.replace("_", ", "): cosines
                    for name, cosines in zip(PARTS, record.cosines, strict=True)
                },
            }
        )
        for row, record in drawn
    ]
    return pd.concat(parts, ignore_index=True)
