"""An HTTP server on this machine that can do everything wrong."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mlcnc import resumed_download


class Server(ThreadingHTTPServer):
    """Serves ``content``; the attributes say what it does wrong."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content  # of every address that files does not name
        self.files = None  # by path from the server's root; others are 404 then
        self.name = ""
        self.kind = "application/zip"
        self.status = 200
        self.tag = '"first"'
        self.ranges = True
        self.stated = None  # Content-Length in place of the true one
        self.leads_to = None  # address of a redirection
        self.sends = []  # bytes of each answer in turn before the connection is closed; then all
        self.pause = 0.0  # after every piece of a kilobyte
        self.asked = []  # Range headers
        self.paths = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/{self.name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        server.paths.append(self.path)
        content = server.content
        if server.leads_to:
            self.send_response(302)
            self.send_header("Location", server.leads_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if server.files is not None:
            if self.path[1:] not in server.files:
                self.send_error(404)
                return
            content = server.files[self.path[1:]]
        first = 0
        valid = self.headers.get("If-Range") in (None, server.tag)
        if asked and server.ranges and valid:
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            if first >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(server.status)
        body = content[first:]
        if server.tag:
            self.send_header("ETag", server.tag)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(body) if server.stated is None else server.stated))
        self.end_headers()
        if server.sends:
            body = body[: server.sends.pop(0)]
        with contextlib.suppress(OSError):
            for start in range(0, len(body), 1024):
                self.wfile.write(body[start : start + 1024])
                time.sleep(server.pause) if server.pause else None
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def download_server(monkeypatch, content=b""):
    """Yield a running server; clients give up after two short pauses."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(resumed_download, "PAUSES_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(resumed_download, "SCHEMES", ("https", "http"))
    server = Server(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
