"""How a rule is written: a promise, the types it is about, and a check that yields what is wrong.

What comes out are Pulumi's own policy objects, so one rule is run by ``pulumi preview
--policy-pack`` and, without an engine, by ``evaluate``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pulumi_policy import (
    EnforcementLevel,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from hokusai_infra.policy.accepted import is_accepted

Rule = ResourceValidationPolicy | StackValidationPolicy
Check = Callable[[ResourceValidationArgs], Iterator[str]]
"""Yields a sentence for each thing that is wrong with a resource; sees its inputs alone."""


class Stack:
    """All resources of a stack, as a rule about several of them sees them."""

    def __init__(self, resources: Sequence[PolicyResource]) -> None:
        self._resources = resources

    def of(self, *types: str) -> list[PolicyResource]:
        """List the resources of some types."""
        return [each for each in self._resources if each.resource_type in types]

    def pointing_at(self, it: PolicyResource, type_: str, key: str) -> list[PolicyResource]:
        """List the resources of a type whose property ``key`` comes from ``it``."""
        return [each for each in self.of(type_) if it in each.property_dependencies.get(key, [])]


StackCheck = Callable[[PolicyResource, Stack], Iterator[str]]
"""Yields a sentence for each thing that is wrong with a resource among those around it."""


class NotCheckedError(UnknownValueError):
    """Some resources have values that only a deployment can tell; the others were checked."""

    def __init__(self, unknown: Mapping[str, UnknownValueError]) -> None:
        first = next(iter(unknown.values()))
        super().__init__(first.unknown_type_sentinel, first.props)
        self.unknown: Final = unknown
        self.message = "; ".join(f"{urn}: {each.message}" for urn, each in unknown.items())


def resource_rule(
    name: str,
    *,
    of: str | tuple[str, ...],
    promise: str,
    page: str = "",
    level: EnforcementLevel = EnforcementLevel.MANDATORY,
) -> Callable[[Check], ResourceValidationPolicy]:
    """Make a check of single resources a rule; the engine runs it before it touches the resource.

    ``page`` is where the requirement comes from.
    """

    def rule(check: Check) -> ResourceValidationPolicy:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            if args.resource_type not in _tuple(of):
                return
            for problem in check(args):
                if not is_accepted(name, args.urn, args.opts.parent or ""):
                    report(problem, None)

        return ResourceValidationPolicy(
            name, promise, validate, level, url=page or None, tags=[*_tuple(of)]
        )

    return rule


def stack_rule(
    name: str,
    *,
    of: str | tuple[str, ...],
    promise: str,
    page: str = "",
    level: EnforcementLevel = EnforcementLevel.MANDATORY,
) -> Callable[[StackCheck], StackValidationPolicy]:
    """Make a check of resources among others a rule; the engine runs it once all are planned.

    A resource with an unknown value does not keep the others from being checked.
    """

    def rule(check: StackCheck) -> StackValidationPolicy:
        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            stack = Stack(args.resources)
            unknown: dict[str, UnknownValueError] = {}
            for each in stack.of(*_tuple(of)):
                try:
                    for problem in check(each, stack):
                        if not is_accepted(name, each.urn, each.opts.parent or ""):
                            report(problem, each.urn)
                except UnknownValueError as error:
                    unknown[each.urn] = error
            if unknown:
                raise NotCheckedError(unknown)

        return StackValidationPolicy(
            name, promise, validate, level, url=page or None, tags=[*_tuple(of)]
        )

    return rule


def subject(rule: Rule) -> tuple[str, ...]:
    """Return the types that a rule is about."""
    return tuple(rule.tags or ())


def plain(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return a value without the proxy that raises on what is unknown; it raises here instead."""
    if isinstance(value, Mapping):
        return {key: plain(value[key]) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value


def shown(number: Any) -> Any:  # noqa: ANN401 (or what is there instead)
    """Return a number as it was written: the engine hands over each as a fraction."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _tuple(of: str | tuple[str, ...]) -> tuple[str, ...]:
    return (of,) if isinstance(of, str) else of
