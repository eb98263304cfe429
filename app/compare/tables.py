"""Tables, figures and studies that ``mlcnc reproduce`` recorded: what was claimed, and what the runs say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.address import follow_default
from app.figures.claims import claim_intervals
from app.figures.study_values import study_values
from app.session import runs_root
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.published import PARTS
from mlcnc.evidence.claims import RULE, Shortfall, shortfall
from mlcnc.evidence.experiments import EXPERIMENTS
from mlcnc.evidence.quantities import QUANTITIES
from mlcnc.evidence.results import as_csv, read_results, spread_text

READING = (
    "One row a claim. The **mark** is the mean difference of runs of the same seed: right of the dashed line "
    "they support the claim. The **whisker** is its 95 % t interval over seeds; one narrower than its mark "
    "stands out above and below it. One seed has no whisker. A **disc** is reproduced, a **cross** not "
    "reproduced, a **ring** undecided. The **diamond** is the published difference, of other images. A claim "
    "without a mark is not testable here. These intervals hold for the test images at hand. Those of mAP in "
    "Overview add the choice of test images, so that one difference may be decided here and undecided there."
)

COUNTED = (
    "A claim about a row that the paper does not have, such as another weight of the alignment, is counted "
    "with the table or figure it stands in."
)

OWN_RECIPE = (
    ":material/warning: **These are not the picked runs.** The rows below have a recipe of their own (epochs, "
    "learning rate, weight decay), that of the command below. Compare them with each other; their mAP must not "
    "be compared with that of the picked runs, as in Overview."
)

SIDES = ("mean", "low", "high", "published")
SMALLER_PIXELS = 420
"""Height of the list of claims that are smaller than published, in which longer ones scroll."""

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
    said = [
        verdict_sentence([tree for tree in found if tree["dataset"] == dataset])
        for dataset in dict.fromkeys(tree["dataset"] for tree in found)
    ]
    answer.markdown(f"##### {plain(' '.join(said))}", help=f"{RULE} {COUNTED}")
    _show_shortfalls(found)
    by_name = {f"{tree['title']}, on {tree['dataset']}": tree for tree in found}
    controls = st.container(horizontal=True, gap="medium", vertical_alignment="bottom", key="toolbar_tables")
    name = controls.selectbox("Results", list(by_name), key="results", bind="query-params", width=440)
    tree = by_name.get(name or "", found[0])
    whose = "A study of our own, not of the paper. " if _is_study(tree) else ""
    st.markdown(f"**{plain(tree['question'])}** {whose}{plain(verdict_sentence([tree]))}")
    if tree["experiment"] == "table3":
        st.caption(f"{PARTS}.")
    _show_claims(tree, controls)
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


def verdict_sentence(trees: Sequence[Mapping[str, Any]]) -> str:
    """Return how many claims have which verdict, those of the paper apart from those of studies.

    Args:
        trees: results on one data set.
    """
    order = ("reproduced", "not reproduced", "undecided", "not testable here")
    parts: list[str] = []
    for study, whose in ((False, "of the paper"), (True, "of our own studies")):
        counts = Counter(
            claim["verdict"] for tree in trees if _is_study(tree) == study for claim in tree["claims"]
        )
        if number := counts.total():
            told = ", ".join(f"{counts[label]} {label}" for label in order if counts[label])
            of = f"of {number} {whose}" if parts else f"Of {number} claims {whose} on {trees[0]['dataset']}"
            parts.append(f"{of}: {told}")
    return f"{'; '.join(parts)}."


def short_claims(trees: Sequence[Mapping[str, Any]], kind: Shortfall) -> list[str]:
    """Return claims that the runs fall short of in one way, a line an experiment and what they are about."""
    found: dict[str, list[str]] = {}
    for tree in trees:
        for claim in tree["claims"]:
            if shortfall(claim) == kind:
                text, _, about = claim["text"].rpartition(": ")
                value = f"{claim['mean']:+.{QUANTITIES[claim['quantity']].digits}f}".replace("-", "\u2212")
                found.setdefault(f"{_where(tree)}, {about}", []).append(f"{text} ({value})")
    return [f"{where}: {'; '.join(claims)}" for where, claims in found.items()]


def smaller_frame(trees: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a line a claim whose published difference lies above the interval, with both."""
    return pd.DataFrame(
        [
            {"results": _where(tree), "claim": claim["text"]} | {key: claim[key] for key in SIDES}
            for tree in trees
            for claim in tree["claims"]
            if shortfall(claim) == "smaller than published"
        ]
    )


def _show_shortfalls(trees: Sequence[Mapping[str, Any]]) -> None:
    """List claims that were not reproduced, are smaller than published, or contradicted by one seed."""
    failed, contradicted = (
        short_claims(trees, kind) for kind in ("not reproduced", "contradicted by one seed")
    )
    smaller = smaller_frame(trees)
    if not (failed or contradicted or len(smaller)):
        return
    with st.expander("What was not reproduced"):
        if failed:
            st.markdown("\n".join(f"- {plain(line)}" for line in failed))
        if len(smaller):
            st.markdown("**Smaller than published: the published difference lies above the interval**")
            st.dataframe(
                smaller,
                hide_index=True,
                height=min(SMALLER_PIXELS, 37 + 35 * len(smaller)),
                alt="Claims whose published difference lies above our 95 % interval over seeds, with both",
                key="smaller",
                placeholder="",
                column_config={
                    "results": st.column_config.Column(width=235),
                    "claim": st.column_config.Column(width=330),
                    **{name: st.column_config.NumberColumn(format="%+.2f", width=75) for name in SIDES},
                },
            )
        if contradicted:
            st.markdown("**One seed, no interval: the value contradicts the claim**")
            st.markdown("\n".join(f"- {plain(line)}" for line in contradicted))
        st.caption(
            "In brackets, and as mean: our mean difference in the direction of the claim. Low and high: its "
            "95 % interval over seeds."
        )


def _where(tree: Mapping[str, Any]) -> str:
    return f"{tree['title']}{' (our study)' if _is_study(tree) else ''}, on {tree['dataset']}"


def _is_study(tree: Mapping[str, Any]) -> bool:
    return EXPERIMENTS[tree["experiment"]].study


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
    return pd.DataFrame([{title: claim[key] for key, title in names.items()} for claim in claims])


def _show_claims(tree: Mapping[str, Any], controls: DeltaGenerator) -> None:
    keys = {QUANTITIES[claim["quantity"]].title: claim["quantity"] for claim in tree["claims"]}
    title = first = next(iter(keys))
    if len(keys) > 1:
        follow_default("claims_about", first, list(keys))
        with controls:
            title = st.selectbox("Claims about", list(keys), key="claims_about", bind="query-params", width=350)
    claims = [claim for claim in tree["claims"] if claim["quantity"] == keys[title]]
    told = [f"{claim['text']}: {claim['verdict']}" for claim in claims]
    show_chart(
        drawing_of(claim_intervals, claims, title),
        key="result_claims",
        title=f"{tree['title']} on {tree['dataset']}",
        alt="; ".join(told) + ".",
        reading=READING,
        frame=claim_frame(claims),
    )


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
