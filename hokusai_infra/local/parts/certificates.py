"""A certificate authority of the stack's own, and one leaf for what listens on loopback."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hokusai_infra.local.state import write_private_text

_CA_LIFE: Final = dt.timedelta(days=3650)
_LEAF_LIFE: Final = dt.timedelta(days=365)
_RENEW_BEFORE: Final = dt.timedelta(days=30)
_CLOCK_SKEW: Final = dt.timedelta(hours=1)
_NAMES: Final = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
    x509.IPAddress(ipaddress.IPv6Address("::1")),
)


@dataclass(frozen=True)
class Leaf:
    """Files of a server's certificate and its key."""

    file: Path
    key_file: Path


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Files of the authority and of what it signs for ``localhost``, ``127.0.0.1`` and ``::1``."""

    folder: Path
    """``state/ca``."""

    @property
    def ca_file(self) -> Path:
        """What clients trust."""
        return self.folder / "ca.crt"

    @property
    def ca_key_file(self) -> Path:
        """Key of the authority; read by its owner only."""
        return self.folder / "ca.key"

    @property
    def leaf_file(self) -> Path:
        """Certificate of the servers on loopback."""
        return self.folder / "localhost.crt"

    @property
    def leaf_key_file(self) -> Path:
        """Key of the servers on loopback; read by its owner only."""
        return self.folder / "localhost.key"

    def prepare(self, *, now: dt.datetime | None = None) -> None:
        """Make what is missing or ends within 30 days; a new authority signs a new leaf."""
        self.leaf("localhost", now=now)

    def leaf(self, name: str, names: Sequence[str] = (), *, now: dt.datetime | None = None) -> Leaf:
        """Make a leaf that also carries the DNS ``names``, where none is that does and lasts."""
        now = now or dt.datetime.now(dt.UTC)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ca, ca_key = _load(self.ca_file, self.ca_key_file, now) or self._new_ca(now)
        stem = name.replace("/", "-")
        leaf = Leaf(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        wanted = [*_NAMES, *(x509.DNSName(each) for each in names)]
        kept = _load(leaf.file, leaf.key_file, now)
        if kept is None or not _signed_by(kept[0], ca) or _names_of(kept[0]) != wanted:
            self._new_leaf(leaf, wanted, ca, ca_key, now)
        return leaf

    def _new_ca(self, now: dt.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hokusai local stack")])
        certificate = (
            _builder(name, name, key, now, _CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        _save(self.ca_file, self.ca_key_file, certificate, key)
        return certificate, key

    def _new_leaf(
        self,
        leaf: Leaf,
        names: Sequence[x509.GeneralName],
        ca: x509.Certificate,
        ca_key: ec.EllipticCurvePrivateKey,
        now: dt.datetime,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        certificate = (
            _builder(name, ca.subject, key, now, _LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer_id, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        _save(leaf.file, leaf.key_file, certificate, key)


def _names_of(leaf: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return [*leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value]
    except x509.ExtensionNotFound:
        return []


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load(
    certificate_file: Path, key_file: Path, now: dt.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """Load a pair; ``None`` when it is missing, torn, mismatched or near its end."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    fits = key.public_key() == certificate.public_key()
    lasts = certificate.not_valid_after_utc > now + _RENEW_BEFORE
    return (certificate, key) if fits and lasts else None


def _signed_by(leaf: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(ca)
    except Exception:  # noqa: BLE001 - InvalidSignature, ValueError and TypeError all mean no
        return False
    return True


def _save(
    certificate_file: Path,
    key_file: Path,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private_text(key_file, pem.decode())
    write_private_text(
        certificate_file, certificate.public_bytes(serialization.Encoding.PEM).decode()
    )
    certificate_file.chmod(0o644)
