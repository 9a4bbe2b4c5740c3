"""What the local stack answers to the program: real secrets, keys and roles, computed ids."""

import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import boto3
from botocore.exceptions import ClientError

from hokusai_infra.recorder import Resource, answers_for

Outputs = dict[str, Any]
Answer = tuple[str, Outputs]

ID_IS_ARN: Final = frozenset(
    {
        "aws:acm/certificate:Certificate",
        "aws:ecs/cluster:Cluster",
        "aws:ecs/service:Service",
        "aws:lb/listener:Listener",
        "aws:lb/listenerRule:ListenerRule",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:lb/targetGroup:TargetGroup",
    }
)
"""Types whose id is their ARN, as in AWS, so that a program may pass either."""

RESOURCE_ID_DIGITS: Final = 26
"""Characters of an RDS resource id behind ``db-``."""
_OWNED_BY_RDS: Final = {"Key": "aws:secretsmanager:owningService", "Value": "rds"}
"""Tag by which Secrets Manager knows a managed secret, and rotates it without a function."""


class AnswerError(Exception):
    """A resource that the control plane refused; says which one and why."""


@dataclass(frozen=True)
class Database:
    """Where the local database answers; it plays the one instance of the program."""

    port: int
    master_password: str
    host: str = "localhost"


def short_hash(urn: str, length: int = 7) -> str:
    """Give what Pulumi would choose at random: the same at every start."""
    return hashlib.sha256(urn.encode()).hexdigest()[:length]


def physical_name(resource: Resource, key: str = "name") -> str:
    """Name a resource as Pulumi does: as stated, else the logical name and seven digits."""
    if stated := resource.inputs.get(key):
        return str(stated)
    prefix = resource.inputs.get(f"{key}Prefix") or f"{resource.name}-"
    return f"{prefix}{short_hash(resource.urn)}"


