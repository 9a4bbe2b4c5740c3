"""Database: PostgreSQL for MLflow's tables and ours."""

import re
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import rds

from hokusai_infra.iam_policy import Allow

ENGINE_VERSION: Final = "18"
PORT: Final = 5432
MASTER_USER: Final = "hokusai_master"
TOO_SMALL: Final = frozenset({"nano", "micro"})
"""Sizes whose memory IAM authentication exhausts."""
USABLE: Final = 0.8
"""Share of the connections that services may plan with; migrations and people need the others."""

# docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html
IDENTIFIER: Final = re.compile(r"(?!.*--)[a-z][a-z0-9-]{0,61}[a-z0-9]")


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
    max_connections: int
    multi_az: bool = True
    protected: bool = True
    """Refuse deletion; and leave a snapshot when this is taken back first."""
    backup_days: int = 7

    def __post_init__(self) -> None:
        if not IDENTIFIER.fullmatch(self.identifier):
            raise ValueError(f"identifier {self.identifier!r}: up to 63 of a-z, 0-9 and hyphens")
        if self.instance_class.rpartition(".")[2] in TOO_SMALL:
            raise ValueError(
                f"instance_class {self.instance_class}: IAM authentication needs more memory, "
                "take db.t4g.small or larger"
            )
        if self.backup_days not in range(7, 36):
            raise ValueError(f"backup_days is {self.backup_days}: RDS keeps 35, and we at least 7")


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

        subnets = rds.SubnetGroup(f"{name}-subnets", subnet_ids=args.subnet_ids, opts=child)
        parameters = rds.ParameterGroup(
            f"{name}-parameters",
            family=f"postgres{ENGINE_VERSION}",
            parameters=[
                {"name": "rds.force_ssl", "value": "1"},
                {
                    "name": "max_connections",
                    "value": str(args.max_connections),
                    "apply_method": "pending-reboot",
                },
            ],
            opts=child,
        )
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
            multi_az=args.multi_az,
            port=PORT,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[args.security_group_id],
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            username=MASTER_USER,
            manage_master_user_password=True,
            iam_database_authentication_enabled=True,
            backup_retention_period=args.backup_days,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not args.protected,
            deletion_protection=args.protected,
            skip_final_snapshot=not args.protected,
            final_snapshot_identifier=f"{args.identifier}-final" if args.protected else None,
            auto_minor_version_upgrade=True,
            opts=child,
        )

        self._args = args
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

    def must_hold(self, **connections: int) -> None:
        """Refuse services that could want more connections than there are."""
        wanted, there = sum(connections.values()), int(self._args.max_connections * USABLE)
        if wanted > there:
            raise ValueError(
                f"{connections} are up to {wanted} connections, of which "
                f"{self._args.max_connections} leave {there}: raise database.max_connections, "
                "or lower max_tasks, pool_size or max_overflow"
            )
