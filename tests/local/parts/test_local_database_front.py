import json
import socket
import ssl
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from hokusai_infra.local.parts.credentials import KeyPair
from hokusai_infra.local.parts.front_protocol import SSL_REQUEST
from tests.local.parts.running import ACCOUNT, MASTER, REGION, SERVICE_USER, Parts


def refused(parts: Parts, user: str, password: str, **more: str) -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        parts.connect(user, password, **more).close()
    return str(caught.value)


def test_a_token_opens_the_database_for_its_user(parts: Parts) -> None:
    with parts.connect(SERVICE_USER, parts.token()) as database:
        assert database.execute("SELECT current_user").fetchone() == (SERVICE_USER,)
        assert database.pgconn.ssl_in_use


def test_a_token_of_another_user_is_refused(parts: Parts) -> None:
    assert "the token is for the user 'plain'" in refused(parts, SERVICE_USER, parts.token("plain"))


def test_a_tampered_token_is_refused(parts: Parts) -> None:
    token = parts.token("plain").replace("DBUser=plain", f"DBUser={SERVICE_USER}")
    assert "signature is wrong" in refused(parts, SERVICE_USER, token)


def test_a_token_signed_with_an_unknown_key_is_refused(parts: Parts) -> None:
    token = parts.token(key=KeyPair.random())
    assert "a key that is not known" in refused(parts, SERVICE_USER, token)


def test_a_role_without_the_policy_is_refused(parts: Parts) -> None:
    said = refused(parts, SERVICE_USER, parts.token(key=parts.other.key))
    arn = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-LOCAL/{SERVICE_USER}"
    assert f"other-task may not rds-db:connect as {arn}: no statement allows it" in said


@pytest.mark.parametrize("password", ["", "x", "localhost/?Action=connect", "a" * 5000])
def test_a_user_with_iam_needs_a_token(parts: Parts, password: str) -> None:
    said = refused(parts, SERVICE_USER, password or "\x01")
    assert f'PAM authentication failed for user "{SERVICE_USER}"' in said
    assert "no IAM token" in said


def test_the_master_password_follows_a_rotation(parts: Parts) -> None:
    secrets = parts.client("secretsmanager")
    parts.master().close()
    secrets.rotate_secret(SecretId=parts.master_secret_arn)
    value = json.loads(secrets.get_secret_value(SecretId=parts.master_secret_arn)["SecretString"])
    assert value["username"] == MASTER
    assert "password authentication failed" in refused(
        parts, MASTER, parts.credentials.master_password
    )
    parts.connect(MASTER, value["password"]).close()
    first = {"username": MASTER, "password": parts.credentials.master_password}
    secrets.put_secret_value(SecretId=parts.master_secret_arn, SecretString=json.dumps(first))
    parts.master().close()


def test_other_users_have_the_password_that_was_set(parts: Parts) -> None:
    parts.connect("plain", "correct horse").close()
    assert "password authentication failed" in refused(parts, "plain", "wrong horse")


@pytest.mark.parametrize("user", ["rdsadmin", "nobody", "rds_iam"])
def test_no_other_role_gets_in(parts: Parts, user: str) -> None:
    assert f'password authentication failed for user "{user}"' in refused(parts, user, "x")


def test_clear_text_is_refused(parts: Parts) -> None:
    said = refused(parts, MASTER, parts.credentials.master_password, sslmode="disable")
    assert "no encryption" in said


def test_the_certificate_is_verified(parts: Parts) -> None:
    parts.connect(MASTER, parts.credentials.master_password, host="127.0.0.1").close()
    said = refused(parts, MASTER, "x", host="127.0.0.2", hostaddr="127.0.0.1")
    assert "does not match host name" in said
    assert "certificate verify failed" in refused(parts, MASTER, "x", sslrootcert="system")


def test_bytes_smuggled_in_before_the_handshake_are_refused(parts: Parts) -> None:
    with socket.create_connection(("127.0.0.1", parts.front.port), timeout=5) as client:
        client.sendall(SSL_REQUEST + b"smuggled")
        assert client.recv(1) == b"E"


def test_a_nonsense_start_up_ends_the_connection(parts: Parts) -> None:
    for nonsense in (
        struct.pack("!ii", 2**30, 196608),
        struct.pack("!ii", 8, 5 << 16),
        b"\xff" * 8,
    ):
        with socket.create_connection(("127.0.0.1", parts.front.port), timeout=5) as client:
            client.sendall(nonsense)
            assert client.recv(1000).startswith(b"E")
            assert client.recv(1000) == b""


def test_a_log_in_in_small_pieces_is_understood(parts: Parts) -> None:
    context = ssl.create_default_context(cafile=parts.certificates.ca_file)
    body = b"user\0" + MASTER.encode() + b"\0database\0postgres\0\0"
    secret = parts.credentials.master_password.encode() + b"\0"
    messages = [
        struct.pack("!ii", len(body) + 8, 196608) + body,
        b"p" + struct.pack("!i", len(secret) + 4) + secret,
    ]
    with socket.create_connection(("127.0.0.1", parts.front.port), timeout=5) as plain:
        plain.sendall(SSL_REQUEST)
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            for message, answer in zip(
                messages, (b"R\0\0\0\x08\0\0\0\x03", b"R\0\0\0\x08\0\0\0\0"), strict=True
            ):
                for byte in message:
                    client.sendall(bytes([byte]))
                assert client.recv(9) == answer


def test_a_running_statement_can_be_cancelled(parts: Parts) -> None:
    with parts.master() as database:
        for cancel in (database.cancel_safe, database.cancel):
            timer = threading.Timer(0.1, cancel)
            timer.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                database.execute("SELECT pg_sleep(20)")
            timer.join()
            database.rollback()


def test_large_results_pass_unharmed_beside_other_sessions(parts: Parts) -> None:
    def digest(number: int) -> bool:
        with parts.connect("plain", "correct horse") as database:
            text = f"{number}" * 3_000_000
            row = database.execute("SELECT %s, md5(%s)", (text, text)).fetchone()
            assert row is not None
            found = database.execute("SELECT md5(%s)", (row[0],)).fetchone()
            return found == (row[1],)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(digest, range(4)))


def test_the_server_ends_a_session_when_its_client_is_gone(parts: Parts) -> None:
    with parts.connect("plain", "correct horse") as database:
        pid = database.info.backend_pid
        assert pid > 0
    with parts.postgres.connect() as catalog:
        for _ in range(100):
            if (
                catalog.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()
                is None
            ):
                return
            catalog.execute("SELECT pg_sleep(0.02), pg_stat_clear_snapshot()")
    raise AssertionError("the session is still there")
