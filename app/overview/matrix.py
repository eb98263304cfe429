"""Differences of recipes, pair by pair, with what seeds and test images support."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape

import pandas as pd
import streamlit as st

from app.address import follow_default
from app.figures.style import recipe_colour, turns
from app.session import remembered
from app.widgets.controls import toolbar
from app.widgets.csv_file import csv_file
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.pair_errors import PairErrors
from mlcnc.analysis.comparison.pair_sentences import (
    RULE,
    epochs_sentence,
    leader_sentence,
    pairs_sentence,
    recipes_sentence,
)
from mlcnc.analysis.comparison.pairs import OTHER_FEATURES, Cell, Pair, of_one_size, pairs
from mlcnc.analysis.comparison.seeds import SeedGroup, by_dataset
from mlcnc.analysis.comparison.setting_groups import besides_the_method
from mlcnc.analysis.runs.rows import BUCKETS
from mlcnc.analysis.runs.settings import plain_setting
from mlcnc.store import Run

EVERY = "every pair"
FEW_RECIPES = 4
"""Up to so many recipes every pair is shown at first, of more those against the first one."""

HELP = {
    **{
        f"map_{bucket}": f"test mAP in percent, {bucket if bucket == 'total' else f'{bucket} classes'}"
        for bucket in BUCKETS
    },
    "nc1": "tr within / tr between of test features in the space: their spread within classes over that of the "
    "class means; lower is more collapsed, 0 is collapse",
    "angle_min": "smallest angle between centred test class means in the space: how far apart the two nearest "
    "classes are; higher is further apart",
    "alignment": "mean cosine of training features with the label embedding of a class they have; 1 is the "
    "optimum of the alignment loss, runs without a label embedding have none",
}
"""What each quantity is, by its key."""

_AT_END = "; at the last measured epoch, unless one epoch is asked for"

_STYLE = (
    "<style>.pairs{overflow:auto;max-height:720px}.pairs table{border-collapse:collapse;width:100%;"
    "font-size:.85rem}.pairs th,.pairs td{padding:.3rem .5rem;text-align:left;vertical-align:top;"
    "border-bottom:1px solid rgba(128,128,128,.3);white-space:nowrap}.pairs th{font-weight:600}"
    ".pairs td b{font-size:.95rem}.pairs i{box-sizing:border-box}"
    ".pairs tbody th{white-space:normal;min-width:9rem;font-weight:400}.pairs small{display:block;opacity:.8;"
    "font-size:.75rem}.pairs i{display:inline-block;width:.7em;height:.7em;border-radius:2px;"
    "margin-right:.35em}"
    ".pairs .open{opacity:.75}.pairs [title]{cursor:help}.pairs th[title],"
    ".pairs th small[title]{text-decoration:underline dotted;text-underline-offset:.2em}"
    ".pairs-frame{container-type:inline-size}"
    ".pairs-more{display:none;text-align:right;font-size:.8rem;opacity:.8}</style>"
)
# how wide the table is by its columns, which differ little: a narrower page shows it tighter, and says so
_NARROW = (
    "<style>@container (max-width:%dpx){.pairs-more{display:block}"
    ".pairs th,.pairs td,.pairs tbody th{white-space:normal;padding:.3rem;min-width:3.4rem}"
    ".pairs tbody th{min-width:7rem}}</style>"
)


def pick_against(groups: Sequence[SeedGroup]) -> SeedGroup | None:
    """Ask which pairs are shown; None is every pair."""
    names = [group.name for group in groups]
    first = EVERY if len(names) <= FEW_RECIPES else names[0]
    options = [EVERY, *names]
    follow_default("against", first, options)
    chosen = st.selectbox(
        "Pairs",
        options,
        index=options.index(first),
        key="against",
        bind="query-params",
        width=260,
        format_func=lambda name: name if name == EVERY else f"each minus {name}",
    )
    return next((group for group in groups if group.name == chosen), None)


def pick_dataset(groups: Sequence[SeedGroup], default: str | None) -> list[SeedGroup]:
    """Ask for the data set, where there are several, and return its recipes."""
    by_name = {own[0].dataset: own for own in by_dataset(groups)}
    chosen = default
    if len(by_name) > 1:
        names = list(by_name)
        first = default if default in by_name else names[0]
        follow_default("pairs_of", first, names)
        chosen = st.selectbox(
            "Pairs on", names, index=names.index(first), key="pairs_of", bind="query-params", width=200
        )
    return by_name.get(chosen or "", [])


def show_matrix(groups: Sequence[SeedGroup], runs: Mapping[str, Run], dataset: str | None) -> None:
    """Draw the verdict, one toolbar row and the table of pairs of the finished runs of one size.

    Args:
        groups: of every data set.
        runs: by id.
        dataset: whose pairs are shown until the reader chooses.
    """
    answer = st.container()
    errors_of = known_errors(runs)
    with toolbar():
        own = pick_dataset(groups, dataset)
        same, others = of_one_size(own)
        if len(same) > 1:
            found = pairs(same, errors_of, pick_against(same))
            st.download_button(
                "CSV", lambda: csv_file(pair_frame(found)), "pairs.csv", "text/csv", icon=":material/download:",
                key="pairs_csv", on_click="ignore",
            )  # fmt: skip
    if len(same) < 2:
        answer.markdown(f"##### {plain(recipes_sentence(own, errors_of))}")
        st.caption(
            "Two recipes with finished runs of one size make a pair; three seeds of each make it telling."
        )
        return
    with answer:
        st.markdown(
            f"##### {plain(leader_sentence(same, errors_of, others) or pairs_sentence(found))}", help=RULE
        )
    st.html(_STYLE + pair_table(found))
    st.caption(plain(f"{pairs_sentence(found)} {epochs_sentence(found)}"))
    said = [
        "Coloured cells are supported, in the colour of the recipe ahead, the first or the second of the row; "
        "grey ones are undecided. Below each difference: its 95 % interval, and n, the seeds that both have. "
        "Every cell is judged by itself: of twenty differences of nothing about one looks supported.",
    ]
    if any(besides_the_method(pair.first, pair.second) for pair in found):
        said.append(
            'After "also differs" stand settings besides the method in which the two differ, their values on '
            "hover and in the CSV. The difference is that of both together, not of the method alone."
        )
    empty = [title for title in _titles(found) if title not in _titles(found, with_value=True)]
    if empty:
        said.append(f"No pair has both logged: {', '.join(empty)}.")
    if any(cell.why == OTHER_FEATURES for pair in found for cell in pair.cells):
        said.append(
            "Other features: one recipe logs one feature an image, as ERM does, the other one for each class, "
            "as MLC-NC does: their NC1 and angles cannot be compared."
        )
    if others:
        names = ", ".join(f"{group.name} ({group.lengths[-1]} epochs)" for group in others[:4])
        said.append(f"Of another size, so left out: {names}{' and more' if len(others) > 4 else ''}.")
    st.caption(plain(" ".join(said)))
    for sentence in errors_of.sentences:
        st.warning(plain(sentence))


def known_errors(runs: Mapping[str, Run]) -> PairErrors:
    """Return what gives the remembered errors of test images of a pair.

    Args:
        runs: by id.
    """
    return PairErrors(runs, remembered)


def pair_table(found: Sequence[Pair]) -> str:
    """Return the pairs as an HTML table; names in it are escaped."""
    titles = _titles(found, with_value=True)
    shown = {cell.quantity.title: cell.quantity for cell in found[0].cells if cell.quantity.title in titles}
    head = "".join(
        f'<th scope="col" title="{HELP[of.key]}{_AT_END if of.in_space else ""}">{escape(title)}'
        f"{'<small>lower is ahead</small>' if not of.higher else ''}</th>"
        for title, of in shown.items()
    )
    every = {group.name: group for pair in found for group in (pair.second, pair.first)}
    of_colour = turns([group.family for group in every.values()])
    hollow = [name for name, turn in zip(every, of_colour, strict=True) if turn]
    rows = []
    for pair in found:
        own = [cell for cell in pair.cells if cell.quantity.title in titles]
        name = f"{_named(pair.first, hollow)}<br>minus {_named(pair.second, hollow)}"
        name += _also(pair)
        rows.append(f'<tr><th scope="row">{name}</th>{"".join(_cell(pair, cell) for cell in own)}</tr>')
    return (
        f"{_NARROW % (145 + 97 * len(shown))}"
        '<div class="pairs-frame"><div class="pairs-more">more columns to the right, rows below: scroll</div>'
        '<div class="pairs" tabindex="0"><table aria-label="Differences of pairs of recipes">'
        f'<thead><tr><th scope="col">recipes</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></div>"
    )


def _also(pair: Pair) -> str:
    """Return the settings besides the method in which a pair differs, with their values behind the names."""
    found = besides_the_method(pair.first, pair.second)
    if not found:
        return ""
    names = ", ".join(plain_setting(name) for name in found)
    return f'<small title="{escape(also_words(found))}">also differs: {escape(names)}</small>'


def also_words(found: Mapping[str, tuple[str, str]]) -> str:
    """Return settings with the values of the first and the second recipe, in words.

    Example:
        >>> also_words({"training.lr": ("0.016", "0.001")})
        'learning rate 0.016 against 0.001'
    """
    return "; ".join(
        f"{plain_setting(name)} {first} against {second}" for name, (first, second) in found.items()
    )


def pair_frame(found: Sequence[Pair]) -> pd.DataFrame:
    """Return every cell of the matrix, a row each."""
    return pd.DataFrame(
        [
            {
                "first": pair.first.name,
                "second": pair.second.name,
                "data set": pair.first.dataset,
                "quantity": cell.quantity.key,
                "difference": cell.mean,
                "low": cell.low,
                "high": cell.high,
                "seeds": cell.num_seeds,
                "with test images": cell.with_images,
                "says": cell.why or _word(cell),
                "ahead": {1: pair.first.name, -1: pair.second.name}.get(cell.ahead, ""),
                "epochs of first": _epochs(cell.epochs[0]),
                "epochs of second": _epochs(cell.epochs[1]),
                "differs besides the method": also_words(besides_the_method(pair.first, pair.second)),
            }
            for pair in found
            for cell in pair.cells
        ]
    )


def _epochs(epochs: Sequence[int | None]) -> str:
    """Return epochs as a reader counts them, one a seed."""
    return ", ".join("not known" if epoch is None else str(epoch + 1) for epoch in epochs)


def _word(cell: Cell) -> str:
    return "supported" if cell.ahead else "undecided"


def _cell(pair: Pair, cell: Cell) -> str:
    if cell.why:
        return f'<td class="open"><small>{escape(cell.why)}</small></td>'
    ground, said = "", "undecided"
    if cell.ahead:
        ahead = pair.first if cell.ahead > 0 else pair.second
        ground = f' style="background:{recipe_colour(ahead)}40" title="{escape(ahead.name)} is ahead"'
        said = "first ahead" if cell.ahead > 0 else "second ahead"
    value = f"<b>{cell.value}</b>" if cell.ahead else cell.value
    return (
        f"<td{ground or ' class=open'}>{value}<small>{escape(cell.interval)}</small><small>{said}</small></td>"
    )


def _named(group: SeedGroup, hollow: Collection[str]) -> str:
    ground = "border:2px solid " if group.name in hollow else "background:"
    return f'<i style="{ground}{recipe_colour(group)}"></i>{escape(group.name)}'


def _titles(found: Sequence[Pair], *, with_value: bool = False) -> list[str]:
    titles = [
        cell.quantity.title for pair in found for cell in pair.cells if not with_value or cell.num_seeds > 0
    ]
    order = [cell.quantity.title for cell in found[0].cells]
    return [title for title in order if title in titles]
