"""The application: who is it, what may they, in which project, and which part of MLflow answers."""

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import anyio.to_thread
import structlog
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE, ErrorCode
from mlflow.server import app as flask_app
from mlflow.server import fastapi_app
from mlflow.server.handlers import (
    _get_tracking_store,
    _model_registry_store_registry,
    _tracking_store_registry,
    build_server_info_payload,
    initialize_backend_stores,
)
from mlflow.utils.uri import validate_path_is_safe
from mlflow.utils.workspace_context import set_server_request_workspace

from app.auth.verifier import Verifier
from app.errors import ApiError, BadRequestError, InternalError, UnauthenticatedError
from app.mlflow import access, hosts, replaced, ui, versions, views
from app.mlflow.answers import JSON, answer, answer_json, redirect, refuse
from app.mlflow.artifacts import Artifacts, Download, open_store
from app.mlflow.bodies import BODY_LIMIT, READ_LIMIT, held_body
from app.mlflow.bridge import FlaskBridge, Incoming, Outgoing, less, quiet, says_too_much
from app.mlflow.caller import current_principal
from app.mlflow.environment import allowed_hosts, database_uri
from app.mlflow.readiness import Readiness
from app.mlflow.registry import ProjectModelRegistry
from app.mlflow.routes import Access, Route, Routes, canonical_path
from app.mlflow.signin import SIGN_IN, SIGN_OUT, SignIn, sign_in_path, wants_page
from app.mlflow.tracking import ProjectTrackingStore
from app.mlflow.workspaces import Workspaces
from app.permissions import Principal
from app.request_context import Message, Receive, Scope, Send
from app.settings import HEALTH_PATH, MlflowSettings
from app.stores.postgres import away

HEALTH: Final = HEALTH_PATH.encode()
READY: Final = b"/ready"
SIGN_IN_PAGES: Final = frozenset({SIGN_IN.encode(), SIGN_OUT.encode()})
ARTIFACT_ROUTES: Final = frozenset(
    f"/{prefix}/2.0/mlflow-artifacts/artifacts/<path:artifact_path>"
    for prefix in ("api", "ajax-api")
)
UPLOAD_ROUTE: Final = "/ajax-api/2.0/mlflow/upload-artifact"
RUN_OF_SPANS: Final = b"x-mlflow-run-id"
STREAMED: Final = frozenset({"GET", "HEAD", "PUT"})
DESCRIBES_BODY: Final = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
ENDS_HERE: Final = frozenset(
    {b"authorization", b"cookie", b"x-api-key", b"x-hokusai-project", b"x-mlflow-workspace"}
)
"""Headers MLflow never sees: a credential ends at the verifier, the project comes from it."""

T = TypeVar("T")

log = structlog.get_logger()


class HostNotAllowedError(ApiError):
    """The request was sent to a name that is not this service's."""

    status, code = 403, "host_not_allowed"


