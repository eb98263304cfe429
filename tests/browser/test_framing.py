"""No page of another server shows the dashboard in a frame."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_foreign_page_cannot_frame_the_dashboard(browser, gallery_address):
    class Foreign(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(f'<iframe src="{gallery_address}/"></iframe>'.encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Foreign) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        with page.expect_console_message(lambda line: "frame-ancestors" in line.text):
            page.goto(f"http://localhost:{server.server_port}/")
        page.close()
        server.shutdown()
