"""The HTTP side of the control plane: moto behind a few checks of ours."""

import datetime as dt
import hmac
import io
import json
import signal
import threading
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from moto.core.responses import BaseResponse
from moto.iam.models import AccessKey, User, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from hokusai_infra.local.parts.credentials import Credentials, Identity
from hokusai_infra.local.parts.events import log
from hokusai_infra.local.parts.snapshot import Snapshot

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_READS: Final = (
    "BatchGet",
    "Check",
    "Count",
    "Decrypt",
    "Describe",
    "Encrypt",
    "Estimate",
    "Filter",
    "GenerateData",
    "GenerateRandom",
    "Get",
    "Head",
    "List",
    "Lookup",
    "Query",
    "ReEncrypt",
    "Scan",
    "Search",
    "Select",
    "Sign",
    "Simulate",
    "Test",
    "Validate",
    "Verify",
)
"""How the names of actions begin that change nothing."""
_CREDENTIALS_LAST: Final = dt.timedelta(hours=6)
"""What ECS gives; botocore asks again 15 minutes before the end."""
_OURS: Final = "/local-stack/"
"""IAM path of the users that stand for published identities."""
_LARGEST_BODY: Final = 16 * 1024 * 1024


class Answer(NamedTuple):
    """One HTTP response."""

    status: int
    body: bytes
    headers: Iterable[tuple[str, str]] = (("Content-Type", "application/json"),)

    @classmethod
    def of(cls, value: object, status: int = HTTPStatus.OK) -> "Answer":
        """Answer with JSON."""
        return cls(status, json.dumps(value).encode())

    @classmethod
    def refusing(cls, status: int, code: str, message: str) -> "Answer":
        """Answer in a shape that botocore reads for JSON services, and people for the others."""
        kind = ("Content-Type", "application/x-amz-json-1.1")
        body = json.dumps({"__type": code, "message": message}).encode()
        return cls(status, body, (kind, ("X-Amzn-ErrorType", code)))


