"""The text of a new stack file: every key with what it means to whoever changes it."""

from dataclasses import dataclass
from typing import Final

from hokusai_infra.init.questions import NO_DIGEST, Known


@dataclass(frozen=True)
class Sizes:
    """What differs between environments, and is changed in the file."""

    egress: str
    log_days: int
    multi_az: bool
    max_connections: int
    min_tasks: int
    api_tasks: int
    mlflow_tasks: int
    api_pool: str
    """Connections of the pool of an API task."""
    mlflow_pool: str
    """Connections of one pool of MLflow, which has five pools a task."""


SIZES: Final = {
    "staging": Sizes(
        "nat_instance, per_zone: false",
        14,
        False,  # noqa: FBT003 - a table
        240,
        1,
        2,
        2,
        "",
        ", pool_size: 3, max_overflow: 4",
    ),
    "prod": Sizes(
        "nat_gateway, per_zone: true",
        30,
        True,  # noqa: FBT003 - a table
        240,
        2,
        4,
        3,
        ", pool_size: 3, max_overflow: 3",
        ", pool_size: 2, max_overflow: 2",
    ),
}
NIGHT: Final = """\
    # Six fields, in UTC: tasks and database are away from 19:00 to 06:00, and at weekends. Deploy
    # by day: at night no task is wanted, so a deployment ends well without one, and an image that
    # does not start is seen in the morning.
    night: { stop: "cron(0 19 ? * MON-FRI *)", start: "cron(0 6 ? * MON-FRI *)" }
"""
WAF: Final = """\
    # Web application firewall; requests_a_source: 60000 in five minutes, then blocked.
    waf: {}
"""
PLACEHOLDER: Final = """\
    # No image yet: put the digest here that the build printed.
"""
LABEL: Final = """\
    # Part of all names; a change of it makes everything anew.
    label: {label}
"""


def rendered(stack: str, known: Known) -> str:
    """Write the file."""
    environment = known["environment"]
    sizes, prod = SIZES[environment], environment == "prod"
    zone = known["zone"]
    dns = "elsewhere" if zone == "elsewhere" else f"route53, hosted_zone_id: {zone}"
    ours = "\n    # Its records are made by hand; the deployment says which, and waits."
    return f"""\
# Stack {stack}, from `hokusai infra init`. What else there is to say: StackConfig in the module
# hokusai_infra.stack. A wrong value fails with a sentence that says what to change.
config:
  aws:region: {known["region"]}
  # The provider refuses every account but this one.
  aws:allowedAccountIds: ["{known["account"]}"]
  aws:defaultTags:
    tags: {{ project: hokusai, environment: {environment} }}
  hokusai:stack:
    environment: {environment}
{LABEL.format(label=known["label"]) if known["label"] else ""}\
    account_id: "{known["account"]}"
    domain: {known["domain"]}{ours if zone == "elsewhere" else ""}
    dns: {{ kind: {dns} }}
{PLACEHOLDER if known["image"].endswith(NO_DIGEST) else ""}\
    image: "{known["image"]}"
    # With true, nothing deletes database and buckets, and a deleted database leaves a snapshot.
    protect_data: {str(prod).lower()}
    # Days of the services' logs in CloudWatch; access and flow logs: access_log_days, 365.
    log_days: {sizes.log_days}
{WAF if prod else ""}{NIGHT if known.get("night") == "yes" else ""}\
    network:
      cidr: {known["cidr"]}
      zones: [a, b]
      # A nat_gateway is run by AWS; a nat_instance costs a fifth, and is away for some minutes a
      # week, while a patched one takes its place.
      egress: {{ kind: {sizes.egress} }}
    database:
      instance_class: {known["database_class"]}
      storage_gb: {known["storage_gb"]}
      # A standby in another zone; it doubles the price.
      multi_az: {str(sizes.multi_az).lower()}
      # The class's memory bounds it; pools x tasks x 2 of both services fit into 80 % of it.
      max_connections: {sizes.max_connections}
      # In the image of the services: the authorities that sign the database's certificate.
      ca_file: /srv/hokusai/app/rds-ca.pem
    # 1024 CPU units are one virtual CPU; between min and max, CPU and requests decide.
    api:
      {{ cpu: 256, memory_mb: 512, min_tasks: {sizes.min_tasks}, \
max_tasks: {sizes.api_tasks}{sizes.api_pool} }}
    mlflow:
      {{ cpu: 512, memory_mb: 2048, min_tasks: {sizes.min_tasks}, \
max_tasks: {sizes.mlflow_tasks}{sizes.mlflow_pool} }}
"""
