"""Rules of Secrets Manager that moto does not know: quotas, and how staging labels move.

docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
"""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from moto.secretsmanager.exceptions import InvalidRequestException, SecretsManagerClientError
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

VALUE_BYTES: Final = 65_536
VERSIONS: Final = 100
DAY_SECONDS: Final = 24 * 60 * 60
"""Versions younger than this are never removed, so there are 100 a day and secret."""

_CURRENT: Final = "AWSCURRENT"
_PREVIOUS: Final = "AWSPREVIOUS"


def install(clock: Callable[[], float] = time.time) -> None:
    """Replace the methods of moto, once, before it serves."""
    add = SecretsManagerBackend._add_secret  # noqa: SLF001 - where all new versions pass
    stage = SecretsManagerBackend.update_secret_version_stage
    rotate = SecretsManagerBackend.rotate_secret

    def _add_secret(self: Any, secret_id: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - moto has no types
        text = kwargs.get("secret_string", args[0] if args else None)
        binary = kwargs.get("secret_binary", args[1] if len(args) > 1 else None)
        check_size(text, binary)
        secret = self.secrets.get(secret_id)
        if secret is not None and secret.is_deleted():
            raise InvalidRequestException(
                "You can't perform this operation on the secret because it was marked for deletion."
            )
        if secret is not None and (text is not None or binary is not None):
            make_room(secret.versions, clock())
        return add(self, secret_id, *args, **kwargs)

    def update_secret_version_stage(self: Any, secret_id: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - moto has no types
        moved = stage(self, secret_id, *args, **kwargs)
        secret = self.secrets[secret_id]
        for version_id, version in secret.versions.items():
            if _CURRENT in version["version_stages"]:
                secret.set_default_version_id(version_id)
        return moved

    def rotate_secret(self: Any, secret_id: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - moto has no types
        secret = self.secrets.get(secret_id)
        if secret is None or secret.owning_service is None:
            return rotate(self, secret_id, *args, **kwargs)
        current = secret.versions[secret.default_version_id]["secret_string"]
        value = json.loads(current) | {"password": secrets.token_urlsafe(24)}
        self._add_secret(
            secret_id,
            secret_string=json.dumps(value),
            description=secret.description,
            tags=secret.tags,
        )
        return secret.to_short_dict()

    SecretsManagerBackend._add_secret = _add_secret  # noqa: SLF001 - as above
    SecretsManagerBackend.update_secret_version_stage = update_secret_version_stage
    SecretsManagerBackend.rotate_secret = rotate_secret
    FakeSecret.reset_default_version = _reset_default_version


def check_size(text: str | None, binary: str | None) -> None:
    """Refuse a value of more than 64 KiB."""
    size = max(len((text or "").encode()), len(binary or "") * 3 // 4)
    if size > VALUE_BYTES:
        field = "secretString" if text else "secretBinary"
        raise SecretsManagerClientError(
            "ValidationException",
            f"1 validation error detected: Value at '{field}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {VALUE_BYTES}",
        )


def make_room(versions: dict[str, dict[str, Any]], now: float) -> None:
    """Remove old versions without labels; refuse one more version when 100 are left."""
    bare = sorted(
        (each for each in versions if not versions[each]["version_stages"]),
        key=lambda each: float(versions[each]["createdate"]),
    )
    for version in bare[: max(0, len(versions) - VERSIONS + 1)]:
        if now - versions[version]["createdate"] >= DAY_SECONDS:
            del versions[version]
    if len(versions) >= VERSIONS:
        raise SecretsManagerClientError(
            "LimitExceededException",
            f"This secret already has {VERSIONS} versions, and versions of the last 24 hours are "
            "never removed.",
        )


def _reset_default_version(self: Any, secret_version: dict[str, Any], version_id: str) -> None:  # noqa: ANN401 - moto has no types
    """Move labels to a new current version: each is on one version, all others stay."""
    moved = {*secret_version["version_stages"], _PREVIOUS}
    for version in self.versions.values():
        stays = [label for label in version["version_stages"] if label not in moved]
        version["version_stages"] = stays
    if self.default_version_id and self.default_version_id != version_id:
        self.versions[self.default_version_id]["version_stages"].append(_PREVIOUS)
    self.versions[version_id] = secret_version
    self.default_version_id = version_id