class ControlApplication:
    """Every AWS API but S3, one call at a time; a change is on disk before it is answered."""

    def __init__(self, credentials: Credentials, account_id: str, region: str, file: Path) -> None:
        self._credentials, self._account, self._region = credentials, account_id, region
        self._snapshot = Snapshot(file)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._identities: dict[str, Identity] = {}
        self._identities_read: object = None
        self._changed = False
        self._note_changes()

    def start(self) -> None:
        """Load what was kept."""
        self._snapshot.load()

    def close(self) -> None:
        """Keep everything."""
        with self._lock:
            self._snapshot.save()

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> list[bytes]:
        """Answer one request (WSGI)."""
        status, body, headers = self._answer(environ)
        start(f"{status} {HTTPStatus(status).phrase}", list(headers))
        return [body]

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        with self._lock:
            self._follow_identities()
            if path == "/_control/health":
                return Answer.of({"status": "ok"})
            if path.startswith("/_credentials/") and method == "GET":
                return self._task_credentials(path, environ.get("HTTP_AUTHORIZATION", ""))
            if path == "/_control/secret-value" and method == "POST":
                return self._secret_value(environ)
            return self._aws(environ)

    def _aws(self, environ: "WSGIEnvironment") -> Answer:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if not authorization.startswith("AWS4-HMAC-SHA256 Credential="):
            return Answer.refusing(403, "MissingAuthenticationToken", "Sign the request (SigV4).")
        if "/s3/aws4_request" in authorization:
            return Answer.refusing(
                501, "NotImplemented", "S3 is at the object store: set AWS_ENDPOINT_URL_S3."
            )
        self._changed = False
        try:
            parts, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
            if self._changed:
                self._snapshot.save()
        except NotImplementedError as missing:
            log("action_not_known", error=missing)
            return Answer.refusing(501, "NotImplemented", f"The local control plane: {missing}")
        except Exception as problem:  # noqa: BLE001 - one call that fails must not end the server
            log("request_failed", error=problem)
            return Answer.refusing(500, "InternalFailure", "The log of the control plane says why.")
        return Answer(int(status.split(" ", 1)[0]), b"".join(parts), list(headers))

    def _note_changes(self) -> None:
        """Let moto's dispatcher say when an action may have changed something."""
        call = BaseResponse.call_action

        def call_action(response: Any) -> Any:  # noqa: ANN401 - moto has no types
            action = str(response._get_action() or "")  # noqa: SLF001 - as moto's own dispatcher does
            if not action.startswith(_READS):
                self._changed = True
            return call(response)

        BaseResponse.call_action = call_action

    def _follow_identities(self) -> None:
        """Make the published identities users of moto's IAM, whenever they change."""
        stat = self._credentials.identities_file.stat()
        if self._identities_read == (stat.st_ino, stat.st_mtime_ns):
            return
        self._identities_read = stat.st_ino, stat.st_mtime_ns
        backend = iam_backends[self._account]["aws"]
        for user in [each for each in backend.users.values() if each.path == _OURS]:
            for key in user.access_keys:
                backend.access_keys.pop(key.access_key_id, None)
            del backend.users[user.name]
        self._identities = {each.name: each for each in self._credentials.identities()}
        for each in self._identities.values():
            user = User(self._account, self._region, each.name, _OURS)
            key = AccessKey(each.name, prefix="AKIA", account_id=self._account)
            key.access_key_id = each.key.access_key_id
            key.secret_access_key = each.key.secret_access_key
            user.access_keys = [key]
            for position, document in enumerate(each.policies):
                user.put_policy(f"policy-{position}", document)
            backend.users[each.name] = user
            backend.access_keys[key.access_key_id] = key
        log("identities_loaded", names=sorted(self._identities))

    def _task_credentials(self, path: str, token: str) -> Answer:
        """Hand a task the credentials of its role, as the ECS agent does."""
        role, _, task = path.removeprefix("/_credentials/").partition("/")
        wanted = self._credentials.task_token(role, task)
        if not hmac.compare_digest(token.encode(), wanted.encode()):
            log("task_credentials_refused", role=role, task=task)
            message = "The token is not this task's."
            return Answer.of({"code": "AccessDenied", "message": message}, HTTPStatus.FORBIDDEN)
        if (identity := self._identities.get(role)) is None:
            message = f"The role {role} is not published yet."
            return Answer.of({"code": "NoIamRole", "message": message}, HTTPStatus.BAD_REQUEST)
        until = dt.datetime.now(dt.UTC) + _CREDENTIALS_LAST
        return Answer.of(
            {
                "RoleArn": identity.arn,
                "AccessKeyId": identity.key.access_key_id,
                "SecretAccessKey": identity.key.secret_access_key,
                "Token": "",
                "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )

    def _secret_value(self, environ: "WSGIEnvironment") -> Answer:
        """Read a secret for another part of the stack."""
        token = f"Bearer {self._credentials.control_token}"
        if not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", "").encode(), token.encode()):
            return Answer.of({"message": "The control token is missing or wrong."}, 403)
        wanted = json.loads(environ["wsgi.input"].read())["SecretId"]
        secret = secretsmanager_backends[self._account][self._region].secrets.get(wanted)
        if secret is None or secret.is_deleted() or secret.default_version_id is None:
            return Answer.of({"message": f"There is no secret {wanted}."}, HTTPStatus.NOT_FOUND)
        return Answer.of(
            {"SecretString": secret.versions[secret.default_version_id]["secret_string"]}
        )


class _Handler(WSGIRequestHandler):
    """Keeps connections open, which werkzeug's own does not, and logs nothing."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer one request; its body is read whole, so the next request can follow."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(length)
        environ = self.make_environ() | {"wsgi.input": io.BytesIO(body)}
        parts, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        payload = b"".join(parts)
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)
        return None

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Log what went wrong with a connection."""
        if type == "error":
            log("connection_failed", detail=message % args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log no request."""


def serve(application: ControlApplication, port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT, then keep everything."""
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=_Handler)

    def stop(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log("control_plane_started", port=port)
    try:
        server.serve_forever()
    finally:
        server.server_close()
        application.close()
