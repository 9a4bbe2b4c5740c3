"""One change of a recorded stack, as data: what somebody might get wrong."""

import copy
import json
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hokusai_infra.recorder import Graph, Resource

GONE: Final = object()
"""In place of a value: the property is taken away."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What becomes of one resource; without anything else, it is taken away."""

    of: str
    named: str = ""
    """Logical name; empty means the first of the type."""
    to: dict[str, Any] = field(default_factory=dict[str, Any])
    """Value by path, such as ``policy.Statement.0.Effect``; text that is JSON is gone through."""
    links: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Type and name of what a property comes from."""
    protect: bool | None = None
    new: bool = False
    """Whether there is no such resource, and this is all of it."""

    def chosen(self, graph: Graph) -> Resource:
        if self.new:
            return Resource(
                urn=f"urn:pulumi:{graph.stack}::{graph.project}::{self.of}::{self.named}",
                type=self.of,
                name=self.named,
                inputs={},
                source="__main__.py:1",
            )
        return next(each for each in graph.of(self.of) if self.named in ("", each.name))

    def made(self, graph: Graph) -> tuple[Graph, str]:
        """Return the graph with the change, and the URN of what is changed."""
        it = self.chosen(graph)
        others = tuple(each for each in graph.resources if each.urn != it.urn)
        if not (self.to or self.links or self.new or self.protect is not None):
            return replace(graph, resources=others), it.urn
        changed = replace(
            it,
            inputs=_with(it.inputs, self.to),
            state=_with(it.state, self.to),
            property_dependencies=it.property_dependencies
            | {key: [graph.one(*other).urn] for key, other in self.links.items()},
            protect=it.protect if self.protect is None else self.protect,
        )
        return replace(graph, resources=(*others, changed)), it.urn


def _with(values: dict[str, Any], to: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = copy.deepcopy(values)
    for path, value in to.items():
        result = _put(result, path.split("."), value)
    return result


def _put(into: Any, path: list[str], value: object) -> Any:  # noqa: ANN401 (JSON)
    if isinstance(into, str):
        return json.dumps(_put(json.loads(into), path, value))
    key: Any = int(path[0]) if isinstance(into, list) else path[0]
    if path[1:]:
        there = into[key] if isinstance(into, list) or key in into else {}
        into[key] = _put(there, path[1:], value)
    elif value is GONE:
        del into[key]
    elif isinstance(into, list) and key == len(into):
        into.append(value)
    else:
        into[key] = value
    return into
