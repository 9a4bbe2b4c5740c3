"""Two ECS services on plain pulumi_aws: ``front`` asks ``echo`` by its Cloud Map name."""

import json
from typing import Any

import pulumi
from pulumi_aws import acm, ecs, iam, kms, lb, s3, secretsmanager, servicediscovery

config = pulumi.Config()
domain = config.require("domain")

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def allow(**resources: pulumi.Input[str]) -> pulumi.Output[str]:
    """Write a policy: ``service_Action`` on one resource each."""
    statements = [
        {"Effect": "Allow", "Action": action.replace("_", ":"), "Resource": resource}
        for action, resource in resources.items()
    ]
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})


key = kms.Key("key")
secret = secretsmanager.Secret("greeting", name="tiny/greeting", kms_key_id=key.arn)
secretsmanager.SecretVersion(
    "greeting", secret_id=secret.id, secret_string=json.dumps({"word": "hello"})
)
bucket = s3.Bucket("data", bucket="tiny-data-222233334444")

execution = iam.Role("execution", assume_role_policy=TRUST)
iam.RolePolicy(
    "execution",
    role=execution.id,
    policy=allow(secretsmanager_GetSecretValue=secret.arn, kms_Decrypt=key.arn),
)
iam.RolePolicyAttachment(
    "execution",
    role=execution.name,
    policy_arn="arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy",
)
task = iam.Role("task", assume_role_policy=TRUST)
iam.RolePolicy(
    "task",
    role=task.id,
    policy=allow(s3_PutObject=pulumi.Output.concat(bucket.arn, "/allowed/*")),
)

balancer = lb.LoadBalancer("tiny", idle_timeout=300)
certificate = acm.Certificate("tiny", domain_name=f"*.{domain}", validation_method="DNS")
lb.Listener(
    "http",
    load_balancer_arn=balancer.arn,
    port=80,
    default_actions=[
        {
            "type": "redirect",
            "redirect": {"protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"},
        }
    ],
)
listener = lb.Listener(
    "https",
    load_balancer_arn=balancer.arn,
    port=443,
    protocol="HTTPS",
    certificate_arn=certificate.arn,
    routing_http_response_server_enabled=False,
    default_actions=[
        {
            "type": "fixed-response",
            "fixed_response": {
                "content_type": "text/plain",
                "message_body": "nobody",
                "status_code": "404",
            },
        }
    ],
)
namespace = servicediscovery.PrivateDnsNamespace("internal", name="tiny.internal", vpc="vpc-1")
cluster = ecs.Cluster("tiny")


def service(name: str, port: int, priority: int, environment: dict[str, Any]) -> None:
    """Run ``server.py`` behind a host of its own and a Cloud Map name."""
    group = lb.TargetGroup(
        name,
        port=port,
        protocol="HTTP",
        target_type="ip",
        health_check={"path": "/health", "matcher": "200"},
    )
    lb.ListenerRule(
        name,
        listener_arn=listener.arn,
        priority=priority,
        conditions=[{"host_header": {"values": [f"{name}.{domain}"]}}],
        actions=[{"type": "forward", "target_group_arn": group.arn}],
    )
    entry = servicediscovery.Service(
        name,
        name=name,
        dns_config={
            "namespace_id": namespace.id,
            "dns_records": [{"type": "A", "ttl": 10}],
        },
    )
    variables = {"PORT": str(port), "AWS_REGION": "eu-central-1", **environment}
    definition = pulumi.Output.json_dumps(
        [
            {
                "name": "migrate",
                "image": "tiny",
                "essential": False,
                "entryPoint": ["python", "-S"],
                "command": ["migrate.py"],
                "workingDirectory": "/srv/tiny",
                "environment": [
                    {"name": "MIGRATE_CODE", "value": config.get("migrate-code") or "0"}
                ],
                "startTimeout": 20,
            },
            {
                "name": name,
                "image": "tiny",
                "entryPoint": ["python"],
                "command": ["server.py"],
                "workingDirectory": "/srv/tiny",
                "environment": [{"name": n, "value": v} for n, v in variables.items()],
                "secrets": [
                    {"name": "WORD", "valueFrom": pulumi.Output.concat(secret.arn, ":word::")}
                ],
                "portMappings": [{"containerPort": port}],
                "dependsOn": [{"containerName": "migrate", "condition": "SUCCESS"}],
                "healthCheck": {
                    "command": ["CMD", "python", "-S", "health.py"],
                    "interval": 5,
                    "retries": 1,
                },
            },
        ]
    )
    run = ecs.TaskDefinition(
        name,
        family=f"tiny-{name}",
        container_definitions=definition,
        execution_role_arn=execution.arn,
        task_role_arn=task.arn,
        network_mode="awsvpc",
        cpu="256",
        memory="512",
    )
    ecs.Service(
        name,
        cluster=cluster.arn,
        task_definition=run.arn,
        desired_count=1,
        load_balancers=[
            {"target_group_arn": group.arn, "container_name": name, "container_port": port}
        ],
        service_registries={"registry_arn": entry.arn},
    )


service("echo", 8080, 1, {"GREETS": "nobody"})
service(
    "front",
    8000,
    2,
    {"ECHO_URL": "http://echo.tiny.internal:8080/asked", "PUBLIC_URL": f"https://front.{domain}"},
)

pulumi.export("front_url", f"https://front.{domain}")
pulumi.export("echo_url", f"https://echo.{domain}")
pulumi.export("bucket", bucket.bucket)
pulumi.export(
    "setup_task",
    {
        "task_definition": "tiny-front",
        "container": "front",
        "command": ["setup.py"],
        "again": ["setup.py", "--again"],
        "check": {"url": f"https://front.{domain}/whoami", "bearer": "admin_key"},
    },
)
