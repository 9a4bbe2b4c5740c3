"""Keep postcards: PUT a text at ``/cards/<name>``, and GET it from there."""

import http.server
import json
import re
import signal
import sys
from http import HTTPStatus
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError

from postcards.settings import HEALTH_PATH, Settings

CARD: Final = re.compile(r"/cards/([a-z0-9-]{1,64})")
LONGEST: Final = 10_000
"""Bytes of a card."""
DRAINED: Final = 1_000_000
"""Bytes that are read of a body that is refused."""
IDLE_SECONDS: Final = 310
"""Longer than the load balancer keeps a connection, so that this end never closes it first."""

settings = Settings()
s3 = boto3.client("s3")


class Cards(http.server.BaseHTTPRequestHandler):
    """Answers the two methods, and the load balancer's question."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """Give a card back."""
        if self.path == HEALTH_PATH:
            self.answer(HTTPStatus.OK, {"status": "ok"})
            return
        card = CARD.fullmatch(self.path)
        if card is None:
            self.answer(HTTPStatus.NOT_FOUND, {"detail": "Cards are at /cards/<name>."})
            return
        try:
            text = s3.get_object(Bucket=settings.bucket, Key=card[1])["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            self.answer(HTTPStatus.NOT_FOUND, {"detail": f"There is no card {card[1]}."})
            return
        self.answer(HTTPStatus.OK, {"text": text.decode()})

    def do_PUT(self) -> None:
        """Keep a card."""
        card, length = CARD.fullmatch(self.path), self.headers.get("Content-Length", "")
        if card is None or not length.isdecimal() or int(length) > LONGEST:
            self.close_connection = True
            # With bytes unread, the connection would be reset and the answer lost on the way.
            self.rfile.read(min(int(length) if length.isdecimal() else 0, DRAINED))
            detail = f"PUT up to {LONGEST} bytes at /cards/<name>, names of a-z, 0-9 and hyphens."
            self.answer(HTTPStatus.BAD_REQUEST, {"detail": detail})
            return
        s3.put_object(Bucket=settings.bucket, Key=card[1], Body=self.rfile.read(int(length)))
        self.answer(HTTPStatus.CREATED, {"url": f"{settings.url}{self.path}"})

    def answer(self, status: HTTPStatus, body: dict[str, str]) -> None:
        """Send JSON."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, form: str, *values: Any) -> None:  # noqa: ANN401 - as inherited
        """Write one JSON object a request."""
        if self.path != HEALTH_PATH:
            sys.stdout.write(json.dumps({"event": "request", "line": form % values}) + "\n")
            sys.stdout.flush()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = http.server.ThreadingHTTPServer((settings.host, settings.port), Cards)
server.daemon_threads = True
server.serve_forever()
