"""An upgrade of a stack neither deletes what holds data, nor puts something empty in its place."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pulumi
import pytest
from pulumi_aws import s3

from hokusai_infra.policy.upgrade import Holder, former_urns, holders, refusals
from hokusai_infra.recorder import Graph
from hokusai_infra.stateful import PROTECTED, REPLACED_BY
from tests.infra.account.bootstraps import bootstrapped
from tests.infra.policy.changes import GONE, Change
from tests.infra.recordings import ROOT, alone, recorded

GOLDEN = ROOT / "tests" / "golden"
GRAPHS: Final[dict[str, Callable[[], Graph]]] = {
    "bootstrap-prod": lambda: bootstrapped("prod"),
    "bootstrap-staging": lambda: bootstrapped("staging"),
    "prod": lambda: recorded("prod"),
    "staging": lambda: recorded("staging"),
}
PROPERTIES = [(type_, key) for type_, keys in REPLACED_BY.items() for key in sorted(keys)]
ZONE = Change(of="aws:route53/zone:Zone", named="own", new=True, to={"name": "hokusai.example"})
"""Of a type that no stack of ours has, since whoever has the domain made its zone."""


def holding(type_: str) -> Graph:
    """Return a graph that has something of a type."""
    with_zone, _ = ZONE.made(recorded("prod"))
    graphs = (recorded("prod"), bootstrapped("staging"), with_zone)
    return next(graph for graph in graphs if graph.of(type_))


def before(name: str) -> list[Holder]:
    found: list[Holder] = json.loads((GOLDEN / f"{name}-data.json").read_text())
    return found


@pytest.mark.parametrize("name", GRAPHS)
def test_a_deployment_keeps_all_data(name: str) -> None:
    assert refusals(before(name), GRAPHS[name]()) == []


@pytest.mark.parametrize("name", GRAPHS)
def test_what_holds_data_is_written_down(name: str, request: pytest.FixtureRequest) -> None:
    now, file = GRAPHS[name](), GOLDEN / f"{name}-data.json"
    lost = refusals(before(name), now) if file.exists() else []
    # What would be lost stays written down until somebody takes it out by hand.
    if request.config.getoption("--write-golden", default=False) and not lost:
        file.write_text(json.dumps(holders(now), indent=1) + "\n")
    assert holders(now) == before(name), "if it is meant: pytest tests/infra/policy --write-golden"


@pytest.mark.parametrize(("type_", "key"), PROPERTIES)
def test_a_property_that_would_replace_data_cannot_change(type_: str, key: str) -> None:
    graph = holding(type_)
    for each in graph.of(type_):
        changed, urn = Change(of=type_, named=each.name, to={key: "another"}).made(graph)

        (found,) = refusals(holders(graph), changed)

        assert found.urn == urn
        assert found.message.startswith(f"{key} was {each.inputs.get(key)!r} and is 'another' (")
        assert each.source in found.message


def test_all_that_holds_data_is_protected_in_prod() -> None:
    graph = recorded("prod")
    held = [each for each in graph.resources if each.type in PROTECTED]
    assert {each.type for each in held} >= {
        "aws:kms/key:Key",
        "aws:rds/instance:Instance",
        "aws:s3/bucket:Bucket",
        "aws:secretsmanager/secret:Secret",
    }
    assert [each.urn for each in held if not each.protect] == []


@pytest.mark.parametrize("type_", REPLACED_BY)
def test_what_holds_data_cannot_go(type_: str) -> None:
    graph = holding(type_)
    changed, urn = Change(of=type_).made(graph)

    (found,) = refusals(holders(graph), changed)

    assert (found.urn, found.message.split(".")[0]) == (urn, "It is gone, and would be deleted")


def test_protection_cannot_be_taken_away() -> None:
    graph = recorded("prod")
    changed, urn = Change(of="aws:s3/bucket:Bucket", protect=False).made(graph)

    (found,) = refusals(holders(graph), changed)

    assert (found.urn, found.message.split(" (")[0]) == (urn, "It is no longer protected")


def test_what_may_change_in_place_is_not_refused() -> None:
    graph = recorded("prod")
    changes: dict[str, dict[str, Any]] = {
        "aws:rds/instance:Instance": {"instanceClass": "db.t4g.large", "identifier": "renamed"},
        "aws:secretsmanager/secret:Secret": {"kmsKeyId": "another", "description": GONE},
    }
    for type_, to in changes.items():
        changed, _ = Change(of=type_, to=to).made(graph)
        assert refusals(holders(graph), changed) == []


class Shelf(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        opts: pulumi.ResourceOptions | None = None,
        *,
        inner: pulumi.ResourceOptions | None = None,
        child: str = "-bucket",
    ) -> None:
        super().__init__("test:index:Shelf", name, None, opts)
        parent = pulumi.ResourceOptions(parent=self)
        s3.Bucket(
            f"{name}{child}",
            bucket="holds-data",
            opts=pulumi.ResourceOptions.merge(parent, inner) if inner else parent,
        )
        self.register_outputs({})


def old() -> list[Holder]:
    return holders(alone(lambda: Shelf("old")))


def alias(**of: str) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(aliases=[pulumi.Alias(**of)])


URN = "urn:pulumi:test::hokusai::test:index:Shelf$aws:s3/bucket:Bucket::old-bucket"
MOVED: Final[dict[str, Callable[[], object]]] = {
    "component": lambda: Shelf("new", alias(name="old")),
    "child": lambda: Shelf("old", child="-data", inner=alias(name="old-bucket")),
    "both": lambda: Shelf("new", alias(name="old"), child="-data", inner=alias(name="old-bucket")),
    "urn": lambda: s3.Bucket(
        "moved", bucket="holds-data", opts=pulumi.ResourceOptions(aliases=[URN])
    ),
}


@pytest.mark.parametrize("how", MOVED)
def test_a_renamed_resource_that_says_so_is_the_same(how: str) -> None:
    before, now = old(), alone(MOVED[how])
    assert before[0]["urn"] in former_urns(now.one("aws:s3/bucket:Bucket"), now)
    assert refusals(before, now) == []


@pytest.mark.parametrize("child", ["-bucket", "-data"])
def test_a_renamed_resource_that_does_not_say_so_would_be_deleted(child: str) -> None:
    now = alone(lambda: Shelf("new", child=child))

    (found,) = refusals(old(), now)

    name = now.one("aws:s3/bucket:Bucket").name
    assert found.message.endswith(
        f"If it is {name!r} now, say so there: aliases=[pulumi.Alias(...)]."
    )


def test_data_that_moves_to_another_type_is_refused() -> None:
    graph = recorded("prod")
    bucket = graph.of("aws:s3/bucket:Bucket")[0]
    moved = replace(bucket, type="aws:s3/bucketV2:BucketV2", urn=bucket.urn.replace("Bucket", "V2"))
    others = tuple(each for each in graph.resources if each.urn != bucket.urn)

    found = refusals(holders(graph), replace(graph, resources=(*others, moved)))

    assert [each.urn for each in found] == [bucket.urn]
