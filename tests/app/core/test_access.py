from collections.abc import Iterator

import pytest
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute

import app.api.routes as routes_package
from app.api.access import AnyCaller, GuardedRoute, KeyReader, KeyWriter, Public, Rule
from app.api.routes import auth, keys, models, service
from app.permissions import Permission

ROUTERS = (auth.router, keys.router, models.router, service.router)


def test_a_route_that_declares_no_permission_does_not_construct() -> None:
    router = APIRouter(route_class=GuardedRoute)

    def forgotten(request: Request) -> str:
        return str(request.url)

    with pytest.raises(TypeError, match="declares 0 access rules"):
        router.get("/forgotten")(forgotten)


def test_a_route_that_declares_two_does_not_construct() -> None:
    router = APIRouter(route_class=GuardedRoute)

    def undecided(_: Public, __: KeyReader) -> str:
        return ""

    with pytest.raises(TypeError, match="declares 2 access rules"):
        router.get("/undecided")(undecided)


@pytest.mark.parametrize(
    ("caller", "permission"),
    [
        (KeyWriter, Permission.KEYS_WRITE),
        (KeyReader, Permission.KEYS_READ),
        (AnyCaller, None),
    ],
)
def test_the_signature_says_who_may_call(caller: object, permission: Permission | None) -> None:
    router = APIRouter(route_class=GuardedRoute)

    def guarded(who: str) -> str:
        return who

    guarded.__annotations__["who"] = caller
    router.get("/guarded")(guarded)
    route = router.routes[0]
    assert isinstance(route, GuardedRoute)
    assert route.rule == Rule(permission)


def declared() -> Iterator[APIRoute]:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield route


def test_every_route_of_the_api_is_guarded() -> None:
    assert len(ROUTERS) == len(
        [each for each in vars(routes_package).values() if hasattr(each, "router")]
    )
    found = list(declared())
    assert len(found) >= 11
    assert all(isinstance(each, GuardedRoute) for each in found)


def test_the_routes_that_need_no_credential_are_these() -> None:
    public = {
        (method, route.path)
        for route in declared()
        if isinstance(route, GuardedRoute) and not isinstance(route.rule, Rule)
        for method in route.methods or ()
    }
    assert public == {
        ("GET", "/docs"),
        ("GET", "/docs/errors"),
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/version"),
        ("POST", "/auth/session"),
    }
