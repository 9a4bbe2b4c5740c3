"""What an upgrade would do to data: refuse that it is deleted, or replaced by something empty."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from hokusai_infra.recorder.graph import Graph, Resource
from hokusai_infra.stateful import REPLACED_BY

URN_PARTS: Final = 4
"""Parts of a URN between ``::``: stack, project, types, name; a name may have more of them."""


class Holder(TypedDict):
    """What is written down of a resource that holds data."""

    urn: str
    protect: bool
    identity: dict[str, Any]
    """The properties whose change replaces it, as far as the program states them."""


@dataclass(frozen=True, kw_only=True, order=True)
class Refusal:
    """Data that would be gone after a deployment."""

    urn: str
    message: str


def holders(graph: Graph) -> list[Holder]:
    """Return what holds data in a stack, to be written down and compared with what comes later."""
    return [
        {
            "urn": each.urn,
            "protect": each.protect,
            "identity": {
                key: each.inputs[key]
                for key in sorted(REPLACED_BY[each.type])
                if key in each.inputs
            },
        }
        for each in graph.resources
        if each.type in REPLACED_BY
    ]


def refusals(before: Sequence[Holder], now: Graph) -> list[Refusal]:
    """Return what of ``before`` a deployment of ``now`` would delete or replace.

    A resource that states its former name, parent or type in ``aliases`` is the same resource.
    """
    found: list[Refusal] = []
    here = {each.urn: each for each in now.resources}
    formerly = {urn: each for each in now.resources for urn in former_urns(each, now)}
    for each in before:
        resource = here.get(each["urn"]) or formerly.get(each["urn"])
        found += _gone(each, now) if resource is None else _replaced(each, resource)
    return sorted(found)


def former_urns(resource: Resource, graph: Graph) -> set[str]:
    """Return the URNs that a resource's own aliases, and those of its parents, stand for.

    As the engine works them out: a child whose name begins with that of a renamed parent is taken
    to have been renamed with it.
    """
    own = [_stated(alias) for alias in resource.aliases]
    found = {alias if isinstance(alias, str) else _urn(resource, graph, alias) for alias in own}
    parent = next((each for each in graph.resources if each.urn == resource.parent), None)
    if parent is None:
        return found
    specs = [{}, *(alias for alias in own if not isinstance(alias, str))]
    for former in former_urns(parent, graph):
        for spec in specs:
            if "parent" in spec:
                continue
            name = spec.get("name", resource.name)
            if name.startswith(parent.name):
                name = _name(former) + name.removeprefix(parent.name)
            found.add(_child(former, spec.get("type", resource.type), name))
    return found


def _gone(before: Holder, now: Graph) -> Iterator[Refusal]:
    type_ = _type(before["urn"])
    same = [
        each.name
        for each in now.of(type_)
        if before["identity"]
        and all(each.inputs.get(key) == value for key, value in before["identity"].items())
    ]
    hint = (
        f"If it is {same[0]!r} now, say so there: aliases=[pulumi.Alias(...)]."
        if same
        else "To give it up, take its protection and its line in tests/golden away first."
    )
    yield Refusal(urn=before["urn"], message=f"It is gone, and would be deleted. {hint}")


def _replaced(before: Holder, now: Resource) -> Iterator[Refusal]:
    for key in sorted(REPLACED_BY[now.type]):
        was, is_now = before["identity"].get(key), now.inputs.get(key)
        if was != is_now:
            yield Refusal(
                urn=before["urn"],
                message=(
                    f"{key} was {was!r} and is {is_now!r} ({now.source}): AWS cannot change it, so "
                    "the provider would delete the resource and make an empty one. Change it back, "
                    "or move the data to a second resource first."
                ),
            )
    if before["protect"] and not now.protect:
        yield Refusal(
            urn=before["urn"],
            message=f"It is no longer protected ({now.source}): state protect=True again.",
        )


def _stated(alias: str) -> str | dict[str, str]:
    """Return a URN as it is, and a specification by its parts."""
    if alias.startswith("urn:"):
        return alias
    return dict(part.split("=", 1) for part in alias.split(" "))


def _urn(resource: Resource, graph: Graph, spec: dict[str, str]) -> str:
    type_, name = spec.get("type", resource.type), spec.get("name", resource.name)
    parent = spec.get("parent", resource.parent)
    if parent:
        return _child(parent, type_, name)
    return f"urn:pulumi:{graph.stack}::{graph.project}::{type_}::{name}"


def _child(parent: str, type_: str, name: str) -> str:
    head, project, types, _ = parent.split("::", URN_PARTS - 1)
    return f"{head}::{project}::{types}${type_}::{name}"


def _name(urn: str) -> str:
    return urn.split("::", URN_PARTS - 1)[-1]


def _type(urn: str) -> str:
    return urn.split("::", URN_PARTS - 1)[2].rpartition("$")[2]
