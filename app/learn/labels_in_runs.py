"""Step 5 in recorded runs: attention and features of two labels of an image, and which classes share images."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.address import note_shown
from app.figures.attention import attention_overlay
from app.figures.several_labels import own_and_other, shared_images
from app.learn.frame import FIVE, beside, data_set, measured
from app.session import data_root, remembered
from app.widgets.chart import show_chart
from app.widgets.controls import pick_epoch
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.stored_picture import photograph_of, say_where_photographs_are
from mlcnc.analysis.geometry.co_occurrence import (
    PAPER_HEAD_COMPANY,
    co_occurrence,
    head_company_sentence,
)
from mlcnc.analysis.geometry.label_pairs import label_pairs_course
from mlcnc.analysis.images.attention import (
    attention_epochs,
    attention_sentence,
    localisation,
    localisation_sentence,
    probe_attention,
    probe_labels,
)
from mlcnc.analysis.images.photographs import dataset_name
from mlcnc.analysis.runs.rows import nearest_array_epoch
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

PERSON, HORSE = FIVE.index("person"), FIVE.index("horse")
"""The two classes of the lesson's question."""


@st.fragment
def show_one_feature_a_class(runs: list[Run], others: list[Run]) -> None:
    """Draw the attention of two labels of one image, and how far apart their features come to lie.

    Args:
        runs: whose features are shown, the first that has some.
        others: the same for attention.
    """
    try:
        run, pairs = _first_with_pairs(others)
        if run is None:
            st.info(
                "No recorded run here keeps attention maps of images with two labels. Train one, under two "
                "minutes without a GPU, with `mlcnc train`; or go on with the next step."
            )
        else:
            _attention(run, pairs)
        _apart(runs)
    except RunFormatError as error:
        st.warning(plain(error))


def _first_with_pairs(runs: list[Run]) -> tuple[Run | None, dict[int, tuple[str, ...]]]:
    """Return the first run with attention in images of several labels, one whose images can be seen if any."""
    found: list[tuple[Run | None, dict[int, tuple[str, ...]]]] = []
    for run in runs:
        if not remembered(attention_epochs, run):
            continue
        several = {i: labels for i, labels in enumerate(remembered(probe_labels, run)) if len(labels) >= 2}
        if several and _has_images(run):
            return run, several
        if several:
            found.append((run, several))
    return (found or [(None, {})])[0]


def _has_images(run: Run) -> bool:
    samples = run.samples()
    return data_root() is not None or (samples is not None and "probes/images" in samples)


def _asked(labels: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether an image shows the two classes of the lesson's question."""
    return FIVE[PERSON] in labels, FIVE[HORSE] in labels


def _attention(run: Run, pairs: dict[int, tuple[str, ...]]) -> None:
    st.markdown(
        measured(f"attention of one test image in the run {run.run_id}")
        + f" Its data set is {data_set(dataset_name(run) or 'unnamed')}."
    )
    one, two = st.columns(2)
    with one:
        options = sorted(pairs, key=lambda i: (*(not has for has in _asked(pairs[i])), len(pairs[i])))

        def named(index: int) -> str:
            return f"{index + 1}: {', '.join(pairs.get(index, ()))}"

        chosen = st.selectbox(
            "Image",
            options,
            format_func=named,
            key="pair",
            bind="query-params",
            help="Images with two labels or more, those with person or horse first.",
        )
    with two:
        epoch = pick_epoch(remembered(attention_epochs, run))
    probe = chosen if chosen in pairs else options[0]
    note_shown("pair", named(probe))
    at = nearest_array_epoch(run, epoch) or 0
    say_where_photographs_are([run])
    two_labels = (FIVE[PERSON], FIVE[HORSE]) if all(_asked(pairs[probe])) else pairs[probe][:2]
    for column, name in zip(beside("attention", 2), two_labels, strict=True):
        record = remembered(probe_attention, run, at, probe, run.info.class_names.index(name))
        if record is None:
            continue
        sentence = attention_sentence(record, name)
        with column:
            st.markdown(f"**{plain(name)}** {plain(sentence.removeprefix(name).lstrip())}")
            rows, columns = record.attention.shape
            show_chart(
                drawing_of(attention_overlay, record, 0.75, backdrop=photograph_of(run, record)),
                key=f"lesson5_attention_{two_labels.index(name)}",
                title=f"Attention of {name}",
                alt=f"Attention of {name} over the image. {sentence}",
                reading="Coloured cells hold more of the class's attention than their even share, brighter "
                "ones more; clear ones less. The white line surrounds the fewest cells that hold half of the "
                "attention, the dashed frame the object. The scale ends at the brightest cell of each map.",
                frame=pd.DataFrame(
                    [
                        {"row": i, "column": j, "share": record.attention[i, j]}
                        for i in range(rows)
                        for j in range(columns)
                    ]
                ),
            )
    found = remembered(localisation, run, at)
    if found is not None:
        st.caption(f"One image is an anecdote. {localisation_sentence(found)} Epoch {at + 1}.")


def _apart(runs: list[Run]) -> None:
    found = next(((run, course) for run in runs if (course := remembered(label_pairs_course, run))), None)
    if found is None:
        return
    run, course = found
    first, last = course[0], course[-1]
    said = (
        f"At epoch {first.epoch + 1} the features of two labels of one image are {first.apart:.0f}° apart, "
        f"at epoch {last.epoch + 1} they are {last.apart:.0f}°. Then {100 * last.nearer_own:.0f} % lie "
        f"nearer to the mean of their own class ({last.to_own:.0f}° on average) than to that of the "
        f"image's other class ({last.to_other:.0f}°)."
    )
    st.markdown(
        measured(f"class features of {last.num_images} {last.split} images in the run {run.run_id}")
        + f" {said}"
    )
    show_chart(
        drawing_of(own_and_other, course),
        key="lesson5_apart",
        title="Two features of one image",
        alt=said,
        reading="Mean angles over all stored features of images with at least two stored labels; the mean "
        "of the class means is subtracted first. One feature for all labels would have two equal angles on "
        "average. The class means contain these images.",
        frame=pd.DataFrame([vars(record) for record in course]),
    )


def show_company(runs: list[Run]) -> None:
    """Draw which classes share training images, in the first run that knows it."""
    paper = ", ".join(f"{share:g} % on {name}" for name, share in PAPER_HEAD_COMPANY.items())
    st.markdown(
        "How many images with a rare (*tail*) class also have a frequent (*head*) one? The paper of MLC-NC "
        f"counts {paper}. Where nearly *every* image has a head class, that could not be lower."
    )
    found = next(
        (
            (run, record)
            for run in runs
            if (record := remembered(co_occurrence, run)) is not None and record.tail
        ),
        None,
    )
    if found is None:
        st.info("No recorded run here knows which classes share images, so there is no matrix to show.")
        return
    run, record = found
    sentence = head_company_sentence(record.tail)
    st.markdown(measured(f"labels of the training images of {run.run_id}") + f" {plain(sentence)}")
    show_chart(
        drawing_of(shared_images, record),
        key="lesson5_shared",
        title="Training images that two classes share",
        alt=sentence,
        reading="Row: a class with its number of training images, most frequent first. Column: another "
        "class. Colour: the share of the row's images that also have the column's class. Lines part head, "
        "medium and tail. Read a row of a rare class: yellow under *person* means that nearly all its "
        "images have a person.",
        frame=pd.DataFrame(
            record.shares, columns=list(record.class_names), index=pd.Index(record.class_names, name="class")
        ).reset_index(),
    )
