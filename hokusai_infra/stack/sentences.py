"""What is wrong with a stack file, one sentence each that says what to change."""

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Path = tuple[int | str, ...]


class StackFileError(ValueError):
    """A stack file that cannot be deployed; its text has one line for each thing to change."""


@contextlib.contextmanager
def about(file: str, key: str) -> Iterator[None]:
    """Say of an error inside which key of the file it is about."""
    try:
        yield
    except ValueError as error:
        raise StackFileError(f"{file}: {key}: {error}") from None


def sentences(file: str, model: type[BaseModel], error: ValidationError) -> StackFileError:
    """Turn what pydantic found into sentences with the file and the key's path in it."""
    errors = error.errors(include_url=False)
    # What is unknown goes first: a key that is written wrong is the reason why another is missing.
    unknown = [each for each in errors if each["type"] == "extra_forbidden"]
    meant = {each for it in unknown for each in _meant(model, it["loc"])}
    others = [
        each
        for each in errors
        if each["type"] != "extra_forbidden"
        and not (each["type"] == "missing" and _place(model, each["loc"])[0] in meant)
    ]
    found = [_sentence(model, each) for each in (*unknown, *others)]
    return StackFileError(
        "\n".join(f"{file}: {each}" for text in found for each in text.split("\n"))
    )


@dataclass(frozen=True)
class _Finding:
    key: str
    value: object
    context: dict[str, Any]
    docs: str
    write: str
    """What the field itself says to write instead."""

    def wants(self, change: str) -> str:
        """Say what is there, and what to write instead."""
        shown = "empty" if self.value is None else repr(self.value)
        return f"{self.key} is {shown}: {change}"


def _sentence(model: type[BaseModel], error: ErrorDetails) -> str:
    path, section, field = _place(model, error["loc"])
    docs = _docs(field)
    context, kind = error.get("ctx", {}), error["type"]
    if kind == "value_error":
        lines = str(context["error"]).split("\n")
        return "\n".join(_own(path, section, line) for line in lines)
    if kind == "extra_forbidden":
        return _unknown(path, section)
    found = _Finding(_spelled(path), error["input"], context, docs, _write(field))
    if kind in SAYS:
        return SAYS[kind](found)
    return found.wants(f"{error['msg']}. {docs}".rstrip(". "))


def _text(found: _Finding) -> str:
    if isinstance(found.value, int):
        # YAML has read 012345670123 as octal already: the number would be none that is in the file.
        return f"{found.key} is a number to YAML: put it in quotes, with all its digits"
    return found.wants("write a text")


SAYS: Final[Mapping[str, Callable[[_Finding], str]]] = {
    "bool_type": lambda it: it.wants("write true or false, without quotes"),
    "greater_than_equal": lambda it: it.wants(f"take {it.context['ge']} or more"),
    "int_from_float": lambda it: it.wants("write a whole number"),
    "int_type": lambda it: it.wants("write a whole number, without quotes"),
    "less_than_equal": lambda it: it.wants(f"take {it.context['le']} or less"),
    "list_type": lambda it: it.wants("write a list, as [a, b]"),
    "literal_error": lambda it: it.wants(f"take {it.context['expected']}"),
    "missing": lambda it: f"{it.key} is missing: {it.docs or 'add it'}",
    "model_attributes_type": lambda it: it.wants("write keys with values below it"),
    "model_type": lambda it: it.wants("write keys with values below it"),
    "string_pattern_mismatch": lambda it: it.wants(it.write or it.docs),
    "string_too_long": lambda it: it.wants(
        f"take at most {it.context['max_length']} characters, not {len(str(it.value))}"
    ),
    "string_type": _text,
    "too_short": lambda it: it.wants(f"name at least {it.context['min_length']}"),
    "union_tag_invalid": lambda it: (
        f"{it.key}.kind is {it.context['tag']!r}: take {it.context['expected_tags']}"
    ),
    "union_tag_not_found": lambda it: f"{it.key}.kind is missing: {it.docs}",
}
"""What is wrong and what to write instead, by pydantic's type of error."""


def _own(path: Path, section: type[BaseModel], said: str) -> str:
    """Join the path and a sentence of our own, which begins with the name of a field."""
    first = said.partition(" ")[0].rstrip(":,")
    if not path:
        return said
    if path[-1] == first:
        path = path[:-1]
    if first in section.model_fields:
        return f"{_spelled(path)}.{said}" if path else said
    return f"{_spelled(path)}: {said}"


def _unknown(path: Path, section: type[BaseModel]) -> str:
    *above, wrong = path
    there = list(section.model_fields)
    close = _close(wrong, there)
    where = f"{_spelled(tuple(above))} takes" if above else "there are"
    hint = f"did you mean {close[0]}?" if close else f"{where} {', '.join(there)}"
    return f"{_spelled(path)} is no key: {hint}"


def _close(wrong: int | str, there: list[str]) -> list[str]:
    return difflib.get_close_matches(str(wrong), there, n=1)


def _meant(model: type[BaseModel], loc: Path) -> list[Path]:
    """Return the key that an unknown one stands for, if it looks like one."""
    path, section, _ = _place(model, loc)
    return [(*path[:-1], each) for each in _close(path[-1], list(section.model_fields))]


def _docs(field: FieldInfo | None) -> str:
    """Return what is documented of a key, without the marks of documentation."""
    return " ".join(((field and field.description) or "").split()).replace("``", "")


def _write(field: FieldInfo | None) -> str:
    extra = field.json_schema_extra if field else None
    return str(extra.get("write", "")) if isinstance(extra, dict) else ""


def _place(model: type[BaseModel], loc: Path) -> tuple[Path, type[BaseModel], FieldInfo | None]:
    """Follow a path of pydantic's, which names the kind of a section in between.

    Returns the path as the file has it, the section that the last key belongs to (or is), and the
    key's field.
    """
    path: list[int | str] = []
    section, open_ = model, [model]
    field: FieldInfo | None = None
    for part in loc:
        if len(open_) > 1 and (chosen := _of_kind(open_, part)) is not None:
            open_, section = [chosen], chosen
            continue
        path.append(part)
        if len(open_) == 1:
            section = open_[0]
        field = section.model_fields.get(str(part))
        open_ = _models(field.annotation) if field else []
    if len(open_) == 1 and open_[0] is not section:
        section = open_[0]
    return tuple(path), section, field


def _models(annotation: object) -> list[type[BaseModel]]:
    found = [annotation, *get_args(annotation)]
    return [each for each in found if isinstance(each, type) and issubclass(each, BaseModel)]


def _of_kind(models: list[type[BaseModel]], tag: int | str) -> type[BaseModel] | None:
    for each in models:
        if tag in get_args(each.model_fields["kind"].annotation):
            return each
    return None


def _spelled(path: Path) -> str:
    return ".".join(map(str, path)) or "hokusai:stack"
