"""The form of a training run, made from the fields of the config and checked before anything is queued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import streamlit as st

from app.session import jobs, known_devices, runs_root
from app.train.actions import submit
from app.train.clicks import last_action
from app.train.jobs import sentence
from app.train.where import CONTROLS, as_asked, show_where
from app.widgets.plain_text import plain
from mlcnc.analysis.images.photographs import with_data_folder
from mlcnc.analysis.runs.form_fields import (
    COMMON,
    FormField,
    changed_settings,
    form_fields,
    value_at,
    with_kind,
)
from mlcnc.config import ExperimentConfig, leaf_fields, nested, override
from mlcnc.errors import ConfigError, MlcncError
from mlcnc.launch import Job, argv_of, command_line
from mlcnc.launch.request import request_of
from mlcnc.obstacles import obstacles
from mlcnc.presets import PRESETS, at_raced_rate, preset, raced_rate_sentence

_FILLING = "form_filling"
_LEFT_OUT = (("training", "device"),)
_METHOD = ("method", "kind")
_EMBEDDING = ("method", "label_embedding")
_GLOVE = ("method", "glove_path")
_WHOLE_SENTENCES = """<style>
[data-testid="stSelectboxVirtualDropdown"] [role="option"] > div {
  white-space: normal; line-height: 1.2; overflow-wrap: anywhere; }
