"""Who is answered, by a clone and by an installed dashboard, in a folder of files that would loosen or shadow it."""

import base64
import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from streamlit import config

from app.guard import why_refused
from mlcnc.cli import main
from mlcnc_dashboard.place import prefer_own_app
from tests.app.conftest import write_run
from tests.conftest import ROOT

OF_SOMEBODY = 'raise SystemExit("a module of somebody else")'
LOOSE = (
    '[server]\naddress = "0.0.0.0"\nenableCORS = false\nenableXsrfProtection = false\nallowedHosts = ["*"]\n'
    'corsAllowedOrigins = ["http://evil.example"]\n'
)


def asked(host, *, origin=None, reached="127.0.0.1", kind="http"):
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    return {"type": kind, "server": (reached, 8501), "scheme": "http", "headers": headers}


@pytest.fixture
def options(monkeypatch):
    """Set options of Streamlit for one test."""
    given = {"server.address": "127.0.0.1", "server.allowedHosts": ["localhost", "127.0.0.1"]}
    given |= {"server.corsAllowedOrigins": [], "browser.serverPort": 8501}
    monkeypatch.setattr(config, "get_option", given.__getitem__)
    return given


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8501", None),
        ("LOCALHOST:8501", "http://localhost:8501"),
        ("127.0.0.1:8501", "http://127.0.0.1:8501"),
    ],
)
def test_pages_of_this_server_are_answered(options, host, origin):
    assert why_refused(asked(host, origin=origin)) is None


