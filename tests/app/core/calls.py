"""Calls of the API that several tests make."""

import httpx


def key_with(api: httpx.Client, *permissions: str, **more: object) -> tuple[str, str]:
    """Make a key; return it and its id."""
    body = {"name": "test", "permissions": list(permissions), **more}
    made = api.post("/api/v1/keys", json=body)
    assert made.status_code == 201, made.text
    return made.json()["key"], made.json()["id"]


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}
