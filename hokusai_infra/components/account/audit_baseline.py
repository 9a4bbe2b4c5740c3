"""AuditBaseline: what watches an account, each part made here or already there."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pulumi
from pulumi_aws import accessanalyzer, cfg, cloudtrail, ebs, ec2, guardduty, iam, s3, securityhub

from hokusai_infra.suppressions import Suppression


class AuditPart(StrEnum):
    """A part that an account has once; one that exists is left to whoever runs it."""

    TRAIL = "trail"
    """CloudTrail: who called what, in all regions."""
    THREATS = "threats"
    """GuardDuty: what looks like an attack in that, in DNS and in flow logs."""
    HISTORY_ROLE = "history_role"
    """The role that AWS Config takes on; it stays when a recorder is removed."""
    HISTORY = "history"
    """AWS Config: how each resource was configured when; security checks read it."""
    CHECKS = "checks"
    """Security Hub: AWS's own list of good practice, checked again every 12 or 24 hours."""
    OUTSIDE_ACCESS = "outside_access"
    """IAM Access Analyzer: what somebody outside the account can reach."""
    DEFAULTS = "defaults"
    """What is refused or encrypted in the whole account, whoever forgets it."""


FEATURES: Final = {
    "S3_DATA_EVENTS": "ENABLED",
    "EBS_MALWARE_PROTECTION": "DISABLED",
    "EKS_AUDIT_LOGS": "DISABLED",
    "LAMBDA_NETWORK_LOGS": "DISABLED",
    "RDS_LOGIN_EVENTS": "DISABLED",
}
"""GuardDuty's plans: buckets are watched; there are no clusters, functions or instances with data,
and databases are reached from inside alone.

docs.aws.amazon.com/guardduty/latest/ug/guardduty-features-activation-model.html
"""


@dataclass(frozen=True, kw_only=True)
class AuditBaselineArgs:
    """What is made here, and where it writes."""

    account_id: str
    region: str
    trail_name: str
    log_bucket: pulumi.Input[str]
    """Name of the bucket that takes what CloudTrail and Config write."""
    kms_key_arn: pulumi.Input[str]
    """Key of the trail; CloudTrail may use it."""
    parts: frozenset[AuditPart] = frozenset(AuditPart)
    """Parts that the account does not have yet."""


