from dataclasses import replace
from typing import Any

import pulumi
import pytest

from hokusai_infra.components.connections import by_default, must_fit
from hokusai_infra.components.database import Database, DatabaseArgs
from hokusai_infra.components.encryption_key import KeyAccess
from hokusai_infra.components.night import NightSchedule
from hokusai_infra.components.service_role import RoleBounds
from tests.infra.recordings import alone, inputs

KEY = "arn:aws:kms:us-east-1:111122223333:key/example"
ARGS = DatabaseArgs(
    identifier="example-prod",
    region="us-east-1",
    account_id="111122223333",
    subnet_ids=["sn-1", "sn-2"],
    security_group_id="sg-1",
    instance_class="db.t4g.small",
    storage_gb=20,
    max_connections=100,
    kms_key_arn=KEY,
)
NIGHT = NightSchedule(stop="cron(0 20 ? * * *)", start="cron(0 6 ? * * *)")
LOGS = ["iam-db-auth-error", "postgresql", "upgrade"]


def test_the_safe_database_is_the_default_one() -> None:
    found = inputs(alone(lambda: Database("db", ARGS)))
    assert found == {
        "SubnetGroup db-subnets": {
            "description": "Managed by Pulumi",
            "subnetIds": ["sn-1", "sn-2"],
        },
        "ParameterGroup db-parameters": {
            "description": "Managed by Pulumi",
            "family": "postgres18",
            "parameters": [
                {"name": "rds.force_ssl", "value": "1"},
                {"name": "log_min_duration_statement", "value": "1000"},
                {"name": "log_lock_waits", "value": "1"},
                {"name": "log_statement", "value": "none"},
                {"name": "log_parameter_max_length", "value": "0"},
                {"name": "log_parameter_max_length_on_error", "value": "0"},
                {"name": "max_connections", "value": "100", "applyMethod": "pending-reboot"},
            ],
        },
        **{
            f"LogGroup db-{log}": {
                "name": f"/aws/rds/instance/example-prod/{log}",
                "retentionInDays": 30,
                "kmsKeyId": KEY,
            }
            for log in LOGS
        },
        "Instance db": {
            "identifier": "example-prod",
            "engine": "postgres",
            "engineVersion": "18",
            "instanceClass": "db.t4g.small",
            "allocatedStorage": 20,
            "maxAllocatedStorage": 100,
            "storageType": "gp3",
            "storageEncrypted": True,
            "kmsKeyId": KEY,
            "multiAz": True,
            "port": 5432,
            "dbSubnetGroupName": "db-subnets",
            "vpcSecurityGroupIds": ["sg-1"],
            "publiclyAccessible": False,
            "caCertIdentifier": "rds-ca-rsa2048-g1",
            "parameterGroupName": "db-parameters",
            "username": "hokusai_master",
            "manageMasterUserPassword": True,
            "masterUserSecretKmsKeyId": KEY,
            "iamDatabaseAuthenticationEnabled": True,
            "backupRetentionPeriod": 7,
            "backupWindow": "07:00-07:30",
            "maintenanceWindow": "tue:08:00-tue:08:30",
            "copyTagsToSnapshot": True,
            "deleteAutomatedBackups": False,
            "deletionProtection": True,
            "skipFinalSnapshot": False,
            "finalSnapshotIdentifier": "example-prod-final",
            "autoMinorVersionUpgrade": True,
            "enabledCloudwatchLogsExports": LOGS,
            "databaseInsightsMode": "standard",
            "performanceInsightsEnabled": True,
            "performanceInsightsKmsKeyId": KEY,
            "performanceInsightsRetentionPeriod": 7,
        },
    }


def test_an_unprotected_database_can_be_deleted_whole() -> None:
    graph = alone(lambda: Database("db", replace(ARGS, protected=False)))
    instance = graph.one("aws:rds/instance:Instance").inputs
    assert (instance["deletionProtection"], instance["skipFinalSnapshot"]) == (False, True)
    assert instance["deleteAutomatedBackups"] is True
    assert "finalSnapshotIdentifier" not in instance


def test_a_second_database_of_a_name_leaves_a_snapshot_of_another_name() -> None:
    again = replace(ARGS, final_snapshot_suffix="final-2")
    instance = alone(lambda: Database("db", again)).one("aws:rds/instance:Instance")
    assert instance.inputs["finalSnapshotIdentifier"] == "example-prod-final-2"


@pytest.mark.parametrize(
    ("instance_class", "connections"),
    [
        ("db.t4g.small", 197),
        ("db.t4g.medium", 422),
        ("db.m7g.large", 873),
        ("db.r7g.4xlarge", 5000),
    ],
)
def test_a_class_has_about_as_many_connections_as_rds_gives_it(
    instance_class: str, connections: int
) -> None:
    assert by_default(instance_class) == connections
    must_fit(instance_class, connections)


def test_rds_finds_the_log_groups_that_it_would_make_for_ever() -> None:
    graph = alone(lambda: Database("db", ARGS))
    instance = graph.one("aws:rds/instance:Instance")
    groups = graph.of("aws:cloudwatch/logGroup:LogGroup")
    assert {each.urn for each in groups} <= {*instance.dependencies}


