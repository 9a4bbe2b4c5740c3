import datetime as dt
import ssl
from pathlib import Path
from typing import Final

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ROOT: Final = Path(__file__).parents[3]
BUNDLE: Final = ROOT / "app" / "rds-ca.pem"
DIGESTS: Final = Path(__file__).with_name("rds-ca.sha256")
HOST: Final = "example.abcdefghijkl.us-east-1.rds.amazonaws.com"
KINDS: Final = {"RSA2048 G1", "RSA4096 G1", "ECC384 G1"}
NOW: Final = dt.datetime.now(dt.UTC)


def name_of(certificate: x509.Certificate) -> str:
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


AUTHORITIES: Final = x509.load_pem_x509_certificates(BUNDLE.read_bytes())


def test_the_bundle_holds_exactly_the_listed_authorities() -> None:
    found = [f"{each.fingerprint(hashes.SHA256()).hex()}  {name_of(each)}" for each in AUTHORITIES]
    assert found == DIGESTS.read_text(encoding="utf-8").splitlines()


def test_each_authority_has_signed_itself_and_may_sign_others() -> None:
    for each in AUTHORITIES:
        each.verify_directly_issued_by(each)
        assert each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_none_expires_within_a_year() -> None:
    soon = NOW + dt.timedelta(days=365)
    ending = [name_of(each) for each in AUTHORITIES if each.not_valid_after_utc < soon]
    assert ending == [], "take a new bundle, as its first lines say"


def regions() -> set[str]:
    files = [yaml.safe_load(each.read_text("utf-8")) for each in ROOT.glob("Pulumi*.yaml")]
    stated = [file["config"].get("aws:region") for file in files]
    return {each["value"] if isinstance(each, dict) else each for each in stated if each}


def test_every_region_of_a_stack_has_its_three_authorities() -> None:
    assert regions()
    for region in regions() | {"us-west-2", "eu-west-1"}:
        start = f"Amazon RDS {region} Root CA "
        names = [name_of(each) for each in AUTHORITIES]
        assert {n.removeprefix(start) for n in names if n.startswith(start)} == KINDS


def certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    )
    return builder.sign(by, hashes.SHA256())


@pytest.fixture
def foreign(tmp_path: Path) -> tuple[Path, Path]:
    """Make an authority of the same name as AWS's, and a database's certificate signed by it."""
    (aws,) = [each for each in AUTHORITIES if name_of(each).endswith("us-east-1 Root CA ECC384 G1")]
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    may_sign = x509.BasicConstraints(ca=True, path_length=None)
    ca = certificate(aws.subject, ca_key, aws.subject, ca_key, may_sign)
    host = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
    alternative = x509.SubjectAlternativeName([x509.DNSName(HOST)])
    leaf = certificate(host, key, aws.subject, ca_key, alternative)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    authority, server = tmp_path / "ca.pem", tmp_path / "server.pem"
    authority.write_bytes(ca.public_bytes(Encoding.PEM))
    server.write_bytes(private + leaf.public_bytes(Encoding.PEM))
    return authority, server


def connect(authorities: Path, server: Path) -> None:
    """Shake hands as a client that trusts ``authorities``, in memory."""
    ours = ssl.create_default_context(cafile=str(authorities))
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(server)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        ours.wrap_bio(down, up, server_hostname=HOST),
        theirs.wrap_bio(up, down, server_side=True),
    ]
    while ends:
        for end in [*ends]:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


def test_a_foreign_authority_of_the_same_name_is_refused(foreign: tuple[Path, Path]) -> None:
    authority, server = foreign
    connect(authority, server)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(BUNDLE, server)


def test_openssl_reads_all_of_the_file() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(BUNDLE)
    assert context.cert_store_stats()["x509_ca"] == len(AUTHORITIES)