class AuditBaseline(pulumi.ComponentResource):
    """A record of every call and change, and services that look through it for what is wrong."""

    def __init__(
        self, name: str, args: AuditBaselineArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:AuditBaseline", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._history: list[pulumi.Resource] = []
        make: dict[AuditPart, Callable[[], None]] = {
            AuditPart.TRAIL: self._trail,
            AuditPart.THREATS: self._threats,
            AuditPart.HISTORY: self._record,
            AuditPart.CHECKS: self._checks,
            AuditPart.OUTSIDE_ACCESS: self._outside_access,
            AuditPart.DEFAULTS: self._defaults,
        }
        for part, build in make.items():
            if part in args.parts:
                build()
        self.register_outputs({})

    def _trail(self) -> None:
        args = self._args
        cloudtrail.Trail(
            f"{self._name}-trail",
            name=args.trail_name,
            s3_bucket_name=args.log_bucket,
            kms_key_id=args.kms_key_arn,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            opts=self._child,
        )

    def _threats(self) -> None:
        name = f"{self._name}-threats"
        detector = guardduty.Detector(
            name, enable=True, finding_publishing_frequency="FIFTEEN_MINUTES", opts=self._child
        )
        for feature, status in FEATURES.items():
            guardduty.DetectorFeature(
                f"{name}-{feature.lower().replace('_', '-')}",
                detector_id=detector.id,
                name=feature,
                status=status,
                opts=self._child,
            )

    def _record(self) -> None:
        args, name = self._args, f"{self._name}-history"
        path = "role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
        role_arn: pulumi.Input[str] = f"arn:aws:iam::{args.account_id}:{path}"
        if AuditPart.HISTORY_ROLE in args.parts:
            # Security Hub asks for this very role (control Config.1).
            role_arn = iam.ServiceLinkedRole(
                name, aws_service_name="config.amazonaws.com", opts=self._child
            ).arn
        recorder = cfg.Recorder(
            name,
            role_arn=role_arn,
            recording_group={"all_supported": True, "include_global_resource_types": True},
            recording_mode={"recording_frequency": "CONTINUOUS"},
            opts=self._child,
        )
        channel = cfg.DeliveryChannel(
            name,
            s3_bucket_name=args.log_bucket,
            snapshot_delivery_properties={"delivery_frequency": "TwentyFour_Hours"},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[recorder]),
        )
        on = cfg.RecorderStatus(
            name,
            name=recorder.name,
            is_enabled=True,
            # AWS refuses to record before it knows where to deliver.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[channel]),
        )
        self._history.append(on)

    def _checks(self) -> None:
        args, name = self._args, f"{self._name}-checks"
        hub = securityhub.Account(
            name,
            auto_enable_controls=True,
            control_finding_generator="SECURITY_CONTROL",
            enable_default_standards=False,
            # Most checks read what Config has recorded.
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._history),
        )
        # docs.aws.amazon.com/securityhub/latest/userguide/fsbp-standard.html
        securityhub.StandardsSubscription(
            name,
            standards_arn=f"arn:aws:securityhub:{args.region}::standards/"
            "aws-foundational-security-best-practices/v/1.0.0",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[hub]),
        )

    def _outside_access(self) -> None:
        accessanalyzer.Analyzer(
            f"{self._name}-outside-access",
            analyzer_name=f"{self._name}-outside-access",
            type="ACCOUNT",
            opts=self._child,
        )

    def _defaults(self) -> None:
        name, child = self._name, self._child
        s3.AccountPublicAccessBlock(
            f"{name}-no-public-buckets",
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        ebs.EncryptionByDefault(f"{name}-encrypted-disks", enabled=True, opts=child)
        ebs.SnapshotBlockPublicAccess(
            f"{name}-no-public-snapshots", state="block-all-sharing", opts=child
        )
        ec2.ImageBlockPublicAccess(
            f"{name}-no-public-images", state="block-new-sharing", opts=child
        )
        ec2.InstanceMetadataDefaults(
            f"{name}-metadata-by-token",
            http_tokens="required",
            http_put_response_hop_limit=1,
            opts=child,
        )
        # NIST SP 800-63B: length counts; forced changes and composition rules do harm. AWS asks
        # for some composition in its checks all the same, and people here sign in by SSO.
        iam.AccountPasswordPolicy(
            f"{name}-passwords",
            minimum_password_length=16,
            require_lowercase_characters=True,
            require_uppercase_characters=True,
            require_numbers=True,
            require_symbols=True,
            password_reuse_prevention=24,
            allow_users_to_change_password=True,
            opts=child,
        )


SUPPRESSIONS: Final = (
    Suppression(
        check="CKV2_AWS_10",
        of="aws:cloudtrail/trail:Trail",
        because="GuardDuty reads the calls by itself and tells what is wrong; a second copy in "
        "CloudWatch would be paid by the gigabyte and be read by nobody.",
    ),
    Suppression(
        check="CKV_AWS_252",
        of="aws:cloudtrail/trail:Trail",
        because="The topic of a trail tells of each log file, not of what is in it; findings "
        "reach people through the topic of FindingsByMail.",
    ),
    Suppression(
        check="CKV2_AWS_3",
        of="aws:guardduty/detector:Detector",
        because="The check asks for the configuration of an organisation beside the detector; an "
        "account alone has none, and a member's is the organisation's own.",
    ),
    Suppression(
        check="CKV2_AWS_45",
        of="aws:cfg/recorderStatus:RecorderStatus",
        because="The recorder takes all types and its status switches it on, as the tests assert; "
        "the check finds no edge between the two in a plan.",
    ),
    Suppression(
        check="CKV_AWS_9",
        of="aws:iam/accountPasswordPolicy:AccountPasswordPolicy",
        because="NIST SP 800-63B advises against passwords that expire: people then choose weaker "
        "ones. Length is required instead, and pipelines have no password at all.",
    ),
)
