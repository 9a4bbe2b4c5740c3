"""What holds for databases."""

from collections.abc import Iterator
from typing import Final

from pulumi_policy import PolicyResource, ResourceValidationArgs

from hokusai_infra.policy.documents import is_prod
from hokusai_infra.policy.rule import Rule, Stack, resource_rule, shown, stack_rule

DATABASE: Final = "aws:rds/instance:Instance"
PARAMETERS: Final = "aws:rds/parameterGroup:ParameterGroup"
LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
GUIDE: Final = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide"
LEAST_BACKUP_DAYS: Final = 7


def _is(name: str, promise: str, page: str, **wanted: object) -> Rule:
    @resource_rule(name, of=DATABASE, promise=promise, page=f"{GUIDE}/{page}.html")
    def rule(database: ResourceValidationArgs) -> Iterator[str]:
        for key, value in wanted.items():
            if database.props.get(key, False) != value:
                yield f"{key} is {database.props.get(key)}, not {value}."

    return rule


not_public = _is(
    "no-public-database",
    "A database has no public address.",
    "USER_VPC.WorkingWithRDSInstanceinaVPC",
    publiclyAccessible=False,
)
by_token = _is(
    "database-login-by-token",
    "Services log in with a token of their role.",
    "UsingWithRDS.IAMDBAuth",
    iamDatabaseAuthenticationEnabled=True,
)
patched = _is(
    "database-is-patched",
    "Minor versions are installed by themselves, in the maintenance window.",
    "USER_UpgradeDBInstance.Upgrading",
    autoMinorVersionUpgrade=True,
)
tags_reach_snapshots = _is(
    "database-tags-its-snapshots",
    "A snapshot says whose it is.",
    "USER_Tagging",
    copyTagsToSnapshot=True,
)


@resource_rule(
    "database-is-encrypted",
    of=DATABASE,
    promise="A database's disk, backups and snapshots are encrypted with a key of the stack.",
    page=f"{GUIDE}/Overview.Encryption.html",
)
def encrypted(database: ResourceValidationArgs) -> Iterator[str]:
    """Check that it is, and by which key."""
    if database.props.get("storageEncrypted") is not True:
        yield "storageEncrypted is not true."
    if not database.props.get("kmsKeyId"):
        yield "kmsKeyId is not stated, so the key is one that all of the account shares."


@resource_rule(
    "database-password-is-of-aws",
    of=DATABASE,
    promise="AWS makes, keeps and rotates the master password; the program never knows it.",
    page=f"{GUIDE}/rds-secrets-manager.html",
)
def password_is_of_aws(database: ResourceValidationArgs) -> Iterator[str]:
    """Check that it is managed, and that there is none besides."""
    if database.props.get("manageMasterUserPassword") is not True:
        yield "manageMasterUserPassword is not true."
    if {"password", "passwordWo"} & database.props.keys():
        yield "It has a password of the program."


@resource_rule(
    "database-is-backed-up",
    of=DATABASE,
    promise=f"Each second of the last {LEAST_BACKUP_DAYS} days can be restored.",
    page=f"{GUIDE}/USER_WorkingWithAutomatedBackups.html",
)
def backed_up(database: ResourceValidationArgs) -> Iterator[str]:
    """Check how far back; AWS's default is a day, or none."""
    days = database.props.get("backupRetentionPeriod") or 0
    if days < LEAST_BACKUP_DAYS:
        yield f"backupRetentionPeriod is {shown(days)}."


@resource_rule(
    "database-grows",
    of=DATABASE,
    promise="A database's disk grows before it is full.",
    page=f"{GUIDE}/USER_PIOPS.Autoscaling.html",
)
def grows(database: ResourceValidationArgs) -> Iterator[str]:
    """Check that the most is more than what it has."""
    if (database.props.get("maxAllocatedStorage") or 0) <= database.props["allocatedStorage"]:
        yield "maxAllocatedStorage is not above allocatedStorage."


@resource_rule(
    "database-survives-in-prod",
    of=DATABASE,
    promise="A database of prod outlives a zone, and a mistake.",
    page=f"{GUIDE}/Concepts.MultiAZ.html",
)
def survives_in_prod(database: ResourceValidationArgs) -> Iterator[str]:
    """Check the second zone, and what a deletion does."""
    if not is_prod(database.provider):
        return
    for key in ("multiAz", "deletionProtection"):
        if database.props.get(key) is not True:
            yield f"{key} is not true."
    if database.props.get("skipFinalSnapshot") or not database.props.get("finalSnapshotIdentifier"):
        yield "A deletion leaves no snapshot."


@stack_rule(
    "database-refuses-clear-text",
    of=DATABASE,
    promise="A database refuses connections without TLS.",
    page=f"{GUIDE}/PostgreSQL.Concepts.General.SSL.html",
)
def refuses_clear_text(database: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check the parameters of its group."""
    del stack
    groups = database.property_dependencies.get("parameterGroupName", [])
    forced = any(
        each.get("name") == "rds.force_ssl" and str(each.get("value")) == "1"
        for group in groups
        for each in group.props.get("parameters", [])
    )
    if not forced:
        yield "Its parameter group does not set rds.force_ssl to 1."


@stack_rule(
    "database-logs-are-kept",
    of=DATABASE,
    promise="A database's log is exported, to a group that the program makes and that forgets.",
    page=f"{GUIDE}/USER_LogAccess.Concepts.PostgreSQL.html",
)
def logs_are_kept(database: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check each exported log; RDS would make a group that keeps all for ever."""
    exported = [*(database.props.get("enabledCloudwatchLogsExports") or [])]
    if "postgresql" not in exported and database.props.get("engine") == "postgres":
        yield "enabledCloudwatchLogsExports lacks postgresql."
    groups = {
        each.props.get("name") for each in stack.of(LOG_GROUP) if each.props.get("retentionInDays")
    }
    for each in exported:
        name = f"/aws/rds/instance/{database.props.get('identifier')}/{each}"
        if name not in groups:
            yield f"There is no LogGroup {name} that forgets."


RULES: Final[tuple[Rule, ...]] = (
    not_public,
    encrypted,
    password_is_of_aws,
    by_token,
    refuses_clear_text,
    backed_up,
    grows,
    patched,
    tags_reach_snapshots,
    logs_are_kept,
    survives_in_prod,
)
