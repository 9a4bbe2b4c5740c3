"""The Hokusai platform: what one stack file becomes, and who may do what in it."""

import pulumi

from app import settings
from hokusai_infra.components.api_key_store import ApiKeyStore, ApiKeyStoreArgs
from hokusai_infra.components.api_service import ApiService, ApiServiceArgs
from hokusai_infra.components.cluster import Cluster, ClusterArgs
from hokusai_infra.components.database import PORT, Database, DatabaseArgs
from hokusai_infra.components.encryption_key import EncryptionKey, EncryptionKeyArgs, KeyAccess
from hokusai_infra.components.fargate_service import Platform
from hokusai_infra.components.load_balancer import LoadBalancer, LoadBalancerArgs, dns
from hokusai_infra.components.log_delivery import LogDelivery
from hokusai_infra.components.mlflow_server import MlflowServer, MlflowServerArgs
from hokusai_infra.components.network import INTERNET, Edge, FlowLogs, Network, NetworkArgs
from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs
from hokusai_infra.components.task_definition import Image, Process
from hokusai_infra.components.web_firewall import WebFirewall, WebFirewallArgs
from hokusai_infra.container_env import FromSecret, container_env
from hokusai_infra.stack import ServiceSection, StackConfig, StackOutputs, publish

config = StackConfig.load()
data = pulumi.ResourceOptions(protect=config.protect_data)

data_key = EncryptionKey(
    "data",
    EncryptionKeyArgs(
        alias=config.secret_name("data"),
        description=f"Buckets, database and logs of {config.name()}",
        access=KeyAccess(
            account_id=config.account_id,
            region=config.region,
            services=("rds", "s3", "secretsmanager"),
            log_groups=(f"*{config.name()}*",),
        ),
    ),
    data,
)
logs = SecureBucket(
    "logs",
    SecureBucketArgs(
        bucket_name=config.global_name("logs"),
        protected=config.protect_data,
        logs=LogDelivery(
            account_id=config.account_id, region=config.region, days=config.access_log_days
        ),
    ),
    data,
)
network = Network(
    "network",
    NetworkArgs(
        region=config.region,
        account_id=config.account_id,
        zones=config.network.zones,
        cidr=config.network.cidr,
        egress=config.network.egress.egress(),
        namespace=f"{config.name()}.internal",
        flow_logs=FlowLogs(bucket_name=logs.bucket_name, traffic=config.network.flow_logs),
        edges=[
            Edge(source=INTERNET, target="load-balancer", port=443),
            Edge(source=INTERNET, target="load-balancer", port=80),
            Edge(source="load-balancer", target="api", port=settings.API_PORT),
            Edge(source="load-balancer", target="mlflow", port=settings.MLFLOW_PORT),
            Edge(source="api", target="mlflow", port=settings.MLFLOW_PORT),
            Edge(source="mlflow", target="api", port=settings.API_PORT),
            Edge(source="api", target="database", port=PORT),
            Edge(source="mlflow", target="database", port=PORT),
            Edge(source="api", target=INTERNET, port=443),
            Edge(source="mlflow", target=INTERNET, port=443),
        ],
    ),
)
artifacts, contributions = (
    SecureBucket(
        role,
        SecureBucketArgs(
            bucket_name=config.global_name(role),
            kms_key_arn=data_key.key_arn,
            access_logs=logs.bucket_name,
            upload_origins=origins,
            protected=config.protect_data,
        ),
        data,
    )
    for role, origins in (("mlflow-artifacts", []), ("pipeline-data", [config.url("api")]))
)
keys = ApiKeyStore(
    "api-keys",
    ApiKeyStoreArgs(
        region=config.region,
        account_id=config.account_id,
        key_secret_prefix=config.secret_name("projects/"),
        signing_keys_name=config.secret_name("signing-keys"),
        protected=config.protect_data,
    ),
    data,
)
database = Database(
    "database",
    DatabaseArgs(
        identifier=config.name(),
        region=config.region,
        account_id=config.account_id,
        subnet_ids=[*network.isolated_subnet_ids],
        security_group_id=network.security_group_ids["database"],
        instance_class=config.database.instance_class,
        storage_gb=config.database.storage_gb,
        max_connections=config.database.max_connections,
        multi_az=config.database.multi_az,
        protected=config.protect_data,
        final_snapshot_suffix=config.database.final_snapshot_suffix,
        backup_days=config.database.backup_days,
        log_days=config.log_days,
        kms_key_arn=data_key.key_arn,
        night=config.nights,
        roles=config.roles,
    ),
    data,
)
load_balancer = LoadBalancer(
    "public",
    LoadBalancerArgs(
        subnet_ids=[*network.public_subnet_ids],
        security_group_id=network.security_group_ids["load-balancer"],
        domain=config.domain,
        dns=dns(config.dns.kind, config.hosted_zone_id),
        access_logs=logs.bucket_name,
        protected=config.protect_data,
    ),
)
if config.waf is not None:
    WebFirewall(
        "waf",
        WebFirewallArgs(
            region=config.region,
            account_id=config.account_id,
            firewall_name=config.name(),
            load_balancer_arn=load_balancer.arn,
            open_hosts=[config.host("mlflow")],
            requests_a_source=config.waf.requests_a_source,
            log_days=config.log_days,
            log_key_arn=data_key.key_arn,
        ),
    )
