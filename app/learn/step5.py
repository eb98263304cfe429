"""Step 5, several labels in one image: one feature lies between the centres, one feature a class does not."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.address import note_shown
from app.figures.attention import attention_overlay
from app.figures.several_labels import (
    between_centres_plane,
    feature_for_each,
    labelled_scene,
    own_and_other,
    shared_images,
)
from app.learn.frame import (
    COLOURS,
    FIVE,
    MARKS,
    beside,
    data_set,
    formula,
    in_your_run,
    measured,
    question,
    toy,
    what_happened,
    what_would_change_my_mind,
)
from app.session import data_root, remembered
from app.widgets.chart import show_chart
from app.widgets.controls import pick_epoch
from app.widgets.downloads import mode_bar
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection
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
from mlcnc.analysis.images.drawn_scene import drawn_scene
from mlcnc.analysis.images.photographs import dataset_name
from mlcnc.analysis.runs.rows import nearest_array_epoch
from mlcnc.errors import RunFormatError
from mlcnc.store import Run
from mlcnc.toys.collapse import collapse_course
from mlcnc.toys.several_labels import BetweenCentres, SeveralLabelsEnd, between_centres, several_labels

PERSON, HORSE = FIVE.index("person"), FIVE.index("horse")
EACH = 10
"""Images of each class alone in the toy."""

SCENE = 9
"""Seed of the drawn image, which shows both classes whole."""

TIMES = (1, 2, 5, 10, 20, 50)
MANY = 20


def show() -> None:
    """Draw the lesson."""
    even, end = _toy(1)
    st.markdown(
        f"{toy('five classes, every pair of them in some images')} So far each image had one label, and its "
        "feature went to its class mean, the centre of its class. Most photographs show more than "
        "one thing, like this one: a person *and* a horse. Where should its feature go?"
    )
    _picture(even)
    question(
        "5_where",
        "A network gives the image a single feature. Where does it end?",
        ["at the centre of person", "at the centre of horse", "between the two", "at a place of its own"],
        "between the two",
        {
            "at the centre of person": "Then horse would get a low score, and this image has both labels.",
            "at the centre of horse": "Then person would get a low score, and this image has both labels.",
            "between the two": f"In the toy it stands {even.to_first:.1f}° from the one and "
            f"{even.to_second:.1f}° from the other: half of the {even.apart:.1f}° between them.",
            "at a place of its own": "That costs more: one and the same direction raises both scores at once, "
            "the sum of the two centres.",
        },
    )
    st.markdown(
        "**The trouble.** Images of one class lie in many places: its features no longer collapse to one point."
        "\n\n**The way out: one feature for each class.** MLC-NC looks at the image once for each class, so "
        "two labels give two features, and each can go to a centre of its own. It has a vector for each "
        "class, the *label embedding*; where in the image a position resembles that of *horse*, it counts more "
        "for the feature of *horse*. These weights are the class's **attention**."
    )
    formula(
        r"a_{i,k,c}=\frac{e^{s(z_i^k,\,l_c)}}{\sum_j e^{s(z_i^j,\,l_c)}},\qquad f_i^c=\sum_k a_{i,k,c}\,z_i^k",
        "$z_i^k$ is the network's vector at position $k$ of image $i$, $l_c$ the label embedding of class $c$, "
        "$s$ the cosine (Eq. 3 to 5 of MLC-NC). The released code uses learned attention with several "
        "heads instead, and so do the recorded runs unless their settings say otherwise.",
        title="One feature for each class",
    )
    formula(
        r"-\frac1N\sum_{i=1}^{N}\ \sum_{k:\,y_i^k=1} \log\frac{e^{w_k\cdot h_i}}{\sum_j e^{w_j\cdot h_i}}"
        r"\;+\;\frac{\lambda}{2N}\sum_i\lVert h_i\rVert^2+\frac{\lambda}{2}\lVert W\rVert_F^2",
        "*Pick all labels*: one cross-entropy for each label the image has. Li et al. (2023, arXiv "
        "2310.15903) prove that with equal counts the features of images with several labels are a scaled "
        "average of the centres of the single labels. Here the average is met within "
        f"{even.to_average:.1g}° and {even.length_ratio:.2f} times as long. No score can be perfect: two "
        "labels share the probability, so their loss stays above 2 log 2 = 1.39 (mean loss here "
        f"{end.loss:.2f}).",
        title="The loss with several labels, and what is proved",
    )
    selected = selection()
    runs = [run for run, _ in selected.picked] or selected.runs
    _one_feature_a_class(runs, [*runs, *(run for run in selected.runs if run not in runs)])
    _uneven()
    st.subheader("Rare classes hardly ever come alone")
    _company(runs)
    in_your_run(
        "Look at any image and class, and at the classes an image does *not* have: their attention must go "
        "somewhere too.",
        "images",
        "Images and attention",
    )
    what_would_change_my_mind(
        "A trained network in which the two features of an image lie no nearer to their own class means than "
        "to each other's. Then one feature for each class would have bought nothing."
    )


def _toy(times: int) -> tuple[BetweenCentres, SeveralLabelsEnd]:
    counts = tuple(EACH * (times if name == "person" else 1) for name in FIVE)
    end = remembered(several_labels, counts)
    return between_centres(end, PERSON, HORSE), end


def _picture(even: BetweenCentres) -> None:
    labels = (FIVE[PERSON], FIVE[HORSE])
    apart = float(remembered(collapse_course, decay=0.05).angles.angles[-1][PERSON, HORSE])
    picture, one, each = beside("labels", 3)
    with picture:
        st.markdown("The image and its two labels")
        st.plotly_chart(
            labelled_scene(drawn_scene(labels, seed=SCENE), COLOURS),
            key="lesson5_scene",
            config=mode_bar("lesson5_scene"),
            alt="A drawn scene: a person on the left and a horse on the right, each in a frame with its name.",
        )
    with one, what_happened("5_where"):
        st.markdown(f"One feature: **{even.to_first:.1f}°** to person, **{even.to_second:.1f}°** to horse")
        _plane(even, "lesson5_even", "equally many images of each class alone")
    with each, what_happened("5_where", "_each"):
        st.markdown(f"One feature for each class: **{apart:.1f}°** apart")
        said = f"Two features, each at the centre of its own class, {apart:.1f}° apart."
        show_chart(
            drawing_of(feature_for_each, apart, labels, COLOURS, MARKS),
            key="lesson5_each",
            title="A feature for each label",
            alt=said,
            reading="With a feature for each class every feature has one label, as in steps 2 and 3, and ends "
            "at the centre of its class. The angle is that of step 3. Two arrows span this plane, so it is "
            "drawn true.",
            frame=pd.DataFrame({"first": [labels[0]], "second": [labels[1]], "degrees": [apart]}),
        )


@st.fragment
def _uneven() -> None:
    st.subheader("And if one of the two classes is rare?")
    uneven, _ = _toy(MANY)
    row = f"the classifier's row of person is {uneven.classifier_ratio:.2f} times as long as that of horse"
    question(
        "5_uneven",
        f"{MANY} times as many images show a person alone. Where does the one shared feature move?",
        ["to person, the frequent one", "to horse, the rare one", "it stays in the middle"],
        "to horse, the rare one",
        {
            "to person, the frequent one": f"The frequent class is strong already: {row}, so the feature can "
            "lean on it less.",
            "to horse, the rare one": "Both labels should get the same probability, but "
            f"{row}. So the feature leans to the shorter row: {uneven.to_second:.1f}° to horse, "
            f"{uneven.to_first:.1f}° to person.",
            "it stays in the middle": f"It stays in the plane of the two centres, but {row}, and the "
            "feature has to make up for that.",
        },
    )
    times = st.select_slider(
        "Images of a person alone for each image of a horse alone",
        TIMES,
        value=MANY,
        key="times",
        bind="query-params",
        width=420,
    )
    found, _ = _toy(times)
    st.markdown(
        f"Person {times} : 1 horse: **{found.to_first:.1f}°** to person, **{found.to_second:.1f}°** to horse."
    )
    _plane(found, "lesson5_uneven", f"{times} times as many images of a person alone")


def _plane(found: BetweenCentres, key: str, counts: str) -> None:
    said = (
        f"With {counts}, the feature of person and horse is {found.to_first:.1f}° from the centre of "
        f"person and {found.to_second:.1f}° from that of horse; the centres are {found.apart:.1f}° apart."
    )
    show_chart(
        drawing_of(between_centres_plane, found, FIVE, COLOURS, MARKS, reach=3.7),
        key=key,
        title="The feature of an image with two labels",
        alt=said,
        reading="The plane of the two class centres, from the origin. Thick grey arrow: the feature of images "
        "with both labels, which lies in this plane up to "
        f"{100 * found.outside:.1g} % of its squared length. Small grey marks: the shadows of the three other "
        "centres, which point out of the plane. Angles between the three arrows are drawn true.",
        frame=pd.DataFrame(
            {
                "of": [*FIVE, "person and horse"],
                "right": [*found.centres[:, 0], found.feature[0]],
                "up": [*found.centres[:, 1], found.feature[1]],
            }
        ),
    )


@st.fragment
def _one_feature_a_class(runs: list[Run], others: list[Run]) -> None:
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


def _company(runs: list[Run]) -> None:
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
