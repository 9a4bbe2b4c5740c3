from dataclasses import replace
from typing import Any

import pulumi
import pytest

from hokusai_infra.components.database import Database, DatabaseArgs
from tests.infra.recordings import alone, inputs

ARGS = DatabaseArgs(
    identifier="example-prod",
    region="us-east-1",
    account_id="111122223333",
    subnet_ids=["sn-1", "sn-2"],
    security_group_id="sg-1",
    instance_class="db.t4g.small",
    storage_gb=20,
    max_connections=100,
)


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
                {"name": "max_connections", "value": "100", "applyMethod": "pending-reboot"},
            ],
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
            "multiAz": True,
            "port": 5432,
            "dbSubnetGroupName": "db-subnets",
            "vpcSecurityGroupIds": ["sg-1"],
            "publiclyAccessible": False,
            "parameterGroupName": "db-parameters",
            "username": "hokusai_master",
            "manageMasterUserPassword": True,
            "iamDatabaseAuthenticationEnabled": True,
            "backupRetentionPeriod": 7,
            "copyTagsToSnapshot": True,
            "deleteAutomatedBackups": False,
            "deletionProtection": True,
            "skipFinalSnapshot": False,
            "finalSnapshotIdentifier": "example-prod-final",
            "autoMinorVersionUpgrade": True,
        },
    }


def test_an_unprotected_database_can_be_deleted_whole() -> None:
    graph = alone(lambda: Database("db", replace(ARGS, protected=False)))
    instance = graph.one("aws:rds/instance:Instance").inputs
    assert (instance["deletionProtection"], instance["skipFinalSnapshot"]) == (False, True)
    assert instance["deleteAutomatedBackups"] is True
    assert "finalSnapshotIdentifier" not in instance


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
        ({"backup_days": 6}, "we at least 7"),
        ({"backup_days": 36}, "RDS keeps 35"),
        ({"identifier": "Example"}, "up to 63"),
        ({"identifier": "1st"}, "up to 63"),
        ({"identifier": "a--b"}, "up to 63"),
        ({"identifier": "a" * 64}, "up to 63"),
    ],
)
def test_what_rds_would_refuse_or_regret_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ARGS, **wrong)


def test_services_that_want_more_connections_than_there_are_are_refused() -> None:
    def main() -> None:
        database = Database("db", ARGS)
        database.must_hold(one=40, other=40)
        with pytest.raises(ValueError, match="up to 81 connections, of which 100 leave 80"):
            database.must_hold(one=40, other=41)

    alone(main)