@pytest.mark.parametrize(
    ("host", "origin", "reason"),
    [
        ("evil.example:8501", None, "known as 127.0.0.1, localhost alone"),
        ("localhost.evil.example:8501", None, "known as"),
        ("evil@localhost:8501", None, "known as"),
        ("localhost:8501, evil.example", None, "known as"),
        ("", None, "known as"),
        ("[::1]:8501", None, "known as"),
        ("localhost:8501/x", None, "known as"),
        ("localhost:8502", None, "its port is 8501"),
        ("localhost", None, "its port is 8501"),
        ("localhost:8501", "http://localhost:3000", "only its own pages"),
        ("localhost:8501", "http://127.0.0.1:8501", "only its own pages"),
        ("localhost:8501", "http://localhost", "only its own pages"),
        ("localhost:8501", "null", "only its own pages"),
        ("localhost:8501", "http://localhost:8501@evil.example", "only its own pages"),
        ("localhost:8501", "file://", "only its own pages"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_foreign_hosts_and_origins_are_refused(options, host, origin, reason, kind):
    assert reason in why_refused(asked(host, origin=origin, kind=kind))


@pytest.mark.parametrize(
    ("address", "reached", "answered"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        (None, "::ffff:127.0.0.1", True),
        (None, "::1", True),
        (None, "192.0.2.7", False),
        (None, "::ffff:192.0.2.7", False),
        ("127.0.0.1", "192.0.2.7", False),  # another server than Streamlit's command listens
        ("0.0.0.0", "192.0.2.7", True),  # asked for
    ],
)
def test_what_nobody_asked_to_be_reached_at_is_refused(options, address, reached, answered):
    options["server.address"] = address
    reason = why_refused(asked("localhost:8501", reached=reached))
    assert reason is None if answered else "mlcnc dashboard" in reason


def test_names_and_ports_that_were_given_are_answered(options):
    options |= {
        "server.address": "0.0.0.0",
        "server.allowedHosts": ["gpu1.example"],
        "browser.serverPort": 9000,
    }
    assert why_refused(asked("gpu1.example", origin="https://gpu1.example")) is None
    assert "known as gpu1.example alone" in why_refused(asked("localhost:8501"))
    options["server.allowedHosts"] = []
    assert why_refused(asked("localhost:9000")) is None
    assert why_refused(asked("[::1]:8501")) is None
    assert why_refused(asked("evil.example:8501"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(port, path="/", **headers):
    """Return status, headers and text of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    found = response.status, dict(response.getheaders()), response.read().decode()
    connection.close()
    return found


def handshake(port, host, origin):
    """Open a WebSocket and return (status, socket)."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET /_stcore/stream HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket"]
    lines += [f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"]
    stream = socket.create_connection(("127.0.0.1", port), timeout=20)
    stream.sendall("\r\n".join(lines).encode())
    return int(stream.recv(100).split()[1]), stream


@pytest.fixture
def elsewhere(tmp_path):
    """A folder of somebody else: modules and a configuration that must not count."""
    for name in ("app", "main", "streamlit", "session"):
        (tmp_path / f"{name}.py").write_text(OF_SOMEBODY)
    (tmp_path / ".streamlit").mkdir()
    more = '[browser]\ngatherUsageStats = true\nserverAddress = "evil.example"\nserverPort = 1\n'
    (tmp_path / ".streamlit" / "config.toml").write_text(LOOSE + more)
    write_run(tmp_path / "runs", "only").finish()
    return tmp_path


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The files of an installed package, as setuptools lays them out."""
    root = tmp_path_factory.mktemp("installed")
    built = root / "lib"
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "egg_info", "--egg-base", str(root)]
    command += ["build", "--build-base", str(root / "build"), "--build-lib", str(built)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (root / "mlcnc.egg-info").rename(built / "mlcnc.egg-info")
    assert not (built / "app").exists()
    return built


@pytest.mark.parametrize("way", ["clone", "installed"])
def test_a_server_answers_its_own_pages_alone(elsewhere, installed, way):
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
    environment |= {"HOME": str(elsewhere), "PYTHONPATH": str(installed if way == "installed" else ROOT)}
    if way == "clone":
        command = [str(ROOT / "app" / "main.py"), "--server.port", str(port), "--server.headless", "true"]
        command = [sys.executable, "-P", "-m", "streamlit", "run", *command, "--", "--runs", "runs"]
    else:
        with (elsewhere / ".streamlit" / "config.toml").open("a") as file:
            file.write("[global]\ndevelopmentMode = true\n")
        command = [sys.executable, "-m", "mlcnc", "dashboard", "--port", str(port), "--no-browser"]
    log = elsewhere / "log.txt"
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=elsewhere, env=environment, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 90
        while True:
            assert server.poll() is None, log.read_text()
            try:
                status, headers, _ = answer(port, Host=f"localhost:{port}")
                break
            except OSError:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
        listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        assert status == 200
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"] == "frame-ancestors 'none'"
        if way == "installed":  # Streamlit itself prints what the file says
            assert f"http://127.0.0.1:{port}" in log.read_text()
        own = f"http://localhost:{port}"
        for path in ("/", "/_stcore/health", "/_stcore/host-config", "/media/x", "/geometry"):
            for foreign in ({"Host": f"evil.example:{port}"}, {"Host": "localhost:1"}):
                status, _, text = answer(port, path, **foreign)
                assert status == 403
                assert text.startswith("mlcnc serves nothing here. ")
            assert answer(port, path, Host=f"localhost:{port}", Origin="http://localhost:3000")[0] == 403
            assert answer(port, path, Host=f"localhost:{port}", Origin=own)[0] in (200, 404)
        for host, origin in (
            (f"evil.example:{port}", f"http://evil.example:{port}"),
            (f"localhost:{port}", "http://localhost:3000"),
            (f"localhost:{port}", "null"),
        ):
            status, stream = handshake(port, host, origin)
            stream.close()
            assert status == 403
        status, stream = handshake(port, f"localhost:{port}", own)
        assert status == 101
        server.send_signal(signal.SIGINT)
        server.wait(timeout=20)  # although a page is open
        stream.close()
    finally:
        server.kill()
        server.wait()
    assert "Traceback" not in log.read_text()


def test_the_installed_command_reports_beside_an_app_of_somebody_else(elsewhere, installed):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "mlcnc", "report", "only", "--out", "report.html"]
    for plugins in ("", "app"):
        (elsewhere / "app.py").write_text(OF_SOMEBODY if not plugins else "")
        done = subprocess.run(
            [*command, "--force"],
            cwd=elsewhere,
            env=environment | {"MLCNC_PLUGINS": plugins},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "report on 1 run" in done.stdout


def test_the_command_says_why_it_cannot_listen(installed):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "-m", "mlcnc", "dashboard", "--port", str(port)],
            env=os.environ | {"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert run.returncode == 1
    assert run.stderr == (
        f"mlcnc: --address 127.0.0.1 --port {port}: cannot listen there (Address already in use); give another port, "
        "or none for the first free one\n"
    )


def test_the_own_app_is_preferred_only_once(monkeypatch):
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    modules = {name for name in sys.modules if name.startswith("app.")}
    prefer_own_app()
    prefer_own_app()
    assert sys.path.count(str(ROOT)) <= before.count(str(ROOT)) + 1
    assert modules <= set(sys.modules)


def test_a_missing_runs_folder_is_said_before_the_server_starts(monkeypatch, tmp_path, capsys):
    started = []
    monkeypatch.setattr(os, "execv", lambda path, words: started.append(words))
    for folder, said in ((tmp_path, ""), (tmp_path / "mistyped", "there is no folder")):
        main(["dashboard", "--runs", str(folder), "--no-browser"])
        assert started.pop()[-1] == str(folder)
        assert said in capsys.readouterr().err if said else not capsys.readouterr().err
