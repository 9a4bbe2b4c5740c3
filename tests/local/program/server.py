"""A service that tells what it was started with."""

import http.server
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PORT = int(os.environ["PORT"])


def revoked() -> list[str]:
    """List the headers that are refused."""
    file = Path("revoked.txt")
    return file.read_text().splitlines() if file.exists() else []


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Describe this task, ask the other one, or misbehave."""
        body: dict[str, object] = {"pid": os.getpid(), "port": PORT, "path": self.path}
        body["headers"] = list(self.headers.items())
        if self.path == "/environment":
            body["environment"] = dict(os.environ)
        elif self.path == "/ask":
            with urllib.request.urlopen(os.environ["ECHO_URL"], timeout=5) as answer:  # noqa: S310 - ours
                body["answer"] = json.load(answer)
        elif self.path == "/grandchild":
            sleeper = subprocess.Popen(["/bin/sleep", "300"], start_new_session=True)
            body["grandchild"] = sleeper.pid
        elif self.path == "/sicken":
            Handler.sick = True
        elif self.path == "/slowly":
            self.stream(3)
            return
        elif self.path == "/whoami" and self.headers["Authorization"] in revoked():
            self.answer(401, {})
            return
        elif self.path == "/health" and Handler.sick:
            self.answer(503, {"status": "sick"})
            return
        self.answer(200, body)

    sick = False

    def answer(self, status: int, body: object) -> None:
        """Send JSON."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def stream(self, pieces: int) -> None:
        """Send pieces with pauses between them."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(pieces):
            self.wfile.write(b"5\r\npiece\r\n")
            time.sleep(0.3)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, form: str, *values: object) -> None:
        """Log as services here do."""
        if self.path != "/health":
            sys.stdout.write(json.dumps({"event": "request", "line": form % values}) + "\n")
            sys.stdout.flush()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sys.stdout.write("not JSON: about to listen\n")
sys.stdout.flush()
server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
server.daemon_threads = True
server.serve_forever()
