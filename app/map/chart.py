"""The chart of the feature map with its selection or its player, and the words beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.feature_map import (
    Colouring,
    colour_by_bucket,
    colour_by_class,
    colour_by_outcome,
    colour_by_placement,
    feature_map,
    feature_map_player,
)
from app.figures.style import recipe_colour
from app.map.selection import carried_samples, chart_key, selected_samples, take_selection
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.player import show_player
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.analysis.samples.layouts import (
    Layout,
    SampleTable,
    layout_command,
    pca_layout,
    sample_table,
    umap_layout,
)
from mlcnc.analysis.samples.placement import Outcomes, Placement, placement_sentence
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

READING = """Each mark is one class in one image: the feature that the network computes for that class there,
or, of a space with one feature for an image, that one, at every class it has.
**Circles** are of head, **squares** of medium, **triangles** of tail classes; the name of a class stands
above its densest place, or tied to it by a line: it may have points elsewhere too.

**Misplaced**: in feature space the mean of another class is nearer (Euclidean) than the mean of its
own class, means of all pairs of the same split. **Missed**: the score is below the threshold of the
class, the one with the best F1 on validation. Images of train have no stored scores.

**PCA** is a linear picture: distances in it are real, but what lies along other directions is lost;
its axes are those of the last stored epoch throughout. **UMAP** keeps who is near whom; the size of
its clusters, the gaps between them and its axes mean little. Who is misplaced and who is near whom
is computed in feature space, never in the picture."""


def runs_with_samples(
    picked: Sequence[tuple[Run, RunRow]],
) -> dict[str, tuple[Run, str, str, SampleTable]]:
    """Return by id the runs that kept samples, with name, colour and table; say what the others lack."""
    found = {}
    for run, row in picked:
        try:
            table = remembered(sample_table, run) if run.array_epochs() else None
        except RunFormatError as error:
            st.warning(plain(error))
            continue
        if table is None:
            st.info(
                f"{plain(row.name)} kept no samples of features; train with --training.arrays_every 5 and "
                "--training.num_sample_pairs 400 to keep some."
            )
        else:
            found[run.run_id] = (run, row.name, recipe_colour(row), table)
    return found


def pick_layout(run: Run, space: str, method: str) -> Layout | None:
    """Return the layout to draw; PCA where no UMAP is stored, with the command that makes one.

    Raises:
        RunFormatError: a file is damaged.
    """
    if method == "UMAP":
        layout = remembered(umap_layout, run, space)
        if layout is not None:
            return layout
        st.info(
            f"No UMAP of {space} is stored for this run, so PCA is shown. This makes one in about a minute:"
        )
        st.code(layout_command(run, space), language="bash")
    return remembered(pca_layout, run, space)


def coloured(
    by: str, table: SampleTable, record: Placement, found: Outcomes | None, focus: int, own_colour: str
) -> Colouring:
    """Return the kinds of points that the control *Colour by* asks for.

    Args:
        by: one of ``COLOURINGS``.
        table, record, found: what is known of the samples.
        focus: the class that is set against all others.
        own_colour: of the run, for that class.
    """
    if by == "class":
        return colour_by_class(table, focus, own_colour)
    if by == "error":
        return colour_by_outcome(found, len(table.split))
    return colour_by_bucket(table) if by == "bucket" else colour_by_placement(table, record)


def draw_map(
    layout: Layout,
    table: SampleTable,
    record: Placement,
    colouring: Colouring,
    named: Sequence[int],
    *,
    view: str,
    frame: pd.DataFrame,
) -> tuple[int, ...]:
    """Draw the map of one epoch and return the selected samples, rising.

    Args:
        layout, table, colouring, named: as of ``feature_map``.
        record: of the samples drawn.
        view: run and settings in a few words: another view is another figure.
        frame: the plotted numbers.
    """
    selected = selected_samples(table, record.split)
    carried = carried_samples(view, selected)
    key = chart_key(view, carried)
    figure = drawing_of(
        feature_map,
        layout,
        table,
        record.samples,
        colouring,
        record.epoch,
        named=named,
        chosen=tuple(sorted(carried)),
    )
    show_chart(
        figure,
        key=key,
        title=caption(layout, record),
        alt=f"Map of {len(record.samples)} sampled pairs. {placement_sentence(record)}",
        reading=READING,
        frame=frame,
        on_select=lambda: take_selection(key),
    )
    return selected_samples(table, record.split)


def play_map(
    layout: Layout,
    table: SampleTable,
    record: Placement,
    colouring: Colouring,
    named: Sequence[int],
    *,
    view: str,
    frame: pd.DataFrame,
) -> tuple[int, ...]:
    """Draw the map with a player over all epochs and return the samples selected before, which it follows."""
    selected = selected_samples(table, record.split)
    show_player(
        drawing_of(
            feature_map_player,
            layout,
            table,
            record.samples,
            colouring,
            start=len(layout.epochs) - 1,
            named=named,
            chosen=tuple(sorted(selected)),
        ),
        key=chart_key(f"{view}_player", selected),
        title=caption(layout, record),
        alt=f"Map of {len(record.samples)} sampled pairs over {len(layout.epochs)} epochs. "
        f"{placement_sentence(record)}",
        reading=READING,
        frame=frame,
    )
    return selected


def caption(layout: Layout, record: Placement) -> str:
    """Return method, parameters and numbers of a map in one line."""
    return (
        f"{layout.words}; {len(record.samples)} of {layout.coordinates.shape[1]} sampled pairs, those of "
        f"{record.split}; space {record.space}."
    )


def map_frame(layout: Layout, table: SampleTable, record: Placement, found: Outcomes | None) -> pd.DataFrame:
    """Return one line a drawn sample: what it is, where it lies, and how."""
    rows = record.samples
    points = layout.at(record.epoch)[rows]
    labels = table.class_index[rows]
    names = np.array(table.class_names)
    return pd.DataFrame(
        {
            "sample": rows,
            "split": record.split,
            "image": table.image_index[rows],
            "class": names[labels],
            "bucket": np.array(table.buckets)[labels],
            "epoch": record.epoch + 1,
            "x": points[:, 0],
            "y": points[:, 1],
            "nearest_class_mean": names[record.nearest],
            "misplaced": record.misplaced,
            "outcome": [found.words[row] for row in rows] if found else "no score",
        }
    )


def placement_frame(record: Placement) -> pd.DataFrame:
    """Return one line a class, the largest share of misplaced samples first."""
    return pd.DataFrame(
        [
            {
                "class": item.name,
                "bucket": item.bucket,
                "training images": item.class_count,
                "pairs": item.num_pairs,
                "misplaced": 100 * item.all_pairs_share,
                "sampled": item.num_samples,
                "misplaced samples": item.num_misplaced,
                "most often nearer to": item.most_often or "",
            }
            for item in record.classes
        ]
    )
