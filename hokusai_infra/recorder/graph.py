"""What a Pulumi program registered, as data."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from pulumi.runtime import rpc

UNKNOWN: Final = rpc.UNKNOWN
"""Stands, as on the wire, for a value that only a deployment can tell."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, as the engine would have been told of it."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    """Wire names; secrets unwrapped, whole numbers as ``int``, the unknown as ``UNKNOWN``."""
    secret_inputs: tuple[str, ...] = ()
    """Inputs that were secret, or had a secret somewhere inside."""
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    """``id`` and outputs, as they were answered; of a component, what it registered."""
    parent: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    protect: bool = False
    aliases: tuple[str, ...] = ()
    """Former names, parents and types that the program states; not those of the provider's SDK."""
    ignore_changes: tuple[str, ...] = ()
    timeouts: dict[str, str] = field(default_factory=dict[str, str])
    """How long the engine waits for an action, where the program says it: ``{"create": "40m"}``."""
    component: bool = False
    provider: str = ""
    """URN of the provider that the program states; empty where it is the stack's own."""
    source: str = ""
    """``file:line`` of the call that made it, relative to the program where it can be."""
    caller: str = ""
    """``file:line`` of the program's own that led to it; empty where the program has no file."""

    @property
    def where(self) -> str:
        """The program's line, and the one of the library behind it, where that is another."""
        return where(self.caller, self.source)

    @property
    def id(self) -> str:
        """Physical id, empty for a component."""
        return str(self.state.get("id", ""))


def where(caller: str, source: str) -> str:
    """Name the program's own line first, for that is the one that its author can change."""
    return f"{caller}, by {source}" if caller and caller != source else source


Answers = Callable[[Resource], tuple[str, dict[str, Any]]]
"""Gives a new resource its physical id and the outputs that are merged over its inputs.

Called from several threads at once, in an order that is not the program's.
"""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """All that one stack registered, sorted by URN, so that two recordings compare."""

    project: str
    stack: str
    config: dict[str, str]
    """Configuration as the program read it: text, with a placeholder for each secret."""
    resources: tuple[Resource, ...]
    outputs: dict[str, Any]
    secret_outputs: tuple[str, ...] = ()

    def of(self, type_: str) -> list[Resource]:
        """List the resources of one type."""
        return [each for each in self.resources if each.type == type_]

    def one(self, type_: str, name: str | None = None) -> Resource:
        """Return the only resource of a type, or the one with this logical name."""
        found = [each for each in self.of(type_) if name in (None, each.name)]
        if len(found) != 1:
            there = ", ".join(each.name for each in self.of(type_)) or "none"
            raise LookupError(f"{len(found)} of {type_} {name or ''} in {self.stack}: {there}")
        return found[0]

    def by_urn(self, urn: str) -> Resource:
        """Return the resource with this URN."""
        return next(each for each in self.resources if each.urn == urn)

    def to_json(self) -> str:
        """Write the graph down; secret inputs are in it, so keep the text where they may be."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        values = json.loads(text)
        return cls(**_tupled(values, resources=tuple(map(_resource, values["resources"]))))


def _resource(values: dict[str, Any]) -> Resource:
    return Resource(**_tupled(values))


def _tupled(values: dict[str, Any], **others: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    tuples = {"secret_inputs", "secret_outputs", "dependencies", "aliases", "ignore_changes"}
    return {k: tuple(v) if k in tuples else v for k, v in values.items()} | others
