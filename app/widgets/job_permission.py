"""Whether this page may start and stop processes: only where nobody else's browser can reach it."""

from __future__ import annotations

import os
from ipaddress import ip_address

import streamlit as st

ALLOW_VARIABLE = "MLCNC_ALLOW_REMOTE_LAUNCH"
"""Set to 1, it lets the page start processes on a server that other machines can reach."""


def why_no_launch() -> str | None:
    """Return why nothing may be started from the page and how to change it; None where it may."""
    if os.environ.get(ALLOW_VARIABLE) == "1":
        return None
    address = st.get_option("server.address")
    if is_loopback(address):
        return None
    return (
        "Starting, stopping and changing jobs is off, because this server can be reached from other machines: "
        f"it is bound to {address or 'all addresses'}. Bind it to this machine alone (server.address = "
        f'"127.0.0.1"), or set {ALLOW_VARIABLE}=1 where everybody who can open the page may use this machine. '
        "What runs is shown either way, and mlcnc jobs does the same in a terminal."
    )


def is_loopback(address: object) -> bool:
    """Return whether an address is one of this machine's own; of None, which is all addresses, it is not."""
    if not isinstance(address, str):
        return False
    if address == "localhost":
        return True
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False
