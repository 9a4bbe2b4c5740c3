import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from hokusai_infra.local.parts.certificates import Certificates, Leaf
from hokusai_infra.local.parts.credentials import OPERATOR, Credentials
from hokusai_infra.local.parts.secret_rules import make_room

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(folder=tmp_path / "ca")
    made.prepare(now=NOW)
    return made


def contents(made: Certificates) -> tuple[bytes, bytes]:
    return made.ca_file.read_bytes(), made.leaf_file.read_bytes()


def test_nothing_changes_while_it_holds(certificates: Certificates) -> None:
    before = contents(certificates)
    certificates.prepare(now=NOW + 300 * DAY)
    assert contents(certificates) == before


def test_a_leaf_is_renewed_before_it_ends_by_the_same_authority(certificates: Certificates) -> None:
    ca, leaf = contents(certificates)
    certificates.prepare(now=NOW + 340 * DAY)
    assert certificates.ca_file.read_bytes() == ca
    assert certificates.leaf_file.read_bytes() != leaf


def test_a_new_authority_signs_a_new_leaf(certificates: Certificates) -> None:
    ca, leaf = contents(certificates)
    certificates.prepare(now=NOW + 3640 * DAY)
    assert certificates.ca_file.read_bytes() != ca
    assert certificates.leaf_file.read_bytes() != leaf


@pytest.mark.parametrize("name", ["ca.key", "ca.crt", "localhost.key", "localhost.crt"])
def test_a_torn_file_is_made_again(certificates: Certificates, name: str) -> None:
    (certificates.folder / name).write_text("torn")
    certificates.prepare(now=NOW)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.leaf_file, certificates.leaf_key_file)
    context.load_verify_locations(certificates.ca_file)


def test_keys_are_readable_by_the_owner_only(certificates: Certificates) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in certificates.folder.iterdir()}
    assert modes == {
        "ca.crt": 0o644,
        "ca.key": 0o600,
        "localhost.crt": 0o644,
        "localhost.key": 0o600,
    }


def test_secrets_are_made_once(tmp_path: Path) -> None:
    first = Credentials.prepare(tmp_path)
    pair = first.key_of("api-task")
    again = Credentials.prepare(tmp_path)
    assert again.key_of("api-task") == pair
    assert again.operator == first.operator
    assert again.task_token("api-task", "1") == first.task_token("api-task", "1")
    assert again.task_token("api-task", "2") != first.task_token("api-task", "1")
    assert [each.name for each in again.identities()] == [OPERATOR]
    assert first.file.stat().st_mode & 0o777 == 0o600


def versions(count: int, age: float, now: float) -> dict[str, dict[str, object]]:
    return {
        str(number): {"version_stages": [], "createdate": now - age + number}
        for number in range(count)
    }


def test_old_versions_without_labels_make_room() -> None:
    now = 1_000_000.0
    kept = versions(100, age=90_000, now=now)
    kept["0"]["version_stages"] = ["AWSPREVIOUS"]
    make_room(kept, now)
    assert len(kept) == 99
    assert "0" in kept
    assert "1" not in kept


def test_a_leaf_of_its_own_carries_further_names_and_follows_them(
    certificates: Certificates,
) -> None:
    leaf = certificates.leaf("listener/public", ["*.a.example"], now=NOW)
    assert leaf.file == certificates.folder / "listener-public.crt"
    assert leaf.key_file.stat().st_mode & 0o777 == 0o600
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.file, leaf.key_file)
    assert names(leaf) == ["localhost", "127.0.0.1", "::1", "*.a.example"]

    before = leaf.file.read_bytes()
    assert certificates.leaf("listener/public", ["*.a.example"], now=NOW) == leaf
    assert leaf.file.read_bytes() == before
    certificates.leaf("listener/public", ["*.b.example"], now=NOW)
    assert names(leaf)[-1] == "*.b.example"


def names(leaf: Leaf) -> list[str]:
    certificate = x509.load_pem_x509_certificate(leaf.file.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each.value) for each in found]
