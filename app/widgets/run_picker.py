"""The runs a visitor looks at, shared by all pages through the URL."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.session import RUNS_KEY, rows_of, runs_root, scanned
from mlcnc.analysis.comparison import EMBEDDING_ORDER
from mlcnc.analysis.runs import Choice, RunRow
from mlcnc.store import Run, RunProblem

MAX_PICKED = 8


@dataclass(frozen=True)
class Selection:
    """All readable runs, the picked ones, and what could not be read."""

    runs: list[Run]
    rows: list[RunRow]
    picked: list[tuple[Run, RunRow]]
    problems: list[RunProblem]

    @property
    def picked_recipes(self) -> list[RunRow]:
        """Rows of the picked runs and of their other seeds."""
        keys = {row.group_key for _, row in self.picked}
        return [row for row in self.rows if row.group_key in keys]


def show_picker() -> None:
    """Draw the picker in the sidebar; called by the entry script on every page."""
    runs, _ = scanned()
    ids = [run.run_id for run in runs]
    if not ids:
        return
    st.sidebar.multiselect(
        "Runs",
        ids,
        default=default_picks(runs),
        max_selections=MAX_PICKED,
        key=RUNS_KEY,
        bind="query-params",
        help=f"Up to {MAX_PICKED} runs, shown on every page and kept in the address of the page.",
    )
    st.sidebar.caption(f"{len(ids)} runs in {runs_root().name}/")


def selection(choice: Choice = "best") -> Selection:
    """Return what the pages show, with values at the best validation epoch or the last one."""
    runs, problems = scanned()
    rows, more = rows_of(runs, choice)
    by_id = {row.run_id: row for row in rows}
    wanted = st.session_state.get(RUNS_KEY)
    if wanted is None:  # a page opened by itself, without the picker
        wanted = default_picks(runs)
    picked = [(run, by_id[run.run_id]) for run in runs if run.run_id in wanted and run.run_id in by_id]
    return Selection(runs, rows, picked, problems + more)


def default_picks(runs: list[Run]) -> list[str]:
    """Return the first runs with stored arrays of the most frequent data set, at most three."""
    with_arrays = [run for run in runs if run.array_epochs()] or runs
    names = [_dataset(run) for run in with_arrays]
    if not names:
        return []
    most = max(names, key=names.count)
    # one run per recipe reads better than three seeds of the first
    first_of: dict[str, str] = {}
    for run, name in zip(with_arrays, names, strict=True):
        if name == most:
            first_of.setdefault(_recipe(run), run.run_id)
    plain = [run_id for recipe, run_id in first_of.items() if recipe.endswith("/fixed")]
    ordered = sorted(first_of, key=lambda recipe: _place(recipe.split("/")[0]))
    chosen = [first_of[recipe] for recipe in ordered]
    return [run_id for run_id in chosen if run_id in plain or not plain][:3]


def _place(embedding: str) -> int:
    return EMBEDDING_ORDER.index(embedding) if embedding in EMBEDDING_ORDER else len(EMBEDDING_ORDER)


def show_problems(problems: list[RunProblem], picked: list[tuple[Run, RunRow]]) -> None:
    """Say in one sentence each what could not be read, and how picked runs stand."""
    for problem in problems:
        st.warning(f"{problem.run_id} cannot be read: {problem.text}", icon=":material/broken_image:")
    for _, row in picked:
        if row.state == "running":
            st.info(f"{row.name} is still running: {row.num_logged} of {row.num_epochs} epochs so far.")
        elif row.state == "lost":
            st.warning(
                f"{row.name} stopped without saying so after {row.num_logged} epochs; what it logged is "
                f"shown. Go on with: mlcnc train --resume {row.run_id}"
            )
        elif row.state == "failed":
            st.warning(f"{row.name} failed after {row.num_logged} epochs; what it logged is shown.")
        for warning in row.warnings:
            st.warning(f"{row.name}: {warning}.")


def stop_without_runs(selected: Selection) -> None:
    """End the page with one sentence and the next step where there is nothing to show."""
    if selected.picked:
        return
    if selected.runs:
        st.info("No run is picked: choose one to eight in the sidebar.")
    else:
        show_problems(selected.problems, [])
        st.info(f"There are no runs in {runs_root().name}/ yet. Train one, under two minutes without a GPU:")
        st.code("mlcnc train", language="bash")
    st.stop()


def _dataset(run: Run) -> str:
    data = run.info.config.get("data", {})
    return str(data.get("dataset", "?")) if isinstance(data, dict) else "?"


def _recipe(run: Run) -> str:
    model = run.info.config.get("model", {})
    if not isinstance(model, dict):
        return "?"
    return f"{model.get('label_embedding')}/{model.get('attention')}/{model.get('classifier')}"
