"""``mlcnc dashboard``: Streamlit with the options under which the dashboard is safe, from any folder."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import Any, NoReturn

from mlcnc.cli_runs import add_runs_folder
from mlcnc.errors import ConfigError
from mlcnc.named_paths import path_argument
from mlcnc.written_numbers import whole
from mlcnc_dashboard.place import FOLDER

_LOOPBACK = ("localhost", "127.0.0.1")
_FIRST_PORT = 8501
_ALL_ADDRESSES = {"0.0.0.0", "::"}


def add_dashboard(commands: Any) -> None:
    """Add ``dashboard`` to the command line."""
    parser = commands.add_parser(
        "dashboard",
        help="open the dashboard in the browser",
        description="Serve the dashboard to browsers of this machine, until Ctrl-C.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=whole, metavar="NUMBER", help="[8501, or the next that is free]")
    parser.add_argument(
        "--address",
        default="127.0.0.1",
        help="address to listen on; on others than this one other machines can see the runs [127.0.0.1]",
    )
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="name under which browsers reach it, beside localhost and --address; may be repeated",
    )
    parser.add_argument(
        "--data-root", type=path_argument, metavar="DIR", help="folder of photographs [MLCNC_DATA]"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    add_runs_folder(parser)
    parser.set_defaults(command=_serve)


def _serve(options: argparse.Namespace) -> NoReturn:
    if options.address in _ALL_ADDRESSES and not options.host:
        raise ConfigError(
            f"--address {options.address} is all addresses of this machine; say under which name browsers "
            "reach it: --host NAME"
        )
    runs = options.runs.absolute()
    if not runs.exists():
        print(f"mlcnc: there is no folder {str(runs)!r} yet, so that no runs are shown", file=sys.stderr)
    port = str(_free_port(options.address, options.port))
    names = dict.fromkeys((*_LOOPBACK, *({options.address} - _ALL_ADDRESSES), *options.host))
    given = [] if options.data_root is None else ["--data-root", str(options.data_root.absolute())]
    # -P: nothing in the working folder takes the place of a module
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(FOLDER / "app" / "main.py")]
    command += ["--server.address", options.address, "--server.port", port]
    # what a configuration in the working folder would say otherwise
    command += ["--browser.serverAddress", (*options.host, options.address)[0], "--browser.serverPort"]
    command += [os.environ.get("STREAMLIT_BROWSER_SERVER_PORT", port), "--global.developmentMode", "false"]
    command += [word for name in names for word in ("--server.allowedHosts", name)]
    command += ["--server.headless", "true"] if options.no_browser else []
    # in place of this process, so that signals and exit status are Streamlit's own
    os.execv(command[0], [*command, "--", "--runs", str(runs), *given])


def _free_port(address: str, port: int | None) -> int:
    """Return a port on which this machine can listen: the one asked for, else the first from 8501.

    Raises:
        ConfigError: there is none.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for number in [port] if port is not None else range(_FIRST_PORT, _FIRST_PORT + 100):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, number))
                return int(probe.getsockname()[1])
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
    where = f"--address {address}" if port is None else f"--address {address} --port {port}"
    other = "give another address" if port is None else "give another port, or none for the first free one"
    raise ConfigError(f"{where}: cannot listen there ({reason}); {other}")