</style>"""
"""Sentences in the lists of methods and losses take two lines where the page is narrow, and are not cut."""

_SECTIONS = {
    "data": "Data",
    "model": "Backbone",
    "method": "Method",
    "training": "Optimiser, measurement and storage",
}


@dataclass(frozen=True)
class Filling:
    """What the form begins with.

    One value, for Streamlit can break a callback off between two. The controls carry ``turn`` in their keys: a
    browser that does not know of the new ones yet cannot send back what the old ones showed.
    """

    turn: int = 0
    base: str = "pictogram-lt"
    config: ExperimentConfig | None = None
    where: Mapping[str, Any] | None = None

    def key(self, name: str) -> str:
        """Return the key of a control."""
        return f"form_{self.turn}_{name}"


def fill_from(job: Job) -> None:
    """Fill the form with the settings of a job; only in a callback."""
    request = job.request
    try:
        config = request.config()
    except ConfigError as error:
        st.toast(f"The settings of {plain(job.run_id)} cannot be cloned: {plain(error)}.")
        return
    st.session_state[_FILLING] = Filling(
        _filling().turn + 1,
        request.preset if request.preset in PRESETS else "pictogram-lt",
        config,
        as_asked(request),
    )
    st.toast(f"Own settings hold those of {plain(job.run_id)} now.")


def is_filled() -> bool:
    """Return whether the form holds the settings of a job, which opens it."""
    return _filling().config is not None


def _filling() -> Filling:
    return st.session_state.get(_FILLING, Filling())


def _preset_chosen() -> None:
    now = _filling()
    chosen = {name: st.session_state.get(now.key(name)) for name in ("preset", *CONTROLS)}
    st.session_state[_FILLING] = Filling(
        now.turn + 1,
        chosen["preset"] or now.base,
        None,
        {name: value for name, value in chosen.items() if name in CONTROLS and value is not None},
    )


@st.fragment
def show_form(refused: bool, glove_path: str | None, data_root: str | None) -> None:
    """Draw the form, what is wrong with it, its command, and the button that queues it.

    Args:
        refused: launching is off; everything can be looked at and the button does nothing.
        glove_path: a checked file of GloVe vectors, filled in where the form names none.
        data_root: a folder of data sets, filled in where photographs are chosen and the form names none.
    """
    begun = _filling()
    st.html(_WHOLE_SENTENCES)
    name = st.selectbox(
        "Start from",
        list(PRESETS),
        index=list(PRESETS).index(begun.base),
        key=begun.key("preset"),
        on_change=_preset_chosen,
        persist_state="session",
        help="A preset fills the form; the command names it and only what differs from it. Type to search: "
        "original-METHOD is the recipe of a method's paper, on VOC-LT; bench is that of a race.",
        width=300,
    )
    base = preset(name or "pictogram-lt")
    values = _controls(begun.config or base, begun)
    where = show_where(begun.key, begun.where or {})
    try:
        config = with_data_folder(override(base, nested(values)), data_root)
        if config.method.needs_glove and glove_path and not values.get(_GLOVE):
            config = override(config, nested({_GLOVE: glove_path}))
        request = request_of(
            {
                "kind": "train",
                "preset": name or "pictogram-lt",
                "settings": changed_settings(base, config),
                **where,
            }
        )
    except (MlcncError, ValueError) as error:
        st.error(f"Not queued: {plain(error)}.", icon=":material/edit_off:")
        return
    if "slurm" not in where:
        first = known_devices()[0]
        st.caption(plain(f"auto is {first.name} here: {first.why}."))
    if values.get(_GLOVE) and not config.method.needs_glove:
        st.caption(f"The glove path is not used: the label embedding is {values[_EMBEDDING]}.")
    _offer_raced_rate(config, begun)
    # obstacles tell of files at paths that were typed: whoever may not start anything is told none
    stopped = refused or _say_obstacles(config, where.get("device", "cpu"))
    run_id = jobs().next_run_id(config)
    st.caption("The command, as a terminal takes it:")
    st.code(command_line(argv_of(request, run_id, runs_root())), language="bash", wrap_lines=True)
    token = last_action().token("queue_form")
    is_clicked = st.button(
        "Queue this run",
        icon=":material/play_arrow:",
        type="primary",
        key=f"queue_form {token}",
        disabled=stopped,
    )
    # no callback: it would queue what was drawn before a number that was typed just before the click
    if is_clicked and not stopped:
        submit("queue_form", token, lambda: [request], lambda queued: f"Queued {queued[0].run_id}.")


def _controls(start: ExperimentConfig, begun: Filling) -> dict[tuple[str, ...], Any]:
    config, kinds = _with_chosen_kinds(start, begun)
    fields = form_fields(config, _LEFT_OUT)
    defaults = ExperimentConfig()
    for path in kinds:
        defaults = with_kind(defaults, path, value_at(config, path))

    def control(field: FormField) -> Any:
        own = value_at(config, field.path), _key(begun, start, config, field.path)
        return _control(field, *kinds.get(field.path, own))

    values: dict[tuple[str, ...], Any] = {
        field.path: control(field) for field in fields if field.path == _METHOD
    }
    common = [field for field in fields if field.path in COMMON]
    columns = st.columns(3)
    for place, field in enumerate(common):
        with columns[place % 3]:
            values[field.path] = control(field)
    for section, title in _SECTIONS.items():
        rest = [field for field in fields if field.section == section and field.path not in (_METHOD, *COMMON)]
        changed = sum(value_at(config, field.path) != value_at(defaults, field.path) for field in rest)
        note = f" ({changed} differ from the defaults)" if changed else ""
        with st.expander(f"{title}{note}", key=begun.key(section)):
            # a choice among sentences takes the whole width
            values |= {field.path: control(field) for field in rest if field.sentences}
            columns = st.columns(3)
            for place, field in enumerate(field for field in rest if not field.sentences):
                with columns[place % 3]:
                    values[field.path] = control(field)
    return values


def _with_chosen_kinds(
    start: ExperimentConfig, begun: Filling
) -> tuple[ExperimentConfig, dict[tuple[str, ...], tuple[str, str]]]:
    """Return the start with the chosen method and loss, and by path of a kind, the first choice and the key."""
    config = start
    kinds: dict[tuple[str, ...], tuple[str, str]] = {}
    # a method decides on which losses there are
    while left := [path for path, _ in leaf_fields(config) if path[-1] == "kind" and path not in kinds]:
        path = left[0]
        first, key = value_at(config, path), _key(begun, start, config, path)
        kinds[path] = first, key
        config = with_kind(config, path, st.session_state.get(key) or first)
    return config, kinds


def _key(begun: Filling, start: ExperimentConfig, config: ExperimentConfig, path: tuple[str, ...]) -> str:
    """Return the key of a setting's control.

    Methods that begin a setting with the same value share it, and so what was changed of it stays; a method
    that begins it with another value has its own.
    """
    name, value = ".".join(path), value_at(config, path)
    try:
        shared = value == value_at(start, path)
    except AttributeError:
        shared = False
    return begun.key(name if shared else f"{name}={value}")


def _control(field: FormField, value: Any, key: str) -> Any:
    label = (field.path[-2] if field.sentences else field.path[-1]).replace("_", " ")
    settings: dict[str, Any] = {"key": key, "persist_state": "session"}
    settings["help"] = plain("; ".join(words for words in (field.help, field.range_words) if words))
    if field.kind == "choice":
        if field.sentences:
            settings["format_func"] = dict(zip(field.choices, field.sentences, strict=True)).__getitem__
            settings["filter_mode"] = "contains"  # by letters, "ERM" found a shorter sentence with it first
        return st.selectbox(label, field.choices, index=field.choices.index(value), **settings)
    if field.kind == "switch":
        return st.toggle(label, value, **settings)
    if field.kind in ("whole", "number"):
        return _number(field, label, value, settings)
    if field.kind == "suggestions":
        return _suggestions(field, label, value, settings)
    if isinstance(value, tuple):
        value = ",".join(str(part) for part in value)
    text = st.text_input(label, value or "", max_chars=field.max_length, placeholder="none", **settings)
    return text.strip() or (None if field.is_optional else "")


def _suggestions(field: FormField, label: str, value: Any, settings: dict[str, Any]) -> Any:
    known = list(dict.fromkeys([*field.choices, *([] if value is None else [value])]))
    if not field.is_optional:
        return st.selectbox(label, known, index=known.index(value), accept_new_options=True, **settings)
    # as of numbers: a value of the state can be cleared
    st.session_state.setdefault(settings["key"], value)
    return st.selectbox(label, known, index=None, placeholder="none", accept_new_options=True, **settings)


def _number(field: FormField, label: str, value: Any, settings: dict[str, Any]) -> Any:
    kind: Callable[[Any], Any] = int if field.kind == "whole" else float
    # a number given as the control's own default comes back when it is cleared; one from the state does not
    st.session_state.setdefault(settings["key"], None if value is None else kind(value))
    # no bounds: the browser would show a number out of them and keep the last one within; the config judges
    return st.number_input(
        label,
        value=None,
        step=kind(_step(value)) or 1,
        format="%d" if field.kind == "whole" else "%.6g",
        placeholder="none" if field.is_optional else "needed",
        **settings,
    )


def _step(value: float | None) -> float:
    """Return a step that moves a number by about a tenth of itself."""
    return 0.1 if not value else 10.0 ** (floor(log10(abs(value))) - 1) if abs(value) < 10 else 1.0


def _offer_raced_rate(config: ExperimentConfig, begun: Filling) -> None:
    """Say that the learning rate is that of another method, where a race chose one for this, and offer that."""
    raced = at_raced_rate(config)
    if raced is None:
        return
    taken = {begun.key(f"training.{name}"): getattr(raced.training, name) for name in ("lr", "weight_decay")}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(sentence(raced_rate_sentence(config))), width="stretch")
        st.button(
            f"Take {raced.training.lr:g}",
            icon=":material/tune:",
            key="take_raced_rate",
            on_click=st.session_state.update,
            args=(taken,),
        )


def _say_obstacles(config: ExperimentConfig, device: str) -> bool:
    """Say what would make the run fail at once, and return whether anything would."""
    try:
        found = obstacles(config, runs_root(), device)
    except (MlcncError, OSError) as error:
        st.warning(plain(f"Whether it can start cannot be said: {error}."))
        return False
    for obstacle in found:
        st.error(plain(sentence(obstacle)), icon=":material/block:")
    return bool(found)
