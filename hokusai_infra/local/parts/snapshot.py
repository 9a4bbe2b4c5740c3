"""The state of the control plane, kept over restarts.

moto has no persistence that serves here: its recorder replays calls, which makes other ARNs and
other keys. Its backends are plain objects, so they are pickled whole, in about a millisecond.
"""

import copyreg
import os
import pickle
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import dill
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

from hokusai_infra.local.parts.events import log

_NEVER_KEPT: Final = frozenset({"moto_api", "instance_metadata"})


class Snapshot:
    """One file, read by its owner only: it holds secrets in clear."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._not_kept: set[str] = set()
        for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())):
            copyreg.pickle(type(key), _reduced)

    def load(self) -> None:
        """Put the kept state into moto; of what another version of moto kept, the secrets only."""
        try:
            kept = pickle.loads(self._file.read_bytes())  # noqa: S301 - our own file, 0600
        except FileNotFoundError:
            return
        if kept["moto"] != version("moto"):
            log("snapshot_of_another_moto", kept=kept["moto"], installed=version("moto"))
            for account, region, fields in kept["secrets"]:
                _restore_secret(account, region, fields)
            return
        for service, state in kept["services"].items():
            backends: Any = get_backend(service)
            backends.update(dill.loads(state))  # noqa: S301 - as above
            for account in list(backends):
                backends[account]

    def save(self) -> None:
        """Write the state of every service that was used; the old file stays until it is done."""
        services = {}
        for backends in list(BackendDict._instances):  # noqa: SLF001 - moto's list of those in use
            name = backends.service_name
            if name not in _NEVER_KEPT and (state := self._dumped(name, backends)) is not None:
                services[name] = state
        kept = {"moto": version("moto"), "services": services, "secrets": _plain_secrets()}
        draft = self._file.with_name(f".{self._file.name}.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pickle.dumps(kept))
        draft.replace(self._file)

    def _dumped(self, name: str, backends: Any) -> bytes | None:  # noqa: ANN401 - moto has no types
        try:
            try:
                return pickle.dumps(dict(backends))
            except (AttributeError, TypeError, pickle.PicklingError):
                return bytes(dill.dumps(dict(backends)))
        except Exception as problem:  # noqa: BLE001 - one service that cannot be kept must not lose the others
            if name not in self._not_kept:
                self._not_kept.add(name)
                log("service_not_kept", service=name, error=problem)
            return None


def _reduced(key: Any) -> tuple[Any, ...]:  # noqa: ANN401 - RSA and EC keys alike
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return _loaded, (pem,)


def _loaded(pem: bytes) -> object:
    return serialization.load_pem_private_key(pem, password=None)


def _plain_secrets() -> list[tuple[str, str, dict[str, Any]]]:
    """Describe the secrets without a class of moto's, so that any version can read them."""
    return [
        (account, region, {k: v for k, v in vars(secret).items() if k != "replicas"})
        for account, region, backend in secretsmanager_backends.iter_backends()
        for secret in dict.values(backend.secrets)
        if isinstance(secret, FakeSecret)
    ]


def _restore_secret(account: str, region: str, fields: dict[str, Any]) -> None:
    secret = FakeSecret(
        account_id=account,
        region_name=region,
        secret_id=fields["secret_id"],
        secret_version={},
        version_id="",
    )
    for name, value in fields.items():
        if hasattr(secret, name):
            setattr(secret, name, value)
    secretsmanager_backends[account][region].secrets[secret.secret_id] = secret
