"""MLflow alone, for whoever is in a VPC that is there already.

Stock MLflow asks nobody who they are: whoever reaches it may do everything. So its load balancer
has private addresses, and lets in the security group of its clients and no other.
"""

import pulumi

from hokusai_infra.components.cluster import Cluster, ClusterArgs
from hokusai_infra.components.database import PORT, Database, DatabaseArgs
from hokusai_infra.components.encryption_key import EncryptionKey, EncryptionKeyArgs, KeyAccess
from hokusai_infra.components.existing_network import ExistingNetwork, ExistingNetworkArgs
from hokusai_infra.components.fargate_service import Platform
from hokusai_infra.components.load_balancer import LoadBalancer, LoadBalancerArgs, dns
from hokusai_infra.components.log_delivery import LogDelivery
from hokusai_infra.components.mlflow_server import MlflowServer, MlflowServerArgs
from hokusai_infra.components.network import INTERNET, Edge
from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs
from hokusai_infra.components.service_scaling import Scaling
from hokusai_infra.components.task_definition import Image, Process, TaskSize
from hokusai_infra.container_env import FromSecret, container_env
from tracking import settings

config = pulumi.Config()
there = config.require_object("network")
account_id, domain = config.require("account_id"), config.require("domain")
region, name = pulumi.Config("aws").require("region"), f"tracking-{pulumi.get_stack()}"
protect = config.require_bool("protect")
data = pulumi.ResourceOptions(protect=protect)
zone = config.get("hosted_zone_id")

data_key = EncryptionKey(
    "data",
    EncryptionKeyArgs(
        alias=f"{name}-data",
        description=f"Artifacts, database and logs of {name}",
        access=KeyAccess(
            account_id=account_id,
            region=region,
            services=("rds", "s3", "secretsmanager"),
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
network = ExistingNetwork(
    "network",
    ExistingNetworkArgs(
        region=region,
        vpc_id=there["vpc_id"],
        private_subnet_ids=there["private_subnet_ids"],
        namespace=f"{name}.internal",
        known={"clients": there["client_group_id"]},
        edges=[
            Edge(source="clients", target="load-balancer", port=443),
            Edge(source="load-balancer", target="mlflow", port=settings.PORT),
            Edge(source="mlflow", target="database", port=PORT),
            Edge(source="mlflow", target=INTERNET, port=443),
        ],
    ),
)
artifacts = SecureBucket(
    "artifacts",
    SecureBucketArgs(
        bucket_name=f"{name}-{account_id}",
        kms_key_arn=data_key.key_arn,
        access_logs=logs.bucket_name,
    ),
    data,
)
database = Database(
    "database",
    DatabaseArgs(
        identifier=name,
        region=region,
        account_id=account_id,
        subnet_ids=there["isolated_subnet_ids"],
        security_group_id=network.security_group_ids["database"],
        instance_class="db.t4g.small",
        storage_gb=20,
        max_connections=240,
        multi_az=protect,
        protected=protect,
        kms_key_arn=data_key.key_arn,
    ),
    data,
)
load_balancer = LoadBalancer(
    "inside",
    LoadBalancerArgs(
        subnet_ids=there["private_subnet_ids"],
        security_group_id=network.security_group_ids["load-balancer"],
        domain=domain,
        dns=dns("route53" if zone else "elsewhere", zone),
        access_logs=logs.bucket_name,
        internal=True,
        protected=protect,
    ),
)

url = f"https://mlflow.{domain}"
database_values: dict[str, pulumi.Input[str]] = {
    "database_host": database.host,
    "database_port": database.port,
    "database_ca_file": config.require("database_ca_file"),
}
mlflow = MlflowServer(
    "mlflow",
    MlflowServerArgs(
        platform=Platform(
            cluster_name=Cluster("tracking", ClusterArgs(cluster_name=name)).cluster_name,
            image=Image(
                uri=config.require("image"),
                entry_point=["python", "-m"],
                working_directory="/srv/tracking",
                user="10001:10001",
            ),
            migrate=Process(
                command=["tracking.prepare"],
                env=container_env(
                    settings.PrepareSettings,
                    **database_values,
                    master_username=FromSecret(database.master_secret_arn, key="username"),
                    master_password=FromSecret(database.master_secret_arn, key="password"),
                ),
            ),
            health_path=settings.HEALTH_PATH,
            log_days=30,
            log_key_arn=data_key.key_arn,
            start_grants=(database.decrypt_master(),),
        ),
        service_name=name,
        process=Process(
            command=["tracking.server"],
            env=container_env(
                settings.ServerSettings,
                **database_values,
                artifact_bucket=artifacts.bucket_name,
                host=config.get("host") or "0.0.0.0",  # noqa: S104 - a task has an address of its own
                url=url,
            ),
        ),
        port=settings.PORT,
        size=TaskSize(cpu=512, memory_mb=2048),
        scaling=Scaling(min_tasks=2, max_tasks=2, requests_a_minute=3000),
        connections_a_pool=8,
        grants=(*artifacts.writable(), database.login(settings.DATABASE)),
        placement=network.place("mlflow"),
        route=load_balancer.route("mlflow", priority=1),
    ),
)
database.must_hold(mlflow=mlflow.peak_connections)

pulumi.export("mlflow_url", url)
pulumi.export("artifact_bucket", artifacts.bucket_name)
