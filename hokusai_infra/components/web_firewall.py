"""WebFirewall: what is not let through to a load balancer at all."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import cloudwatch, wafv2

from hokusai_infra.components.managed_rules import GROUPS, ManagedGroup
from hokusai_infra.suppressions import Suppression

RATE_PRIORITY: Final = 10
OPEN_HOSTS_PRIORITY: Final = 60
# docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,112}")
# docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatement.html
RATE: Final = range(10, 2_000_000_001)
# docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html
LOGS_PREFIX: Final = "aws-waf-logs-"
NEVER_LOGGED: Final = ("authorization", "cookie")
"""Headers that hold credentials."""

SUPPRESSIONS: Final = (
    Suppression(
        check="CKV_AWS_338",
        of="aws:cloudwatch/logGroup:LogGroup",
        within="hokusai:index:WebFirewall",
        because="A stack decides in log_days how long its logs are worth their price; a blocked "
        "request is of use for tuning rules, and the load balancer's own log is kept for a year.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class WebFirewallArgs:
    """What a caller decides about a firewall."""

    region: str
    account_id: str
    firewall_name: str
    """Physical name; carries the environment."""
    load_balancer_arn: pulumi.Input[str]
    open_hosts: list[str]
    """Hosts that take files of any kind and search expressions; see ``managed_rules.py``."""
    requests_a_source: int
    """Requests of one IP address in five minutes, beyond which it is blocked for a while."""
    log_days: int
    """Days that blocked and counted requests can be looked up."""
    log_key_arn: pulumi.Input[str] | None = None
    """Key that encrypts the log; without, CloudWatch takes one of its own."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.firewall_name):
            raise ValueError(
                f"firewall_name is {self.firewall_name!r}: take up to 112 letters, digits, hyphens"
            )
        if self.requests_a_source not in RATE:
            raise ValueError(
                f"requests_a_source is {self.requests_a_source}: AWS WAF counts from 10 on"
            )
        for host in self.open_hosts:
            if host != host.lower() or "*" in host:
                raise ValueError(f"open_hosts has {host!r}: name one host, lower case")


