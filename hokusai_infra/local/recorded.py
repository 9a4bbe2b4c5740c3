"""The recorded graph, as the supervisor reads it.

``hokusai_infra.recorder`` needs Pulumi, half a second and 60 MB to be imported, so the graph is
made in a process of its own and crosses to the supervisor as JSON.
"""

import json
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Recorded:
    """One resource: what the program asked for, and what it was answered."""

    type: str
    name: str
    inputs: dict[str, Any]
    state: dict[str, Any]
    source: str = ""

    def get(self, key: str, default: object = None) -> Any:  # noqa: ANN401 - JSON
        """Read an answered property, else an input."""
        value = self.state.get(key)
        return self.inputs.get(key, default) if value is None else value

    @property
    def where(self) -> str:
        """Name the resource in a message."""
        at = f" ({self.source})" if self.source else ""
        return f"{self.type.rpartition(':')[2]} {self.name!r}{at}"


@dataclass(frozen=True)
class RecordedGraph:
    """All resources of a stack, and its outputs."""

    project: str
    stack: str
    config: dict[str, str]
    outputs: dict[str, Any]
    resources: tuple[Recorded, ...]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what the recorder wrote."""
        raw = json.loads(text)
        resources = tuple(
            Recorded(each["type"], each["name"], each["inputs"], each["state"], each["source"])
            for each in raw["resources"]
            if not each["component"]
        )
        return cls(raw["project"], raw["stack"], raw["config"], raw["outputs"], resources)

    def of(self, type_: str) -> list[Recorded]:
        """List the resources of one type."""
        return [each for each in self.resources if each.type == type_]

    def by_arn(self, type_: str, reference: object) -> Recorded | None:
        """Find the resource that an ARN, id or name in another one's inputs refers to."""
        for each in self.of(type_):
            if reference in (each.state.get("arn"), each.state.get("id"), each.state.get("name")):
                return each
        return None
