"""One set of parts a session: below a long path, and below a 0700 folder as in root's home."""

from collections.abc import Iterator

import pytest

from hokusai_infra.local.parts.certificates import Certificates
from hokusai_infra.local.parts.control_plane import ControlPlane
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.parts.database_front import DatabaseFront
from hokusai_infra.local.parts.object_store import PORTS, ObjectStore
from hokusai_infra.local.parts.postgres import Postgres
from tests.local.parts.running import ACCOUNT, MASTER, Child, Parts, free_port, set_up


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    state = home / ("long-" * 24) / "state"
    state.mkdir(parents=True, mode=0o711)
    logs = home / "logs"
    logs.mkdir()
    credentials = Credentials.prepare(state)
    certificates = Certificates(folder=state / "ca")
    calls = state / "calls.jsonl"
    control_plane = ControlPlane(port=free_port(), state=state, account_id=ACCOUNT, calls=calls)
    stack = Parts(
        state=state,
        credentials=credentials,
        certificates=certificates,
        postgres=Postgres(
            folder=state / "postgres",
            master_username=MASTER,
            master_password=credentials.master_password,
        ),
        control_plane=control_plane,
        front=DatabaseFront(
            port=free_port(),
            state=state,
            certificates=certificates,
            control_plane=control_plane.url,
            calls=calls,
        ),
        store=ObjectStore(
            folder=state / "objects",
            ports={name: free_port() for name in PORTS},
            credentials=credentials,
        ),
        calls=calls,
    )
    credentials.publish([stack.api, stack.other])
    certificates.prepare()
    stack.postgres.prepare()
    stack.store.prepare()
    for part in (stack.postgres, stack.control_plane, stack.front, stack.store):
        child = Child(part.process(), logs)
        stack.children[child.spec.name] = child
        child.spawn()
    try:
        for child in stack.children.values():
            child.wait()
        set_up(stack)
        yield stack
    finally:
        for child in stack.children.values():
            child.stop()
        stack.store.remove_sockets()
