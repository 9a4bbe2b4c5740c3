"""The engine's side of a Pulumi program: takes each request whole and answers it."""

import re
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import unquote, urlparse

from google.protobuf import empty_pb2
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import alias_pb2, resource_pb2, source_pb2

from hokusai_infra.recorder import wire
from hokusai_infra.recorder.graph import Answers, Resource
from hokusai_infra.recorder.lookups import LookUps

STACK = "pulumi:pulumi:Stack"
LIBRARY = Path(__file__).resolve().parents[1]


class Unused(Mocks):
    """Pulumi wants mocks beside a monitor; the monitor below asks none."""

    def new_resource(self, args: MockResourceArgs) -> NoReturn:
        """Fail: ``RegisterResource`` answers."""
        raise AssertionError(args.name)

    def call(self, args: MockCallArgs) -> NoReturn:
        """Fail: ``Invoke`` answers."""
        raise AssertionError(args.token)


class Monitor(MockMonitor):
    """Records every registration, with the engine's URNs, and refuses what the engine refuses.

    Called from several threads at once.
    """

    def __init__(
        self,
        project: str,
        stack: str,
        program: Path,
        answers: Answers,
        look_ups: LookUps | None = None,
    ) -> None:
        super().__init__(Unused())
        self.recorded: dict[str, Resource] = {}
        self.outputs: dict[str, Any] = {}
        self.secret_outputs: tuple[str, ...] = ()
        self._answers = answers
        self._look_ups = look_ups
        self._lock = threading.Lock()
        self._prefix = f"urn:pulumi:{stack}::{project}::"
        self._program = program.resolve()

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Name a resource as the engine does: all types above it, without the stack's."""
        chain = parent.split("::")[2] if parent else ""
        path = type_ if chain in ("", STACK) else f"{chain}${type_}"
        return f"{self._prefix}{path}::{name}"

    def RegisterResource(  # noqa: N802 (the protocol's name)
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        """Record a resource and answer it."""
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == STACK:
            return resource_pb2.RegisterResourceResponse(urn=urn)

        resource = self._read(urn, request)
        with self._lock:
            if earlier := self.recorded.get(urn):
                raise ValueError(
                    f"two resources are {urn}: {earlier.source} and {resource.source}; "
                    "give one of them another name"
                )
            self.recorded[urn] = resource
        if resource.component:
            return resource_pb2.RegisterResourceResponse(urn=urn)

        id_, outputs = self._answer(resource)
        state = resource.inputs | outputs
        secret = {*resource.secret_inputs, *request.additionalSecretOutputs}
        with self._lock:
            self.recorded[urn] = replace(resource, state={**state, "id": id_})
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=id_, object=wire.write(state, secret)
        )

    def RegisterResourceOutputs(  # noqa: N802 (the protocol's name)
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        """Keep what a component, or the stack, gives back."""
        outputs, secret = wire.read(request.outputs)
        with self._lock:
            if known := self.recorded.get(request.urn):
                self.recorded[request.urn] = replace(known, state=outputs)
            else:
                self.outputs, self.secret_outputs = outputs, secret
        return empty_pb2.Empty()

    def ReadResource(  # noqa: N802 (gRPC)
        self, request: resource_pb2.ReadResourceRequest
    ) -> resource_pb2.ReadResourceResponse:
        """Refuse what a recording cannot know, or leave it unknown where look-ups are answered."""
        if self._look_ups is None:
            raise ValueError(
                f"{request.type} {request.name!r} is read from the cloud: "
                "pass its values in by config"
            )
        inputs, secret = wire.read(request.properties)
        state = inputs | self._look_ups.read(request.type, request.id)
        return resource_pb2.ReadResourceResponse(
            urn=self.make_urn(request.parent, request.type, request.name),
            id=request.id,
            properties=wire.write(state, {*secret}),
        )

    def Invoke(  # noqa: N802 (gRPC)
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        """Refuse: a look-up makes a program depend on who runs it; or answer the simple ones."""
        if self._look_ups is None:
            raise ValueError(f"{request.tok} asks the cloud: pass the value in by config instead")
        arguments, _ = wire.read(request.args)
        try:
            answer = self._look_ups.invoke(request.tok, arguments)
        except ValueError as error:
            raise ValueError(f"{self._waiting()}{error}") from error
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(wire.write(answer, set()))  # a keyword of Python
        return response

    def _waiting(self) -> str:
        """Name the line of the program that waits for an answer, which is in another thread."""
        for top in sys._current_frames().values():  # noqa: SLF001 - documented for this
            frame: FrameType | None = top
            while frame is not None:
                path = Path(frame.f_code.co_filename)
                if path.is_absolute() and self._is_program(path):
                    return f"{path.relative_to(self._program)}:{frame.f_lineno}: "
                frame = frame.f_back
        return ""

    def _answer(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        if resource.type.startswith("pulumi:providers:"):
            return resource.name, {}
        return self._answers(resource)

    def _read(self, urn: str, request: resource_pb2.RegisterResourceRequest) -> Resource:
        inputs, secret_inputs = wire.read(request.object)
        position = request.sourcePosition
        return Resource(
            urn=urn,
            type=request.type,
            name=request.name,
            inputs=inputs,
            secret_inputs=secret_inputs,
            parent="" if f"::{STACK}::" in request.parent else request.parent,
            dependencies=tuple(sorted(request.dependencies)),
            property_dependencies={
                name: sorted(of.urns) for name, of in sorted(request.propertyDependencies.items())
            },
            protect=request.protect,
            aliases=tuple(sorted(filter(None, map(_alias, request.aliases)))),
            ignore_changes=tuple(sorted(request.ignoreChanges)),
            timeouts={of.name: value for of, value in request.customTimeouts.ListFields() if value},
            component=not (request.custom or request.remote),
            provider=request.provider.rpartition("::")[0],
            source=self._line(position) if position.uri else "",
            caller=next(
                (
                    self._line(each.pc)
                    for each in request.stackTrace.frames
                    if each.pc.uri and self._is_program(_path(each.pc))
                ),
                "",
            ),
        )

    def _is_program(self, path: Path) -> bool:
        """Whether a file is the program's own, and neither the library's nor an environment's."""
        if not path.is_relative_to(self._program) or path.is_relative_to(LIBRARY):
            return False
        return "site-packages" not in path.relative_to(self._program).parts

    def _line(self, position: source_pb2.SourcePosition) -> str:
        path = _path(position)
        inside = path.is_relative_to(self._program)
        return f"{path.relative_to(self._program) if inside else path}:{position.line}"


def _path(position: source_pb2.SourcePosition) -> Path:
    return Path(unquote(urlparse(position.uri).path))


def _alias(alias: alias_pb2.Alias) -> str:
    if alias.urn:
        return alias.urn
    spec = alias.spec
    parts = {"name": spec.name, "type": spec.type, "parent": spec.parentUrn, "stack": spec.stack}
    stated = {key: value for key, value in parts.items() if value}
    if stated.keys() == {"type"} and re.match("aws[a-z]*:", spec.type):
        return ""  # a former type of the provider's: its SDK adds these by itself
    return " ".join(f"{key}={value}" for key, value in stated.items())
