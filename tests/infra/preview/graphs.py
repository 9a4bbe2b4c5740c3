"""Small graphs, made by hand, and what they cost."""

from typing import Any

from hokusai_infra.preview.cost import Estimate, estimate
from hokusai_infra.preview.usage import Usage
from hokusai_infra.recorder import Graph, Resource

PREFIX = "urn:pulumi:test::hokusai::"
NO_USE = Usage()


def resource(type_: str, name: str = "it", **other: Any) -> Resource:  # noqa: ANN401 - fields of a resource
    return Resource(
        urn=f"{PREFIX}{type_}::{name}", type=type_, name=name, **{"inputs": {}, **other}
    )


def graph(*resources: Resource) -> Graph:
    return Graph(
        project="hokusai",
        stack="test",
        config={},
        resources=tuple(sorted(resources, key=lambda each: each.urn)),
        outputs={},
    )


def priced(*resources: Resource, region: str = "us-east-1", usage: Usage = NO_USE) -> Estimate:
    return estimate(graph(*resources), region, usage)


def said(estimate: Estimate) -> list[tuple[str, str, str]]:
    """Return what each line says: its subject, kind and dollars."""
    return [(each.what, each.kind, str(each.monthly)) for each in estimate.lines]
