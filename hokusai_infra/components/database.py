"""Database: PostgreSQL for MLflow's tables and ours."""

import re
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi_aws import cloudwatch, rds

from hokusai_infra.components.connections import must_fit
from hokusai_infra.components.encryption_key import (
    DECRYPT,
    EncryptionKey,
    EncryptionKeyArgs,
    KeyAccess,
    use_of_key,
)
from hokusai_infra.components.night import (
    DAY_MINUTES,
    DatabaseNights,
    DatabaseNightsArgs,
    NightSchedule,
)
from hokusai_infra.components.service_role import RoleBounds
from hokusai_infra.iam_policy import Allow
from hokusai_infra.suppressions import OWNER, Suppression

ENGINE_VERSION: Final = "18"
PORT: Final = 5432
MASTER_USER: Final = "hokusai_master"
TOO_SMALL: Final = frozenset({"nano", "micro"})
"""Sizes whose memory IAM authentication exhausts."""
USABLE: Final = 0.8
"""Share of the connections that services may plan with; migrations and people need the others."""

# docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html
IDENTIFIER: Final = re.compile(r"(?!.*--)[a-z][a-z0-9-]{0,61}[a-z0-9]")
# docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html
SUFFIX: Final = re.compile(r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$")
# docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
AUTHORITY: Final = "rds-ca-rsa2048-g1"
# docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Concepts.PostgreSQL.html
LOGS: Final = ("iam-db-auth-error", "postgresql", "upgrade")
"""What RDS sends to CloudWatch: refused tokens, the server's own log, upgrades."""
INSIGHTS_DAYS: Final = 7
"""Days that Database Insights keeps what it has seen, as long as that is free."""
# docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.Maintenance.html
WINDOW: Final = re.compile(r"(?:([a-z]{3}):)?([01]\d|2[0-3]):([0-5]\d)")
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHORTEST_WINDOW: Final = 30
"""Minutes."""


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """What a caller decides; encryption, TLS and who knows the password are fixed."""

    identifier: str
    region: str
    account_id: str
    subnet_ids: list[pulumi.Input[str]]
    security_group_id: pulumi.Input[str]
    instance_class: str
    storage_gb: int
    """Size of the disk at first, in GiB; RDS makes it larger, up to five times that."""
    max_connections: int
    multi_az: bool = True
    protected: bool = True
    """Refuse deletion; and leave a snapshot when this is taken back first."""
    final_snapshot_suffix: str = "final"
    """End of that snapshot's name, behind ``identifier``. RDS refuses to delete a database whose
    snapshot's name is taken, as by an earlier one of the same identifier."""
    backup_days: int = 7
    backup_window: str = "07:00-07:30"
    """Time of day, in UTC, when the daily backup begins."""
    maintenance_window: str = "tue:08:00-tue:08:30"
    """Time of the week, in UTC, when RDS installs minor versions and patches."""
    log_days: int = 30
    """Days that the logs are kept in CloudWatch."""
    slow_ms: int = 1000
    """Milliseconds from which a statement is logged, without its values."""
    kms_key_arn: pulumi.Input[str] | None = None
    """Key that encrypts disk, backups, master password, insights and logs; without one the
    database makes its own. RDS cannot change it later: another key is another database."""
    night: NightSchedule | None = None
    """When the instance is stopped, and has neither window."""
    roles: RoleBounds = field(default_factory=RoleBounds)
    """Bounds of the role that stops and starts the instance."""

    def __post_init__(self) -> None:
        if not IDENTIFIER.fullmatch(self.identifier):
            raise ValueError(f"identifier {self.identifier!r}: up to 63 of a-z, 0-9 and hyphens")
        if self.instance_class.rpartition(".")[2] in TOO_SMALL:
            raise ValueError(
                f"instance_class {self.instance_class}: IAM authentication needs more memory, "
                "take db.t4g.small or larger"
            )
        must_fit(self.instance_class, self.max_connections)
        if not SUFFIX.fullmatch(self.final_snapshot_suffix):
            raise ValueError(
                f"final_snapshot_suffix is {self.final_snapshot_suffix!r}: take letters and digits "
                "with single hyphens between them, as final-2"
            )
        if self.backup_days not in range(7, 36):
            raise ValueError(f"backup_days is {self.backup_days}: RDS keeps 35, and we at least 7")
        if self.slow_ms < 0:
            raise ValueError(f"slow_ms is {self.slow_ms}: 0 logs every statement")
        backup = _window("backup_window", self.backup_window, "07:00-07:30", DAY_MINUTES)
        upkeep = _window(
            "maintenance_window", self.maintenance_window, "tue:08:00-tue:08:30", 7 * DAY_MINUTES
        )
        if backup & upkeep:
            raise ValueError(
                f"backup_window {self.backup_window} and maintenance_window "
                f"{self.maintenance_window} overlap, which RDS refuses: move one of them"
            )
        asleep = self.night.asleep() if self.night else frozenset[int]()
        for window, minutes in (("backup_window", backup), ("maintenance_window", upkeep)):
            if minutes & asleep:
                raise ValueError(
                    f"{window} {getattr(self, window)} (UTC) is at night, when the database is "
                    "stopped and it never comes: move it into the day"
                )

    @property
    def final_snapshot(self) -> str:
        """Name of the snapshot that is left of a deleted database."""
        return f"{self.identifier}-{self.final_snapshot_suffix}"

    @property
    def log_groups(self) -> dict[str, str]:
        """Name of the log group of each log; RDS chooses it."""
        return {each: f"/aws/rds/instance/{self.identifier}/{each}" for each in LOGS}


class Database(pulumi.ComponentResource):
    """PostgreSQL that nobody reaches without TLS, and no service with a password.

    Services log in with short-lived tokens of their task role. AWS makes, keeps and rotates the
    master password; only migrations read it.
    """

    host: pulumi.Output[str]
    port: pulumi.Output[str]
    master_secret_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:Database", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        self._args = args
        self._key_arn = self._own_key(name) if args.kms_key_arn is None else args.kms_key_arn
        subnets = rds.SubnetGroup(f"{name}-subnets", subnet_ids=args.subnet_ids, opts=child)
        parameters = rds.ParameterGroup(
            f"{name}-parameters",
            family=f"postgres{ENGINE_VERSION}",
            parameters=_parameters(args),
            opts=child,
        )
        logs = [
            cloudwatch.LogGroup(
                f"{name}-{log}",
                name=group,
                retention_in_days=args.log_days,
                kms_key_id=self._key_arn,
                opts=child,
            )
            for log, group in args.log_groups.items()
        ]
        instance = rds.Instance(
            name,
            identifier=args.identifier,
            engine="postgres",
            engine_version=ENGINE_VERSION,
            instance_class=args.instance_class,
            allocated_storage=args.storage_gb,
            max_allocated_storage=args.storage_gb * 5,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=self._key_arn,
            multi_az=args.multi_az,
            port=PORT,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[args.security_group_id],
            publicly_accessible=False,
            ca_cert_identifier=AUTHORITY,
            parameter_group_name=parameters.name,
            username=MASTER_USER,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=self._key_arn,
            iam_database_authentication_enabled=True,
            backup_retention_period=args.backup_days,
            backup_window=args.backup_window,
            maintenance_window=args.maintenance_window,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not args.protected,
            deletion_protection=args.protected,
            skip_final_snapshot=not args.protected,
            final_snapshot_identifier=args.final_snapshot if args.protected else None,
            auto_minor_version_upgrade=True,
            enabled_cloudwatch_logs_exports=[*LOGS],
            database_insights_mode="standard",
            performance_insights_enabled=True,
            performance_insights_kms_key_id=self._key_arn,
            performance_insights_retention_period=INSIGHTS_DAYS,
            # A log group that is not there yet, RDS would make itself, and keep for ever.
            opts=pulumi.ResourceOptions(parent=self, depends_on=logs),
        )
        if args.night is not None:
            self._sleep(name, instance, args.night)

        self._resource_id = instance.resource_id
        self.host = instance.address
        self.port = instance.port.apply(str)
        self.master_secret_arn = instance.master_user_secrets[0].secret_arn
        self.register_outputs(
            {
                "host": self.host,
                "port": self.port,
                "master_secret_arn": self.master_secret_arn,
            }
        )

    def login(self, user: str) -> Allow:
        """Let a role log in as one database user."""
        return Allow(
            sid="LogInToDatabase",
            actions=frozenset({"rds-db:connect"}),
            resources=(
                pulumi.Output.concat(
                    f"arn:aws:rds-db:{self._args.region}:{self._args.account_id}:dbuser:",
                    self._resource_id,
                    f"/{user}",
                ),
            ),
        )

    def decrypt_master(self) -> Allow:
        """Let a role decrypt the master secret; goes with leave to read it."""
        return use_of_key(self._key_arn, "DecryptMasterSecret", DECRYPT)

    def must_hold(self, **connections: int) -> None:
        """Refuse services that could want more connections than there are."""
        wanted, there = sum(connections.values()), int(self._args.max_connections * USABLE)
        if wanted > there:
            each = " and ".join(f"{number} of {name}" for name, number in connections.items())
            raise ValueError(
                f"{each} are up to {wanted} connections, of which "
                f"{self._args.max_connections} leave {there}: raise database.max_connections, "
                "or lower max_tasks, pool_size or max_overflow"
            )

    def _own_key(self, name: str) -> pulumi.Output[str]:
        args = self._args
        access = KeyAccess(
            account_id=args.account_id,
            region=args.region,
            services=("rds", "secretsmanager"),
            log_groups=tuple(args.log_groups.values()),
        )
        key = EncryptionKey(
            f"{name}-key",
            EncryptionKeyArgs(
                alias=args.identifier, description=f"Database {args.identifier}", access=access
            ),
            pulumi.ResourceOptions(parent=self),
        )
        return key.key_arn

    def _sleep(self, name: str, instance: rds.Instance, schedule: NightSchedule) -> None:
        DatabaseNights(
            f"{name}-nights",
            DatabaseNightsArgs(
                schedule=schedule,
                instance_arn=instance.arn,
                identifier=self._args.identifier,
                region=self._args.region,
                account_id=self._args.account_id,
                roles=self._args.roles,
            ),
            pulumi.ResourceOptions(parent=self),
        )


def _parameters(args: DatabaseArgs) -> list[rds.ParameterGroupParameterArgsDict]:
    """Return what differs from RDS's own settings, or must not.

    docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
    """
    at_once = {
        "rds.force_ssl": "1",
        "log_min_duration_statement": str(args.slow_ms),
        "log_lock_waits": "1",
        # A statement's text alone holds no secret, as long as its values are left out, and as
        # long as statements are not logged for their kind: a role's new password is such a text.
        "log_statement": "none",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
    }
    stated: list[rds.ParameterGroupParameterArgsDict] = [
        {"name": name, "value": value} for name, value in at_once.items()
    ]
    stated.append(
        {
            "name": "max_connections",
            "value": str(args.max_connections),
            "apply_method": "pending-reboot",
        }
    )
    return stated


def _window(field: str, text: str, example: str, period: int) -> set[int]:
    """Return the minutes of the day that a window takes, which comes back after ``period``."""
    ends = [WINDOW.fullmatch(each) for each in text.split("-")]
    minutes = [
        int(hour) * 60 + int(minute) + (DAYS.index(day) * DAY_MINUTES if day else 0)
        for day, hour, minute in (each.groups() for each in ends if each is not None)
        if (day in DAYS) is (period > DAY_MINUTES)
    ]
    if len(ends) != len(minutes) or len(minutes) != len(("start", "end")):
        raise ValueError(f"{field} is {text!r}: spell it in UTC as {example}")
    start, end = minutes
    length = (end - start) % period
    if length not in range(SHORTEST_WINDOW, DAY_MINUTES):
        raise ValueError(f"{field} is {text!r}: let it last from 30 minutes to less than a day")
    return {(start + minute) % DAY_MINUTES for minute in range(length)}


INSTANCE: Final = "aws:rds/instance:Instance"
SUPPRESSIONS: Final = (
    Suppression(
        check="CKV2_AWS_30",
        of=INSTANCE,
        because="The parameter group logs slow statements; statements are not logged for their "
        "kind, for a role's new password would then stand in the log.",
    ),
    Suppression(
        check="CKV_AWS_157",
        of=INSTANCE,
        because="A stack decides whether a second zone is worth twice the price; the configuration "
        "of prod is refused without it.",
    ),
    Suppression(
        check="CKV_AWS_293",
        of=INSTANCE,
        because="A stack decides whether its data is protected; the configuration of prod is "
        "refused without it.",
    ),
    *(
        Suppression(
            check="CKV_AWS_338",
            of="aws:cloudwatch/logGroup:LogGroup",
            within="hokusai:index:Database",
            named=f"{OWNER}-{log}",
            because="A stack decides in log_days how long its logs are worth their price; these "
            "help to find a fault, and prove nothing.",
        )
        for log in LOGS
    ),
    Suppression(
        check="CKV_AWS_118",
        of=INSTANCE,
        because="Database Insights shows load by statement and wait; the operating system's own "
        "numbers would be one more log to pay for.",
    ),
)
