"""The pages at ``/docs``, written from the OpenAPI description and the classes of errors.

They stand on the origin that holds the session cookie, so they run no script, load nothing, and say
so in their Content-Security-Policy.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Template
from typing import Any, Final

from app.errors import ApiError

Schema = dict[str, Any]
_FILES: Final = Path(__file__).parent / "templates"
_PAGE: Final = Template((_FILES / "docs.html").read_text())
_STYLE: Final = (_FILES / "docs.css").read_text()
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_CODE: Final = re.compile(r"`+([^`]+)`+")
_MOST_VALUES: Final = 4
"""How many of the values that a field may have are named beside it."""


def describe(description: Schema) -> str:
    """Write the page with every operation."""
    operations = list(_operations(description))
    tags = list(dict.fromkeys(tag for tag, *_ in operations))
    contents = "".join(
        f"<h4>{_text(tag)}</h4><ul>"
        + "".join(
            f'<li><a href="#{_anchor(method, path)}">{_text(each["summary"])}</a></li>'
            for of, method, path, each in operations
            if of == tag
        )
        + "</ul>"
        for tag in tags
    )
    sections = "".join(
        f"<h2>{_text(tag)}</h2>"
        + "".join(
            _operation(description, method, path, each)
            for of, method, path, each in operations
            if of == tag
        )
        for tag in tags
    )
    about = (
        f"<h1>{_text(description['info']['title'])}</h1>"
        f"<p>{_text(description['info'].get('summary', ''))}</p>"
        '<p class="soft">Send an API key as <code>Authorization: Bearer hk_…</code>, as '
        "<code>X-API-Key</code>, or as the password of HTTP Basic. Every error is a problem with a "
        'stable <code>code</code>: <a href="/docs/errors">all codes</a>. For programs: '
        '<a href="/openapi.json">the OpenAPI description</a>.</p>'
    )
    return _page(f"{description['info']['title']} API", contents, about + sections)


def describe_errors() -> str:
    """Write the page that the ``type`` of each problem points to."""
    errors = {each.code: each for each in _subclasses(ApiError) if hasattr(each, "status")}
    rows = "".join(
        f'<tr id="{_text(code)}"><td><code>{_text(code)}</code></td><td>{errors[code].status}</td>'
        f"<td>{_prose(errors[code].__doc__)}</td></tr>"
        for code in sorted(errors)
    )
    main = (
        "<h1>Errors</h1><p>An error is an <code>application/problem+json</code> object. Branch on "
        "its <code>code</code>; <code>detail</code> says what was wrong with this request and what "
        "to do about it; <code>request_id</code> finds it in the logs.</p>"
        '<div class="scroll"><table><thead><tr><th>Code</th><th>Status</th><th>Meaning</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )
    return _page("Errors", '<ul><li><a href="/docs">All operations</a></li></ul>', main)


def _page(title: str, contents: str, main: str) -> str:
    return _PAGE.substitute(title=_text(title), style=_STYLE, contents=contents, main=main)


def _operations(description: Schema) -> Iterator[tuple[str, str, str, Schema]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield operation.get("tags", ["service"])[0], method, path, operation


def _operation(description: Schema, method: str, path: str, operation: Schema) -> str:
    permission = operation.get("x-permission")
    needs = {None: "No credential.", "any": "Any credential."}.get(
        permission, f"Needs `{permission}`."
    )
    parts = [
        f"<h3>{_text(operation['summary'])}</h3>",
        f'<p class="path"><span class="method {method}">{method.upper()}</span>{_text(path)}</p>',
        f"<p>{_prose(operation.get('description'))}</p><p class='soft'>{_prose(needs)}</p>",
        _fields("Parameters", _parameters(operation)),
    ]
    body = _json_schema(operation.get("requestBody", {}))
    if body:
        resolved = _resolved(description, body)
        parts += [_fields("Body", _properties(resolved)), _example(resolved)]
    answers = []
    for status, answer in sorted(operation["responses"].items()):
        answers.append((status, "", _prose(answer["description"])))
        shown = _resolved(description, _json_schema(answer))
        if status.startswith("2") and shown.get("properties"):
            parts.append(_fields(f"Answer {status}", _properties(shown)))
    parts.append(_fields("Statuses", answers))
    return f'<article id="{_anchor(method, path)}">{"".join(parts)}</article>'


def _parameters(operation: Schema) -> list[tuple[str, str, str]]:
    return [
        (each["name"], _kind(each["schema"]), _prose(each.get("description") or each["in"]))
        for each in operation.get("parameters", [])
    ]


def _properties(schema: Schema) -> list[tuple[str, str, str]]:
    required = schema.get("required", [])
    return [
        (
            name if name in required else f"{name} (optional)",
            _kind(each),
            _prose(each.get("description")),
        )
        for name, each in schema.get("properties", {}).items()
    ]


def _kind(schema: Schema) -> str:
    """Say in a word or two what a value looks like."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema and len(schema["enum"]) <= _MOST_VALUES:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", "any"))


def _example(schema: Schema) -> str:
    examples = {
        name: each["examples"][0]
        for name, each in schema.get("properties", {}).items()
        if each.get("examples")
    }
    text = json.dumps(examples, indent=2, ensure_ascii=False)
    return f"<h4>Example</h4><pre>{_text(text)}</pre>" if examples else ""


def _fields(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    cells = "".join(
        f"<tr><td><code>{_text(name)}</code></td><td>{_text(kind)}</td><td>{prose}</td></tr>"
        for name, kind, prose in rows
    )
    table = f'<div class="scroll"><table><tbody>{cells}</tbody></table></div>'
    return f"<h4>{_text(title)}</h4>{table}" if cells else ""


def _json_schema(content: Schema) -> Schema:
    found: Schema = content.get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _resolved(description: Schema, schema: Schema) -> Schema:
    name = schema.get("$ref", "").rpartition("/")[2]
    resolved: Schema = description["components"]["schemas"][name] if name else schema
    return resolved


def _subclasses(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def _anchor(method: str, path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{method}{path}".lower()).strip("-")


def _prose(text: str | None) -> str:
    """Write one's own text: escaped, what stands in backquotes as code."""
    return _CODE.sub(r"<code>\1</code>", _text(" ".join((text or "").split())))


def _text(text: str) -> str:
    return html.escape(text)
