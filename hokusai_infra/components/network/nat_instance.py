"""NatInstance: forwards what private subnets send to the internet, at a tenth of the price."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Final

import pulumi
from pulumi_aws import autoscaling, cloudwatch, ec2

from hokusai_infra.suppressions import Suppression

# docs.aws.amazon.com/linux/al2023/ug/ec2.html; EC2 looks the newest one up at each launch:
# docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html
IMAGE: Final = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
LIFETIME_SECONDS: Final = 7 * 24 * 3600
"""Age at which an instance is replaced, and by that patched."""
AWAY_MINUTES: Final = 8
"""Minutes away, of the last ``WATCHED_MINUTES``, from which the alarm tells; a planned replacement
takes about five."""
WATCHED_MINUTES: Final = 30
"""Long enough for several rounds of instances that start, fail and end: between two of them each
is in service for a while, so the minutes away do not follow one another."""
BOOT: Final = Path(__file__).with_name("nat_instance.sh")

SUPPRESSIONS: Final = (
    Suppression(
        check="CKV2_AWS_19",
        of="aws:ec2/eip:Eip",
        because="The address of a NAT instance belongs to its interface, which stays when the "
        "instance is replaced; the check knows addresses of instances and gateways alone.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class NatInstanceArgs:
    """What the network decides about the NAT instance of one zone."""

    instance_type: str
    availability_zone: str
    subnet_id: pulumi.Input[str]
    """Public subnet of the zone."""
    security_group_id: pulumi.Input[str]
    cidr: str
    """Range whose packets are forwarded."""
    alarm_actions: list[pulumi.Input[str]] = field(default_factory=list[pulumi.Input[str]])


class NatInstance(pulumi.ComponentResource):
    """Exactly one instance, behind an interface and an address that stay when it is replaced.

    An Auto Scaling group keeps it alive and replaces it every seven days, each time from the newest
    image: that is how it is patched, and the way out is away meanwhile. An instance that cannot set
    itself up ends itself, and the alarm counts the minutes without one, also when every instance
    starts and fails. It does not see an instance that runs and has stopped to forward: such a one
    is told by the services, and is replaced within seven days. Nobody can log in, and it has no
    role in AWS.

    AWS names the availability zone, not a subnet, for a group whose instances take an interface
    that is there already (docs.aws.amazon.com/autoscaling/ec2/userguide/
    examples-launch-templates-aws-cli.html#example-existing-eni-launch-template).

    Not run on AWS so far: the boot script on Amazon Linux. Its rules were loaded and tried with
    the nftables of Debian.
    """

    interface_id: pulumi.Output[str]
    """Where the routes of private subnets lead to."""

    def __init__(
        self, name: str, args: NatInstanceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:NatInstance", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        interface = ec2.NetworkInterface(
            name,
            subnet_id=args.subnet_id,
            security_groups=[args.security_group_id],
            source_dest_check=False,
            description=f"{name}: stays when the instance is replaced",
            tags={"Name": name},
            opts=child,
        )
        address = ec2.Eip(
            name,
            domain="vpc",
            network_interface=interface.id,
            tags={"Name": name},
            opts=child,
        )
        template = ec2.LaunchTemplate(
            name,
            image_id=IMAGE,
            instance_type=args.instance_type,
            instance_initiated_shutdown_behavior="terminate",
            update_default_version=True,
            user_data=base64.b64encode(boot_script(args.cidr).encode()).decode(),
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            network_interfaces=[{"device_index": 0, "network_interface_id": interface.id}],
            block_device_mappings=[
                {
                    "device_name": "/dev/xvda",
                    "ebs": {
                        "encrypted": "true",
                        "volume_type": "gp3",
                        "volume_size": 8,
                        "delete_on_termination": "true",
                    },
                }
            ],
            tag_specifications=[
                {"resource_type": kind, "tags": {"Name": name}} for kind in ("instance", "volume")
            ],
            tags={"Name": name},
            opts=child,
        )
        group = autoscaling.Group(
            name,
            availability_zones=[args.availability_zone],
            min_size=1,
            max_size=1,
            desired_capacity=1,
            launch_template={
                "id": template.id,
                "version": template.latest_version.apply(str),
            },
            max_instance_lifetime=LIFETIME_SECONDS,
            health_check_type="EC2",
            # Two cannot have the interface: the old one ends before the new one starts.
            instance_maintenance_policy={
                "min_healthy_percentage": 0,
                "max_healthy_percentage": 100,
            },
            instance_refresh={
                "strategy": "Rolling",
                "preferences": {"min_healthy_percentage": 0, "max_healthy_percentage": 100},
            },
            metrics_granularity="1Minute",
            enabled_metrics=[autoscaling.Metric.GROUP_IN_SERVICE_INSTANCES],
            tags=[{"key": "Name", "value": name, "propagate_at_launch": False}],
            # Setting up takes the way to the internet that this address is.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[address]),
        )
        cloudwatch.MetricAlarm(
            f"{name}-away",
            alarm_description=(
                f"No NAT instance in {args.availability_zone} for {AWAY_MINUTES} of the last "
                f"{WATCHED_MINUTES} minutes: meanwhile tasks reach nothing on the internet. See "
                "the activity history of its Auto Scaling group."
            ),
            namespace="AWS/AutoScaling",
            metric_name="GroupInServiceInstances",
            dimensions={"AutoScalingGroupName": group.name},
            statistic="Minimum",
            period=60,
            evaluation_periods=WATCHED_MINUTES,
            datapoints_to_alarm=AWAY_MINUTES,
            comparison_operator="LessThanThreshold",
            threshold=1,
            treat_missing_data="breaching",
            alarm_actions=args.alarm_actions,
            ok_actions=args.alarm_actions,
            opts=child,
        )

        self.interface_id = interface.id
        self.register_outputs({"interface_id": self.interface_id})


def boot_script(cidr: str) -> str:
    """Return what the instance runs when it starts; ``$$`` in the file is one dollar sign."""
    return Template(BOOT.read_text()).substitute(cidr=cidr)
