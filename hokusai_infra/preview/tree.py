"""The resources of a stack as a tree: components, and what is in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hokusai_infra.recorder.graph import Graph, Resource

PROVIDER: Final = "pulumi:providers:"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A resource with its children."""

    resource: Resource
    children: list["Node"] = field(default_factory=list["Node"])

    def walk(self) -> Iterator[Resource]:
        """List the resource and all below it."""
        yield self.resource
        for each in self.children:
            yield from each.walk()


def roots(graph: Graph) -> list[Node]:
    """Return what has no parent, each with what is below it; components first at each level."""
    shown = [each for each in graph.resources if not each.type.startswith(PROVIDER)]
    nodes = {each.urn: Node(resource=each) for each in shown}
    top: list[Node] = []
    for urn, node in nodes.items():
        above = nodes.get(graph.by_urn(urn).parent)
        (above.children if above else top).append(node)
    for siblings in (top, *(node.children for node in nodes.values())):
        siblings.sort(key=lambda node: (not node.resource.component, label(node.resource)))
    return top


def label(resource: Resource) -> str:
    """Name a resource for people: short type and logical name."""
    module, _, short = resource.type.rpartition(":")
    package = module.partition(":")[2].partition("/")[0]
    kind = short if resource.component or package in ("", "index") else f"{package}.{short}"
    return f"{kind} {resource.name}"
