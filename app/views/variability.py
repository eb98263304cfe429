"""Variability: which classes collapse onto their mean, and which do not?"""

import streamlit as st

from app.figures.comparison import metric_curves
from app.figures.variability import class_dots
from app.widgets.controls import how_to_read, pick_epoch, pick_space, pick_split
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from mlcnc.analysis.curves import common_last_value, curve
from mlcnc.analysis.runs import is_number, nearest_array_epoch
from mlcnc.analysis.variability import class_variability, variability_sentence
from mlcnc.errors import RunFormatError

st.title("Do features collapse onto their class mean?")
selected = selection()
stop_without_runs(selected)
a, b, c = st.columns(3)
with a:
    split = pick_split()
with b:
    space = pick_space()
with c:
    bucket = st.segmented_control(
        "Curve of",
        ["trace", "head", "medium", "tail"],
        default="trace",
        required=True,
        key="nc1",
        bind="query-params",
        help="trace: over all classes. head, medium, tail: mean NC1 of the classes of the bucket.",
    )
metric = f"{split}.{space}/nc1_{bucket}"
pairs = [(row, curve(run, metric)) for run, row in selected.picked]
lasts = [
    f"{row.name} {item.values[-1]:.2f}"
    for row, item in pairs
    if len(item.values) and is_number(item.values[-1])
]
st.markdown(
    f"NC1 ({bucket}) on {split} features {space} at the last epoch: {', '.join(lasts)}; 0 is complete collapse."
    if lasts
    else f"None of the picked runs logged {metric}."
)
baseline = common_last_value([curve(run, f"{metric}_shuffled") for run, _ in selected.picked])
if lasts:
    st.plotly_chart(
        metric_curves(
            [(row, item) for row, item in pairs if len(item.epochs)],
            f"NC1 {bucket} (log), centring class",
            log=True,
            baseline=baseline,
        ),
        key="nc1_curves",
        alt=f"NC1 {bucket} on {split} features {space} over epochs, one line a run",
    )
st.subheader("Per class")
stored = sorted({epoch for run, _ in selected.picked for epoch in run.array_epochs()})
epoch = pick_epoch(stored)
records = []
for run, row in selected.picked:
    at = nearest_array_epoch(run, epoch)
    try:
        record = None if at is None else class_variability(run, at, split=split, space=space)
    except RunFormatError as error:
        st.warning(str(error))
        continue
    if record is None:
        st.info(f"{row.name} stored no class statistics: it appears in the curves only.")
    else:
        records.append((row, record))
if records:
    st.markdown("  \n".join(variability_sentence(record) for _, record in records))
    st.plotly_chart(class_dots(records), key="nc1_classes", alt="NC1 of every class, one dot a run")
how_to_read(
    "NC1 of a class is the mean squared distance of its features to their mean, over the squared distance of "
    "that mean to the mean of all class means. Circles are head, squares medium, triangles tail classes.\n\n"
    "**Few features look collapsed by chance**: a mean of n features takes up variance, so on train a class "
    "of 4 shows far less NC1 than one of 700 even without any collapse. The **dashed line** is what each class "
    "would show with labels shuffled, from its number of features alone: read a class by its distance to that "
    "line, and compare classes on the test split, where counts are near-balanced. CDNV needs no centre; its "
    "debiased form takes the bias of small classes out and leaves out pairs it cannot judge."
)
show_problems(selected.problems, selected.picked)
