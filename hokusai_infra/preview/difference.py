"""What a deployment of one program after another would do, as far as programs can tell.

A resource that takes over a former name is found by its aliases. What depends on a replaced
resource may have to change with it; that is not followed.
"""

from dataclasses import dataclass
from typing import Final, Literal

from hokusai_infra.policy.upgrade import former_urns
from hokusai_infra.preview.replacement import replacing
from hokusai_infra.recorder.graph import Graph, Resource

Kind = Literal["replace", "remove", "change", "add"]
ORDER: Final[tuple[Kind, ...]] = ("replace", "remove", "change", "add")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource."""

    kind: Kind
    resource: Resource
    """As it is afterwards; of a removal, as it was."""
    properties: tuple[str, ...] = ()
    """Inputs that are not what they were."""
    replaced_by: tuple[str, ...] = ()
    """Those of them that cannot be changed in place."""
    formerly: str = ""
    """Its URN before, where an alias says so."""


def differences(before: Graph, after: Graph) -> list[Change]:
    """Compare two recordings of a stack, what cannot be undone first.

    Components are what their children are.
    """
    old = {each.urn: each for each in before.resources}
    found: list[Change] = []
    taken: set[str] = set()
    for each in after.resources:
        names = (each.urn, *sorted(former_urns(each, after)))
        former = next((urn for urn in names if urn in old and urn not in taken), None)
        if former is not None:
            taken.add(former)
        if each.component:
            continue
        if former is None:
            found.append(Change(kind="add", resource=each))
        elif change := _changed(old[former], each):
            found.append(change)
    found += [
        Change(kind="remove", resource=each)
        for urn, each in old.items()
        if urn not in taken and not each.component
    ]
    return sorted(found, key=lambda each: (ORDER.index(each.kind), each.resource.urn))


def _changed(was: Resource, now: Resource) -> Change | None:
    properties = sorted(
        key
        for key in was.inputs.keys() | now.inputs.keys()
        if was.inputs.get(key) != now.inputs.get(key) and key not in now.ignore_changes
    )
    by = replacing(now.type, properties)
    formerly = was.urn if was.urn != now.urn else ""
    if not properties and not formerly:
        return None
    return Change(
        kind="replace" if by else "change",
        resource=now,
        properties=tuple(properties),
        replaced_by=tuple(by),
        formerly=formerly,
    )
