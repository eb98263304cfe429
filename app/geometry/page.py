"""Geometry: how close is a run to a simplex ETF, and which classes are not?"""

from functools import partial

import streamlit as st

from app.figures.angle_matrix import reach_of, reach_sentence
from app.figures.geometry import GeometryPanel, geometry_player, most_frames
from app.geometry.alignment import show_alignment
from app.geometry.arrows import show_arrows
from app.geometry.tables import angle_frame, show_answers, show_closest_pairs
from app.session import remembered
from app.widgets.controls import Split, pick_centring, pick_pair, pick_space, pick_split, toolbar
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.player import show_player
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from app.widgets.verdict import show_verdicts
from mlcnc.analysis.geometry.angle_course import QUANTITIES, Quantity, angle_course
from mlcnc.analysis.geometry.angle_history import SUBJECTS, Subject, angle_history
from mlcnc.analysis.geometry.angles import Centring, geometry_sentence
from mlcnc.analysis.geometry.class_order import CLASS_ORDERS, ClassOrder, ordered_classes, reordered
from mlcnc.analysis.runs.history import shown_epochs
from mlcnc.analysis.runs.rows import FIRST_SPACE
from mlcnc.analysis.runs.spaces import offered_spaces, space_for, spaces_sentence, spaces_with_means

READING = (
    "Rows and columns of the **matrix** are classes in one order for both runs; by frequency, lines "
    "separate head, medium and tail. White is the angle of a simplex ETF, blue too close, brown too far "
    "apart; the scale is the same for every run, wider where at some epoch most angles lie beyond it. The "
    "**histogram** counts pairs of classes in steps of three degrees; the dashed line is the ETF, the "
    "dotted outline what as many random directions of the same dimension give. The curve is the **smallest "
    "angle**, or the **Gram distance** (under *More*), at every epoch that measured it, marked where the "
    "slider stands; epoch 0 is the untrained network. The dashed line "
    "is the ETF, the grey band holds 95 % of draws of random directions. How tightly features lie around "
    "their mean is on the page Variability.\n\nThe **mean** angle "
    "of class-centred means is no evidence: such means sum to zero, and with equal norms their mean "
    "cosine is that of an ETF whatever the geometry. Read the smallest angle, the spread and the Gram "
    "distance instead. Uncentred angles move with a direction that all class means share.\n\nA mean of "
    "few features is noise in part: look at the number of features of a pair before believing its angle. "
    "Slider, arrow keys and play move all parts at once; the texts follow when it comes to rest."
)

st.title("How close to a simplex ETF, and which classes are not?")
selected = selection()
stop_without_runs(selected)
with toolbar() as more:
    pair = pick_pair(selected.picked)
    subject: Subject = st.segmented_control(
        "Angles between", SUBJECTS, default=SUBJECTS[0], required=True, key="of", bind="query-params"
    )
split: Split = "test"
centring: Centring = "class"
stored = [(row.name, remembered(spaces_with_means, run)) for run, row in pair]
space = next(iter(offered_spaces([spaces for _, spaces in stored])), FIRST_SPACE)
with more():
    order: ClassOrder = st.segmented_control(
        "Order of classes",
        CLASS_ORDERS,
        default=CLASS_ORDERS[0],
        required=True,
        key="order",
        bind="query-params",
        help="frequency: most training images first. cluster: classes with small angles in the first run, at "
        "its last stored epoch, are neighbours. name: alphabetical. Both runs are drawn in the same order.",
    )
    quantity: Quantity = st.segmented_control(
        "Curve of",
        QUANTITIES,
        default=QUANTITIES[0],
        required=True,
        key="course",
        bind="query-params",
        help="smallest angle: that of the closest pair; no other vectors have so large a one as an ETF. Gram "
        "distance: of all angles and lengths to those of an ETF, 0 for one; of class means centred by class.",
    )
    if subject == "class means":
        centring, split, space = pick_centring(), pick_split(), pick_space([s for _, s in stored])
        st.caption(plain(spaces_sentence(stored, space)))