class MlflowEndpoint:
    """ASGI application around MLflow's own two."""

    def __init__(  # noqa: PLR0913 -- the parts it is composed of
        self,
        *,
        verifier: Verifier,
        routes: Routes,
        bridge: FlaskBridge,
        artifacts: Artifacts,
        store: ProjectTrackingStore,
        sign_in: SignIn,
        readiness: Readiness,
        hosts: tuple[str, ...],
        server_info: dict[str, Any],
        threads: int,
    ) -> None:
        self._verifier = verifier
        self._routes = routes
        self._bridge = bridge
        self._artifacts = artifacts
        self._store = store
        self._workspaces = Workspaces(store)
        self._sign_in = sign_in
        self._readiness = readiness
        self._hosts = hosts
        self._known_hosts: set[bytes] = set()
        self._server_info = server_info
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["raw_path"] == HEALTH and scope["method"] in {"GET", "HEAD"}:
            await answer(send, 200, b"OK")
            return
        incoming, outgoing = Incoming(receive), Outgoing(send)
        try:
            await self._serve(scope, incoming, outgoing)
        except ApiError as error:
            await incoming.drain()
            if isinstance(error, UnauthenticatedError) and wants_page(scope):
                await redirect(send, sign_in_path(scope))
            else:
                await refuse(send, error)
        except Exception:
            if outgoing.begun:
                raise
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            await refuse(send, InternalError.unforeseen())

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._check_host(scope)
        if scope["raw_path"] in SIGN_IN_PAGES:
            await self._sign_in(scope, receive, send)
            return
        if scope["raw_path"] == READY:
            checks = await self._readiness.checks()
            passed = set(checks.values()) == {"pass"}
            body = {"status": "pass" if passed else "fail", "checks": checks}
            await answer_json(send, 200 if passed else 503, body)
            return
        principal = self._verifier.authenticate(scope)
        path = canonical_path(scope["raw_path"])
        if path == ui.CURRENT_USER and scope["method"] == "GET":
            await answer_json(send, 200, ui.NOBODY)
            return
        route = self._routes.find(scope["method"], path)
        access.check(principal, route)
        await self._enter(principal)
        inner = _inner_scope(scope, path, principal.project)
        await self._dispatch(route, inner, receive, send)

    def _check_host(self, scope: Scope) -> None:
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) == 1 and named[0] in self._known_hosts:
            return
        name = named[0].decode("latin-1") if len(named) == 1 else ""
        if not hosts.is_own(name, self._hosts):
            raise HostNotAllowedError(
                "The Host header names another server.", fix="Use the public URL of this one."
            )
        if len(self._known_hosts) < 100:  # noqa: PLR2004 -- callers choose the port, so there may be many
            self._known_hosts.add(named[0])

    async def _enter(self, principal: Principal) -> None:
        """Do everything that follows in the caller's name and within their project."""
        current_principal.set(principal)
        if not self._workspaces.has(principal.project):
            loop = asyncio.get_running_loop()
            make = self._workspaces.make
            try:
                await loop.run_in_executor(self._bridge.executor, make, principal.project)
            except MlflowException as error:
                if error.error_code == ErrorCode.Name(TEMPORARILY_UNAVAILABLE):
                    raise away() from error
                raise
        set_server_request_workspace(principal.project)

    async def _dispatch(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        limit = READ_LIMIT if route.access is Access.READ else BODY_LIMIT
        if route.template in ARTIFACT_ROUTES and scope["method"] in STREAMED:
            await self._serve_artifact(scope, receive, send)
        elif route.template.endswith(ui.SERVER_INFO):
            for_ui = route.template.startswith("/ajax-api/")
            await answer_json(send, 200, ui.server_info(self._server_info, for_ui=for_ui))
        elif route.template in ui.SWITCHED_OFF:
            await answer_json(send, 200, ui.SWITCHED_OFF[route.template])
        elif route.native:
            await self._serve_native(scope, receive, send, limit)
        elif route.template == UPLOAD_ROUTE:
            await self._bridge(scope, receive, send, limit=views.UPLOAD_LIMIT)
        else:
            await self._bridge(scope, receive, send, limit=limit)

    async def _serve_native(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        run_id = dict(scope["headers"]).get(RUN_OF_SPANS)
        if run_id is not None:
            # MLflow stores the spans first, and tells nobody that it could not link them.
            try:
                await self._in_thread(self._store.require_run, run_id.decode("latin-1"))
            except MlflowException as error:
                await _say(send, error)
                return
        async with held_body(scope, receive, limit, inflated=True) as body:
            if body is not None:
                inner = {**scope, "headers": _of_plain_body(scope, body)}
                await fastapi_app.app(inner, _replay(body, receive), quiet(send))

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        return await loop.run_in_executor(
            self._bridge.executor, partial(context.run, function, *args)
        )

    async def _serve_artifact(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].partition("/mlflow-artifacts/artifacts/")[2]
        try:
            key = views.scoped(validate_path_is_safe(path))
            if path.endswith("/") or not path:
                raise BadRequestError("The path names a folder.", fix="End it with a file's name.")
            if scope["method"] == "PUT":
                allow = partial(self._in_thread, versions.allow_write, key)
                await self._artifacts.upload(scope, receive, send, key, allow)
                return
            if current_principal.get().resources:
                await self._in_thread(versions.allow_read, key)
            await self._artifacts.download(scope, receive, send, Download(key, path))
        except MlflowException as error:
            await _say(send, error)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                # What MLflow hands to threads of the loop uses the same few, for the same reason.
                asyncio.get_running_loop().set_default_executor(self._bridge.executor)
                anyio.to_thread.current_default_thread_limiter().total_tokens = self._threads
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._sign_in.close()
                self._verifier.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _say(send: Send, error: MlflowException) -> None:
    status, content = error.get_http_status_code(), error.serialize_as_json().encode()
    headers: list[tuple[bytes, bytes]] = []
    if says_too_much(status):
        content, headers = less(status, content)
    kept = [each for each in headers if each[0] not in {b"content-type", b"content-length"}]
    await answer(send, status, content, media_type=JSON, headers=kept)


def _of_plain_body(scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
    """Describe the body as it is passed on: not compressed, and of this length."""
    kept = [each for each in scope["headers"] if each[0] not in DESCRIBES_BODY]
    return [*kept, (b"content-length", str(len(body)).encode())]


def _inner_scope(scope: Scope, path: str, project: str) -> Scope:
    headers = [
        each for each in scope["headers"] if each[0] not in ENDS_HERE and b"_" not in each[0]
    ]
    headers.append((b"x-mlflow-workspace", project.encode()))
    return {**scope, "path": path, "root_path": "", "headers": headers}


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def create_app(settings: MlflowSettings, verifier: Verifier) -> MlflowEndpoint:
    """Compose the endpoint; MLflow's stores are opened here, so a wrong database shows at once."""
    artifacts = Artifacts(open_store(settings.artifact_bucket))
    replaced.install(artifacts)
    store = _open_stores(settings)
    threads = max(1, (settings.database_pool_size + settings.database_max_overflow) // 2)
    bridge = FlaskBridge(flask_app, artifacts, threads=threads)
    return MlflowEndpoint(
        verifier=verifier,
        routes=Routes(flask_app, fastapi_app.app),
        bridge=bridge,
        artifacts=artifacts,
        store=store,
        sign_in=SignIn(settings, verifier),
        readiness=Readiness(verifier, store.engine, artifacts, bridge.executor),
        hosts=allowed_hosts(settings),
        server_info=build_server_info_payload(),
        threads=threads,
    )


def _open_stores(settings: MlflowSettings) -> ProjectTrackingStore:
    _tracking_store_registry.register("postgresql", _tracking_store)
    _model_registry_store_registry.register("postgresql", _model_registry)
    uri = database_uri(settings)
    initialize_backend_stores(uri, uri, "mlflow-artifacts:/")
    store: ProjectTrackingStore = _get_tracking_store()
    return store


def _tracking_store(store_uri: str, artifact_uri: str) -> ProjectTrackingStore:
    return ProjectTrackingStore(store_uri, artifact_uri)


def _model_registry(store_uri: str) -> ProjectModelRegistry:
    return ProjectModelRegistry(store_uri)
