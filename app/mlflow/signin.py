"""The one page of this endpoint's own: a browser hands in an API key and gets a session."""

import base64
import hashlib
import html
from collections.abc import Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import structlog

from app.auth.verifier import Verifier
from app.errors import ApiError, TooLargeError
from app.mlflow.answers import HTML, answer, redirect
from app.mlflow.bodies import held_body
from app.mlflow.bridge import Incoming
from app.permissions import Principal
from app.request_context import Receive, Scope, Send, client_address
from app.request_id import current_request_id
from app.settings import MlflowSettings

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
SESSION: Final = "/api/v1/auth/session"
FORM_LIMIT: Final = 16 * 1024
LONGEST_PATH: Final = 2000

_FILES: Final = Path(__file__).parent / "templates"
_PAGE: Final = Template((_FILES / "sign_in.html").read_text())
_STYLE: Final = (_FILES / "sign_in.css").read_text()
_SCRIPT: Final = (_FILES / "sign_in.js").read_text()

log = structlog.get_logger()


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_HEADERS: Final = (
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_digest(_STYLE)}'; "
        f"script-src 'sha256-{_digest(_SCRIPT)}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'".encode(),
    ),
    (b"cache-control", b"no-store"),
    # Not "no-referrer": with it a browser sends "Origin: null" and the form looks foreign.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)


class SignInError(ApiError):
    """The sign-in did not work; the page says why."""

    status, code = 401, "sign_in_failed"


def safe_return(wanted: str) -> str:
    """Return ``wanted`` if it is a place on this host, else the front page.

    A browser reads two slashes, or one with a backslash behind it, as the start of another host,
    and drops control characters before it looks.
    """
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and " " not in wanted
    if not plain or len(wanted) > LONGEST_PATH or not wanted.startswith("/"):
        return "/"
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or wanted.startswith("//") or parts.path in {SIGN_IN, SIGN_OUT}:
        return "/"
    return wanted


def sign_in_path(scope: Scope) -> str:
    """Name the sign-in page that leads back to where this request wanted to go."""
    wanted = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        wanted += "?" + scope["query_string"].decode("latin-1")
    wanted = safe_return(wanted)
    return SIGN_IN if wanted == "/" else f"{SIGN_IN}?next={quote(wanted, safe='/')}"


def wants_page(scope: Scope) -> bool:
    """Tell a browser that opens a page from a client that calls a route."""
    if scope["method"] not in {"GET", "HEAD"}:
        return False
    headers = dict(scope["headers"])
    return b"text/html" in headers.get(b"accept", b"") and b"authorization" not in headers


