import json
from dataclasses import replace
from typing import Any

import pytest

from hokusai_infra.components.managed_rules import GROUPS, ManagedGroup
from hokusai_infra.components.web_firewall import WebFirewall, WebFirewallArgs
from tests.infra.recordings import alone, inputs

ARGS = WebFirewallArgs(
    region="us-east-1",
    account_id="111122223333",
    firewall_name="shop",
    load_balancer_arn="arn:balancer",
    open_hosts=["files.example.com"],
    requests_a_source=2000,
    log_days=30,
    log_key_arn="arn:key",
)
FIREWALL = "arn:aws:wafv2:us-east-1:111122223333:regional/webacl/shop/0123"
LOGS = "arn:aws:logs:us-east-1:111122223333:log-group:aws-waf-logs-shop"


def visible(metric: str) -> dict[str, Any]:
    return {
        "cloudwatchMetricsEnabled": True,
        "metricName": metric,
        "sampledRequestsEnabled": False,
    }


def host(name: str) -> dict[str, Any]:
    return {
        "byteMatchStatement": {
            "fieldToMatch": {"singleHeader": {"name": "host"}},
            "positionalConstraint": "EXACTLY",
            "searchString": name,
            "textTransformations": [{"priority": 0, "type": "LOWERCASE"}],
        }
    }


def rules(args: WebFirewallArgs = ARGS) -> dict[str, dict[str, Any]]:
    firewall = inputs(alone(lambda: WebFirewall("waf", args)))["WebAcl waf"]
    return {each["name"]: each for each in firewall["rules"]}


def test_a_firewall_stands_before_a_load_balancer_and_logs_without_credentials() -> None:
    found = inputs(alone(lambda: WebFirewall("waf", ARGS)))
    found["WebAcl waf"].pop("rules")
    policy = json.loads(found["LogResourcePolicy waf"].pop("policyDocument"))
    assert found == {
        "WebAcl waf": {
            "name": "shop",
            "scope": "REGIONAL",
            "defaultAction": {"allow": {}},
            "visibilityConfig": visible("shop"),
        },
        "WebAclAssociation waf": {"webAclArn": FIREWALL, "resourceArn": "arn:balancer"},
        "LogGroup waf": {
            "name": "aws-waf-logs-shop",
            "retentionInDays": 30,
            "kmsKeyId": "arn:key",
        },
        "LogResourcePolicy waf": {"policyName": "aws-waf-logs-shop"},
        "WebAclLoggingConfiguration waf": {
            "resourceArn": FIREWALL,
            "logDestinationConfigs": [LOGS],
            "redactedFields": [
                {"singleHeader": {"name": "authorization"}},
                {"singleHeader": {"name": "cookie"}},
            ],
            "loggingFilter": {
                "defaultBehavior": "DROP",
                "filters": [
                    {
                        "behavior": "KEEP",
                        "requirement": "MEETS_ANY",
                        "conditions": [
                            {"actionCondition": {"action": "BLOCK"}},
                            {"actionCondition": {"action": "COUNT"}},
                            {"actionCondition": {"action": "EXCLUDED_AS_COUNT"}},
                        ],
                    }
                ],
            },
        },
    }
    assert policy["Statement"] == [
        {
            "Sid": "DeliverFirewallLogs",
            "Effect": "Allow",
            "Principal": {"Service": "delivery.logs.amazonaws.com"},
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{LOGS}:*",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": "111122223333"},
                "ArnLike": {"aws:SourceArn": "arn:aws:logs:us-east-1:111122223333:*"},
            },
        }
    ]


