import base64
import hashlib
import statistics
import time
import tracemalloc
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.auth.api_key import ApiKey
from app.auth.key_record import PreviousSecret
from app.auth.verifier import Verifier
from app.errors import ApiError
from app.permissions import Credential, Permission
from tests.app.core.keys import API_ORIGIN, Clock, Keys, bearer, record_of, request, update


def refusal(verifier: Verifier, scope: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused:
        verifier.authenticate(scope)
    error = refused.value
    if error.status == 401:
        assert error.headers["WWW-Authenticate"].startswith("Bearer")
    if error.status == 503:
        assert int(error.headers["Retry-After"]) > 0
    return error.status, error.code


def basic(user: str, password: str) -> tuple[str, str]:
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


def test_a_key_is_taken_in_every_form_that_clients_send(keys: Keys) -> None:
    key = keys.add(permissions=frozenset({Permission.MLFLOW_WRITE}), resources=("model:a",))
    for header in (
        bearer(key.reveal()),
        ("Authorization", f"bearer   {key.reveal()} "),
        ("X-API-Key", key.reveal()),
        basic("anyone", key.reveal()),
        basic("", key.reveal()),
    ):
        principal = keys.verifier().authenticate(request(header))
        assert principal.subject == f"key:{key.key_id}"
        assert principal.project == "main"
        assert principal.credential is Credential.API_KEY
        assert principal.permissions == {Permission.MLFLOW_WRITE}
        assert principal.resources == ("model:a",)


def test_each_bad_credential_has_its_code(keys: Keys, clock: Clock) -> None:
    verifier = keys.verifier()
    good, expired, revoked = keys.add(), keys.add(expires_at=int(clock.now) + 10), keys.add()
    keys.revoke(revoked)
    clock.now += 10
    other = ApiKey(good.environment, good.key_id, ApiKey.generate("local").secret)
    cases = {
        (401, "no_credential"): request(),
        (401, "malformed_key"): request(bearer("hk_dev_nonsense")),
        (401, "unknown_key"): request(bearer(ApiKey.generate("local").reveal())),
        (401, "wrong_environment"): request(bearer(ApiKey.generate("prod").reveal())),
        (401, "expired_key"): request(bearer(expired.reveal())),
        (401, "revoked_key"): request(bearer(revoked.reveal())),
        (401, "invalid_token"): request(bearer("a.b.c")),
        (401, "malformed_credential"): request(("Authorization", "Digest x")),
        (400, "several_credentials"): request(bearer(good.reveal()), ("X-API-Key", good.reveal())),
        (400, "credential_in_query"): request(bearer(good.reveal()), query=f"a={good.reveal()}"),
    }
    for expected, scope in cases.items():
        assert refusal(verifier, scope) == expected
    assert refusal(verifier, request(bearer(other.reveal()))) == (401, "unknown_key")
    wrong_secret = ApiKey(revoked.environment, revoked.key_id, good.secret)
    assert refusal(verifier, request(bearer(wrong_secret.reveal()))) == (401, "unknown_key")


@pytest.mark.parametrize("value", ["", "!!!", "bm9jb2xvbg==", "\xff"])
def test_broken_basic_credentials_are_malformed(keys: Keys, value: str) -> None:
    expected = (401, "malformed_credential")
    assert refusal(keys.verifier(), request(("Authorization", f"Basic {value}"))) == expected


def test_a_second_authorization_header_is_refused_even_when_it_is_the_same(keys: Keys) -> None:
    header = bearer(keys.add().reveal())
    assert refusal(keys.verifier(), request(header, header)) == (400, "several_credentials")


@pytest.mark.parametrize(
    "query",
    [
        "key=hk_dev_0000000000000000",
        "x=1&api_key=abc",
        "API-KEY=abc",
        "access_token=abc",
        "x-api-key=abc",
        "a=%68k%5Flive%5F0000000000000000",
        "filter=name%3D'hk_test_0123456789abcdef'",
        "t=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJrZXk6MSJ9.c2lnbmF0dXJlc2lnbmF0dXJl",
    ],
)
def test_credentials_in_the_query_are_refused_by_name_and_by_value(keys: Keys, query: str) -> None:
    assert refusal(keys.verifier(), request(query=query)) == (400, "credential_in_query")


@pytest.mark.parametrize("query", ["page_token=abc", "filter=hk_dev", "key=abc&token=x", "%"])
def test_ordinary_queries_pass(keys: Keys, query: str) -> None:
    keys.verifier().authenticate(request(bearer(keys.add().reveal()), query=query))


def test_a_previous_secret_works_until_its_end(keys: Keys, clock: Clock) -> None:
    old = ApiKey.generate("local")
    new = keys.add(previous=PreviousSecret(old.digest, int(clock.now) + 60))
    same_id = ApiKey("local", new.key_id, old.secret)
    verifier = keys.verifier()
    assert verifier.authenticate(request(bearer(same_id.reveal()))).subject == f"key:{new.key_id}"
    clock.now += 60
    keys.directory.contact()
    assert refusal(verifier, request(bearer(same_id.reveal()))) == (401, "unknown_key")
    verifier.authenticate(request(bearer(new.reveal())))


def test_a_key_of_another_project_cannot_be_borrowed(keys: Keys) -> None:
    key = keys.add(project="other")
    assert keys.verifier().authenticate(request(bearer(key.reveal()))).project == "other"
    for header in ("X-Hokusai-Project", "X-MLFLOW-WORKSPACE"):
        scope = request(bearer(key.reveal()), (header, "main"))
        assert refusal(keys.verifier(), scope) == (403, "wrong_project")
        keys.verifier().authenticate(request(bearer(key.reveal()), (header, "other")))


def test_keys_count_for_sixty_seconds_without_postgresql(keys: Keys, clock: Clock) -> None:
    key, verifier = keys.add(), keys.verifier()
    clock.now += 60
    verifier.authenticate(request(bearer(key.reveal())))
    clock.now += 1
    assert refusal(verifier, request(bearer(key.reveal()))) == (503, "keys_unavailable")
    assert refusal(verifier, request(bearer("hk_dev_x"))) == (401, "malformed_key")
    keys.directory.contact()
    verifier.authenticate(request(bearer(key.reveal())))


def test_a_session_names_its_key_and_holds_what_the_key_holds_now(keys: Keys, clock: Clock) -> None:
    key = keys.add(permissions=frozenset({Permission.MODELS_READ}))
    session = keys.tokens.mint_session(f"key:{key.key_id}", "main")
    for audience in ("api", "mlflow"):
        verifier = keys.verifier(audience)
        principal = verifier.authenticate(request(bearer(session.token)))
        assert principal.subject == f"key:{key.key_id}"
        assert principal.credential is Credential.SESSION
        assert principal.permissions == {Permission.MODELS_READ}
    narrowed = record_of(key, permissions=frozenset({Permission.DATA_READ}))
    keys.directory.replace("main", "narrowed", [narrowed])
    verifier = keys.verifier()
    held = verifier.authenticate(request(bearer(session.token))).permissions
    assert held == {Permission.DATA_READ}
    keys.revoke(key)
    assert refusal(verifier, request(bearer(session.token))) == (401, "revoked_key")
    clock.now += 0


def test_a_session_ends_with_its_key_its_time_and_its_sign_out(keys: Keys, clock: Clock) -> None:
    verifier = keys.verifier()
    key = keys.add(expires_at=int(clock.now) + 100)
    lasting = keys.add()
    first = keys.tokens.mint_session(f"key:{key.key_id}", "main")
    second = keys.tokens.mint_session(f"key:{lasting.key_id}", "main")
    third = keys.tokens.mint_session(f"key:{lasting.key_id}", "main")
    keys.directory.merge(update(5, ended_sessions={second.session_id: second.expires_at}))
    assert refusal(verifier, request(bearer(second.token))) == (401, "ended_session")
    verifier.authenticate(request(bearer(third.token)))
    clock.now += 100
    keys.directory.contact()
    assert refusal(verifier, request(bearer(first.token))) == (401, "expired_key")
    clock.now = third.expires_at + 10
    keys.directory.contact()
    assert refusal(verifier, request(bearer(third.token))) == (401, "expired_token")


def test_an_inner_token_opens_mlflow_alone_and_carries_the_caller(keys: Keys) -> None:
    key = keys.add(permissions=frozenset({Permission.MODELS_READ}))
    caller = keys.verifier().authenticate(request(bearer(key.reveal())))
    inner = keys.tokens.mint_inner(caller)
    principal = keys.verifier("mlflow").authenticate(request(bearer(inner)))
    assert principal.subject == caller.subject
    assert principal.credential is Credential.INTERNAL
    assert principal.permissions == caller.permissions
    assert refusal(keys.verifier("api"), request(bearer(inner))) == (401, "invalid_token")


def test_a_token_of_a_caller_that_never_was_is_invalid(keys: Keys) -> None:
    session = keys.tokens.mint_session("key:0000000000000000", "main")
    assert refusal(keys.verifier(), request(bearer(session.token))) == (401, "invalid_token")


def test_a_cookie_reads_and_changes_only_from_its_own_pages(keys: Keys) -> None:
    key = keys.add()
    token = keys.tokens.mint_session(f"key:{key.key_id}", "main").token
    cookie = ("Cookie", f"theme=dark; hokusai_session={token}")
    verifier = keys.verifier()
    assert verifier.authenticate(request(cookie)).credential is Credential.SESSION
    for method in ("POST", "DELETE", "PUT", "PATCH"):
        refused = (403, "origin_mismatch")
        assert refusal(verifier, request(cookie, method=method)) == refused
        foreign = ("Origin", "http://127.0.0.1:9999")
        assert refusal(verifier, request(cookie, foreign, method=method)) == refused
        verifier.authenticate(request(cookie, ("Origin", API_ORIGIN), method=method))
    assert refusal(verifier, request(cookie, bearer(key.reveal()))) == (400, "several_credentials")


def test_over_https_only_the_host_bound_cookie_counts(keys: Keys) -> None:
    key = keys.add()
    token = keys.tokens.mint_session(f"key:{key.key_id}", "main").token
    verifier = keys.verifier(origin="https://api.example.org")
    assert verifier.cookie == "__Host-hokusai_session"
    plain = request(("Cookie", f"hokusai_session={token}"))
    assert refusal(verifier, plain) == (401, "no_credential")
    verifier.authenticate(request(("Cookie", f"__Host-hokusai_session={token}")))
    twice = f"__Host-hokusai_session={token}; __Host-hokusai_session={token}"
    assert refusal(verifier, request(("Cookie", twice))) == (400, "several_credentials")


def test_a_key_is_never_taken_from_a_cookie(keys: Keys) -> None:
    scope = request(("Cookie", f"hokusai_session={keys.add().reveal()}"))
    assert refusal(keys.verifier(), scope) == (401, "invalid_token")


def test_ten_thousand_keys_take_a_few_megabytes_and_a_check_a_fraction_of_0_1_ms(
    clock: Clock,
) -> None:
    made = [ApiKey.generate("local") for _ in range(10_000)]
    keys = Keys(clock)
    tracemalloc.start()
    permissions = frozenset({Permission.MLFLOW_READ})
    records = [record_of(each, permissions=permissions) for each in made]
    keys.directory.replace("main", "all", records)
    del records
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    verifier = keys.verifier()
    scopes = [request(bearer(each.reveal())) for each in made[:2000]]
    took = []
    for scope in scopes:
        started = time.perf_counter()
        verifier.authenticate(scope)
        took.append(time.perf_counter() - started)
    assert statistics.median(took) < 0.0001


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["authorization", "x-api-key", "cookie", "x-hokusai-project"]),
            st.text(st.characters(max_codepoint=255), max_size=100)
            | st.sampled_from(["Basic ", "Bearer "]).flatmap(
                lambda scheme: st.text(st.characters(max_codepoint=255)).map(scheme.__add__)
            )
            | st.just("hokusai_session=eyJhbGciOiJub25lIn0.e30."),
        ),
        max_size=3,
    ),
    st.text(max_size=50),
)
def test_whatever_is_sent_is_answered_with_a_reason(
    headers: list[tuple[str, str]], query: str
) -> None:
    with pytest.raises(ApiError) as refused:
        Keys(Clock()).verifier().authenticate(request(*headers, query=query))
    assert refused.value.status in {400, 401}