class WebFirewall(pulumi.ComponentResource):
    """Requests from bad addresses, floods and known attacks are answered with 403.

    What passes is still checked: a firewall guesses by patterns, the services know. So a rule that
    a rightful request could match counts instead of blocking, on the hosts where that is so.

    An allowed request leaves no log line. Of the others the log has neither ``Authorization`` nor
    ``Cookie``; samples in the console, which would show them, are off.
    """

    arn: pulumi.Output[str]
    log_group: pulumi.Output[str]

    def __init__(
        self, name: str, args: WebFirewallArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:WebFirewall", name, None, opts)
        self._name, self._args = name, args
        self._child = child = pulumi.ResourceOptions(parent=self)

        firewall = wafv2.WebAcl(
            name,
            name=args.firewall_name,
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=self._rules(),
            visibility_config=_visible(args.firewall_name),
            opts=child,
        )
        wafv2.WebAclAssociation(
            name,
            web_acl_arn=firewall.arn,
            resource_arn=args.load_balancer_arn,
            opts=child,
        )
        self.arn, self.log_group = firewall.arn, self._log(firewall)
        self.register_outputs({"arn": self.arn, "log_group": self.log_group})

    def _rules(self) -> "list[wafv2.WebAclRuleArgsDict]":
        args = self._args
        rules = [_managed(group, spare=bool(args.open_hosts)) for group in GROUPS]
        rules.append(
            {
                "name": "rate-of-a-source",
                "priority": RATE_PRIORITY,
                "action": {"block": {}},
                "statement": {
                    "rate_based_statement": {
                        "aggregate_key_type": "IP",
                        "evaluation_window_sec": 300,
                        "limit": args.requests_a_source,
                    }
                },
                "visibility_config": _visible("rate-of-a-source"),
            }
        )
        if args.open_hosts:
            rules.append(_block_on_other_hosts(args.open_hosts))
        return sorted(rules, key=lambda rule: int(str(rule["priority"])))

    def _log(self, firewall: "wafv2.WebAcl") -> pulumi.Output[str]:
        """Write down what was blocked or counted."""
        name, args, child = self._name, self._args, self._child
        logs = cloudwatch.LogGroup(
            name,
            name=f"{LOGS_PREFIX}{args.firewall_name}",
            retention_in_days=args.log_days,
            kms_key_id=args.log_key_arn,
            opts=child,
        )
        may_write = cloudwatch.LogResourcePolicy(
            name,
            policy_name=f"{LOGS_PREFIX}{args.firewall_name}",
            policy_document=logs.arn.apply(self._delivery),
            opts=child,
        )
        wafv2.WebAclLoggingConfiguration(
            name,
            resource_arn=firewall.arn,
            log_destination_configs=[logs.arn],
            redacted_fields=[{"single_header": {"name": header}} for header in NEVER_LOGGED],
            logging_filter={
                "default_behavior": "DROP",
                "filters": [
                    {
                        "behavior": "KEEP",
                        "requirement": "MEETS_ANY",
                        "conditions": [
                            {"action_condition": {"action": action}}
                            for action in ("BLOCK", "COUNT", "EXCLUDED_AS_COUNT")
                        ],
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_write]),
        )
        return logs.name

    def _delivery(self, log_group_arn: str) -> str:
        """Let AWS deliver the log; it would else write such a policy by itself."""
        args = self._args
        statement = {
            "Sid": "DeliverFirewallLogs",
            "Effect": "Allow",
            "Principal": {"Service": "delivery.logs.amazonaws.com"},
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": args.account_id},
                "ArnLike": {"aws:SourceArn": f"arn:aws:logs:{args.region}:{args.account_id}:*"},
            },
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _managed(group: ManagedGroup, *, spare: bool) -> "wafv2.WebAclRuleArgsDict":
    """Ask a group; where hosts are to be spared, what counts there counts everywhere at first."""
    counting = [*group.counting, *(group.counting_on_open_hosts if spare else ())]
    return {
        "name": group.name,
        "priority": group.priority,
        "override_action": {"none": {}},
        "statement": {
            "managed_rule_group_statement": {
                "vendor_name": "AWS",
                "name": group.name,
                "rule_action_overrides": [
                    {"name": rule, "action_to_use": {"count": {}}} for rule in counting
                ],
            }
        },
        "visibility_config": _visible(group.name),
    }


def _block_on_other_hosts(open_hosts: Sequence[str]) -> "wafv2.WebAclRuleArgsDict":
    """Block what a group has only counted, except on open hosts.

    A rule that blocks ends the request at once, so whatever still has a label of one of these
    groups has matched a rule that counts.
    """
    labelled: list[wafv2.WebAclRuleStatementArgsDict] = [
        {"label_match_statement": {"scope": "NAMESPACE", "key": group.labels}}
        for group in GROUPS
        if group.counting_on_open_hosts
    ]
    hosts: list[wafv2.WebAclRuleStatementArgsDict] = [
        {
            "byte_match_statement": {
                "field_to_match": {"single_header": {"name": "host"}},
                "positional_constraint": "EXACTLY",
                "search_string": host,
                "text_transformations": [{"priority": 0, "type": "LOWERCASE"}],
            }
        }
        for host in open_hosts
    ]
    return {
        "name": "counted-on-another-host",
        "priority": OPEN_HOSTS_PRIORITY,
        "action": {"block": {}},
        "statement": {
            "and_statement": {
                "statements": [
                    {"or_statement": {"statements": labelled}},
                    {"not_statement": {"statement": _any_of(hosts)}},
                ]
            }
        },
        "visibility_config": _visible("counted-on-another-host"),
    }


def _any_of(
    statements: "list[wafv2.WebAclRuleStatementArgsDict]",
) -> "wafv2.WebAclRuleStatementArgsDict":
    """Join statements; AWS refuses an ``or`` of one."""
    if len(statements) == 1:
        return statements[0]
    return {"or_statement": {"statements": statements}}


def _visible(metric: str) -> "wafv2.WebAclRuleVisibilityConfigArgsDict":
    return {
        "cloudwatch_metrics_enabled": True,
        "metric_name": metric,
        "sampled_requests_enabled": False,
    }
