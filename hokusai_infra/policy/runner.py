"""Run the rules on a recorded stack, as the engine would on a deployment."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError, unknown_checking_proxy

from hokusai_infra.policy.rule import NotCheckedError
from hokusai_infra.policy.rules import RULES
from hokusai_infra.recorder.graph import Graph, Resource, where
from hokusai_infra.suppressions import Suppression

PROVIDER: Final = "pulumi:providers:"


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """What one rule says of one resource."""

    rule: str
    level: Literal["mandatory", "advisory"]
    urn: str
    """Empty where it is about the stack as a whole."""
    source: str
    """``file:line`` that made the resource, be it the library's."""
    caller: str
    """``file:line`` of the program that led to it."""
    message: str
    state: Literal["failed", "not_checked"]
    """``not_checked``: the rule met a value that only a deployment can tell. It did not pass."""

    @property
    def where(self) -> str:
        """Where to look: the program's line, then the library's."""
        return where(self.caller, self.source)


def evaluate(
    graph: Graph, rules: Sequence[Policy] = RULES, *, accepted: Iterable[Suppression] = ()
) -> list[Finding]:
    """Return what the rules find in a recorded stack, sorted; nothing means that all hold.

    ``accepted`` adds a program's own suppressions to those of the components.
    """
    run = _Run(graph, tuple(accepted))
    for rule in rules:
        match rule:
            case ResourceValidationPolicy() if rule.enforcement_level is not _OFF:
                run.on_each_resource(rule)
            case StackValidationPolicy() if rule.enforcement_level is not _OFF:
                run.on_the_stack(rule)
    return sorted(run.findings)


_OFF: Final = EnforcementLevel.DISABLED


class _Run:
    def __init__(self, graph: Graph, accepted: tuple[Suppression, ...]) -> None:
        self.findings: list[Finding] = []
        self._accepted = accepted
        self._by_urn = {each.urn: each for each in graph.resources}
        self._defaults = _default_provider(graph)
        self._options = {each.urn: _options(each) for each in graph.resources}
        self._args = [
            ResourceValidationArgs(
                each.type,
                unknown_checking_proxy(each.inputs),
                each.urn,
                each.name,
                self._options[each.urn],
                self._provider(each),
            )
            for each in graph.resources
            if not each.component
        ]
        self._resources = self._linked(graph)

    def on_each_resource(self, rule: ResourceValidationPolicy) -> None:
        """Run a rule that sees one resource's inputs at a time."""
        for args in self._args:
            try:
                _finish(rule.validate(args, self._reporter(rule, args.urn)))
            except UnknownValueError as error:
                self._not_checked(rule, args.urn, error)

    def on_the_stack(self, rule: StackValidationPolicy) -> None:
        """Run a rule that sees all resources with what they put out."""
        try:
            _finish(rule.validate(StackValidationArgs(self._resources), self._reporter(rule)))
        except NotCheckedError as error:
            for urn, each in error.unknown.items():
                self._not_checked(rule, urn, each)
        except UnknownValueError as error:
            self._not_checked(rule, "", error)

    def _reporter(self, rule: Policy, urn: str = "") -> ReportViolation:
        def report(problem: str, about: str | None = None) -> None:
            self._fail(rule, urn or about or "", problem)

        return report

    def _fail(self, rule: Policy, urn: str, problem: str) -> None:
        it = self._by_urn.get(urn)
        if it and any(each.covers(rule.name, it.urn, it.parent) for each in self._accepted):
            return
        self._add(rule, urn, f"{rule.description} {problem}", "failed")

    def _not_checked(self, rule: Policy, urn: str, error: UnknownValueError) -> None:
        self._add(
            rule,
            urn,
            f"{rule.description} Not checked: {'.'.join(error.props)} is known after a deployment.",
            "not_checked",
        )

    def _add(
        self, rule: Policy, urn: str, message: str, state: Literal["failed", "not_checked"]
    ) -> None:
        self.findings.append(
            Finding(
                rule=rule.name,
                level="mandatory"
                if rule.enforcement_level is EnforcementLevel.MANDATORY
                else "advisory",
                urn=urn,
                source=self._by_urn[urn].source if urn in self._by_urn else "",
                caller=self._by_urn[urn].caller if urn in self._by_urn else "",
                message=message,
                state=state,
            )
        )

    def _provider(self, resource: Resource) -> PolicyProviderResource | None:
        if resource.type.startswith(PROVIDER):
            return None
        if own := self._by_urn.get(resource.provider):
            props = unknown_checking_proxy(own.inputs)
            return PolicyProviderResource(own.type, props, own.urn, own.name)
        return self._defaults.get(resource.type.partition(":")[0])

    def _linked(self, graph: Graph) -> list[PolicyResource]:
        """Make all resources first, then what points from one to the other, as the engine does."""
        made = {
            each.urn: PolicyResource(
                each.type,
                unknown_checking_proxy(each.state),
                each.urn,
                each.name,
                self._options[each.urn],
                self._provider(each),
                None,
                [],
                {},
            )
            for each in graph.resources
        }
        for each in graph.resources:
            it = made[each.urn]
            it.parent = made.get(each.parent)
            it.dependencies = [made[urn] for urn in each.dependencies if urn in made]
            it.property_dependencies = {
                key: [made[urn] for urn in urns if urn in made]
                for key, urns in each.property_dependencies.items()
            }
        return list(made.values())


def _default_provider(graph: Graph) -> dict[str, PolicyProviderResource]:
    """Return the provider that a package's resources have when they name none: the stack's."""
    props: dict[str, dict[str, Any]] = {}
    for key, value in graph.config.items():
        package, _, name = key.partition(":")
        props.setdefault(package, {})[name] = value
    prefix = f"urn:pulumi:{graph.stack}::{graph.project}::{PROVIDER}"
    return {
        package: PolicyProviderResource(
            f"{PROVIDER}{package}",
            unknown_checking_proxy(values),
            f"{prefix}{package}::default",
            "default",
        )
        for package, values in props.items()
    }


def _options(resource: Resource) -> PolicyResourceOptions:
    return PolicyResourceOptions(
        resource.protect,
        [*resource.ignore_changes],
        None,
        [*resource.aliases],
        PolicyCustomTimeouts(0, 0, 0),
        [],
        resource.parent or None,
    )


def _finish(result: Awaitable[Any] | None) -> None:
    """Wait for a rule that is a coroutine."""

    async def wait(for_: Awaitable[Any]) -> None:
        await for_

    if result is not None:
        asyncio.run(wait(result))
