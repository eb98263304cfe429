"""Tables, figures and studies that ``mlcnc reproduce`` recorded: what was claimed, and what the runs say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.address import follow_default
from app.compare.verdicts import headline, is_study, show_shortfalls, verdict_sentence
from app.figures.claims import claim_intervals
from app.figures.study_values import study_values
from app.session import runs_root
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.published import PARTS
from mlcnc.evidence.claims import RULE, published_words
from mlcnc.evidence.quantities import QUANTITIES
from mlcnc.evidence.results import as_csv, read_results, spread_text

READING = (
    "One row a claim. The **mark** is the mean difference of runs of the same seed: right of the dashed line "
    "they support the claim. The **whisker** is its 95 % t interval over seeds; one narrower than its mark "
    "stands out above and below it. One seed has no whisker. A **disc** is reproduced, a **cross** not "
    "reproduced, a **ring** undecided. The **diamond** is the published difference, of other images; below "
    "each claim stands whether the interval holds it (compatible) or lies above or below it, which the verdict "
    "does not say: an undecided interval holds 0 and may end below what was published. A claim without a mark "
    "is not testable here. These intervals hold for the test images at hand. Those of mAP in Overview add "
    "the choice of test images, so that one difference may be decided here and undecided there."
)

COUNTED = (
    "A claim about a row that the paper does not have, such as another weight of the alignment, is counted "
    "with the table or figure it stands in. Intervals that exclude the published difference, which is of other "
    "images, are counted over all verdicts."
)

OWN_RECIPE = (
    ":material/warning: **These are not the picked runs.** The rows below have a recipe of their own (epochs, "
    "learning rate, weight decay), that of the command below. Compare them with each other; their mAP must not "
    "be compared with that of the picked runs, as in Overview."
)

VALUES_READING = (
    "What each row reached at the last epoch. An **open mark** is one seed, the **filled mark** or **bar** the "
    "mean over seeds; the dashed line is the value at collapse, where it is one number. Rows that differ in "
    "one setting lie over it at equal distances, whatever the gaps between its values."
)


def show_tables(answer: DeltaGenerator) -> None:
    """Ask for a recorded experiment, and show its verdicts, claims and rows beside the published numbers.

    Args:
        answer: where the verdicts of all experiments stand, above the tabs.
    """
    found, problems = read_results(runs_root())
    for problem in problems:
        st.warning(plain(problem))
    if not found:
        st.info(
            "No results are recorded in this runs folder. Make those of a table of the paper, or of a study, "
            "with `mlcnc reproduce table4 --dataset pictogram-lt`; `mlcnc reproduce --help` lists all."
        )
        return
    answer.markdown(f"##### {plain(headline(found))}", help=f"{RULE} {COUNTED}")
    by_name = {f"{tree['title']}, on {tree['dataset']}": tree for tree in found}
    controls = st.container(horizontal=True, gap="medium", vertical_alignment="bottom", key="toolbar_tables")
    name = controls.selectbox("Results", list(by_name), key="results", bind="query-params", width=390)
    tree = by_name.get(name or "", found[0])
    claims = _show_claims(tree, found, controls)
    whose = "A study of our own, not of the paper. " if is_study(tree) else ""
    st.markdown(f"**{plain(tree['question'])}** {whose}{plain(verdict_sentence([{**tree, 'claims': claims}]))}")
    if tree["experiment"] == "table3":
        st.caption(f"{PARTS}.")
    st.caption(OWN_RECIPE)
    _show_values(tree)
    frame = row_frame(tree)
    st.dataframe(
        frame,
        hide_index=True,
        height="content",
        alt=f"{tree['title']} on {tree['dataset']}: means over seeds, lowest to highest, and published values",
        key="result_rows",
        placeholder="",
        column_config={
            frame.columns[0]: st.column_config.Column(width=230, pinned=True),
            "rate": st.column_config.Column(help="learning rate, the best on validation images of those tried"),
        },
    )
    st.caption(plain(_facts(tree)))
    st.caption(plain(tree["rule"]))
    st.download_button(
        "Rows and claims (CSV)",
        lambda: as_csv(tree).encode(),
        f"{tree['experiment']}-{tree['dataset']}.csv",
        "text/csv",
        icon=":material/download:",
        key="csv_result",
        on_click="ignore",
    )


def row_frame(tree: Mapping[str, Any]) -> pd.DataFrame:
    """Return a line a row: every quantity as mean and range over seeds, beside it what was published."""
    lines = []
    for row in tree["rows"]:
        line: dict[str, object] = {"row": row["name"]}
        for key, title in tree["quantities"].items():
            line[title] = spread_text(row["values"].get(key), key)
            name = key.removeprefix("map_")
            if key == "angle_mean_class":  # the paper does not say which centring its angles have
                name = "angle_degrees"
            if row["published"] and name in row["published"]:
                line[f"published {name} ({row['published_on']})"] = row["published"][name]
        line |= {
            "rate": row["rate"],
            "seeds": max((len(value["runs"]) for value in row["values"].values()), default=0),
            "note": row["note"],
        }
        lines.append(line)
    frame = pd.DataFrame(lines)
    order = [column for column in frame if column not in ("rate", "seeds", "note")]
    return frame[[*order, "rate", "seeds", *(["note"] if frame["note"].any() else [])]]


def claim_frame(claims: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a line a claim with its verdict and numbers."""
    names = {
        "text": "claim", "verdict": "verdict", "mean": "mean difference", "low": "low", "high": "high",
        "n": "seeds", "published": "published difference", "why": "why",
    }  # fmt: skip
    lines = [{title: claim[key] for key, title in names.items()} for claim in claims]
    for line, claim in zip(lines, claims, strict=True):
        line["beside the published"] = published_words(claim)
    return pd.DataFrame(lines)


