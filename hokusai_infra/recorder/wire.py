"""Pulumi's property values: from what crosses the wire to plain data, and back."""

from typing import Any, Final

from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc

SIGNATURE: Final = rpc._special_sig_key  # noqa: SLF001 (the protocol's own constants have no public name)
SECRET: Final = rpc._special_secret_sig  # noqa: SLF001 (as above)


def read(struct: struct_pb2.Struct) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the properties in clear, and the names of those that hold a secret."""
    properties = json_format.MessageToDict(struct)
    secret = tuple(sorted(name for name, value in properties.items() if _holds_secret(value)))
    plain = {name: _plain(value) for name, value in properties.items() if value is not None}
    return plain, secret


def write(properties: dict[str, Any], secret: set[str]) -> struct_pb2.Struct:
    """Return the properties as the wire has them, the named ones marked as secret."""
    return json_format.ParseDict(
        {
            name: {SIGNATURE: SECRET, "value": value} if name in secret else value
            for name, value in properties.items()
        },
        struct_pb2.Struct(),
    )


def _holds_secret(value: object) -> bool:
    match value:
        case dict():
            return value.get(SIGNATURE) == SECRET or any(map(_holds_secret, value.values()))
        case list():
            return any(map(_holds_secret, value))
    return False


def _plain(value: object) -> object:
    match value:
        case dict() if value.get(SIGNATURE) == SECRET:
            return _plain(value["value"])
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value
