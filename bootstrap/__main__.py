"""What an account has once: state, images, the pipeline's roles, and what watches over it."""

import pulumi

from hokusai_infra.account import PROJECT, AccountConfig, publish
from hokusai_infra.components.account.audit_baseline import AuditBaseline, AuditBaselineArgs
from hokusai_infra.components.account.audit_key import audit_key
from hokusai_infra.components.account.deploy_permissions import (
    DeployTarget,
    describe,
    no_contents,
)
from hokusai_infra.components.account.findings import FindingsByMail, FindingsByMailArgs
from hokusai_infra.components.account.github import GitHubIdentity, GitHubIdentityArgs
from hokusai_infra.components.account.image_repository import ImageRepository, ImageRepositoryArgs
from hokusai_infra.components.account.permissions_boundary import (
    PermissionsBoundary,
    PermissionsBoundaryArgs,
)
from hokusai_infra.components.account.pipeline_role import PipelineRole, PipelineRoleArgs
from hokusai_infra.components.account.state_store import StateStore, StateStoreArgs
from hokusai_infra.components.encryption_key import EncryptionKey, EncryptionKeyArgs, KeyAccess
from hokusai_infra.components.log_delivery import LogDelivery, LogSource
from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs

config = AccountConfig.load()
repository = config.github.named()
kept = pulumi.ResourceOptions(protect=True)  # nothing that is kept here can be made again

logs = SecureBucket(
    "logs",
    SecureBucketArgs(
        bucket_name=config.global_name("audit"),
        logs=LogDelivery(
            account_id=config.account_id,
            region=config.region,
            sources=(LogSource.BUCKETS, LogSource.CLOUDTRAIL, LogSource.CONFIG),
            days=config.audit.log_days,
        ),
    ),
    kept,
)
state = StateStore(
    "state",
    StateStoreArgs(
        bucket_name=config.global_name("state"),
        alias=config.name("state"),
        account_id=config.account_id,
        region=config.region,
        access_logs=logs.bucket_name,
        own_project=pulumi.get_project(),
    ),
    kept,
)
watched = audit_key(
    "audit",
    alias=config.name("audit"),
    account_id=config.account_id,
    region=config.region,
    trail_name=config.name("audit"),
    opts=kept,
)
findings = FindingsByMail(
    "findings",
    FindingsByMailArgs(
        account_id=config.account_id,
        region=config.region,
        topic_name=config.name("findings"),
        mail_addresses=tuple(config.audit.mail_addresses),
        kms_key_arn=watched.key_arn,
    ),
)
AuditBaseline(
    "audit",
    AuditBaselineArgs(
        account_id=config.account_id,
        region=config.region,
        trail_name=config.name("audit"),
        log_bucket=logs.bucket_name,
        kms_key_arn=watched.key_arn,
        parts=config.audit.parts,
    ),
)

closed_buckets = (state.bucket_arn, logs.bucket_arn)
closed_keys = (state.key_arn, watched.key_arn)
boundary = PermissionsBoundary(
    "boundary",
    PermissionsBoundaryArgs(
        policy_name=config.name("boundary"),
        account_id=config.account_id,
        project=PROJECT,
        closed_buckets=closed_buckets,
        closed_keys=closed_keys,
    ),
)
repositories: dict[str, ImageRepository] = {}
image_keys: tuple[pulumi.Output[str], ...] = ()
if config.images is not None:
    layers = EncryptionKey(
        "images",
        EncryptionKeyArgs(
            alias=config.name("images"),
            description="Layers of images",
            access=KeyAccess(account_id=config.account_id, region=config.region, services=("ecr",)),
        ),
        kept,
    )
    image_keys = (layers.key_arn,)
    repositories = {
        name: ImageRepository(
            name,
            ImageRepositoryArgs(
                repository_name=name,
                kms_key_arn=layers.key_arn,
                pulled_by=tuple(config.images.pulled_by),
            ),
            kept,
        )
        for name in config.images.repositories
    }
github = GitHubIdentity(
    "github",
    GitHubIdentityArgs(account_id=config.account_id, exists=config.github.provider == "existing"),
)

roles = {
    "preview": PipelineRole(
        "preview",
        PipelineRoleArgs(
            role_name=config.name("preview"),
            description="Compares programs with what is deployed; reads no contents",
            provider_arn=github.provider_arn,
            claims=repository.previews(),
            policies={
                "describe": describe(),
                "state": (*state.readable(), *no_contents(state.bucket_arn, state.key_arn)),
            },
        ),
    )
}
for each in config.deploys:
    target = DeployTarget(
        account_id=config.account_id,
        region=config.region,
        environment=each.environment,
        project=PROJECT,
        boundary_arn=config.boundary_arn,
        closed_buckets=closed_buckets,
        closed_keys=(*closed_keys, *image_keys),
        hosted_zone_ids=tuple(each.hosted_zone_ids),
        keeps_objects=each.environment == "prod",
    )
    roles[f"deploy-{each.environment}"] = PipelineRole(
        f"deploy-{each.environment}",
        PipelineRoleArgs(
            role_name=config.name(f"deploy-{each.environment}"),
            description=f"Deploys {each.environment} from {repository.branch}",
            provider_arn=github.provider_arn,
            claims=repository.environment(each.environment),
            # A first deployment with a Multi-AZ database, or one that replaces it, takes longer
            # than the hour that a session has otherwise.
            session_hours=3,
            policies={
                "describe": describe(),
                "networks": target.networks(),
                "services": target.services(),
                "roles": target.roles(),
                "state": state.writable(),
            },
        ),
    )

if repositories:
    roles["build"] = PipelineRole(
        "build",
        PipelineRoleArgs(
            role_name=config.name("build"),
            description="Pushes images, and does nothing else",
            provider_arn=github.provider_arn,
            claims=repository.environment("build"),
            policies={f"push-{name}": each.pushable() for name, each in repositories.items()},
        ),
    )

publish(
    {
        "state_url": pulumi.Output.concat("s3://", state.bucket_name, f"?region={config.region}"),
        "secrets_provider": f"awskms://alias/{config.name('state')}?region={config.region}",
        "permissions_boundary": boundary.policy_arn,
        "role_arns": {name: each.role_arn for name, each in roles.items()},
        "repository_urls": {name: each.repository_url for name, each in repositories.items()},
        "findings_topic": findings.topic_arn,
    }
)