cluster = Cluster("services", ClusterArgs(cluster_name=config.name()))

database_values: dict[str, pulumi.Input[str]] = {
    "environment": config.environment,
    "database_host": database.host,
    "database_port": database.port,
    "database_ca_file": config.database.ca_file,
}
platform = Platform(
    cluster_name=cluster.cluster_name,
    image=Image(
        uri=config.image,
        entry_point=["python", "-m"],
        working_directory="/srv/hokusai",
        user="10001:10001",
    ),
    migrate=Process(
        command=["app.migrations"],
        env=container_env(
            settings.MigrateSettings,
            **database_values,
            master_username=FromSecret(database.master_secret_arn, key="username"),
            master_password=FromSecret(database.master_secret_arn, key="password"),
        ),
    ),
    health_path=settings.HEALTH_PATH,
    log_days=config.log_days,
    log_key_arn=data_key.key_arn,
    roles=config.roles,
    start_grants=(database.decrypt_master(),),
)


def service_values(section: ServiceSection) -> dict[str, pulumi.Input[str]]:
    """Return what both services read from their environment."""
    return database_values | {
        "database_pool_size": str(section.pool_size),
        "database_max_overflow": str(section.max_overflow),
        "key_secret_prefix": keys.key_secret_prefix,
        "api_url": config.url("api"),
        "mlflow_url": config.url("mlflow"),
        "image_digest": config.image_digest,
        "git_sha": config.git_sha,
    }


mlflow = MlflowServer(
    "mlflow",
    MlflowServerArgs(
        platform=platform,
        service_name=config.name("mlflow"),
        process=Process(
            command=["app.mlflow"],
            env=container_env(
                settings.MlflowSettings,
                **service_values(config.mlflow),
                artifact_bucket=artifacts.bucket_name,
                api_internal_url=network.url_of("api", settings.API_PORT),
            ),
        ),
        port=settings.MLFLOW_PORT,
        size=config.mlflow.size(),
        scaling=config.mlflow.scaling(config.nights),
        connections_a_pool=config.mlflow.connections_a_pool,
        grants=(
            *artifacts.writable(),
            *keys.readable(),
            database.login(settings.MLFLOW_DATABASE_ROLE),
        ),
        placement=network.place("mlflow"),
        route=load_balancer.route(config.label_of("mlflow"), priority=20),
    ),
)
api = ApiService(
    "api",
    ApiServiceArgs(
        platform=platform,
        service_name=config.name("api"),
        process=Process(
            command=["app.api"],
            env=container_env(
                settings.ApiSettings,
                **service_values(config.api),
                signing_keys_secret_arn=keys.signing_keys_arn,
                key_secrets_kms_key_arn=keys.kms_key_arn,
                mlflow_internal_url=mlflow.url,
            ),
        ),
        setup_command=["app.admin", "first-key"],
        setup_again_command=["app.admin", "first-key", "--again"],
        setup_check={"url": f"{config.url('api')}/api/v1/auth/whoami", "bearer": "admin_key"},
        port=settings.API_PORT,
        size=config.api.size(),
        scaling=config.api.scaling(config.nights),
        connections_a_pool=config.api.connections_a_pool,
        grants=(*keys.writable(), keys.signing(), database.login(settings.API_DATABASE_ROLE)),
        placement=network.place("api"),
        route=load_balancer.route(config.label_of("api"), priority=10),
    ),
)
with config.about("database.max_connections"):
    database.must_hold(api=api.peak_connections, mlflow=mlflow.peak_connections)

outputs: StackOutputs = {
    "api_url": config.url("api"),
    "mlflow_url": config.url("mlflow"),
    "artifact_bucket": artifacts.bucket_name,
    "data_bucket": contributions.bucket_name,
    "cluster": cluster.cluster_name,
    "setup_task": api.setup_task,
}
if load_balancer.dns_records:
    outputs["dns_records"] = load_balancer.dns_records
publish(outputs)
