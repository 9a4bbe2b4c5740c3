"""What a price assumes about use that no resource declares."""

from decimal import Decimal

import pytest

from tests.infra.preview.graphs import priced, resource


def test_the_log_of_a_service_grows_with_its_tasks_and_their_hours() -> None:
    group = resource(
        "aws:cloudwatch/logGroup:LogGroup", inputs={"name": "/a", "retentionInDays": 30}
    )
    task = resource(
        "aws:ecs/taskDefinition:TaskDefinition",
        inputs={"containerDefinitions": '[{"awslogs-group": "/a"}]', "cpu": 256, "memory": 512},
    )
    service = resource(
        "aws:ecs/service:Service",
        inputs={"desiredCount": 3},
        property_dependencies={"taskDefinition": [task.urn]},
    )
    of = priced(group, task, service)
    (taken,) = (each for each in of.of(group) if "taken in" in each.what)
    assert taken.what == "log lines of 3.0 tasks taken in"
    assert taken.quantity == 3 * Decimal("1.25")


@pytest.mark.parametrize(
    ("log", "key"),
    [
        ("postgresql", "database_logs_gb"),
        ("upgrade", "database_events_gb"),
        ("iam-db-auth-error", "database_events_gb"),
    ],
)
def test_a_log_of_a_database_is_assumed_by_its_kind(log: str, key: str) -> None:
    name = f"/aws/rds/instance/data/{log}"
    group = resource(
        "aws:cloudwatch/logGroup:LogGroup", inputs={"name": name, "retentionInDays": 30}
    )
    keys = {each.assumption.key for each in priced(group).lines if each.assumption}
    assert keys == {key}


def test_a_class_without_a_rate_names_the_near_ones() -> None:
    database = resource(
        "aws:rds/instance:Instance",
        inputs={"engine": "postgres", "instanceClass": "db.t4g.smal", "allocatedStorage": 20},
    )
    (line,) = priced(database).unpriced
    assert line.note.startswith("no rate of db.t4g.smal in us-east-1: did you mean db.t4g.small")
