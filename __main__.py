"""The Hokusai platform: what one stack file becomes, and who may do what in it."""

import pulumi
from pulumi_aws import ecs

from app import settings
from hokusai_infra.components.api_key_store import ApiKeyStore, ApiKeyStoreArgs
from hokusai_infra.components.api_service import ApiService, ApiServiceArgs
from hokusai_infra.components.database import PORT, Database, DatabaseArgs
from hokusai_infra.components.fargate_service import Platform
from hokusai_infra.components.load_balancer import LoadBalancer, LoadBalancerArgs
from hokusai_infra.components.mlflow_server import MlflowServer, MlflowServerArgs
from hokusai_infra.components.network import INTERNET, Edge, NatGateways, Network, NetworkArgs
from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs
from hokusai_infra.components.task_definition import Image, Process, TaskSize
from hokusai_infra.container_env import FromSecret, container_env
from hokusai_infra.stack import ServiceSection, StackConfig, publish

config = StackConfig.load()
data = pulumi.ResourceOptions(protect=config.protect_data)

network = Network(
    "network",
    NetworkArgs(
        region=config.region,
        zones=config.network.zones,
        cidr=config.network.cidr,
        egress=NatGateways(per_zone=config.network.egress.per_zone),
        namespace=f"{config.name()}.internal",
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
    SecureBucket(role, SecureBucketArgs(bucket_name=config.global_name(role)), data)
    for role in ("mlflow-artifacts", "pipeline-data")
)
keys = ApiKeyStore(
    "api-keys",
    ApiKeyStoreArgs(
        region=config.region,
        account_id=config.account_id,
        key_secret_prefix=config.secret_name("projects/"),
        signing_keys_name=config.secret_name("signing-keys"),
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
        backup_days=config.database.backup_days,
    ),
    data,
)
load_balancer = LoadBalancer(
    "public",
    LoadBalancerArgs(
        subnet_ids=[*network.public_subnet_ids],
        security_group_id=network.security_group_ids["load-balancer"],
        domain=config.domain,
        hosted_zone_id=config.hosted_zone_id,
        protected=config.protect_data,
    ),
)
cluster = ecs.Cluster("services", name=config.name())

database_values: dict[str, pulumi.Input[str]] = {
    "environment": config.environment,
    "database_host": database.host,
    "database_port": database.port,
    "database_ca_file": config.database.ca_file,
}
platform = Platform(
    cluster_name=cluster.name,
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
        size=TaskSize(cpu=config.mlflow.cpu, memory_mb=config.mlflow.memory_mb),
        min_tasks=config.mlflow.min_tasks,
        max_tasks=config.mlflow.max_tasks,
        connections_a_pool=config.mlflow.connections_a_pool,
        grants=(
            *artifacts.writable(),
            *keys.readable(),
            database.login(settings.MLFLOW_DATABASE_ROLE),
        ),
        placement=network.place("mlflow"),
        route=load_balancer.route("mlflow", priority=20),
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
        size=TaskSize(cpu=config.api.cpu, memory_mb=config.api.memory_mb),
        min_tasks=config.api.min_tasks,
        max_tasks=config.api.max_tasks,
        connections_a_pool=config.api.connections_a_pool,
        grants=(*keys.writable(), keys.signing(), database.login(settings.API_DATABASE_ROLE)),
        placement=network.place("api"),
        route=load_balancer.route("api", priority=10),
    ),
)
database.must_hold(api=api.peak_connections, mlflow=mlflow.peak_connections)

publish(
    {
        "api_url": config.url("api"),
        "mlflow_url": config.url("mlflow"),
        "artifact_bucket": artifacts.bucket_name,
        "data_bucket": contributions.bucket_name,
        "cluster": cluster.name,
        "setup_task": api.setup_task,
    }
)
