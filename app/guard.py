"""What the server answers: pages of its own alone, under the names that it was started with."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

HEADERS = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
"""Of every answer: no page of another server may frame it, or show its pictures."""

_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_THIS_MACHINE = {"localhost", "127.0.0.1", "[::1]"}
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def keep_protections() -> None:
    """Keep on what no file and no variable may switch off: XSRF and CORS protection, no statistics.

    Nor does a file say where browsers find this server: that of another project in the working folder would
    open a wrong address.
    """
    config.set_option("server.enableXsrfProtection", True)
    config.set_option("server.enableCORS", True)
    config.set_option("browser.gatherUsageStats", False)
    options = config.get_config_options()
    for name, value in (
        ("browser.serverAddress", lambda: "localhost"),
        ("browser.serverPort", lambda: int(config.get_option("server.port"))),
    ):
        if options[name].where_defined.endswith(".toml"):
            options[name](value)
            options[name].where_defined = options[name].DEFAULT_DEFINITION


class Guard:
    """Refuses, before Streamlit sees it, what no page of this very server asks for.

    Streamlit itself holds the Host against ``server.allowedHosts`` for its WebSocket only and without the port,
    takes any port of localhost for its own origin, forbids no framing, and without its configuration file
    listens on all addresses.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a WebSocket, or say why not."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = None if scope["type"] == "lifespan" else why_refused(scope)
        if reason is None:
            await self.app(scope, receive, marked)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse(f"mlcnc serves nothing here. {reason}\n", 403)(scope, receive, marked)


def why_refused(scope: Scope) -> str | None:
    """Return why a request or WebSocket is not answered and what to do about it, or None where it is."""
    reached, port = scope["server"]
    address = config.get_option("server.address")
    if not is_loopback(reached) and (not address or is_loopback(address)):
        return (
            f"Other machines can reach this server, at {reached}, and nobody asked for that. Start it for this "
            "machine alone: mlcnc dashboard; or for others: mlcnc dashboard --address ADDRESS --host NAME."
        )
    headers = Headers(scope=scope)
    host = ", ".join(headers.getlist("host")).lower()
    names = set(config.get_option("server.allowedHosts")) or _THIS_MACHINE
    ports = {port, int(config.get_option("browser.serverPort"))}
    found = _HOST.fullmatch(host)
    if found is None or not names & {"*", found["name"].strip("[]"), found["name"]}:
        return (
            f"It was asked for as {host!r}, and is known as {', '.join(sorted(names))} alone. Another name is "
            "given by: mlcnc dashboard --host NAME."
        )
    if found["name"] in _THIS_MACHINE and int(found["port"] or _DEFAULT_PORTS[scope["scheme"]]) not in ports:
        return (
            f"It was asked for as {host!r}, and its port is {port}. Where that port is forwarded under another "
            "number, say which: --browser.serverPort NUMBER."
        )
    origins = headers.getlist("origin")
    foreign = set(origins) - set(config.get_option("server.corsAllowedOrigins"))
    if any(urlsplit(origin).netloc.lower() != host for origin in foreign):
        return f"A page of {', '.join(origins)} asked for it, and only its own pages may."
    return None


def is_loopback(address: object) -> bool:
    """Return whether only this machine reaches an address; of None, which is all addresses, it is not so."""
    if not isinstance(address, str):
        return False
    if address == "localhost":
        return True
    try:
        found = ip_address(address.strip("[]"))
    except ValueError:
        return False
    # a socket of both families names its IPv4 addresses so
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback
