"""Which machine this is, whatever its name is today."""

from __future__ import annotations

import hashlib
import os
import uuid
from functools import lru_cache
from pathlib import Path

from mlcnc.store.liveness import host_name

_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_NOT_FOR_EVER = 0b11 << 40
"""Set in an address that Python, a container or a virtual machine made up."""

_MACHINES_OWN_PIDS = "pid:[4026531836]"


@lru_cache(maxsize=1)
def machine_id() -> str:
    """Return what tells this machine from others and stays when it is renamed.

    It is made from the id of the installed system, else from the address of the network card, else from the
    host's name; those ids themselves are not shown to others. Containers with processes of their own are
    machines of their own, told apart by their names.
    """
    container = host_name() if _is_container() else ""
    return hashlib.sha256(f"mlcnc jobs {_source()} {container}".encode()).hexdigest()[:32]


def is_this_machine(machine: str, host: str) -> bool:
    """Return whether a record was written here; one from before machines had ids goes by the host's name."""
    return machine == machine_id() if machine else host == host_name()


def _is_container() -> bool:
    try:
        return os.readlink("/proc/self/ns/pid") != _MACHINES_OWN_PIDS
    except OSError:
        return False


def _source() -> str:
    for path in _FILES:
        try:
            found = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if found and found != "uninitialized":
            return found
    card = uuid.getnode()
    return host_name() if card & _NOT_FOR_EVER else f"{card:012x}"
