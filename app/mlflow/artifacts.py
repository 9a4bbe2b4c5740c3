"""Artifacts, streamed between the client and S3: never a file, never a whole body in memory."""

import asyncio
import posixpath
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import boto3
import obstore
from mlflow.exceptions import MlflowException
from mlflow.server.handlers import _content_disposition_attachment
from mlflow.utils.mime_type_utils import _guess_mime_type
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError, NotModifiedError
from obstore.store import S3Store

from app.errors import ApiError, BadRequestError, NotFoundError, TooLargeError, UnavailableError
from app.mlflow.bodies import FILE_IDLE_SECONDS, budget, receive_within
from app.request_context import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta, OffsetRange, SuffixRange

MIB: Final = 1024 * 1024
# docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
SMALLEST_PART: Final = 5 * MIB
MOST_PARTS: Final = 10_000
LARGEST_PART: Final = 10 * MIB
"""Parts are held in memory; the length that a client claims does not make them any size."""
PARTS_IN_FLIGHT: Final = 2
"""Of the smallest size; larger parts go one by one, and no upload holds more than 20 MiB."""
DOWNLOAD_CHUNK: Final = MIB
CREDENTIALS_KEPT: Final = timedelta(minutes=5)
"""Shorter than the ten minutes before their end in which botocore insists on new ones."""

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
Headers = list[tuple[bytes, bytes]]


class ObjectStoreUnavailableError(UnavailableError):
    """S3 does not answer, or not as it should."""

    code = "object_store_unavailable"


class RangeNotSatisfiableError(ApiError):
    """The range asked for lies beyond the end of the object."""

    status, code = 416, "range_not_satisfiable"

    def mlflow_body(self) -> dict[str, str]:
        """Blame the parameter, not the server."""
        return {**super().mlflow_body(), "error_code": "INVALID_PARAMETER_VALUE"}


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete."""


@dataclass(frozen=True)
class Download:
    """An object to send, chosen by a route of MLflow's."""

    key: str
    name: str
    """What the client shall call the file."""


