"""ImageRepository: where images are pushed once, and pulled by every account."""

import json
import re
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import ecr

from hokusai_infra.components.account.permissions_boundary import PULL_IMAGES
from hokusai_infra.iam_policy import Allow, AllowTo, Unscoped, resource_policy

# docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
NAME: Final = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
LENGTH: Final = range(2, 257)
PUSH: Final = PULL_IMAGES | {
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImageScanFindings",
    "ecr:DescribeImages",
    "ecr:InitiateLayerUpload",
    "ecr:ListImages",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
}


@dataclass(frozen=True, kw_only=True)
class ImageRepositoryArgs:
    """What a caller decides; that images are scanned and never replaced is fixed."""

    repository_name: str
    kms_key_arn: pulumi.Input[str]
    """Key of the layers; another one means another repository, so it stays."""
    pulled_by: tuple[str, ...] = ()
    """Other accounts that run the images; each says itself which of its roles may pull."""
    untagged_days: int = 14
    """Days until a layer list that has no tag, as of an interrupted push, is removed."""

    def __post_init__(self) -> None:
        name = self.repository_name
        if not NAME.fullmatch(name) or len(name) not in LENGTH:
            raise ValueError(f"repository_name {name!r}: ECR takes 2 to 256 lower-case letters")
        if self.untagged_days < 1:
            raise ValueError(f"untagged_days is {self.untagged_days}: ECR counts from 1")


class ImageRepository(pulumi.ComponentResource):
    """A repository whose tags never move, and that no tagged image ever leaves by itself."""

    repository_url: pulumi.Output[str]
    repository_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: ImageRepositoryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:ImageRepository", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        repository = ecr.Repository(
            name,
            name=args.repository_name,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[
                {"encryption_type": "KMS", "kms_key": args.kms_key_arn},
            ],
            opts=child,
        )
        ecr.LifecyclePolicy(
            f"{name}-lifecycle",
            repository=repository.name,
            policy=_expire_untagged(args.untagged_days),
            opts=child,
        )
        if args.pulled_by:
            ecr.RepositoryPolicy(
                f"{name}-pull",
                repository=repository.name,
                policy=resource_policy(_pullable(args.pulled_by)),
                opts=child,
            )

        self.repository_url, self.repository_arn = repository.repository_url, repository.arn
        self.register_outputs(
            {"repository_url": self.repository_url, "repository_arn": self.repository_arn}
        )

    def pushable(self) -> tuple[Allow, ...]:
        """Let a role push images, look up their digests and read what the scan has found."""
        return (
            Allow(
                sid="LogIntoRegistry",
                actions=frozenset({"ecr:GetAuthorizationToken"}),
                resources=Unscoped(because="the token is for the account's whole registry"),
            ),
            Allow(sid="PushImages", actions=PUSH, resources=(self.repository_arn,)),
        )


def _pullable(account_ids: tuple[str, ...]) -> AllowTo:
    # A repository's policy is about the repository alone, so it names no resource.
    # docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html
    return AllowTo(
        sid="PullFromOtherAccounts",
        account_ids=account_ids,
        actions=PULL_IMAGES,
        resources=None,
    )


def _expire_untagged(days: int) -> str:
    """Expire what no tag names; a digest that runs has the tag of its commit."""
    rule = {
        "rulePriority": 1,
        "description": f"Remove what had no tag for {days} days",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": days,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})
