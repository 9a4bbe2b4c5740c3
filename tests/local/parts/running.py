"""Parts of the local stack, really started, and two roles: one like the API's, one with little."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hokusai_infra.local.parts.certificates import Certificates
from hokusai_infra.local.parts.control_plane import ControlPlane
from hokusai_infra.local.parts.credentials import Credentials, Identity, KeyPair
from hokusai_infra.local.parts.database_front import DatabaseFront, DatabaseInstance
from hokusai_infra.local.parts.object_store import Bucket, ObjectStore
from hokusai_infra.local.parts.postgres import Postgres
from hokusai_infra.local.process import NotReadyError, ProcessSpec

ACCOUNT = "111111111111"
REGION = "us-east-1"
MASTER = "hokusai_master"
SERVICE_USER = "hokusai_api"
USER_ARN = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-LOCAL/{SERVICE_USER}"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/keys"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Child:
    """What the supervisor would do, as little as a test needs of it."""

    spec: ProcessSpec
    logs: Path
    process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        with (self.logs / f"{self.spec.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.spec.argv,
                env=dict(self.spec.env),
                cwd=self.spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self.spec.preexec(),  # noqa: PLW1509 - no thread holds a lock here
            )

    def wait(self) -> None:
        assert self.process is not None
        until = time.monotonic() + 20
        while True:
            try:
                asyncio.run(self.spec.ready())
            except NotReadyError as reason:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"{reason}\n{self.log()[-4000:]}") from reason
                time.sleep(0.02)
            else:
                return

    def start(self) -> None:
        self.spawn()
        self.wait()

    def kill(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> float:
        """Stop as the supervisor does; return the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(self.spec.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.spec.stop_seconds)
        if self.process.poll() is None:
            self.kill()
        return time.monotonic() - began

    def log(self) -> str:
        return (self.logs / f"{self.spec.name}.log").read_text()


@dataclass
class Parts:
    """A running stack of parts, with two roles: one like the API's, one that may do nothing."""

    state: Path
    credentials: Credentials
    certificates: Certificates
    postgres: Postgres
    control_plane: ControlPlane
    front: DatabaseFront
    store: ObjectStore
    calls: Path
    """The trail of what was asked for."""
    children: dict[str, Child] = field(default_factory=dict)
    master_secret_arn: str = ""

    @property
    def api(self) -> Identity:
        return self.credentials.identity(name="api-task", arn="arn:api", policies=[API_POLICY])

    @property
    def other(self) -> Identity:
        return self.credentials.identity(
            name="other-task", arn="arn:other", policies=[OTHER_POLICY]
        )

    def client(self, service: Any, key: KeyPair | None = None) -> Any:  # noqa: ANN401 - one for each service
        """Make a boto3 client, for the operator unless told otherwise."""
        key = key or self.credentials.operator.key
        return boto3.client(
            service,
            endpoint_url=self.store.url if service == "s3" else self.control_plane.url,
            region_name=REGION,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(
                retries={"total_max_attempts": 1},
                signature_version="s3v4" if service == "s3" else "v4",
            ),
        )

    def token(self, user: str = SERVICE_USER, *, key: KeyPair | None = None) -> str:
        key = key or self.api.key
        rds = boto3.client(
            "rds",
            region_name=REGION,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
        )
        return str(rds.generate_db_auth_token("localhost", self.front.port, user))

    def connect(self, user: str, password: str, **more: str) -> psycopg.Connection:
        settings: dict[str, Any] = {
            "host": "localhost",
            "port": self.front.port,
            "dbname": "postgres",
            "sslmode": "verify-full",
            "sslrootcert": str(self.certificates.ca_file),
            "connect_timeout": 10,
        }
        return psycopg.connect(**(settings | more), user=user, password=password)

    def master(self) -> psycopg.Connection:
        return self.connect(MASTER, self.credentials.master_password)


def refused() -> "pytest.RaisesExc[Exception]":
    """Expect that AWS, or its database, says no."""
    return pytest.raises((ClientError, psycopg.OperationalError))


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str, **more: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:hokusai/local"
API_POLICY = policy(
    allow(
        [
            f"secretsmanager:{action}"
            for action in ("CreateSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue")
        ],
        f"{SECRETS}/projects/*",
    ),
    allow("secretsmanager:GetSecretValue", f"{SECRETS}/signing-keys-??????"),
    allow(
        ["kms:Decrypt", "kms:GenerateDataKey"],
        KEY_ARN,
        Condition={"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}},
    ),
    allow("rds-db:connect", USER_ARN),
    allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::parts-data/in/*"),
    {**allow("s3:GetObject", "arn:aws:s3:::parts-data/in/sealed/*"), "Effect": "Deny"},
    allow(
        "s3:ListBucket",
        "arn:aws:s3:::parts-data",
        Condition={"StringLike": {"s3:prefix": ["in/*"]}},
    ),
)
OTHER_POLICY = policy(
    allow("secretsmanager:GetSecretValue", f"{SECRETS}/projects/*"),
    allow(
        "secretsmanager:DescribeSecret",
        f"{SECRETS}/projects/*",
        Sid="Unknown",
        Condition={"StringEquals": {"aws:PrincipalTag/team": "research"}},
    ),
)


def set_up(stack: Parts) -> None:
    master = {"username": MASTER, "password": stack.credentials.master_password}
    made = stack.client("secretsmanager").create_secret(
        Name="rds!db-LOCAL",
        SecretString=json.dumps(master),
        Tags=[{"Key": "aws:secretsmanager:owningService", "Value": "rds"}],
    )
    stack.master_secret_arn = made["ARN"]
    stack.front.configure(
        DatabaseInstance(
            region=REGION,
            account_id=ACCOUNT,
            resource_id="db-LOCAL",
            master_username=MASTER,
            master_secret_arn=stack.master_secret_arn,
        )
    )
    with stack.master() as database:
        database.execute(f"CREATE ROLE {SERVICE_USER} LOGIN")
        database.execute(f"GRANT rds_iam TO {SERVICE_USER}")
        database.execute("CREATE ROLE plain LOGIN PASSWORD 'correct horse'")
    stack.store.make_buckets([Bucket(name="parts-data", versioned=True)])
