"""The form of a training run, made from the fields of the config and checked before anything is queued."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, log10
from typing import Any

import streamlit as st

from app.device_search import FoundDevices
from app.session import jobs, known_devices, runs_root
from app.widgets.job_actions import submit
from app.widgets.job_words import sentence, size
from app.widgets.plain_text import plain
from mlcnc.analysis.form_fields import (
    COMMON,
    FormField,
    changed_settings,
    form_fields,
    known_datasets,
    nested,
    value_at,
)
from mlcnc.config import PRESETS, ExperimentConfig, override, preset
from mlcnc.errors import ConfigError, MlcncError
from mlcnc.launch import Device, Job, argv_of, command_line, estimate
from mlcnc.launch.request import request_of

_TURN, _FILLED, _PRESET, _CLONED = "form_turn", "form_filled", "form_preset", "form_cloned"
_LEFT_OUT = (("training", "device"),)
_SECTIONS = {
    "data": "Data",
    "model": "Model",
    "loss": "Loss",
    "training": "Optimiser, measurement and storage",
}


def fill_from(job: Job) -> None:
    """Fill the form with the settings of a job, all of them or none, when it is drawn next."""
    st.session_state[_CLONED] = job


def _take_over_clone() -> None:
    job = st.session_state.get(_CLONED)
    if job is None:
        return
    try:
        config = job.request.config()
    except ConfigError:
        config = preset("pictogram-lt")
    _fill(config, job.request.preset if job.request.preset in PRESETS else "pictogram-lt")
    request = job.request
    limits = {"device": request.device, "minutes": request.max_minutes, "megabytes": request.max_megabytes}
    for name, value in limits.items():
        st.session_state[f"form_{name}"] = value
    # the last step: broken off before it, by a click, all is done again
    del st.session_state[_CLONED]
    st.toast(f"Own settings hold those of {plain(job.run_id)} now.")


def is_filled() -> bool:
    """Return whether the form holds the settings of a job, which opens it."""
    return _FILLED in st.session_state or _CLONED in st.session_state


def _fill(config: ExperimentConfig, base: str) -> None:
    st.session_state[_FILLED] = config
    st.session_state[_PRESET] = base
    _turn()


def _turn() -> None:
    # a new key makes a new control, which takes the value it is given
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def _preset_chosen() -> None:
    st.session_state.pop(_FILLED, None)
    _turn()


@st.fragment
def show_form(refused: bool, glove_path: str | None) -> None:
    """Draw the form, what is wrong with it, what it needs, its command, and the button that queues it.

    Args:
        refused: launching is off; everything can be looked at and the button does nothing.
        glove_path: a checked file of GloVe vectors, filled in where the form names none.
    """
    _take_over_clone()
    st.session_state.setdefault(_PRESET, "pictogram-lt")
    name = st.selectbox(
        "Start from",
        list(PRESETS),
        key=_PRESET,
        on_change=_preset_chosen,
        persist_state="session",
        help="A preset fills the form; the command names it and only what differs from it.",
        width=300,
    )
    base = preset(name or "pictogram-lt")
    values = _controls(st.session_state.get(_FILLED, base), st.session_state.get(_TURN, 0))
    if values[("model", "label_embedding")] == "glove" and not values[("model", "glove_path")]:
        values[("model", "glove_path")] = glove_path
    found = known_devices()
    device, minutes, megabytes = _limits(found.devices)
    try:
        config = override(base, nested(values))
        request = request_of(
            {
                "kind": "train",
                "preset": name or "pictogram-lt",
                "settings": changed_settings(base, config),
                "device": device,
                "max_minutes": minutes,
                "max_megabytes": megabytes,
            }
        )
    except (MlcncError, ValueError) as error:
        st.error(f"Not queued: {plain(error)}.", icon=":material/edit_off:")
        return
    _say_devices(found)
    if config.model.glove_path and config.model.label_embedding != "glove":
        st.caption(f"The glove path is not used: the label embedding is {config.model.label_embedding}.")
    stopped = bool(found.problem) or (bool(found.devices) and _say_needs(config, device))
    run_id = jobs().next_run_id(config)
    st.caption("The command, as a terminal takes it:")
    st.code(command_line(argv_of(request, run_id, runs_root())), language="bash", wrap_lines=True)
    clicked = st.button(
        "Queue this run",
        icon=":material/play_arrow:",
        type="primary",
        key="queue_form",
        disabled=refused or stopped,
    )
    # no callback: it would queue what was drawn before a number that was typed just before the click
    if clicked and not stopped:
        submit(lambda: [request], lambda queued: f"Queued {queued[0].run_id}.")


def _controls(config: ExperimentConfig, turn: int) -> dict[tuple[str, ...], Any]:
    fields = form_fields(_LEFT_OUT)
    values: dict[tuple[str, ...], Any] = {}
    common = [field for field in fields if field.path in COMMON]
    columns = st.columns(3)
    for place, field in enumerate(common):
        with columns[place % 3]:
            values[field.path] = _control(field, value_at(config, field.path), turn)
    for section, title in _SECTIONS.items():
        rest = [field for field in fields if field.section == section and field.path not in COMMON]
        changed = sum(
            value_at(config, field.path) != value_at(ExperimentConfig(), field.path) for field in rest
        )
        note = f" ({changed} differ from the defaults)" if changed else ""
        with st.expander(f"{title}{note}", key=f"form_{section}_{turn}"):
            columns = st.columns(3)
            for place, field in enumerate(rest):
                with columns[place % 3]:
                    values[field.path] = _control(field, value_at(config, field.path), turn)
    return values


def _control(field: FormField, value: Any, turn: int) -> Any:
    label = field.path[-1].replace("_", " ")
    settings: dict[str, Any] = {"key": f"form_{turn}_{field.name}", "persist_state": "session"}
    settings["help"] = plain("; ".join(words for words in (field.help, field.range_words) if words))
    if field.kind == "choice":
        return st.selectbox(label, field.choices, index=field.choices.index(value), **settings)
    if field.kind == "switch":
        return st.toggle(label, value, **settings)
    if field.kind in ("whole", "number"):
        return _number(field, label, value, settings)
    if field.path == ("data", "dataset"):
        known = list(dict.fromkeys([*known_datasets(), value]))
        return st.selectbox(label, known, index=known.index(value), accept_new_options=True, **settings)
    text = st.text_input(label, value or "", max_chars=field.max_length, placeholder="none", **settings)
    return text.strip() or (None if field.is_optional else "")


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


def _limits(devices: Sequence[Device]) -> tuple[str, float | None, float | None]:
    # a device that a cloned job named stays in view, although it may be gone
    kept = st.session_state.get("form_device") or "auto"
    names = list(dict.fromkeys(["auto", *(device.name for device in devices), kept]))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        device = st.selectbox(
            "device",
            names,
            key="form_device",
            persist_state="session",
            width=160,
            help="auto takes a free GPU first, then the processor. One job runs on a device at a time.",
        )
        minutes = _limit(
            "at most, minutes",
            "form_minutes",
            step=1.0,
            help="After this time the job is stopped as by the button; it can be resumed.",
        )
        megabytes = _limit(
            "at most, MB on disk",
            "form_megabytes",
            step=50.0,
            help="The job is stopped when its run folder is larger.",
        )
    return device or "auto", minutes, megabytes


def _limit(label: str, key: str, *, step: float, help: str) -> float | None:
    return st.number_input(
        label,
        value=None,
        step=step,
        format="%g",
        placeholder="no limit",
        key=key,
        persist_state="session",
        width=160,
        help=help,
    )


def _say_devices(found: FoundDevices) -> None:
    if found.problem:
        st.error(plain(sentence(found.problem)), icon=":material/block:")
    elif found.is_searching:
        st.caption("Looking which devices there are; auto works already.")
    for chosen in [device for device in found.devices if device.why][:1]:
        st.caption(plain(f"auto is {chosen.name} here: {chosen.why}."))


def _say_needs(config: ExperimentConfig, device: str) -> bool:
    """Say what a run needs as far as it can be known, and return whether that forbids it."""
    try:
        needs = estimate(config, runs_root(), device)
    except (MlcncError, OSError) as error:
        st.warning(plain(f"What it needs cannot be said: {error}."))
        return False
    for problem in needs.problems:
        st.error(plain(sentence(problem)), icon=":material/block:")
    parts = [f"about {size(needs.disk_bytes)} on disk ({size(needs.free_disk_bytes)} free)"]
    parts += [] if needs.memory_bytes is None else [f"about {size(needs.memory_bytes)} of memory"]
    st.caption(plain(f"Needs {', '.join(parts)}. {' '.join(needs.notes)}"))
    return bool(needs.problems)
