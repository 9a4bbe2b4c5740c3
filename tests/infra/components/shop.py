"""A service to test with, and where it would run."""

from hokusai_infra.components.fargate_service import FargateServiceArgs, Platform
from hokusai_infra.components.load_balancer import Route
from hokusai_infra.components.network import Placement
from hokusai_infra.components.service_role import RoleBounds
from hokusai_infra.components.service_scaling import Scaling
from hokusai_infra.components.task_definition import Image, Process, TaskSize
from hokusai_infra.container_env import ContainerEnv, Pair
from hokusai_infra.iam_policy import Allow

ECR = "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop@sha256:00"
IMAGE = Image(uri=ECR, entry_point=["run"], working_directory="/srv", user="10001:10001")
PLACE = Placement(
    region="us-east-1",
    vpc_id="vpc-1",
    subnet_ids=["sn-1"],
    security_group_id="sg-1",
    namespace_id="ns-1",
    namespace="test.internal",
)
SECRET: Pair = {"name": "PASSWORD", "valueFrom": "arn:secret:password::"}
PLATFORM = Platform(
    cluster_name="test",
    image=IMAGE,
    migrate=Process(command=["migrate"], env=ContainerEnv([], [SECRET], ["arn:secret"])),
    health_path="/health",
    log_days=14,
    log_key_arn="arn:logs-key",
    roles=RoleBounds(path="/shop/test/", boundary_arn="arn:aws:iam::111122223333:policy/bound"),
    start_grants=(
        Allow(sid="Decrypt", actions=frozenset({"kms:Decrypt"}), resources=("arn:secret-key",)),
    ),
    alarm_actions=("arn:topic",),
)
ARGS = FargateServiceArgs(
    platform=PLATFORM,
    service_name="test-shop",
    process=Process(command=["serve"], env=ContainerEnv([{"name": "A", "value": "1"}], [], [])),
    port=8000,
    size=TaskSize(cpu=256, memory_mb=512),
    scaling=Scaling(min_tasks=1, max_tasks=3, requests_a_minute=3000),
    grants=(Allow(sid="Read", actions=frozenset({"s3:GetObject"}), resources=("arn:x",)),),
    placement=PLACE,
    route=Route(
        listener_arn="arn:listener",
        load_balancer_arn_suffix="app/lb/0123456789abcdef",
        host="shop.example.com",
        priority=10,
    ),
)
