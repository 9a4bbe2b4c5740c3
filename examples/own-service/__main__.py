"""A service of one's own: network, load balancer, bucket, and tasks that may use that bucket."""

import pulumi

from hokusai_infra.components.cluster import Cluster, ClusterArgs
from hokusai_infra.components.encryption_key import EncryptionKey, EncryptionKeyArgs, KeyAccess
from hokusai_infra.components.fargate_service import FargateService, FargateServiceArgs, Platform
from hokusai_infra.components.load_balancer import Elsewhere, LoadBalancer, LoadBalancerArgs
from hokusai_infra.components.log_delivery import LogDelivery
from hokusai_infra.components.network import (
    INTERNET,
    Edge,
    FlowLogs,
    NatInstances,
    Network,
    NetworkArgs,
)
from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs
from hokusai_infra.components.service_scaling import Scaling
from hokusai_infra.components.task_definition import Image, Process, TaskSize
from hokusai_infra.components.web_firewall import WebFirewall, WebFirewallArgs
from hokusai_infra.container_env import container_env
from postcards import settings

config = pulumi.Config()
account_id, domain = config.require("account-id"), config.require("domain")
region, name = pulumi.Config("aws").require("region"), f"postcards-{pulumi.get_stack()}"
tasks, protect = config.require_int("tasks"), config.require_bool("protect")
data = pulumi.ResourceOptions(protect=protect)

data_key = EncryptionKey(
    "data",
    EncryptionKeyArgs(
        alias=f"{name}-data",
        description=f"Cards and logs of {name}",
        access=KeyAccess(
            account_id=account_id,
            region=region,
            services=("s3",),
            log_groups=(f"*{name}*",),
        ),
    ),
    data,
)
logs = SecureBucket(
    "logs",
    SecureBucketArgs(
        bucket_name=f"{name}-logs-{account_id}",
        logs=LogDelivery(account_id=account_id, region=region),
    ),
    data,
)

network = Network(
    "network",
    NetworkArgs(
        region=region,
        account_id=account_id,
        zones=["a", "b"],
        cidr="10.40.0.0/20",
        egress=NatInstances(per_zone=False),
        namespace=f"{name}.internal",
        flow_logs=FlowLogs(bucket_name=logs.bucket_name),
        edges=[
            Edge(source=INTERNET, target="load-balancer", port=443),
            Edge(source=INTERNET, target="load-balancer", port=80),
            Edge(source="load-balancer", target="postcards", port=settings.PORT),
            Edge(source="postcards", target=INTERNET, port=443),
        ],
    ),
)
cards = SecureBucket(
    "cards",
    SecureBucketArgs(
        bucket_name=f"{name}-{account_id}",
        kms_key_arn=data_key.key_arn,
        access_logs=logs.bucket_name,
    ),
    data,
)
load_balancer = LoadBalancer(
    "public",
    LoadBalancerArgs(
        subnet_ids=[*network.public_subnet_ids],
        security_group_id=network.security_group_ids["load-balancer"],
        domain=domain,
        dns=Elsewhere(),
        access_logs=logs.bucket_name,
        protected=protect,
    ),
)
WebFirewall(
    "firewall",
    WebFirewallArgs(
        region=region,
        account_id=account_id,
        firewall_name=name,
        load_balancer_arn=load_balancer.arn,
        open_hosts=[],
        requests_a_source=2000,
        log_days=30,
        log_key_arn=data_key.key_arn,
    ),
)
url = f"https://www.{domain}"
service = FargateService(
    "postcards",
    FargateServiceArgs(
        platform=Platform(
            cluster_name=Cluster("postcards", ClusterArgs(cluster_name=name)).cluster_name,
            image=Image(
                uri=config.require("image"),
                entry_point=["python", "-m"],
                working_directory="/srv/postcards",
                user="10001:10001",
            ),
            health_path=settings.HEALTH_PATH,
            log_days=30,
            log_key_arn=data_key.key_arn,
        ),
        service_name=name,
        process=Process(
            command=["postcards"],
            env=container_env(
                settings.Settings,
                bucket=cards.bucket_name,
                host=config.get("host") or "0.0.0.0",  # noqa: S104 - a task has an address of its own
                url=url,
            ),
        ),
        port=settings.PORT,
        size=TaskSize(cpu=256, memory_mb=512),
        scaling=Scaling(min_tasks=tasks, max_tasks=2 * tasks, requests_a_minute=3000),
        grants=cards.writable(),
        placement=network.place("postcards"),
        route=load_balancer.route("www", priority=1),
    ),
)

pulumi.export("postcards_url", url)
pulumi.export("bucket", cards.bucket_name)
pulumi.export("dns_records", load_balancer.dns_records)
