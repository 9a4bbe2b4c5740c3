"""What ECS does in the name of the execution role before a container runs.

docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html

Reading secrets is in ``secret_values``, which asks the control plane. Images are not pulled here,
so what that takes is neither asked for nor recorded.
"""

from dataclasses import dataclass
from typing import Final

from hokusai_infra.local.parts import policy
from hokusai_infra.local.parts.calls import Call, CallLog, Outcome
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.secret_values import role_name
from hokusai_infra.local.state import StackError
from hokusai_infra.local.task_definitions import Container, TaskDefinition

# docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
_WRITES_LOGS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
_NEEDED: Final = frozenset({"awslogs-group", "awslogs-region"})
"""Of the options, on Fargate."""


@dataclass(frozen=True)
class EcsAgent:
    """Refuses to start what ECS could not start."""

    credentials: Credentials
    calls: CallLog

    def open_log(self, definition: TaskDefinition, container: Container, task: str) -> None:
        """Check that the execution role may write the container's log, as ECS finds out."""
        options = container.log_options
        if not options:
            return
        if missing := _NEEDED - options.keys():
            raise StackError(
                f"Container {container.name!r} of {definition.family!r} logs by awslogs without "
                f"{', '.join(sorted(missing))}.",
                fix="Add it to the options of logConfiguration.",
            )
        if not definition.execution_role:
            raise StackError(
                f"Container {container.name!r} of {definition.family!r} logs to "
                f"{options['awslogs-group']}, and the task definition has no executionRoleArn.",
                fix="Give it one that may write there.",
            )
        name, account = (
            role_name(definition.execution_role),
            definition.execution_role.split(":")[4],
        )
        stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container.name}/{task}"
        arn = (
            f"arn:aws:logs:{options['awslogs-region']}:{account}:"
            f"log-group:{options['awslogs-group']}:log-stream:{stream}"
        )
        documents = next(
            (each.policies for each in self.credentials.identities() if each.name == name), ()
        )
        actions = list(_WRITES_LOGS)
        if options.get("awslogs-create-group") == "true":
            actions.insert(0, "logs:CreateLogGroup")
        for action in actions:
            decision = policy.decide(documents, action, arn)
            outcome: Outcome = "allowed" if decision.allowed else "refused"
            self.calls.write(
                Call(role=name, action=action, resource=arn, outcome=outcome, by="ECS")
            )
            if not decision.allowed:
                raise StackError(
                    f"The execution role {name} of {definition.family!r} may not {action} on "
                    f"{arn}: {decision.reason}.",
                    fix="Grant the role the action that the message names.",
                )
