"""The pack, started and asked as the engine does it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import grpc  # type: ignore[import-untyped]  # grpcio ships no types
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from hokusai_infra.policy import RULES, evaluate
from hokusai_infra.recorder import Graph, Resource, wire
from tests.infra.policy.changes import Change
from tests.infra.policy.data_mistakes import DATABASES
from tests.infra.policy.mistakes import STACKS
from tests.infra.policy.way_mistakes import NETWORK
from tests.infra.recordings import ROOT, recorded

PACK = ROOT / "hokusai_infra" / "policy" / "pack"
PROVIDER = "pulumi:providers:aws"

# One worker starts the pack, for all.
pytestmark = pytest.mark.xdist_group("policy-pack")


@pytest.fixture(scope="module")
def engine() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """Start the pack as ``pulumi preview --policy-pack`` does, and ask it over gRPC."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(PACK)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PACK, text=True) as pack,
        contextlib.ExitStack() as at_the_end,
    ):
        at_the_end.callback(pack.kill)
        assert pack.stdout is not None
        port = int(pack.stdout.readline())
        channel = at_the_end.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        yield analyzer_pb2_grpc.AnalyzerStub(channel)


def provider(graph: Graph) -> analyzer_pb2.AnalyzerProviderResource:
    settings = {
        key.removeprefix("aws:"): value
        for key, value in graph.config.items()
        if key.startswith("aws:")
    }
    urn = f"urn:pulumi:{graph.stack}::{graph.project}::{PROVIDER}::default"
    return analyzer_pb2.AnalyzerProviderResource(
        type=PROVIDER, properties=wire.write(settings, set()), urn=urn, name="default"
    )


def options(resource: Resource) -> analyzer_pb2.AnalyzerResourceOptions:
    return analyzer_pb2.AnalyzerResourceOptions(
        protect=resource.protect, ignoreChanges=resource.ignore_changes
    )


def told(
    stub: analyzer_pb2_grpc.AnalyzerStub, graph: Graph, passed: Graph | None = None
) -> set[tuple[str, str, str]]:
    """Return rule, resource and message of all that the pack says of a stack.

    A resource that is as in a stack which has ``passed`` is not asked about again by itself.
    """
    found: set[tuple[str, str, str]] = set()
    known = {each.urn: each for each in passed.resources} if passed else {}
    its_provider, together = provider(graph), []
    for each in graph.resources:
        if not each.component and each != known.get(each.urn):
            request = analyzer_pb2.AnalyzeRequest(
                type=each.type,
                properties=wire.write(each.inputs, {*each.secret_inputs}),
                urn=each.urn,
                name=each.name,
                options=options(each),
                provider=its_provider,
            )
            found |= {
                (d.policyName, each.urn, d.message) for d in stub.Analyze(request).diagnostics
            }
        together.append(
            analyzer_pb2.AnalyzerResource(
                type=each.type,
                properties=wire.write(each.state, set()),
                urn=each.urn,
                name=each.name,
                options=options(each),
                provider=None if each.component else its_provider,
                parent=each.parent,
                dependencies=each.dependencies,
                propertyDependencies={
                    key: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns)
                    for key, urns in each.property_dependencies.items()
                },
            )
        )
    stack = analyzer_pb2.AnalyzeStackRequest(resources=together)
    return found | {
        (each.policyName, each.urn, each.message) for each in stub.AnalyzeStack(stack).diagnostics
    }


def expected(graph: Graph) -> set[tuple[str, str, str]]:
    """Return the same of what is said without an engine."""
    return {(each.rule, each.urn, each.message.replace(". ", ".\n", 1)) for each in evaluate(graph)}


def test_the_pack_has_the_rules_and_each_of_them_stops_a_deployment(
    engine: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    info = engine.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "hokusai"
    assert [each.name for each in info.policies] == [rule.name for rule in RULES]
    assert {each.enforcementLevel for each in info.policies} == {analyzer_pb2.MANDATORY}


@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_a_stack_passes_the_pack(engine: analyzer_pb2_grpc.AnalyzerStub, stack: str) -> None:
    assert told(engine, recorded(stack)) == set()


@pytest.mark.parametrize(
    "mistake",
    [
        DATABASES[0].change,
        NETWORK[3].change,
        NETWORK[6].change,
        Change(of="aws:s3/bucketVersioning:BucketVersioning"),
    ],
    ids=lambda change: change.of,
)
def test_the_pack_says_what_is_said_without_an_engine(
    engine: analyzer_pb2_grpc.AnalyzerStub, mistake: Change
) -> None:
    staging = recorded("staging")
    graph, _ = mistake.made(staging)

    assert told(engine, graph, passed=staging) == expected(graph)
    assert expected(graph)


def test_protection_is_asked_for_in_prod_alone(engine: analyzer_pb2_grpc.AnalyzerStub) -> None:
    change = STACKS[-1].change
    prod, _ = change.made(recorded("prod"))
    staging, _ = change.made(recorded("staging"))

    found = told(engine, prod, passed=recorded("prod"))
    assert {rule for rule, *_ in found} == {"data-is-protected-in-prod"}
    assert told(engine, staging, passed=recorded("staging")) == set()