own_space = {run.run_id: space_for(spaces, space) for (run, _), (_, spaces) in zip(pair, stored, strict=True)}

histories = [
    (
        run,
        row,
        remembered(
            angle_history, run, subject=subject, split=split, space=own_space[run.run_id], centring=centring
        ),
    )
    for run, row in pair
]
for _, row, history in histories:
    for problem in history.problems:
        st.warning(plain(f"{row.name}: {problem}."))
    if subject == "label embedding" and row.method != "?" and not row.embedding:
        st.info(f"{plain(row.name)} is a run of {plain(row.method_title)}, which has no label embedding.")
    elif not history.records and not history.problems:
        st.info(
            f"{plain(row.name)} stored no features of negatives, which centring 'all' needs; choose another "
            "centring."
            if centring == "all" and history.has_arrays
            else f"{plain(row.name)} stored no such arrays, so there are no angles to show; train with "
            "--training.arrays_every 5 to keep them."
        )

usable = [(run, row, history) for run, row, history in histories if history.records]
if usable:
    num_classes = len(usable[0][0].info.class_names)
    epochs, num_epochs = shown_epochs(
        [history for *_, history in usable], most_frames(num_classes, len(usable))
    )
    classes = ordered_classes(usable[0][2].records[-1], order)
    panels = [
        GeometryPanel(
            row,
            [reordered(history.nearest(epoch), classes) for epoch in epochs],
            angle_course(
                run,
                history,
                quantity=quantity,
                subject=subject,
                split=split,
                space=own_space[run.run_id],
                centring=centring,
            ),
        )
        for run, row, history in usable
    ]
    reach = reach_of([record for panel in panels for record in panel.records])
    figure = drawing_of(geometry_player, panels, epochs, reach=reach)
    labels = [epoch + 1 for epoch in epochs]

    @st.fragment
    def angles_over_epochs() -> None:
        """Draw what follows the epoch of the player; the chart itself moves in the browser."""
        verdicts = st.container()
        label = show_player(
            figure,
            key="geometry",
            title="Angles between classes against a simplex ETF",
            alt=" ".join(f"{panel.row.name}: {geometry_sentence(panel.records[-1])}" for panel in panels),
            reading=READING,
            frame=partial(angle_frame, panels, epochs),
            follow=True,
            alt_at=lambda label: " ".join(
                f"{panel.row.name}: {geometry_sentence(panel.records[labels.index(int(label))])}"
                for panel in panels
            ),
        )
        index = labels.index(int(label)) if label else len(labels) - 1
        shown = [(panel.row, panel.records[index]) for panel in panels]
        with verdicts:
            show_verdicts(
                [(row.name, record.verdict) for row, record in shown],
                "geometry",
                when=[f"epoch {record.epoch + 1}" for _, record in shown],
                of=[
                    f"{subject} vectors"
                    if subject != "class means"
                    else f"{split} {own_space[row.run_id]}" + ", centred by class" * (centring != "class")
                    for row, _ in shown
                ],
            )
        if further := reach_sentence(shown[0][1].optimum, reach):
            st.caption(further)
        if len({record.class_counts for _, record in shown}) > 1:
            st.caption(
                plain(
                    f"{shown[1][0].name} has other training counts than {shown[0][0].name}: both matrices have "
                    "the classes in the order of the first."
                )
            )
        show_answers(shown, subject)
        if len(epochs) < num_epochs:
            st.caption(f"Showing {len(epochs)} of {num_epochs} stored epochs, evenly spread.")
        show_closest_pairs(shown)
        if subject == "class means":
            at = epochs[index]
            show_alignment([(run, row) for run, row, _ in usable], at, split=split, spaces=own_space)

    angles_over_epochs()
    if st.toggle(
        "Chosen classes in three dimensions",
        key="arrows",
        bind="query-params",
        help="Class means of two to six classes as arrows, and the simplex an ETF would make of them.",
    ):
        show_arrows(usable, epochs, split=split, spaces=own_space)
show_problems(selected.problems, selected.picked)
