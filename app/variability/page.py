"""Variability: which classes collapse onto their mean, and which do not?"""

from functools import partial

import streamlit as st

from app.figures.comparison import metric_curves
from app.figures.variability import variability_player
from app.session import remembered
from app.variability.tables import curve_frame, variability_frame
from app.widgets.chart import show_chart
from app.widgets.controls import pick_space, pick_split, toolbar
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.player import show_player
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from app.widgets.verdict import show_verdicts
from mlcnc.analysis.curves.curve import Curve, common_last_value, curve
from mlcnc.analysis.geometry.variability import (
    VariabilityRecord,
    cannot_move,
    multi_label_sentence,
    same_history,
    variability_history,
    variability_sentence,
)
from mlcnc.analysis.runs.history import History, shown_epochs
from mlcnc.analysis.runs.rows import RunRow, is_number
from mlcnc.analysis.runs.spaces import image_wise, space_for, spaces_sentence, spaces_with_nc1
from mlcnc.analysis.verdict import run_verdicts

MOST_FRAMES = 60
READING = (
    "NC1 of a class is the mean squared distance of its features to their mean, over the squared "
    "distance of that mean to the mean of all class means; 0 is complete collapse. Above it is shown "
    "over epochs, below for every class at the epoch of the slider. Circles are head, squares medium, "
    "triangles tail classes; runs of one recipe share a colour and differ in dash and filling. Runs of another "
    "data set have a panel of their own, with their order of classes.\n\n"
    "**Few features look collapsed by chance**: a mean of n features takes up "
    "variance, so on train a class of 4 shows far less NC1 than one of 700 even without any collapse. "
    "The **dashed line** is what each class would show with labels shuffled, from its number of features "
    "alone: read a class by its distance to that line, or choose *over chance*, where 1 is no class "
    "structure at all. It answers whether there is any class structure. The **dotted lines** answer what the "
    "class query alone makes: NC1 of as many images *without* the class; below, the **dash at a dot** "
    "is that of its class. A dot at its dash shows the query, not the class. Epoch 0 is the untrained network. "
    "Compare classes on the test split, where counts are near-balanced.\n\n**CDNV** "
    "(class-distance normalised variance) is the mean variance of two classes over the squared distance of "
    "their means, averaged over pairs; it needs no centre. Its debiased form takes the bias of small classes "
    "out and leaves out pairs it cannot judge."
)

st.title("Do features collapse onto their class mean, and in which classes not?")
selected = selection()
stop_without_runs(selected)
with toolbar() as more:
    split = pick_split()
    stored = [(row.name, remembered(spaces_with_nc1, run)) for run, row in selected.picked]
    space = pick_space([spaces for _, spaces in stored])
    bucket = st.segmented_control(
        "Curve of",
        ["trace", "head", "medium", "tail"],
        default="trace",
        required=True,
        key="nc1",
        bind="query-params",
        help="trace: over all classes. head, medium, tail: mean NC1 of the classes of the bucket.",
    )
with more():
    scale = st.segmented_control(
        "Classes by",
        ["NC1", "over chance"],
        default="NC1",
        required=True,
        key="nc1_scale",
        bind="query-params",
        help="over chance: NC1 divided by what the class would show with labels shuffled.",
    )
    st.caption(plain(spaces_sentence(stored, space)))
own_space = {
    run.run_id: space_for(spaces, space) for (run, _), (_, spaces) in zip(selected.picked, stored, strict=True)
}
space = ", ".join(sorted(set(own_space.values()), key=lambda name: (name != space, name)))
metrics = {run_id: f"{split}.{of}/nc1_{bucket}" for run_id, of in own_space.items()}
curves = [(row, curve(run, metrics[run.run_id])) for run, row in selected.picked]
lasts = [
    f"{row.name} {item.values[-1]:.2f}"
    for row, item in curves
    if len(item.values) and is_number(item.values[-1])
]
shuffled = [(row.dataset, curve(run, f"{metrics[run.run_id]}_shuffled")) for run, row in selected.picked]
baselines = {
    name: value
    for name in dict.fromkeys(own for own, _ in shuffled)
    if (value := common_last_value([item for own, item in shuffled if own == name])) is not None
}
if lasts:
    with st.container(key="verdicts"):
        show_verdicts(
            [
                (row.name, remembered(run_verdicts, run, split=split, space=own_space[run.run_id]).variability)
                for run, row in selected.picked
            ],
            "variability",
            when="last epoch",
            of=[f"{split} {own_space[run.run_id]}" for run, _ in selected.picked],
        )
