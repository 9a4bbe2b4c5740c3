"""Where infrastructure and application meet: what one writes, the other reads."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic_settings import BaseSettings

from app import settings
from hokusai_infra.recorder import Graph
from tests.infra.recordings import containers, statements

TASK = "aws:ecs/taskDefinition:TaskDefinition"
ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
)
READERS: dict[tuple[str, str], type[BaseSettings]] = {
    ("api", "api"): settings.ApiSettings,
    ("api", "migrate"): settings.MigrateSettings,
    ("mlflow", "mlflow"): settings.MlflowSettings,
    ("mlflow", "migrate"): settings.MigrateSettings,
}
AWS_OWN = {"AWS_DEFAULT_REGION", "AWS_REGION"}


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["environment"]}


def edges(graph: Graph) -> set[tuple[str | None, str, int]]:
    """Return who may reach whom at which port, by security group."""
    rules = {
        kind: {
            (rule.inputs["securityGroupId"], rule.inputs.get("referencedSecurityGroupId"), port)
            for rule in graph.of(f"aws:vpc/securityGroup{kind}Rule:SecurityGroup{kind}Rule")
            for port in range(rule.inputs["fromPort"], rule.inputs["toPort"] + 1)
        }
        for kind in ("Ingress", "Egress")
    }
    turned = {(source, target, port) for target, source, port in rules["Ingress"]}
    return turned & rules["Egress"]


def group(graph: Graph, service: str) -> str:
    network = graph.one("aws:ecs/service:Service", service).inputs["networkConfiguration"]
    (found,) = network["securityGroups"]
    return str(found)


@pytest.mark.parametrize(("service", "container"), READERS)
def test_every_process_starts_with_what_the_task_definition_gives_it(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, service: str, container: str
) -> None:
    reader = READERS[service, container]
    found = containers(graph.one(TASK, service))[container]
    given = environment(found) | {each["name"]: "a secret" for each in found["secrets"]}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    read = reader()
    assert read.model_dump()["environment"] == graph.stack

    known = {
        str(field.validation_alias or f"HOKUSAI_{name}").upper()
        for name, field in reader.model_fields.items()
    }
    assert given.keys() - known - AWS_OWN <= {"PORT"}, "nothing is deployed that nothing reads"


def test_no_secret_is_in_a_container_s_environment(graph: Graph) -> None:
    for task in graph.of(TASK):
        assert task.secret_inputs == ()
        for name, container in containers(task).items():
            reader = READERS[task.name, name]
            secret = {
                f"HOKUSAI_{field}".upper()
                for field, info in reader.model_fields.items()
                if "Secret" in str(info.annotation)
            }
            assert not secret & environment(container).keys()
            assert {each["name"] for each in container["secrets"]} == {
                each
                for each in secret | {"HOKUSAI_MASTER_USERNAME"}
                if each.startswith("HOKUSAI_MASTER") and name == "migrate"
            }


def test_the_execution_role_reads_exactly_the_secrets_of_its_containers(graph: Graph) -> None:
    for task in graph.of(TASK):
        named = {
            ":".join(secret["valueFrom"].split(":")[:7])
            for container in containers(task).values()
            for secret in container["secrets"]
        }
        policy = graph.one("aws:iam/rolePolicy:RolePolicy", f"{task.name}-execution")
        readable = {
            arn
            for statement in statements(policy).values()
            if "secretsmanager:GetSecretValue" in statement["Action"]
            for arn in statement["Resource"]
        }
        assert named == readable
        assert len(named) == 1, "the master secret alone"


@pytest.mark.parametrize(
    ("service", "sids"),
    [
        (
            "api",
            {"WriteKeySecrets", "EncryptSecrets", "KeepSigningKeys", "LogInToDatabase"},
        ),
        (
            "mlflow",
            {
                "ListMlflowArtifacts",
                "ReadAndWriteMlflowArtifacts",
                "UseKeyOfMlflowArtifacts",
                "ReadKeySecrets",
                "DecryptSecrets",
                "LogInToDatabase",
            },
        ),
    ],
)
def test_each_process_may_do_what_it_needs_and_no_more(
    graph: Graph, service: str, sids: set[str]
) -> None:
    found = statements(graph.one("aws:iam/rolePolicy:RolePolicy", f"{service}-task"))
    assert found.keys() == sids
    (user,) = found["LogInToDatabase"]["Resource"]
    assert user.endswith(f"/hokusai_{service}")


def test_what_a_process_is_told_to_use_its_role_may_use(graph: Graph) -> None:
    api = environment(containers(graph.one(TASK, "api"))["api"])
    mlflow = environment(containers(graph.one(TASK, "mlflow"))["mlflow"])
    may = {
        service: statements(graph.one("aws:iam/rolePolicy:RolePolicy", f"{service}-task"))
        for service in ("api", "mlflow")
    }
    prefix = api["HOKUSAI_KEY_SECRET_PREFIX"]
    assert prefix == mlflow["HOKUSAI_KEY_SECRET_PREFIX"]
    for sid, service in (("WriteKeySecrets", "api"), ("ReadKeySecrets", "mlflow")):
        (arn,) = may[service][sid]["Resource"]
        assert arn.endswith(f":secret:{prefix}*")
    assert may["api"]["KeepSigningKeys"]["Resource"] == [api["HOKUSAI_SIGNING_KEYS_SECRET_ARN"]]
    for sid, service in (("EncryptSecrets", "api"), ("DecryptSecrets", "mlflow")):
        assert may[service][sid]["Resource"] == [api["HOKUSAI_KEY_SECRETS_KMS_KEY_ARN"]]
    bucket = mlflow["HOKUSAI_ARTIFACT_BUCKET"]
    assert may["mlflow"]["ListMlflowArtifacts"]["Resource"] == [f"arn:aws:s3:::{bucket}"]
    objects = may["mlflow"]["ReadAndWriteMlflowArtifacts"]["Resource"]
    assert objects == [f"arn:aws:s3:::{bucket}/*"]
    (encryption,) = (
        each.inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        for each in graph.of(ENCRYPTION)
        if each.name.startswith("mlflow-artifacts")
    )
    key = may["mlflow"]["UseKeyOfMlflowArtifacts"]["Resource"]
    assert key == [encryption["kmsMasterKeyId"]]


def test_whoever_is_given_an_address_inside_can_reach_it(graph: Graph) -> None:
    namespace = graph.one("aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace")
    names = {each.inputs["name"] for each in graph.of("aws:servicediscovery/service:Service")}
    instance = graph.one("aws:rds/instance:Instance")
    (database,) = instance.inputs["vpcSecurityGroupIds"]
    open_ = edges(graph)
    inside = []
    for task in graph.of(TASK):
        mine = group(graph, task.name)
        given = environment(containers(task)[task.name])
        port = int(given["HOKUSAI_DATABASE_PORT"])
        assert given["HOKUSAI_DATABASE_HOST"] == instance.state["address"]
        assert (mine, database, port) in open_
        for url in given.values():
            parts = urlsplit(url)
            if parts.scheme != "http" or parts.hostname is None or parts.port is None:
                continue
            target, _, domain = parts.hostname.partition(".")
            assert (target in names, domain) == (True, namespace.inputs["name"])
            assert (mine, group(graph, target), parts.port) in open_
            inside.append((task.name, target))
    assert sorted(inside) == [("api", "mlflow"), ("mlflow", "api")]


def test_the_load_balancer_reaches_every_service_at_the_path_that_it_serves(graph: Graph) -> None:
    (balancer,) = graph.one("aws:lb/loadBalancer:LoadBalancer").inputs["securityGroups"]
    for target in graph.of("aws:lb/targetGroup:TargetGroup"):
        assert target.inputs["healthCheck"]["path"] == settings.HEALTH_PATH
        assert (balancer, group(graph, target.name), target.inputs["port"]) in edges(graph)


def test_every_public_address_is_routed_and_exported(graph: Graph) -> None:
    routed = {
        host
        for rule in graph.of("aws:lb/listenerRule:ListenerRule")
        for condition in rule.inputs["conditions"]
        for host in condition["hostHeader"]["values"]
    }
    told = {
        urlsplit(value).hostname
        for task in graph.of(TASK)
        for value in environment(containers(task)[task.name]).values()
        if value.startswith("https://")
    }
    exported = {urlsplit(graph.outputs[key]).hostname for key in ("api_url", "mlflow_url")}
    assert routed == told == exported


def test_nobody_closes_a_connection_or_stops_before_the_one_in_front(graph: Graph) -> None:
    idle = graph.one("aws:lb/loadBalancer:LoadBalancer").inputs["idleTimeout"]
    assert idle < settings.KEEP_ALIVE_SECONDS
    for task in graph.of(TASK):
        drain = graph.one("aws:lb/targetGroup:TargetGroup", task.name).inputs["deregistrationDelay"]
        stop = containers(task)[task.name]["stopTimeout"]
        assert drain < settings.GRACEFUL_SHUTDOWN_SECONDS < stop <= 120


def test_all_tasks_of_a_deployment_find_a_free_connection(graph: Graph) -> None:
    pools = {"api": 1, "mlflow": 5}
    wanted = 0
    for scaling in graph.of("aws:appautoscaling/target:Target"):
        given = environment(containers(graph.one(TASK, scaling.name))[scaling.name])
        a_pool = int(given["HOKUSAI_DATABASE_POOL_SIZE"]) + int(
            given["HOKUSAI_DATABASE_MAX_OVERFLOW"]
        )
        wanted += scaling.inputs["maxCapacity"] * 2 * (pools[scaling.name] * a_pool + 1)
    parameters = graph.one("aws:rds/parameterGroup:ParameterGroup").inputs["parameters"]
    (there,) = (int(each["value"]) for each in parameters if each["name"] == "max_connections")
    assert wanted <= 0.8 * there


def test_the_outputs_are_those_that_are_promised_and_none_is_secret(graph: Graph) -> None:
    cluster = graph.one("aws:ecs/cluster:Cluster").inputs["name"]
    buckets = {each.name: each.inputs["bucket"] for each in graph.of("aws:s3/bucket:Bucket")}
    domain = json.loads(graph.config["hokusai:stack"])["domain"]
    assert {key: value for key, value in graph.outputs.items() if key != "dns_records"} == {
        "api_url": f"https://api.{domain}",
        "mlflow_url": f"https://mlflow.{domain}",
        "artifact_bucket": buckets["mlflow-artifacts"],
        "data_bucket": buckets["pipeline-data"],
        "cluster": cluster,
        "setup_task": {
            "task_definition": f"{cluster}-api",
            "container": "api",
            "command": ["app.admin", "first-key"],
            "again": ["app.admin", "first-key", "--again"],
            "check": {"url": f"https://api.{domain}/api/v1/auth/whoami", "bearer": "admin_key"},
        },
    }
    assert graph.secret_outputs == ()


def test_who_makes_dns_records_by_hand_is_told_all_of_them(graph: Graph) -> None:
    stated = json.loads(graph.config["hokusai:stack"])
    if stated["dns"]["kind"] != "elsewhere":
        assert "dns_records" not in graph.outputs
        return
    balancer = graph.one("aws:lb/loadBalancer:LoadBalancer").state["dnsName"]
    made = {each["name"]: each for each in graph.outputs["dns_records"]}
    for host in (f"api.{stated['domain']}", f"mlflow.{stated['domain']}"):
        assert made.pop(host) == {"name": host, "type": "CNAME", "value": balancer}
    ((proof, record),) = made.items()
    assert (proof.startswith("_"), record["type"]) == (True, "CNAME")


def test_logs_go_to_a_bucket_whose_policy_lets_their_services_write(graph: Graph) -> None:
    logs = graph.one("aws:s3/bucket:Bucket", "logs")
    (policy,) = (
        json.loads(each.inputs["policy"])["Statement"]
        for each in graph.of("aws:s3/bucketPolicy:BucketPolicy")
        if logs.urn in each.dependencies
    )
    writers = {each["Principal"]["Service"] for each in policy if each["Effect"] == "Allow"}
    assert writers == {
        "delivery.logs.amazonaws.com",
        "logdelivery.elasticloadbalancing.amazonaws.com",
        "logging.s3.amazonaws.com",
    }
    balancer = graph.one("aws:lb/loadBalancer:LoadBalancer").inputs["accessLogs"]
    assert balancer["bucket"] == logs.inputs["bucket"]
    flows = graph.one("aws:ec2/flowLog:FlowLog").inputs["logDestination"]
    assert flows.startswith(f"arn:aws:s3:::{logs.inputs['bucket']}")
    logged = {
        each.inputs["bucket"]: each.inputs["targetBucket"]
        for each in graph.of("aws:s3/bucketLogging:BucketLogging")
    }
    assert logged == {
        each.id: logs.inputs["bucket"]
        for each in graph.of("aws:s3/bucket:Bucket")
        if each.name != "logs"
    }


def test_a_browser_uploads_from_the_api_s_origin_alone(graph: Graph) -> None:
    cors = graph.one("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration")
    assert cors.inputs["bucket"] == graph.one("aws:s3/bucket:Bucket", "pipeline-data").id
    assert [each["allowedOrigins"] for each in cors.inputs["corsRules"]] == [
        [graph.outputs["api_url"]]
    ]


def test_the_local_stack_can_fill_its_greeting(graph: Graph) -> None:
    if graph.stack != "local":
        assert "hokusai:quickstart" not in graph.config
        return
    known = {"api_url": "A", "mlflow_url": "M", "admin_key": "K", "logs": "L"}
    text = graph.config["hokusai:quickstart"].format_map(known)
    assert "MLFLOW_TRACKING_TOKEN=K" in text
    assert "MLFLOW_TRACKING_URI=M" in text