def _show_claims(
    tree: Mapping[str, Any], found: Sequence[Mapping[str, Any]], controls: DeltaGenerator
) -> list[Mapping[str, Any]]:
    """Draw the claims about one quantity and return them."""
    keys = {QUANTITIES[claim["quantity"]].title: claim["quantity"] for claim in tree["claims"]}
    title = first = next(iter(keys))
    if len(keys) > 1:
        follow_default("claims_about", first, list(keys))
        with controls:
            title = st.selectbox("Claims about", list(keys), key="claims_about", bind="query-params", width=270)
    with controls:
        show_shortfalls(found)
    claims = [claim for claim in tree["claims"] if claim["quantity"] == keys[title]]
    words = [(claim["verdict"], published_words(claim)) for claim in claims]
    told = [f"{c['text']}: {', '.join(filter(None, of))}" for c, of in zip(claims, words, strict=True)]
    show_chart(
        drawing_of(claim_intervals, claims, title),
        key="result_claims",
        title=f"{tree['title']} on {tree['dataset']}",
        alt="; ".join(told) + ".",
        reading=READING,
        frame=claim_frame(claims),
    )
    return claims


def _show_values(tree: Mapping[str, Any]) -> None:
    """Draw what every row reached of one quantity, where any was trained."""
    keys = [
        key for key in tree["quantities"] if any(row["values"].get(key, {}).get("runs") for row in tree["rows"])
    ]
    if not keys:
        return
    titles = {tree["quantities"][key]: key for key in keys}
    follow_default("values_of", next(iter(titles)), list(titles))
    title = st.selectbox("Values of", list(titles), key="values_of", bind="query-params", width=480)
    key = titles[title]
    told = [
        f"{row['name']}: {spread_text(row['values'].get(key), key)}"
        for row in tree["rows"]
        if key in row["values"]
    ]
    show_chart(
        drawing_of(study_values, tree, key, title, QUANTITIES[key].optimum),
        key="result_values",
        title=f"{tree['title']} on {tree['dataset']}: {title}",
        alt="; ".join(told) + ".",
        reading=VALUES_READING,
        frame=value_frame(tree, key),
    )


def value_frame(tree: Mapping[str, Any], quantity: str) -> pd.DataFrame:
    """Return a line a row and seed with its value."""
    return pd.DataFrame(
        [
            {"row": row["name"], "seed": seed, tree["quantities"][quantity]: value}
            for row in tree["rows"]
            for seed, value in zip(tree["seeds"], row["values"].get(quantity, {}).get("runs", ()), strict=False)
        ]
    )


def _facts(tree: Mapping[str, Any]) -> str:
    cost = tree["cost"]
    missing = [row["name"] for row in tree["rows"] if row["rate"] is None and not row["diverged"]]
    diverged = [row["name"] for row in tree["rows"] if row["diverged"]]
    left = f" Not trained: {', '.join(missing)}." if missing else ""
    left += f" Diverged: {', '.join(diverged)}." if diverged else ""
    return (
        f"Means over seeds, lowest to highest in brackets, at the last epoch. Made with: {tree['command']} "
        f"({cost['runs']} runs, {cost['seconds'] / 3600:.1f} hours of {cost['of']}).{left}"
    )