def test_rules_are_asked_in_this_order() -> None:
    assert {name: rule["priority"] for name, rule in rules().items()} == {
        "AWSManagedRulesAmazonIpReputationList": 0,
        "rate-of-a-source": 10,
        "AWSManagedRulesAnonymousIpList": 20,
        "AWSManagedRulesKnownBadInputsRuleSet": 30,
        "AWSManagedRulesCommonRuleSet": 40,
        "AWSManagedRulesSQLiRuleSet": 50,
        "counted-on-another-host": 60,
    }


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_a_group_blocks_but_for_the_rules_that_have_a_reason(group: ManagedGroup) -> None:
    counting = [*group.counting, *group.counting_on_open_hosts]
    assert rules()[group.name] == {
        "name": group.name,
        "priority": group.priority,
        "overrideAction": {"none": {}},
        "statement": {
            "managedRuleGroupStatement": {
                "vendorName": "AWS",
                "name": group.name,
                "ruleActionOverrides": [
                    {"name": rule, "actionToUse": {"count": {}}} for rule in counting
                ],
            }
        },
        "visibilityConfig": visible(group.name),
    }


def test_a_flood_from_one_address_is_blocked() -> None:
    assert rules()["rate-of-a-source"] == {
        "name": "rate-of-a-source",
        "priority": 10,
        "action": {"block": {}},
        "statement": {
            "rateBasedStatement": {
                "aggregateKeyType": "IP",
                "evaluationWindowSec": 300,
                "limit": 2000,
            }
        },
        "visibilityConfig": visible("rate-of-a-source"),
    }


@pytest.mark.parametrize(
    ("open_hosts", "spared"),
    [
        (["files.example.com"], host("files.example.com")),
        (["a.b", "c.d"], {"orStatement": {"statements": [host("a.b"), host("c.d")]}}),
    ],
)
def test_what_counts_for_an_open_host_blocks_on_the_others(
    open_hosts: list[str], spared: dict[str, Any]
) -> None:
    found = rules(replace(ARGS, open_hosts=open_hosts))["counted-on-another-host"]
    labelled = [
        {"labelMatchStatement": {"scope": "NAMESPACE", "key": f"awswaf:managed:aws:{key}:"}}
        for key in ("known-bad-inputs", "core-rule-set", "sql-database")
    ]
    assert found == {
        "name": "counted-on-another-host",
        "priority": 60,
        "action": {"block": {}},
        "statement": {
            "andStatement": {
                "statements": [
                    {"orStatement": {"statements": labelled}},
                    {"notStatement": {"statement": spared}},
                ]
            }
        },
        "visibilityConfig": visible("counted-on-another-host"),
    }


def test_without_an_open_host_every_rule_blocks_where_it_matches() -> None:
    found = rules(replace(ARGS, open_hosts=[]))
    assert "counted-on-another-host" not in found
    for group in GROUPS:
        overrides = found[group.name]["statement"]["managedRuleGroupStatement"].get(
            "ruleActionOverrides", []
        )
        assert [each["name"] for each in overrides] == [*group.counting]


def test_the_rules_fit_into_the_capacity_that_costs_nothing_extra() -> None:
    # docs.aws.amazon.com/waf/latest/developerguide/aws-waf-capacity-units.html: a rate rule 2, a
    # match of a label 1, of a whole header 2, and a text transformation 10.
    own = 2 + 3 + (2 + 10)
    assert sum(group.capacity for group in GROUPS) + own <= 1500


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"firewall_name": "a.b"}, "firewall_name is 'a.b'"),
        ({"firewall_name": "x" * 113}, "up to 112"),
        ({"requests_a_source": 9}, "requests_a_source is 9"),
        ({"open_hosts": ["Files.example.com"]}, "open_hosts has 'Files.example.com'"),
        ({"open_hosts": ["*.example.com"]}, "name one host"),
    ],
)
def test_a_firewall_that_aws_would_refuse_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ARGS, **wrong)


def test_a_group_that_spares_a_rule_which_is_not_there_does_not_construct() -> None:
    with pytest.raises(ValueError, match="AWSManagedRulesSQLiRuleSet has no rule SQLi_BDY"):
        replace(GROUPS[-1], counting_on_open_hosts={"SQLi_BDY": "misspelt"})
    with pytest.raises(ValueError, match="need not be named twice"):
        replace(GROUPS[-1], counting={"SQLi_BODY": "named twice"})