class SignIn:
    """Serves the sign-in page and its form."""

    def __init__(
        self,
        settings: MlflowSettings,
        verifier: Verifier,
        api: httpx.AsyncClient | None = None,
    ) -> None:
        self._origin = settings.mlflow_url
        self._host = urlsplit(settings.mlflow_url).netloc
        self._secure = settings.mlflow_url.startswith("https:")
        self._trusted_proxies = settings.trusted_proxies
        self._verifier = verifier
        # No jar: a session that one caller got must not go along with another's request.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._api = api or httpx.AsyncClient(
            base_url=settings.api_internal_url, timeout=10, trust_env=False, cookies=no_cookies
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request for ``/sign-in`` or ``/sign-out``."""
        method, path = scope["method"], scope["path"]
        if method in {"GET", "HEAD"} and path == SIGN_IN:
            await self._show(scope, send)
        elif method == "POST" and self._is_foreign(scope):
            await self._page(send, 403, _form("/", "The form came from another site. Try again."))
        elif method == "POST" and path == SIGN_IN:
            try:
                await self._sign_in(scope, receive, send)
            except TooLargeError:
                await Incoming(receive).drain()
                await self._page(send, 413, _form("/", "That is too long for an API key."))
        elif method == "POST":
            await self._sign_out(scope, send)
        else:
            await answer(send, 405, b"Sign in and out by POST.", headers=[(b"allow", b"POST")])

    async def close(self) -> None:
        """Let go of the connections to the API."""
        await self._api.aclose()

    async def _show(self, scope: Scope, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        wanted = safe_return(query.get("next", ["/"])[0])
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if host != self._host:  # the cookie belongs to the public name
            target = self._origin + SIGN_IN
            await redirect(send, target if wanted == "/" else f"{target}?next={quote(wanted)}")
            return
        try:
            principal = self._verifier.authenticate(scope)
        except ApiError:
            await self._page(send, 200, _form(wanted))
        else:
            await self._page(send, 200, _signed_in(principal, wanted))

    async def _sign_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with held_body(scope, receive, FORM_LIMIT) as body:
            if body is None:
                return
            form = parse_qs(body.decode("latin-1"))
        wanted = safe_return(form.get("next", ["/"])[0])
        key = form.get("api_key", [""])[0].strip()
        if not key:
            await self._page(send, 401, _form(wanted, "Paste an API key."))
            return
        try:
            token, seconds = await self._session(scope, key)
        except SignInError as error:
            await self._page(send, 401, _form(wanted, error.detail))
        except httpx.HTTPError as error:
            log.warning("sign_in_api_away", cause=type(error).__name__)
            message = "The API does not answer at the moment. Try again in a few seconds."
            await self._page(send, 503, _form(wanted, message))
        else:
            await redirect(send, wanted, [self._cookie(token, seconds)])

    async def _session(self, scope: Scope, key: str) -> tuple[str, int]:
        response = await self._api.post(
            SESSION,
            json={"api_key": key},
            headers={
                "X-Request-ID": current_request_id(),
                "X-Forwarded-For": client_address(scope, self._trusted_proxies),
            },
        )
        if response.is_client_error:
            problem = response.json()
            raise SignInError(
                f"{problem.get('detail', 'The key was refused.')}", fix="Check the key."
            )
        response.raise_for_status()
        session = response.json()
        return str(session["token"]), int(session["expires_in"])

    async def _sign_out(self, scope: Scope, send: Send) -> None:
        token = self._own_cookie(scope)
        gone = [self._cookie("", 0)]
        if token and not await self._end(token):
            message = (
                "This browser is signed out, but the API does not answer, so the session itself "
                "ends only with its time. Revoke its key if someone else may have it."
            )
            await self._page(send, 503, _form("/", message), gone)
            return
        await redirect(send, SIGN_IN, gone)

    async def _end(self, token: str) -> bool:
        try:
            bearer = {"Authorization": f"Bearer {token}"}
            response = await self._api.delete(SESSION, headers=bearer)
        except httpx.HTTPError as error:
            log.warning("sign_out_api_away", cause=type(error).__name__)
            return False
        if response.is_success or response.status_code == httpx.codes.UNAUTHORIZED:
            return True
        log.error("sign_out_refused", status=response.status_code)
        return False

    def _own_cookie(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"cookie":
                cookies: str = value.decode("latin-1")
                for pair in cookies.split(";"):
                    key, _, token = pair.strip().partition("=")
                    if key == self._verifier.cookie:
                        return token
        return ""

    def _is_foreign(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None:
            return bool(origin.decode("latin-1") != self._origin)
        return headers.get(b"sec-fetch-site", b"none") not in {b"none", b"same-origin"}

    def _cookie(self, token: str, seconds: int) -> tuple[bytes, bytes]:
        cookie = (
            f"{self._verifier.cookie}={token}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax"
        )
        if self._secure:
            cookie += "; Secure"
        return b"set-cookie", cookie.encode("latin-1")

    async def _page(
        self,
        send: Send,
        status: int,
        content: tuple[str, str],
        more: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        title, markup = content
        page = _PAGE.substitute(title=title, content=markup, style=_STYLE, script=_SCRIPT)
        await answer(send, status, page.encode(), media_type=HTML, headers=[*_HEADERS, *more])


def _form(wanted: str, error: str | None = None) -> tuple[str, str]:
    problem, described = "", ""
    if error is not None:
        problem = f'<p class="error" role="alert" id="problem">{html.escape(error)}</p>'
        described = ' aria-invalid="true" aria-describedby="problem hint"'
    markup = f"""<h1>Sign in to MLflow</h1>
<p>Paste an API key of your project. It stays on this server; your browser gets a session that
ends by itself.</p>
{problem}
<form method="post" action="{SIGN_IN}">
<label for="api-key">API key</label>
<input id="api-key" name="api_key" type="password" required autofocus autocomplete="off"
 spellcheck="false" autocapitalize="none"{described or ' aria-describedby="hint"'}>
<p class="hint" id="hint">It begins with <code>hk_</code>.</p>
<input type="hidden" name="next" value="{html.escape(wanted)}">
<button type="submit">Sign in</button>
</form>"""
    return "Sign in", markup


def _signed_in(principal: Principal, wanted: str) -> tuple[str, str]:
    markup = f"""<h1>You are signed in</h1>
<p>As <code>{html.escape(principal.subject)}</code> in project
<code>{html.escape(principal.project)}</code>.</p>
<a class="button" href="{html.escape(wanted)}">Open MLflow</a>
<form method="post" action="{SIGN_OUT}">
<button class="plain" type="submit">Sign out</button>
</form>"""
    return "Signed in", markup