else:
    st.markdown(f"None of the picked runs logged {', '.join(dict.fromkeys(metrics.values()))}.")
shown: list[tuple[RunRow, History[VariabilityRecord], Curve]] = []
for (run, row), (_, item) in zip(selected.picked, curves, strict=True):
    history = remembered(variability_history, run, split=split, space=own_space[run.run_id])
    for problem in history.problems:
        st.warning(plain(f"{row.name}: {problem}."))
    if history.records:
        twin = next((other for other, drawn, _ in shown if same_history(drawn, history)), None)
        if twin is None:
            shown.append((row, history, item))
        else:
            st.caption(
                plain(
                    f"{row.name} has in every class and epoch the NC1 of {twin.name}, as with one frozen "
                    f"backbone or one seed trained twice: drawn once, as {twin.name}."
                )
            )
    elif not history.problems:
        st.info(
            f"{plain(row.name)} stored no class statistics of {split} features {own_space[run.run_id]}: "
            "no single classes of it."
        )
of_pairs = [
    f"{row.name}: {sentence}"
    for run, row in selected.picked
    if (sentence := multi_label_sentence(run, split=split, space=own_space[run.run_id]))
]
still = {
    run.run_id: row.name
    for (run, row), (_, item), (_, spaces) in zip(selected.picked, curves, stored, strict=True)
    for each in spaces
    if each.name == own_space[run.run_id] and cannot_move(run, item, each)
}
# one feature for a whole image is made by no class query
nulls = [
    (row, curve(run, f"{metrics[run.run_id]}_query_only"))
    for (run, row), (_, spaces) in zip(selected.picked, stored, strict=True)
    if own_space[run.run_id] not in image_wise(spaces)
]
label = f"NC1 {bucket}, {split} {space} (log)"
if shown:
    epochs, num_epochs = shown_epochs([history for _, history, _ in shown], MOST_FRAMES)
    runs = [(row, [history.nearest(epoch) for epoch in epochs], item) for row, history, item in shown]
    figure = drawing_of(
        variability_player,
        runs,
        epochs,
        metric_label=label,
        baselines=baselines,
        nulls=[(row, null) for row, null in nulls if any(map(is_number, null.values))],
        relative=scale == "over chance",
        still=still,
    )

    @st.fragment
    def classes_over_epochs() -> None:
        """Draw what follows the epoch of the player; the chart itself moves in the browser."""
        at = show_player(
            figure,
            key="variability",
            title="NC1 over epochs and by class",
            alt=" ".join(variability_sentence(records[-1]) for _, records, _ in runs),
            reading=READING,
            frame=partial(variability_frame, runs, epochs),
            follow=True,
        )
        index = [epoch + 1 for epoch in epochs].index(int(at)) if at else len(epochs) - 1
        with st.expander("Single runs in words", expanded=True):
            said = [*(variability_sentence(records[index]) for _, records, _ in runs), *of_pairs]
            st.markdown("\n".join(f"- {plain(sentence)}" for sentence in said))
            if len({records[index].epoch for _, records, _ in runs}) > 1:
                st.caption("The runs stored different epochs; each is shown at its nearest one.")
        if len(epochs) < num_epochs:
            st.caption(f"Showing {len(epochs)} of {num_epochs} stored epochs, evenly spread.")

    classes_over_epochs()
elif lasts:
    drawn = [(row, item) for row, item in curves if len(item.epochs)]
    show_chart(
        drawing_of(
            metric_curves, drawn, label, log=True, baseline=common_last_value([item for _, item in shuffled])
        ),
        key="nc1_curves",
        title=f"NC1 {bucket} over epochs",
        alt=f"NC1 {bucket} on {split} features {space} over epochs: at the end {', '.join(lasts)}",
        reading=READING,
        frame=partial(curve_frame, drawn),
    )
if still:
    said = "the backbone is frozen and NC1 is that of its pooled features, so it is the same at every epoch."
    st.caption(plain(f"{', '.join(still.values())}: {said}"))
show_problems(selected.problems, selected.picked)
