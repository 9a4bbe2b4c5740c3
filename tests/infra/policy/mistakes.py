"""For each rule, one mistake in a real stack that it has to catch."""

from typing import Final

from hokusai_infra.policy.rules import databases, identities, network, secrets, tasks
from tests.infra.policy.changes import GONE, Change
from tests.infra.policy.data_mistakes import BUCKETS, DATABASES, SECRETS
from tests.infra.policy.mistake import STRANGER, Mistake, turned
from tests.infra.policy.way_mistakes import LOAD_BALANCERS, NETWORK

CONTAINER: Final = "containerDefinitions.0"

IDENTITIES: Final = (
    Mistake(
        rule="permissions-are-named",
        change=turned(
            identities.ROLE_POLICY, "api-task", policy__Statement__0__Action=["secretsmanager:*"]
        ),
    ),
    Mistake(
        rule="permissions-are-about-something",
        change=turned(identities.ROLE_POLICY, "api-task", policy__Statement__0__Resource="*"),
    ),
    Mistake(
        rule="permissions-are-about-something",
        change=turned(
            identities.ROLE_POLICY, "api-task", policy__Statement__0__Resource=["arn:aws:s3:::*"]
        ),
    ),
    Mistake(
        rule="role-trusts-its-own-account",
        change=turned(identities.ROLE, assumeRolePolicy__Statement__0__Principal={"AWS": STRANGER}),
    ),
    Mistake(
        rule="role-trusts-its-own-account",
        change=turned(identities.ROLE, assumeRolePolicy__Statement__0__Principal="*"),
    ),
    Mistake(
        rule="token-says-who-one-is",
        stack="bootstrap",
        change=turned(
            identities.ROLE,
            "deploy-prod",
            assumeRolePolicy__Statement__0__Condition={
                "StringLike": {"token.actions.githubusercontent.com:sub": "repo:hokusai/*"},
                "StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
            },
        ),
    ),
    Mistake(
        rule="roles-have-one-boundary",
        change=turned(identities.ROLE, permissionsBoundary=GONE),
    ),
    Mistake(
        rule="no-policies-of-aws",
        change=Change(
            of=identities.ATTACHMENT,
            named="wide",
            new=True,
            to={"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
    ),
    Mistake(
        rule="no-users-and-keys",
        change=Change(of=identities.KEY, named="laptop", new=True, to={"user": "somebody"}),
    ),
)

STACKS: Final = (
    Mistake(
        rule="stack-touches-one-account",
        change=Change(of=network.VPC, links={}, protect=False),
        config={"aws:allowedAccountIds": "[]"},
    ),
    Mistake(
        rule="resources-say-whose-they-are",
        change=Change(of=network.VPC, protect=False),
        config={"aws:defaultTags": '{"tags": {"project": "hokusai"}}'},
    ),
    Mistake(
        rule="data-is-protected-in-prod",
        stack="prod",
        change=Change(of=databases.DATABASE, protect=False),
    ),
    Mistake(
        rule="data-is-protected-in-prod",
        stack="prod",
        change=Change(of=secrets.SECRET, protect=False),
    ),
)

TASKS: Final = (
    *(
        Mistake(rule=rule, change=turned(tasks.TASK, "api", **{f"{CONTAINER}.{key}": value}))
        for rule, key, value in (
            ("image-is-pinned", "image", "hokusai:latest"),
            ("image-is-pinned", "image", "hokusai@sha256:abc"),
            ("no-secret-in-the-environment", "environment.0", {"name": "DB_PASSWORD", "value": ""}),
            (
                "no-secret-in-the-environment",
                "environment.0.value",
                "postgresql://hokusai:hunter2@database:5432/hokusai",
            ),
            ("container-is-not-root", "user", "0:0"),
            ("container-is-not-root", "user", GONE),
            ("container-writes-to-tmp-alone", "readonlyRootFilesystem", False),
            ("container-has-no-further-powers", "privileged", True),
            ("container-logs-are-kept", "logConfiguration.options.awslogs-group", "/ecs/other"),
            ("container-logs-are-kept", "logConfiguration", GONE),
        )
    ),
    Mistake(rule="roles-of-task-are-two", change=turned(tasks.TASK, taskRoleArn=GONE)),
    *(
        Mistake(rule=rule, change=turned(tasks.SERVICE, "api", **to))
        for rule, to in (
            ("no-shell-in-tasks", {"enableExecuteCommand": True}),
            ("broken-deployment-is-rolled-back", {"deploymentCircuitBreaker__rollback": False}),
            ("broken-deployment-is-rolled-back", {"alarms": GONE}),
            ("broken-deployment-is-rolled-back", {"waitForSteadyState": False}),
        )
    ),
    Mistake(
        rule="discovery-is-attached",
        change=Change(of=tasks.SERVICE, named="mlflow"),
        seen_at=(tasks.DISCOVERY, "mlflow"),
    ),
    Mistake(
        rule="health-is-asked-where-it-is-answered",
        change=turned(tasks.TARGET_GROUP, "api", healthCheck__path="/ping"),
        seen_at=(tasks.SERVICE, "api"),
    ),
    Mistake(
        rule="health-is-asked-where-it-is-answered",
        change=turned(tasks.SERVICE, "api", loadBalancers__0__containerPort=8080),
    ),
    Mistake(
        rule="two-tasks-in-prod",
        stack="prod",
        change=turned(tasks.SCALING, "api", minCapacity=1),
        seen_at=(tasks.SERVICE, "api"),
    ),
    Mistake(
        rule="requests-end-before-their-task",
        change=turned(tasks.TARGET_GROUP, "api", deregistrationDelay=300),
        seen_at=(tasks.SERVICE, "api"),
    ),
)

MISTAKES: Final = (
    *BUCKETS,
    *DATABASES,
    *IDENTITIES,
    *LOAD_BALANCERS,
    *NETWORK,
    *SECRETS,
    *STACKS,
    *TASKS,
)