def test_a_database_without_a_key_makes_its_own_for_its_services_and_logs() -> None:
    found = inputs(alone(lambda: Database("db", replace(ARGS, kms_key_arn=None))))
    access = KeyAccess(
        account_id="111122223333",
        region="us-east-1",
        services=("rds", "secretsmanager"),
        log_groups=tuple(f"/aws/rds/instance/example-prod/{log}" for log in LOGS),
    )
    assert found["Key db-key"]["policy"] == access.policy()
    assert found["Alias db-key"]["name"] == "alias/example-prod"
    own = "arn:aws:kms:us-east-1:111122223333:key/db-key"
    of_instance = {name for name, value in found["Instance db"].items() if value == own}
    assert of_instance == {"kmsKeyId", "masterUserSecretKmsKeyId", "performanceInsightsKmsKeyId"}
    assert {found[f"LogGroup db-{log}"]["kmsKeyId"] for log in LOGS} == {own}


def test_a_database_with_nights_has_who_stops_and_starts_it() -> None:
    boundary = "arn:aws:iam::111122223333:policy/boundary"
    roles = RoleBounds(path="/example/", boundary_arn=boundary)
    slept = replace(ARGS, night=NIGHT, roles=roles)
    plain = inputs(alone(lambda: Database("db", ARGS)))
    found = inputs(alone(lambda: Database("db", slept)))
    assert found.keys() - plain.keys() == {
        "Role db-nights",
        "RolePolicy db-nights",
        "Schedule db-nights-stop",
        "Schedule db-nights-start",
    }
    assert found["Role db-nights"]["permissionsBoundary"] == boundary
    assert (
        "arn:aws:rds:us-east-1:111122223333:db:example-prod"
        in (found["RolePolicy db-nights"]["policy"])
    )


def test_a_role_that_reads_the_master_secret_may_decrypt_it() -> None:
    def main() -> None:
        pulumi.export("grant", Database("db", ARGS).decrypt_master().rendered())

    assert alone(main).outputs["grant"] == {
        "Sid": "DecryptMasterSecret",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": [KEY],
    }


def test_a_role_logs_in_as_one_user_of_one_database() -> None:
    def main() -> None:
        database = Database("db", ARGS)
        pulumi.export("grant", database.login("someone").rendered())
        pulumi.export("port", database.port)
        pulumi.export("secret", database.master_secret_arn)

    outputs = alone(main).outputs
    assert outputs["grant"] == {
        "Sid": "LogInToDatabase",
        "Effect": "Allow",
        "Action": ["rds-db:connect"],
        "Resource": [
            "arn:aws:rds-db:us-east-1:111122223333:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWXYZ/someone"
        ],
    }
    assert outputs["port"] == "5432"
    assert ":secret:rds!db-" in outputs["secret"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"instance_class": "db.t4g.micro"}, "take db.t4g.small or larger"),
        ({"instance_class": "db.x9.large"}, "take one of db.t3: small, medium, "),
        ({"max_connections": 247}, "db.t4g.small with its 2 GiB takes 246 or less"),
        ({"final_snapshot_suffix": "final-"}, "letters and digits with single hyphens"),
        ({"backup_days": 6}, "we at least 7"),
        ({"backup_days": 36}, "RDS keeps 35"),
        ({"identifier": "Example"}, "up to 63"),
        ({"identifier": "1st"}, "up to 63"),
        ({"identifier": "a--b"}, "up to 63"),
        ({"identifier": "a" * 64}, "up to 63"),
        ({"slow_ms": -1}, "0 logs every statement"),
        ({"backup_window": "7:00-7:30"}, "spell it in UTC as 07:00-07:30"),
        ({"backup_window": "07:00"}, "spell it in UTC"),
        ({"backup_window": "tue:07:00-tue:07:30"}, "spell it in UTC"),
        ({"backup_window": "24:00-24:30"}, "spell it in UTC"),
        ({"backup_window": "07:00-07:29"}, "from 30 minutes"),
        ({"maintenance_window": "08:00-08:30"}, "spell it in UTC as tue:08:00-tue:08:30"),
        ({"maintenance_window": "die:08:00-die:08:30"}, "spell it in UTC"),
        ({"maintenance_window": "tue:08:00-wed:08:30"}, "less than a day"),
        ({"maintenance_window": "tue:07:15-tue:08:15"}, "overlap, which RDS refuses"),
        (
            {"backup_window": "23:45-00:15", "maintenance_window": "tue:00:00-tue:00:30"},
            "move one of them",
        ),
    ],
)
def test_what_rds_would_refuse_or_regret_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ARGS, **wrong)


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ({"backup_window": "05:45-06:15"}, "backup_window 05:45-06:15 .UTC. is at night"),
        ({"maintenance_window": "tue:23:00-tue:23:30"}, "maintenance_window tue:23:00"),
    ],
)
def test_a_window_at_night_never_comes(window: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ARGS, night=NIGHT, **window)


@pytest.mark.parametrize(
    "windows",
    [
        {"backup_window": "23:30-00:00", "maintenance_window": "tue:00:00-tue:00:30"},
        {"maintenance_window": "sun:23:45-mon:00:15"},
    ],
)
def test_windows_may_touch_and_pass_midnight(windows: dict[str, Any]) -> None:
    assert replace(ARGS, **windows).backup_days == 7


def test_services_that_want_more_connections_than_there_are_are_refused() -> None:
    def main() -> None:
        database = Database("db", ARGS)
        database.must_hold(one=40, other=40)
        with pytest.raises(ValueError, match="up to 81 connections, of which 100 leave 80"):
            database.must_hold(one=40, other=41)

    alone(main)
