"""A firewall as AWS documents it: what each managed rule looks for, and how rules are asked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus

from hokusai_infra.components.managed_rules import GROUPS

INSPECTED: Final = 8192
"""Bytes of a body that a firewall in front of a load balancer looks into."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a firewall sees of a request."""

    host: str
    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str = ""
    """As much of it as is inspected."""
    body_size: int = 0
    """All of it, in bytes."""
    lists: frozenset[str] = frozenset()
    """Lists of addresses that its source is on."""
    in_five_minutes: int = 1
    """Requests of its source."""

    def part(self, name: str) -> str:
        """Return a part of it, decoded as a rule does."""
        parts = {
            "BODY": self.body[:INSPECTED],
            "URIPATH": self.path,
            "QUERYARGUMENTS": self.query,
            "QUERYSTRING": self.query,
            "COOKIE": self.headers.get("cookie", ""),
            "HEADER": "\n".join(self.headers.values()),
        }
        return unquote_plus(parts[name])


Condition = Callable[[Request], object]


def _pattern(part: str, pattern: str) -> Condition:
    return lambda request: re.search(pattern, request.part(part), re.IGNORECASE)


PATTERNS: Final = {
    "EC2MetaDataSSRF": r"169\.254\.169\.254",
    "GenericLFI": r"\.\./",
    "RestrictedExtensions": r"\.(log|ini)(&|$)",
    "GenericRFI": r"(https?|ftps?|file)://\d+\.\d+\.\d+\.\d+",
    "CrossSiteScripting": r"<script",
    "JavaDeserializationRCE": r"java\.lang\.Runtime",
    "Log4JRCE": r"\$\{jndi:",
    "ExploitablePaths": r"/web-inf",
    "ReactJSRCE": r"\$1:__proto__",
    # Wider than what AWS looks for, which it does not tell: also what only looks like SQL.
    "SQLi": r"'\s*(or|and|=|;)|=\s*'|union\s+select|--\s",
    "SQLiExtendedPatterns": r"'\s*(or|and|=|;)|=\s*'|union\s+select|--\s",
}
OTHERS: Final[dict[str, Condition]] = {
    "NoUserAgent_HEADER": lambda request: "user-agent" not in request.headers,
    "UserAgent_BadBots_HEADER": lambda request: re.search(
        "nessus|nmap", request.headers.get("user-agent", "").lower()
    ),
    "SizeRestrictions_QUERYSTRING": lambda request: len(request.query) > 2048,
    "SizeRestrictions_Cookie_HEADER": lambda request: (
        len(request.headers.get("cookie", "")) > 10_240
    ),
    "SizeRestrictions_BODY": lambda request: request.body_size > 8192,
    "SizeRestrictions_URIPATH": lambda request: len(request.path) > 1024,
    "Host_localhost_HEADER": lambda request: "localhost" in request.host,
    "PROPFIND_METHOD": lambda request: request.method == "PROPFIND",
}


def condition(rule: str) -> Condition:
    """Return what a rule looks for, as the page of its group says with an example."""
    if rule in OTHERS:
        return OTHERS[rule]
    kind, _, part = rule.rpartition("_")
    if not kind:
        return lambda request: rule in request.lists
    return _pattern(part, PATTERNS[kind])


@dataclass
class Verdict:
    """How a firewall answers."""

    blocked_by: str | None = None
    counted_by: set[str] = field(default_factory=set[str])


def ask(rules: list[dict[str, Any]], request: Request) -> Verdict:
    """Answer a request as the rules of a recorded web ACL say."""
    verdict, labels = Verdict(), set[str]()
    for rule in sorted(rules, key=lambda each: int(each["priority"])):
        managed = rule["statement"].get("managedRuleGroupStatement")
        if managed is None:
            if _holds(rule["statement"], request, labels):
                assert rule["action"] == {"block": {}}
                return Verdict(rule["name"], verdict.counted_by)
            continue
        assert rule["overrideAction"] == {"none": {}}
        overridden = {each["name"] for each in managed["ruleActionOverrides"]}
        (group,) = (each for each in GROUPS if each.name == managed["name"])
        for name in group.rules:
            if not condition(name)(request):
                continue
            if name not in overridden:
                return Verdict(name, verdict.counted_by)
            verdict.counted_by.add(name)
            labels.add(f"{group.labels}{name}")
    return verdict


def _holds(statement: dict[str, Any], request: Request, labels: set[str]) -> bool:
    ((kind, value),) = statement.items()
    match kind:
        case "andStatement":
            return all(_holds(each, request, labels) for each in value["statements"])
        case "orStatement":
            return any(_holds(each, request, labels) for each in value["statements"])
        case "notStatement":
            return not _holds(value["statement"], request, labels)
        case "labelMatchStatement":
            assert value["scope"] == "NAMESPACE"
            return any(each.startswith(value["key"]) for each in labels)
        case "byteMatchStatement":
            assert value["fieldToMatch"] == {"singleHeader": {"name": "host"}}
            assert value["positionalConstraint"] == "EXACTLY"
            assert value["textTransformations"] == [{"priority": 0, "type": "LOWERCASE"}]
            return bool(request.host.lower() == value["searchString"])
        case "rateBasedStatement":
            assert (value["aggregateKeyType"], value["evaluationWindowSec"]) == ("IP", 300)
            return bool(request.in_five_minutes > value["limit"])
    raise AssertionError(f"nothing plays {kind}")
