"""What a deployment of one program after another would do, as far as programs can tell.

A resource that takes over a former name is found by its aliases. What is made of an output of a
replaced resource is not known before the replacement: an engine takes that for a change, and
replaces what cannot change there, which goes on from resource to resource. This may name a resource
too many, where an output turns out to be what it was; it names none too few.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
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
    follows: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Inputs that are known only after a replacement, each with the URNs that are replaced."""

    @property
    def refused(self) -> bool:
        """Whether an engine refuses it, because the resource is protected."""
        return self.resource.protect and self.kind in ("replace", "remove")


def differences(before: Graph, after: Graph) -> list[Change]:
    """Compare two recordings of a stack, what cannot be undone first.

    Components are what their children are.
    """
    old = {each.urn: each for each in before.resources}
    found: list[Change] = []
    kept: dict[str, Resource] = {}
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
            continue
        kept[each.urn] = each
        if change := _changed(old[former], each):
            found.append(change)
    found = _followed(found, kept.values())
    found += [
        Change(kind="remove", resource=each)
        for urn, each in old.items()
        if urn not in taken and not each.component
    ]
    return sorted(found, key=lambda each: (ORDER.index(each.kind), each.resource.urn))


def _followed(found: list[Change], kept: Iterable[Resource]) -> list[Change]:
    """Add what follows from the replacements, until nothing more does."""
    changes = {each.resource.urn: each for each in found}
    replaced = {urn for urn, each in changes.items() if each.kind == "replace"}
    waiting = [each for each in kept if each.property_dependencies]
    newly = replaced
    while newly:
        newly = set()
        for each in waiting:
            follows = {
                key: behind
                for key, urns in each.property_dependencies.items()
                if key not in each.ignore_changes
                and (behind := tuple(sorted(replaced.intersection(urns) - {each.urn})))
            }
            if not follows:
                continue
            change = changes.get(each.urn) or Change(kind="change", resource=each)
            properties = sorted({*change.properties, *follows})
            by = replacing(each.type, properties)
            changes[each.urn] = replace(
                change,
                kind="replace" if by else "change",
                properties=tuple(properties),
                replaced_by=tuple(by),
                follows=follows,
            )
            if by and each.urn not in replaced:
                newly.add(each.urn)
        replaced |= newly
    return [*changes.values()]


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
