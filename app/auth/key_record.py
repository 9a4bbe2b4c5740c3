"""What is kept of an API key, and the document that holds a project's keys."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import structlog
from pydantic import AfterValidator, BeforeValidator, PlainSerializer, TypeAdapter, ValidationError

from app.auth.api_key import is_key_id
from app.permissions import Permission
from app.text import storable

DOCUMENT_FORMAT: Final = 1
_Value = TypeVar("_Value")
_known: Final = frozenset(Permission)
_interned: Final[dict[Any, Any]] = {}

log = structlog.get_logger()


def _intern(value: _Value) -> _Value:
    """Keep one object for the few values that thousands of records share."""
    shared: _Value = _interned.setdefault(value, value)
    return shared


def _only_known(permissions: Iterable[str]) -> frozenset[str]:
    """Leave out permissions of newer code: what this code does not know, it cannot grant."""
    return frozenset(permissions) & _known


def _from_hex(value: str | bytes) -> bytes:
    return bytes.fromhex(value) if isinstance(value, str) else value


Digest = Annotated[bytes, BeforeValidator(_from_hex), PlainSerializer(bytes.hex, return_type=str)]
"""SHA-256, as hex in JSON."""
Shared = Annotated[str, AfterValidator(_intern)]


@dataclass(frozen=True, slots=True)
class PreviousSecret:
    """The secret a key had before it was rotated, and until when it still works."""

    digest: Digest
    valid_until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One API key; moments are seconds since the epoch."""

    key_id: str
    project: Shared
    name: str
    digest: Digest
    permissions: Annotated[
        frozenset[Permission], BeforeValidator(_only_known), AfterValidator(_intern)
    ]
    created_at: int
    created_by: Shared
    resources: Annotated[tuple[str, ...], AfterValidator(_intern)] = ()
    expires_at: int | None = None
    previous: PreviousSecret | None = None

    @property
    def subject(self) -> str:
        """Name the key as a caller."""
        return subject_of(self.key_id)

    @property
    def is_readable(self) -> bool:
        """Tell a record from what stands for one that could not be read."""
        return bool(self.digest)

    @classmethod
    def unreadable(cls, key_id: str, project: str) -> "KeyRecord":
        """Stand for a record that cannot be read: it can be listed and revoked, and opens nothing.

        No digest is empty, so no secret matches it.
        """
        return cls(
            key_id=key_id,
            project=project,
            name="",
            digest=b"",
            permissions=frozenset(),
            created_at=0,
            created_by="",
        )

    def storable(self) -> "KeyRecord":
        """Return the record with texts that every store and every answer takes."""
        return dataclasses.replace(
            self,
            name=storable(self.name),
            created_by=storable(self.created_by),
            resources=tuple(map(storable, self.resources)),
        )

    def to_json(self) -> dict[str, Any]:
        """Write the record as it stands in a document."""
        record: dict[str, Any] = _record.dump_python(self, mode="json", exclude_defaults=True)
        return record | {"permissions": sorted(record["permissions"])}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "KeyRecord":
        """Read a record as it stands in a document."""
        return _record.validate_python(record)

    @classmethod
    def read(cls, record: object, key_id: str, project: str) -> "KeyRecord":
        """Read a record, or make what stands for it."""
        try:
            return _record.validate_python(record)
        except (TypeError, ValidationError):
            return cls.unreadable(key_id, project)


_record: Final = TypeAdapter(KeyRecord)


def subject_of(key_id: str) -> str:
    """Name a key as a caller."""
    return f"key:{key_id}"


class DocumentError(Exception):
    """The document of a project's keys cannot be used."""


@dataclass(frozen=True)
class KeyDocument:
    """A project's keys as they are stored.

    Records stay as they were read, so that fields and permissions of newer code survive when
    older code adds a key during a deployment.
    """

    project: str
    keys: tuple[Any, ...] = ()

    @classmethod
    def parse(cls, project: str, text: str) -> "KeyDocument":
        """Read a document; refuse one of another project."""
        try:
            content = json.loads(text)
            if content["project"] != project or content["format"] != DOCUMENT_FORMAT:
                raise DocumentError(f"not a key document of format {DOCUMENT_FORMAT} of {project}")
            return cls(project, tuple(content["keys"]))
        except (KeyError, TypeError, ValueError):
            raise DocumentError(f"the key document of {project} is not readable") from None

    def text(self) -> str:
        """Write the document, compactly: its size is limited."""
        content = {"format": DOCUMENT_FORMAT, "project": self.project, "keys": self.keys}
        return json.dumps(content, separators=(",", ":"))

    def records(self) -> list[KeyRecord]:
        """Read every record; a bad one takes none of the others with it."""
        named = [(key_id, each) for each in self.keys if (key_id := _key_id(each)) is not None]
        records = [KeyRecord.read(each, key_id, self.project) for key_id, each in named]
        bad = [each.key_id for each in records if not each.is_readable]
        if bad or len(named) < len(self.keys):
            nameless = len(self.keys) - len(named)
            log.warning("bad_key_records", project=self.project, key_ids=bad, nameless=nameless)
        if any(each.project != self.project for each in records):
            raise DocumentError(f"the key document of {self.project} holds another project's key")
        return records

    def with_key(self, record: KeyRecord) -> "KeyDocument":
        """Add a key."""
        return KeyDocument(self.project, (*self.keys, record.to_json()))

    def without(self, key_ids: Iterable[str], *, expired_before: int) -> "KeyDocument":
        """Leave out revoked keys, and keys whose end lies before a moment."""
        gone = frozenset(key_ids)
        return KeyDocument(
            self.project,
            tuple(
                each
                for each in self.keys
                if _key_id(each) not in gone and not _has_ended(each, expired_before)
            ),
        )


def _key_id(record: object) -> str | None:
    key_id = record.get("key_id") if isinstance(record, dict) else None
    return key_id if isinstance(key_id, str) and is_key_id(key_id) else None


def _has_ended(record: object, before: int) -> bool:
    ends = record.get("expires_at") if isinstance(record, dict) else None
    return isinstance(ends, int) and ends < before
