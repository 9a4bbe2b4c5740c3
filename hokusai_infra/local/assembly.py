"""The parts of one stack, put together; nothing is started here."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from hokusai_infra.local.parts.calls import CallLog
from hokusai_infra.local.parts.certificates import Certificates
from hokusai_infra.local.parts.control_plane import ControlPlane
from hokusai_infra.local.parts.credentials import Credentials, Identity
from hokusai_infra.local.parts.database_front import DatabaseFront, DatabaseInstance
from hokusai_infra.local.parts.front_logins import master_password
from hokusai_infra.local.parts.object_recorder import ObjectRecorder
from hokusai_infra.local.parts.object_store import PORTS, ObjectStore
from hokusai_infra.local.parts.postgres import MAX_CONNECTIONS, Postgres
from hokusai_infra.local.ports import Ports
from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.state import Folders, StackError, read_json
from hokusai_infra.recorder.config import read_yaml

ACCOUNT: Final = "000000000000"
"""For a stack that does not say which account it may touch."""
REGION: Final = "us-east-1"


@dataclass(frozen=True)
class Place:
    """Account and region that the program believes to be in."""

    account_id: str
    region: str

    @classmethod
    def read(cls, folders: Folders, stack: str) -> "Place":
        """Read the provider's settings in the stack file; the program itself is not run yet."""
        file = folders.program / f"Pulumi.{stack}.yaml"
        if not file.is_file():
            there = sorted(each.name for each in folders.program.glob("Pulumi.*.yaml"))
            raise StackError(
                f"There is no stack file {file}.",
                fix=f"Write it, or name another stack: there are {', '.join(there) or 'none'}.",
            )
        config = _config(folders.program / "Pulumi.yaml") | _config(file)
        accounts = config.get("aws:allowedAccountIds") or [ACCOUNT]
        return cls(str(accounts[0]), str(config.get("aws:region") or REGION))


def _config(file: Path) -> dict[str, Any]:
    """Read the settings of one file; a project's stand in ``value`` or ``default``."""
    try:
        config = read_yaml(file).get("config") or {}
    except (ValueError, TypeError) as error:
        raise StackError(f"{file} cannot be read.", cause=str(error), fix="Correct it.") from None
    return {
        name: setting.get("value", setting.get("default")) if isinstance(setting, dict) else setting
        for name, setting in config.items()
    }


@dataclass(frozen=True)
class LocalFacts:
    """What the program's process says besides the graph."""

    role_policies: dict[str, list[str]]
    databases: list[dict[str, Any]]

    @classmethod
    def read(cls, graph_file: Path) -> "LocalFacts | None":
        """Read them from the file of the graph, if there is one."""
        raw = (read_json(graph_file) or {}).get("local")
        return None if raw is None else cls(raw["role_policies"], raw["databases"])

    @property
    def database(self) -> dict[str, Any] | None:
        """The database instance of the program, if it has one."""
        return self.databases[0] if self.databases else None


@dataclass(frozen=True)
class Assembly:
    """Everything that is known before the program has run."""

    folders: Folders
    place: Place
    ports: Ports
    credentials: Credentials
    record_calls: bool = False

    @cached_property
    def calls(self) -> CallLog:
        """Where the supervisor writes calls that pass it."""
        return CallLog(self._calls_file)

    @property
    def _calls_file(self) -> Path | None:
        return self.folders.calls if self.record_calls else None

    @cached_property
    def certificates(self) -> Certificates:
        """The stack's own authority."""
        return Certificates(folder=self.folders.state / "ca")

    @cached_property
    def control_plane(self) -> ControlPlane:
        """Every AWS API but S3 and the database."""
        return ControlPlane(
            port=self.ports.get("control-plane"),
            state=self.folders.state,
            account_id=self.place.account_id,
            region=self.place.region,
            calls=self._calls_file,
        )

    @cached_property
    def object_store(self) -> ObjectStore:
        """S3."""
        return ObjectStore(
            folder=self.folders.state / "objects",
            ports={name: self.ports.get(f"objects/{name}") for name in PORTS},
            credentials=self.credentials,
            region=self.place.region,
        )

    @cached_property
    def object_recorder(self) -> ObjectRecorder | None:
        """What writes down calls of S3, where they are recorded."""
        if not self.record_calls:
            return None
        return ObjectRecorder(
            folder=self.folders.state / "object-recorder",
            port=self.ports.get("object-recorder"),
            behind=self.object_store.ports["s3"],
            credentials=self.credentials,
            calls=self.calls,
        )

    @property
    def object_store_url(self) -> str:
        """Where everybody reaches S3."""
        return (self.object_recorder or self.object_store).url

    @cached_property
    def database_front(self) -> DatabaseFront:
        """What the program takes for its database."""
        return DatabaseFront(
            port=self.ports.get("database"),
            state=self.folders.state,
            certificates=self.certificates,
            control_plane=self.control_plane.url,
            calls=self._calls_file,
        )

    def postgres(self, database: dict[str, Any]) -> Postgres:
        """Describe the server behind the front."""
        return Postgres(
            folder=self.folders.state / "postgres",
            master_username=database["username"],
            master_password=self.credentials.master_password,
            max_connections=database.get("max_connections", MAX_CONNECTIONS),
        )

    def instance(self, database: dict[str, Any]) -> DatabaseInstance:
        """Say what the front must know of the recorded instance."""
        return DatabaseInstance(
            region=self.place.region,
            account_id=self.place.account_id,
            resource_id=database["resource_id"],
            master_username=database["username"],
            master_secret_arn=database["secret_arn"],
        )

    def database_url(self, database: dict[str, Any]) -> str:
        """Where the master user logs in, with the password that it has now (blocking)."""
        current = master_password(self.control_plane.url, self.credentials, self.instance(database))
        user, password = quote(database["username"]), quote(current)
        host = f"localhost:{self.database_front.port}"
        return (
            f"postgresql://{user}:{password}@{host}/postgres"
            f"?sslmode=verify-full&sslrootcert={quote(str(self.certificates.ca_file))}"
        )

    def identities(self, graph: RecordedGraph, facts: LocalFacts) -> list[Identity]:
        """Describe the program's roles with their policies and key pairs."""
        return [
            self.credentials.identity(
                name=str(role.get("name")),
                arn=str(role.get("arn")),
                policies=facts.role_policies.get(str(role.get("name")), []),
            )
            for role in graph.of("aws:iam/role:Role")
        ]
