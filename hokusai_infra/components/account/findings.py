"""FindingsByMail: what security services find reaches a person, and a silence is noticed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
from pulumi_aws import cloudwatch, sns

from hokusai_infra.iam_policy import AllowTo, resource_policy

MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
EVENTS: Final = "events.amazonaws.com"


@dataclass(frozen=True, kw_only=True)
class Report:
    """Events of one kind, and the sentence that they are told in."""

    says: str
    """Which events; the rule's description."""
    pattern: Mapping[str, Any] | None = None
    """Event pattern, of docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html;
    ``None`` for what comes by the clock."""
    schedule: str = ""
    """``cron(…)`` in UTC, for what comes by the clock."""
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """Values of the event by the names that ``text`` has in angle brackets."""
    text: str
    """Mail text; ``{account}`` and ``{region}`` are filled in at once."""

    def __post_init__(self) -> None:
        if (self.pattern is None) == (not self.schedule):
            raise ValueError(f"{self.says}: either a pattern or a schedule")
        named = set(re.findall(r"<([a-z]+)>", self.text))
        if named != set(self.values):
            raise ValueError(f"{self.says}: the text names {sorted(named)}, not {[*self.values]}")


REPORTS: Final[Mapping[str, Report]] = {
    "checks": Report(
        says="Security Hub checks that fail, of high or critical severity",
        pattern={
            "source": ["aws.securityhub"],
            "detail-type": ["Security Hub Findings - Imported"],
            "detail": {
                "findings": {
                    "Severity": {"Label": ["HIGH", "CRITICAL"]},
                    "Workflow": {"Status": ["NEW"]},
                    "RecordState": ["ACTIVE"],
                    # These two have rules of their own, which hold without Security Hub too.
                    "ProductName": [{"anything-but": ["GuardDuty", "IAM Access Analyzer"]}],
                }
            },
        },
        values={
            "severity": "$.detail.findings[0].Severity.Label",
            "title": "$.detail.findings[0].Title",
            "resource": "$.detail.findings[0].Resources[0].Id",
        },
        text="<severity> security check in account {account}, {region}: <title> Resource: "
        "<resource>. It is told again at each check until its workflow status is NOTIFIED, "
        "RESOLVED or SUPPRESSED.",
    ),
    "threats": Report(
        says="GuardDuty findings of medium severity or more",
        pattern={
            "source": ["aws.guardduty"],
            "detail-type": ["GuardDuty Finding"],
            "detail": {"severity": [{"numeric": [">=", 4]}]},
        },
        values={"severity": "$.detail.severity", "title": "$.detail.title", "id": "$.detail.id"},
        text="Threat of severity <severity> of 10 in account {account}, {region}: <title> "
        "Finding: <id>.",
    ),
    "outside-access": Report(
        says="Access Analyzer findings: what somebody outside the account can reach",
        pattern={
            "source": ["aws.access-analyzer"],
            "detail-type": ["Access Analyzer Finding"],
            "detail": {"status": ["ACTIVE"]},
        },
        values={"resource": "$.detail.resource", "kind": "$.detail.resourceType"},
        text="Open to outside account {account}, {region}: <kind> <resource>. Close it, or archive "
        "the finding if it is meant.",
    ),
    "images": Report(
        says="Image scans that found a critical vulnerability",
        pattern={
            "source": ["aws.ecr"],
            "detail-type": ["ECR Image Scan"],
            "detail": {"finding-severity-counts": {"CRITICAL": [{"exists": True}]}},
        },
        values={
            "count": "$.detail.finding-severity-counts.CRITICAL",
            "repository": "$.detail.repository-name",
            "digest": "$.detail.image-digest",
        },
        text="<count> critical vulnerabilities in image <repository>@<digest> of account "
        "{account}, {region}.",
    ),
    "weekly": Report(
        says="A mail each Monday, whether anything was found or not",
        schedule="cron(0 8 ? * MON *)",
        text="Weekly security audit of account {account}: look through the open findings at "
        "https://{region}.console.aws.amazon.com/securityhub/home?region={region}#/findings. "
        "This mail comes by the way that findings take: when it stays away, so do they.",
    ),
}
"""What is told, by the name of its rule."""


@dataclass(frozen=True, kw_only=True)
class FindingsByMailArgs:
    """Who hears of findings."""

    account_id: str
    region: str
    topic_name: str
    mail_addresses: tuple[str, ...]
    """Each has to confirm a mail of AWS once, before it hears anything."""
    kms_key_arn: pulumi.Input[str]
    """Key of the topic; EventBridge may use it."""
    reports: Mapping[str, Report] = field(default_factory=lambda: REPORTS)

    def __post_init__(self) -> None:
        if not self.mail_addresses:
            raise ValueError("mail_addresses is empty: name who hears of security findings")
        for each in self.mail_addresses:
            if not MAIL.fullmatch(each):
                raise ValueError(f"mail_addresses has {each!r}: not a mail address")


class FindingsByMail(pulumi.ComponentResource):
    """A topic that tells people what is found; once a week it tells that it still does."""

    topic_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: FindingsByMailArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:FindingsByMail", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        topic = sns.Topic(
            name, name=args.topic_name, kms_master_key_id=args.kms_key_arn, opts=child
        )
        policy = sns.TopicPolicy(
            f"{name}-publishers",
            arn=topic.arn,
            # Without a condition: EventBridge documents none for the policies of topics.
            # docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
            policy=resource_policy(
                AllowTo(
                    sid="LetRulesPublish",
                    service=EVENTS,
                    actions=frozenset({"sns:Publish"}),
                    resources=(topic.arn,),
                )
            ),
            opts=child,
        )
        for number, address in enumerate(args.mail_addresses, start=1):
            sns.TopicSubscription(
                f"{name}-mail-{number}",
                topic=topic.arn,
                protocol="email",
                endpoint=address,
                opts=child,
            )
        for what, report in args.reports.items():
            rule = cloudwatch.EventRule(
                f"{name}-{what}",
                description=report.says,
                event_pattern=json.dumps(report.pattern) if report.pattern else None,
                schedule_expression=report.schedule or None,
                opts=child,
            )
            text = report.text.format(account=args.account_id, region=args.region)
            by_event: dict[str, Any] = {
                "input_transformer": {
                    "input_paths": dict(report.values),
                    "input_template": json.dumps(text),
                }
            }
            cloudwatch.EventTarget(
                f"{name}-{what}",
                rule=rule.name,
                arn=topic.arn,
                **(by_event if report.values else {"input": json.dumps(text)}),
                # An event that comes before the topic takes it is lost.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
            )

        self.topic_arn = topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})