def test_a_token_with_a_forged_header_is_invalid(keys: Keys) -> None:
    key = keys.add()
    claims = {
        "iss": "hokusai:local",
        "aud": ["api", "mlflow"],
        "sub": f"key:{key.key_id}",
        "project": "main",
        "jti": "1",
        "iat": int(keys.clock.now),
        "exp": int(keys.clock.now) + 60,
    }
    public = keys.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    attacker = Ed25519PrivateKey.generate()
    right = {"kid": "one", "typ": "session+jwt"}
    forged = [
        jwt.encode(claims, attacker, algorithm="EdDSA", headers=right),
        jwt.encode(claims, "", algorithm="none", headers=right),
        jwt.encode(claims, hashlib.sha256(public).digest(), algorithm="HS256", headers=right),
        jwt.encode(claims, keys.private, algorithm="EdDSA", headers={**right, "kid": "two"}),
        jwt.encode(claims, keys.private, algorithm="EdDSA", headers={"kid": "one", "typ": "JWT"}),
        jwt.encode(claims, keys.private, algorithm="EdDSA", headers={"kid": "one"}),
        jwt.encode(
            claims | {"iss": "hokusai:prod"}, keys.private, algorithm="EdDSA", headers=right
        ),
        jwt.encode(claims | {"aud": "other"}, keys.private, algorithm="EdDSA", headers=right),
        jwt.encode(claims | {"project": "other"}, keys.private, algorithm="EdDSA", headers=right),
    ]
    for token in forged:
        assert refusal(keys.verifier(), request(bearer(token))) == (401, "invalid_token")
    genuine = jwt.encode(claims, keys.private, algorithm="EdDSA", headers=right)
    keys.verifier().authenticate(request(bearer(genuine)))
    for missing in ("exp", "sub", "jti", "aud", "iss", "project"):
        less = {name: value for name, value in claims.items() if name != missing}
        token = jwt.encode(less, keys.private, algorithm="EdDSA", headers=right)
        assert refusal(keys.verifier(), request(bearer(token))) == (401, "invalid_token")
