"""What a stack gives back to those who deploy, check and use it."""

from typing import NotRequired, TypedDict

import pulumi

from hokusai_infra.components.load_balancer import DnsRecord


class SetupCheck(TypedDict):
    """Who answers 401 once a value that the setup task printed is valid no more."""

    url: str
    bearer: str
    """Name of the value."""


class SetupTask(TypedDict):
    """A task that is run once, after the first deployment."""

    task_definition: pulumi.Input[str]
    container: str
    command: list[str]
    again: list[str]
    """The command that replaces what was printed first."""
    check: SetupCheck


class StackOutputs(TypedDict):
    """What the deploy workflow, the smoke test and the local stack read; one name, one meaning."""

    api_url: str
    mlflow_url: str
    artifact_bucket: pulumi.Input[str]
    data_bucket: pulumi.Input[str]
    cluster: pulumi.Input[str]
    setup_task: SetupTask
    dns_records: NotRequired[list[DnsRecord]]
    """Records to make by hand, where somebody else has the domain."""


def publish(outputs: StackOutputs) -> None:
    """Export every output under its own name."""
    for name, value in outputs.items():
        pulumi.export(name, value)