@dataclass
class LocalAnswers:
    """Answers for one stack; called from several threads at once.

    Everything is found again at the next start: by its name, and a KMS key by an alias made of its
    URN.
    """

    account_id: str
    region: str
    endpoint: str
    database: Database
    role_policies: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Policy documents by role and name, for who enforces them."""
    managed_policies: dict[str, str] = field(default_factory=dict[str, str])
    attachments: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    databases: list[Outputs] = field(default_factory=list[Outputs])
    parameters: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """What the database parameter groups state, by their names."""
    _clients: dict[str, Any] = field(default_factory=dict[str, Any])
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __call__(self, resource: Resource) -> Answer:
        """Answer one resource."""
        make = self._makers.get(resource.type)
        if make is None:
            return self._computed(resource)
        try:
            return make(resource)
        except ClientError as error:
            said = error.response["Error"]
            raise AnswerError(
                f"{resource.type.rpartition(':')[2]} {resource.name!r} ({resource.source}) is "
                f"refused: {said['Code']}: {said['Message']}"
            ) from None

    @cached_property
    def _makers(self) -> Mapping[str, Callable[[Resource], Answer]]:
        return {
            "aws:iam/policy:Policy": self._policy,
            "aws:iam/role:Role": self._role,
            "aws:iam/rolePolicy:RolePolicy": self._role_policy,
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment": self._attachment,
            "aws:kms/alias:Alias": self._alias,
            "aws:kms/key:Key": self._key,
            "aws:rds/instance:Instance": self._instance,
            "aws:rds/parameterGroup:ParameterGroup": self._parameters,
            "aws:s3/bucket:Bucket": self._bucket,
            "aws:secretsmanager/secret:Secret": self._secret,
            "aws:secretsmanager/secretVersion:SecretVersion": self._secret_version,
        }

    @cached_property
    def _fallback(self) -> Callable[[Resource], Answer]:
        return answers_for(self.account_id, self.region)

    def _computed(self, resource: Resource) -> Answer:
        id_, outputs = self._fallback(resource)
        if resource.type in ID_IS_ARN:
            id_ = outputs["arn"]
        return id_, outputs

    def _client(self, service: Literal["iam", "kms", "secretsmanager"]) -> Any:  # noqa: ANN401 - boto3 makes it
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.session.Session().client(
                    service, endpoint_url=self.endpoint, region_name=self.region
                )
            return self._clients[service]

    # --- Secrets Manager and KMS ---

    def _secret(self, resource: Resource) -> Answer:
        name = physical_name(resource)
        inputs = resource.inputs
        arn = self._ensure_secret(
            name,
            Description=inputs.get("description", ""),
            **({"KmsKeyId": inputs["kmsKeyId"]} if inputs.get("kmsKeyId") else {}),
        )
        return arn, {"arn": arn, "name": name}

    def _ensure_secret(self, name: str, **further: Any) -> str:  # noqa: ANN401 - boto3's arguments
        manager = self._client("secretsmanager")
        try:
            found = manager.describe_secret(SecretId=name)
        except manager.exceptions.ResourceNotFoundException:
            return str(manager.create_secret(Name=name, **further)["ARN"])
        if found.get("DeletedDate"):
            manager.restore_secret(SecretId=name)
        return str(found["ARN"])

    def _secret_version(self, resource: Resource) -> Answer:
        """Put a value once: the provider does not put it back over what somebody wrote later."""
        inputs = resource.inputs
        arn, value = str(inputs["secretId"]), str(inputs.get("secretString", ""))
        token = self._put_once(arn, value, resource.urn)
        return f"{arn}|{token}", {"arn": arn, "versionId": token}

    def _put_once(self, arn: str, value: str, urn: str) -> str:
        manager = self._client("secretsmanager")
        token = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{urn} {short_hash(value, 64)}"))
        listed = manager.list_secret_version_ids(SecretId=arn, IncludeDeprecated=True)
        if token not in {each["VersionId"] for each in listed.get("Versions", [])}:
            manager.put_secret_value(SecretId=arn, SecretString=value, ClientRequestToken=token)
        return token

    def _key(self, resource: Resource) -> Answer:
        kms = self._client("kms")
        alias = f"alias/local-stack/{short_hash(resource.urn, 32)}"
        try:
            key = kms.describe_key(KeyId=alias)["KeyMetadata"]
        except kms.exceptions.NotFoundException:
            spec = resource.inputs.get("customerMasterKeySpec", "SYMMETRIC_DEFAULT")
            usage = resource.inputs.get("keyUsage", "ENCRYPT_DECRYPT")
            key = kms.create_key(
                Description=resource.inputs.get("description", ""), KeySpec=spec, KeyUsage=usage
            )["KeyMetadata"]
            kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
        return key["KeyId"], {"arn": key["Arn"], "keyId": key["KeyId"]}

    def _alias(self, resource: Resource) -> Answer:
        kms = self._client("kms")
        name, key = physical_name(resource), resource.inputs["targetKeyId"]
        name = name if name.startswith("alias/") else f"alias/{name}"
        try:
            kms.describe_key(KeyId=name)
        except kms.exceptions.NotFoundException:
            kms.create_alias(AliasName=name, TargetKeyId=key)
        else:
            kms.update_alias(AliasName=name, TargetKeyId=key)
        arn = f"arn:aws:kms:{self.region}:{self.account_id}:{name}"
        return name, {"arn": arn, "name": name}

    # --- IAM ---

    def _role(self, resource: Resource) -> Answer:
        iam, name = self._client("iam"), physical_name(resource)
        trust = _text(resource.inputs["assumeRolePolicy"])
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException:
            role = iam.create_role(
                RoleName=name,
                Path=resource.inputs.get("path", "/"),
                AssumeRolePolicyDocument=trust,
            )["Role"]
        else:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        with self._lock:
            self.role_policies.setdefault(name, {})
        for inline in resource.inputs.get("inlinePolicies") or ():
            self._put_role_policy(name, inline["name"], _text(inline["policy"]))
        for arn in resource.inputs.get("managedPolicyArns") or ():
            self._attach(name, arn)
        return name, {"arn": role["Arn"], "name": name, "uniqueId": role["RoleId"]}

    def _role_policy(self, resource: Resource) -> Answer:
        role, name = _role_of(resource), physical_name(resource)
        self._put_role_policy(role, name, _text(resource.inputs["policy"]))
        return f"{role}:{name}", {"name": name}

    def _put_role_policy(self, role: str, name: str, document: str) -> None:
        self._client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
        with self._lock:
            self.role_policies.setdefault(role, {})[name] = document

    def _policy(self, resource: Resource) -> Answer:
        iam, name = self._client("iam"), physical_name(resource)
        path, document = resource.inputs.get("path", "/"), _text(resource.inputs["policy"])
        arn = f"arn:aws:iam::{self.account_id}:policy{path}{name}"
        try:
            iam.create_policy(PolicyName=name, Path=path, PolicyDocument=document)
        except iam.exceptions.EntityAlreadyExistsException:
            self._renew_policy(arn, document)
        with self._lock:
            self.managed_policies[arn] = document
        return arn, {"arn": arn, "name": name}

    def _renew_policy(self, arn: str, document: str) -> None:
        """Make the document the default version; AWS keeps five, so the others go."""
        iam = self._client("iam")
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
        for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])

    def _attachment(self, resource: Resource) -> Answer:
        role, arn = _role_of(resource), str(resource.inputs["policyArn"])
        self._attach(role, arn)
        return f"{role}/{arn}", {}

    def _attach(self, role: str, arn: str) -> None:
        if arn.startswith(f"arn:aws:iam::{self.account_id}:"):
            self._client("iam").attach_role_policy(RoleName=role, PolicyArn=arn)
        with self._lock:
            self.attachments.append((role, arn))

    # --- what other parts answer ---

    def _instance(self, resource: Resource) -> Answer:
        inputs = resource.inputs
        with self._lock:
            if self.databases:
                raise AnswerError(
                    f"{resource.name!r} is a second database instance; the local stack runs one"
                )
            self.databases.append({})
        identifier = physical_name(resource, "identifier")
        digest = hashlib.sha256(resource.urn.encode()).hexdigest().upper()
        resource_id = f"db-{digest[:RESOURCE_ID_DIGITS]}"
        user = str(inputs.get("username", "postgres"))
        managed = bool(inputs.get("manageMasterUserPassword"))
        password = self.database.master_password
        if not managed and inputs.get("password"):
            password = str(inputs["password"])
        secret = self._ensure_secret(
            f"rds!{resource_id.lower()}",
            SecretString=json.dumps({"username": user, "password": password}),
            **({"KmsKeyId": key} if (key := inputs.get("masterUserSecretKmsKeyId")) else {}),
            **({"Tags": [_OWNED_BY_RDS]} if managed else {}),
        )
        outputs: Outputs = {
            "arn": f"arn:aws:rds:{self.region}:{self.account_id}:db:{identifier}",
            "identifier": identifier,
            "address": self.database.host,
            "endpoint": f"{self.database.host}:{self.database.port}",
            "port": self.database.port,
            "resourceId": resource_id,
            "username": user,
        }
        if managed:
            outputs["masterUserSecrets"] = [
                {
                    "secretArn": secret,
                    "secretStatus": "active",
                    "kmsKeyId": inputs.get("masterUserSecretKmsKeyId", "aws/secretsmanager"),
                }
            ]
        parameters = self.parameters.get(str(inputs.get("parameterGroupName")), {})
        facts: Outputs = {"resource_id": resource_id, "username": user, "secret_arn": secret}
        # RDS also takes a formula over the memory of the instance class, which is not here.
        if (stated := parameters.get("max_connections", "")).isdecimal():
            facts["max_connections"] = int(stated)
        self.databases[0].update(facts)
        return resource_id, outputs

    def _parameters(self, resource: Resource) -> Answer:
        id_, outputs = self._computed(resource)
        stated = resource.inputs.get("parameters") or ()
        with self._lock:
            self.parameters[str(outputs.get("name", id_))] = {
                each["name"]: str(each["value"]) for each in stated
            }
        return id_, outputs

    def _bucket(self, resource: Resource) -> Answer:
        name = physical_name(resource, "bucket").lower()
        return name, {
            "arn": f"arn:aws:s3:::{name}",
            "bucket": name,
            "bucketDomainName": f"{name}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{name}.s3.{self.region}.amazonaws.com",
            "region": self.region,
        }

    # --- what the supervisor needs to know ---

    def policies_by_role(self) -> dict[str, list[str]]:
        """Collect the documents of each role, inline and attached."""
        found = {role: [*named.values()] for role, named in sorted(self.role_policies.items())}
        for role, arn in self.attachments:
            found.setdefault(role, []).append(self._document(arn))
        return found

    def _document(self, arn: str) -> str:
        if arn in self.managed_policies:
            return self.managed_policies[arn]
        from moto.iam.aws_managed_policies import (  # noqa: PLC0415 - 5 MB of text, seldom needed
            aws_managed_policies_data,
        )

        policy = json.loads(aws_managed_policies_data).get(arn.rpartition("/")[2])
        if policy and arn == f"arn:aws:iam::aws:policy{policy['Path']}{arn.rpartition('/')[2]}":
            return json.dumps(policy["Document"])
        raise AnswerError(f"{arn} is no policy of the program and none that AWS is known to manage")


def _role_of(resource: Resource) -> str:
    """Give the name of the role, which a program may refer to by name or by ARN."""
    return str(resource.inputs["role"]).rpartition("/")[2]


def _text(document: object) -> str:
    return document if isinstance(document, str) else json.dumps(document)
