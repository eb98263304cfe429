"""Where a training runs, on a device of this machine or in Slurm, and what bounds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app.session import known_devices
from mlcnc.launch import JobRequest
from mlcnc.slurm import is_here
from mlcnc.slurm_request import SLURM, SlurmRequest

_OF_SLURM = {
    "partition": "partition",
    "nodes": "nodes",
    "gpus_per_node": "GPUs per node",
    "cpus_per_task": "cores per process",
    "minutes": "time, minutes",
}
_LIMITS = ("max_minutes", "max_megabytes")
CONTROLS = ("device", *_LIMITS, *(f"slurm_{name}" for name in _OF_SLURM))
"""Names of all controls, of which either the limits or those of Slurm are there."""


def as_asked(request: JobRequest) -> dict[str, Any]:
    """Return what the controls begin with for a job like this one, by name."""
    if request.slurm is None:
        return {name: getattr(request, name) for name in ("device", *_LIMITS)}
    return {"device": SLURM} | {f"slurm_{name}": value for name, value in request.slurm.model_dump().items()}


def show_where(key: Callable[[str], str], begun: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the controls and return the fields of a request that they mean.

    Slurm is offered where its commands are, or where a cloned job was given to it.

    Args:
        key: of a control, by name.
        begun: what the controls begin with, by name.
    """
    # a device that a cloned job named stays in view, although it may be gone
    kept = st.session_state.get(key("device")) or begun.get("device") or "auto"
    slurm = [SLURM] if is_here() else []
    names = list(dict.fromkeys(["auto", *(device.name for device in known_devices()), *slurm, kept]))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        device = st.selectbox(
            "device",
            names,
            index=names.index(kept),
            key=key("device"),
            persist_state="session",
            width=160,
            help="auto takes a free GPU first, then the processor. One job runs on a device at a time."
            + (" slurm gives the job to the cluster." if slurm else ""),
        )
        if device == SLURM:
            return {"slurm": _show_slurm(key, begun)}
        minutes = _number(
            "at most, minutes",
            key("max_minutes"),
            begun.get("max_minutes"),
            step=1.0,
            help="After this time the job is stopped as by the button; it can be resumed.",
        )
        megabytes = _number(
            "at most, MB on disk",
            key("max_megabytes"),
            begun.get("max_megabytes"),
            step=50.0,
            help="The job is stopped when its run folder is larger.",
        )
    return {"device": device or "auto", "max_minutes": minutes, "max_megabytes": megabytes}


def _show_slurm(key: Callable[[str], str], begun: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, label in _OF_SLURM.items():
        field, control = SlurmRequest.model_fields[name], f"slurm_{name}"
        default = 60 if field.is_required() else field.default
        value, about = begun.get(control, default), field.description or ""
        if name == "partition":
            text = st.text_input(
                label,
                value or "",
                max_chars=100,
                placeholder="the cluster's own",
                key=key(control),
                persist_state="session",
                width=160,
                help=about,
            )
            found[name] = text.strip() or None
        else:
            found[name] = _number(label, key(control), value, step=1, help=about, empty="needed")
    # a number that was cleared is its default, but for the time, which is asked for
    return {name: value for name, value in found.items() if value is not None}


def _number(
    label: str, key: str, value: float | None, *, step: float, help: str, empty: str = "no limit"
) -> float | None:
    # a number given as the control's own default comes back when it is cleared; one from the state does not
    st.session_state.setdefault(key, value)
    return st.number_input(
        label,
        value=None,
        step=step,
        format="%d" if isinstance(step, int) else "%g",
        placeholder=empty,
        key=key,
        persist_state="session",
        width=160,
        help=help,
    )