def open_store(bucket: str) -> S3Store:
    """Reach the bucket as boto3 would: its endpoint, its region, the task role's credentials."""
    session = boto3.Session()
    endpoint = session.client("s3").meta.endpoint_url
    local = not endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    return S3Store(
        bucket,
        config={"endpoint": endpoint} if local else {},
        credential_provider=Boto3CredentialProvider(session, ttl=CREDENTIALS_KEPT),
        virtual_hosted_style_request=not local,
        client_options={
            "allow_http": local,
            "connect_timeout": "2s",
            "read_timeout": "30s",
            "timeout": "24h",  # of a whole transfer, which takes as long as the client does
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
    )


@dataclass(frozen=True)
class _Wanted:
    """A range of bytes that was asked for."""

    first: int
    """The first byte; 0 for a range that counts from the end."""
    range: "tuple[int, int] | OffsetRange | SuffixRange"


class Artifacts:
    """The objects of the artifact bucket over HTTP."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def download(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        download: Download,
        extra: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send an object as a file to keep, or the range of it that was asked for."""
        request = {name: value.decode("latin-1") for name, value in scope["headers"]}
        headers = [*extra, *_file_headers(download.name)]
        if scope["method"] == "HEAD":
            meta = await self._describe(download.key)
            await _start(send, HTTPStatus.OK, [*headers, *_object_headers(meta, meta["size"])])
            await send({"type": "http.response.body", "body": b""})
            return
        wanted = await self._wanted_range(request, download.key)
        try:
            found = await self._get(download.key, wanted, request.get(b"if-none-match"))
        except NotModifiedError:
            etag = (await self._describe(download.key))["e_tag"] or ""
            unchanged = [*headers[len(headers) - 2 :], (b"etag", etag.encode())]
            await _start(send, HTTPStatus.NOT_MODIFIED, unchanged)
            await send({"type": "http.response.body", "body": b""})
            return
        first, end = found.range
        headers += _object_headers(found.meta, end - first)
        status = HTTPStatus.OK
        if wanted is not None:
            status = HTTPStatus.PARTIAL_CONTENT
            content_range = f"bytes {first}-{end - 1}/{found.meta['size']}"
            headers.append((b"content-range", content_range.encode()))
        await _start(send, status, headers)
        await _pump(found, receive, send)

    async def _get(self, key: str, wanted: "_Wanted | None", none_match: str | None) -> "GetResult":
        options: GetOptions = {"range": wanted.range} if wanted is not None else {}
        if none_match is not None:
            options["if_none_match"] = none_match
        try:
            return await obstore.get_async(self._store, key, options=options)
        except FileNotFoundError:
            raise _missing() from None
        except NotModifiedError:
            raise
        except (BaseError, ValueError) as error:
            if wanted is not None:
                size = (await self._describe(key))["size"]
                if size <= wanted.first:
                    raise RangeNotSatisfiableError(
                        f"The object has {size} bytes.",
                        fix="Ask for a range within it.",
                        headers={"Content-Range": f"bytes */{size}"},
                    ) from None
            raise _away() from error

    async def _describe(self, key: str) -> "ObjectMeta":
        try:
            return await obstore.head_async(self._store, key)
        except FileNotFoundError:
            raise _missing() from None
        except BaseError as error:
            raise _away() from error

    async def _wanted_range(self, request: dict[bytes, str], key: str) -> "_Wanted | None":
        """Read ``Range``; one that is not a single range of bytes is ignored (RFC 9110, 14.2)."""
        matched = _RANGE.fullmatch(request.get(b"range", ""))
        if matched is None or matched.groups() == ("", ""):
            return None
        condition = request.get(b"if-range")
        if condition is not None and condition != (await self._describe(key))["e_tag"]:
            return None
        first, last = matched.groups()
        if not first:
            return _Wanted(0, {"suffix": int(last)}) if int(last) else None
        if not last:
            return _Wanted(int(first), {"offset": int(first)})
        if int(last) < int(first):
            return None
        return _Wanted(int(first), (int(first), int(last) + 1))

    async def upload(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        key: str,
        allow: Callable[[], Awaitable[None]],
    ) -> None:
        """Store the body as an object; a body that breaks off leaves nothing behind.

        ``allow`` raises if the caller may not write to ``key``. It is asked before the object is
        written, of a long body once more at its end: much may have happened in the meantime.
        """
        length = _content_length(scope)
        part = min(max(SMALLEST_PART, -(-(length or 0) // MOST_PARTS)), LARGEST_PART)
        in_flight = PARTS_IN_FLIGHT if part == SMALLEST_PART else 1
        body = _Body(receive, part * MOST_PARTS, allow)
        body.check(length or 0)
        most = part * (in_flight + 1)
        try:
            with budget.reserved(most if length is None else min(length, most)):
                head = await body.read_up_to(SMALLEST_PART)
                await allow()
                await obstore.put_async(
                    self._store,
                    key,
                    head if body.complete else body.after(head),
                    attributes={"Content-Type": _guess_mime_type(key)},
                    chunk_size=part,
                    max_concurrency=in_flight,
                    use_multipart=not body.complete,
                )
        except ClientGoneError:
            return
        except (BaseError, ValueError) as error:
            if body.failure is not None:
                raise body.failure from None
            if body.gone:
                return
            raise _away() from error
        await _start(send, HTTPStatus.OK, [(b"content-length", b"0")])
        await send({"type": "http.response.body", "body": b""})

    def put(self, key: str, data: bytes) -> None:
        """Store a small object from a thread."""
        try:
            obstore.put(
                self._store,
                key,
                data,
                attributes={"Content-Type": _guess_mime_type(key)},
                use_multipart=False,
            )
        except BaseError as error:
            raise _away() from error

    async def answers(self) -> bool:
        """Ask S3 for an object that is not there."""
        try:
            await obstore.head_async(self._store, "workspaces/-/readiness")
        except FileNotFoundError:
            return True
        except BaseError:
            return False
        return True


class _Body:
    """A request body as it arrives."""

    def __init__(self, receive: Receive, limit: int, allow: Callable[[], Awaitable[None]]) -> None:
        self._receive = receive
        self._limit = limit
        self._allow = allow
        self._read = 0
        self.complete = False
        self.gone = False
        self.failure: Exception | None = None
        """What ended the body early; the store wraps it in an error of its own."""

    def check(self, size: int) -> None:
        """Refuse a body that does not fit into the parts of one upload."""
        if size > self._limit:
            raise TooLargeError(
                f"An upload takes up to {self._limit // (1024 * MIB)} GiB.", fix="Split the file."
            )

    async def _next(self) -> bytes:
        message = await receive_within(FILE_IDLE_SECONDS, self._receive)
        if message["type"] == "http.disconnect":
            self.gone = True
            raise ClientGoneError
        self.complete = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        self._read += len(body)
        self.check(self._read)
        return body

    async def read_up_to(self, size: int) -> bytes:
        """Read until ``size`` is exceeded or the body ends."""
        pieces, read = [], 0
        while read <= size and not self.complete:
            piece = await self._next()
            pieces.append(piece)
            read += len(piece)
        return b"".join(pieces)

    async def after(self, head: bytes) -> AsyncIterator[bytes]:
        """Yield what was read already, then the rest."""
        yield head
        del head
        try:
            while not self.complete:
                if piece := await self._next():
                    yield piece
            await self._allow()
        except (ApiError, MlflowException) as failure:
            self.failure = failure
            raise


async def _pump(found: "GetResult", receive: Receive, send: Send) -> None:
    """Send what comes, and fetch the next piece while one is on its way to the client."""
    stream = aiter(found.stream(min_chunk_size=DOWNLOAD_CHUNK))
    gone = asyncio.ensure_future(_disconnected(receive))
    coming = asyncio.ensure_future(_next(stream))
    try:
        while chunk := await coming:
            coming = asyncio.ensure_future(_next(stream))
            if gone.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        for each in (gone, coming):
            each.cancel()
        await asyncio.gather(gone, coming, return_exceptions=True)


async def _next(stream: AsyncIterator[bytes]) -> bytes:
    return bytes(await anext(stream, b""))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: HTTPStatus, headers: Headers) -> None:
    message: Message = {"type": "http.response.start", "status": int(status), "headers": headers}
    await send(message)


def _file_headers(name: str) -> Headers:
    # Always an attachment: a browser must not render what somebody logged on this origin.
    filename = posixpath.basename(name)
    return [
        (b"content-type", _guess_mime_type(filename).encode()),
        (b"content-disposition", _content_disposition_attachment(filename).encode("latin-1")),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"private, no-cache"),
        (b"accept-ranges", b"bytes"),
    ]


def _object_headers(meta: "ObjectMeta", length: int) -> Headers:
    modified = meta["last_modified"].strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = [(b"content-length", str(length).encode()), (b"last-modified", modified.encode())]
    if meta["e_tag"]:
        headers.append((b"etag", meta["e_tag"].encode()))
    return headers


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise BadRequestError("Content-Length is no number.", fix="Send the body's length.")
            return int(value)
    return None


def _missing() -> NotFoundError:
    return NotFoundError(
        "This project has no such artifact.", fix="List the artifacts to see what is there."
    )


def _away() -> ObjectStoreUnavailableError:
    return ObjectStoreUnavailableError("The artifact store does not answer.")
