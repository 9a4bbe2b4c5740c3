"""Read ``Pulumi.yaml`` and ``Pulumi.<stack>.yaml`` as the command line does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class StackFiles:
    """A project, and the configuration of one of its stacks."""

    project: str
    main: Path
    """Folder of ``__main__.py``."""
    config: dict[str, str]
    secret_keys: list[str]

    @classmethod
    def load(cls, program: Path, stack: str, overrides: Mapping[str, str]) -> "StackFiles":
        """Read both files; ``overrides`` win over them, as ``--config`` does."""
        project = _mapping(program / "Pulumi.yaml")
        file = program / f"Pulumi.{stack}.yaml"
        if not file.is_file():
            there = ", ".join(sorted(each.name for each in program.glob("Pulumi.*.yaml")))
            raise FileNotFoundError(f"no stack file {file}; there are: {there or 'none'}")

        name = str(project["name"])
        values = {_full(name, k): v for k, v in (_mapping(file).get("config") or {}).items()}
        for key, declared in (project.get("config") or {}).items():
            full = _full(name, key)
            if full not in values | dict(overrides):
                values[full] = _default(full, declared, stack)

        config: dict[str, str] = {}
        secret_keys: list[str] = []
        for key, value in values.items():
            clear = _with_placeholders(value, key)
            if clear != value:
                secret_keys.append(key)
            config[key] = clear if isinstance(clear, str) else json.dumps(clear)
        main = program / str(project.get("main", "."))
        return cls(name, main, config | dict(overrides), secret_keys)


def _mapping(file: Path) -> dict[str, Any]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{file} holds no mapping")
    return content


def _full(project: str, key: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _default(key: str, declared: object, stack: str) -> object:
    if not isinstance(declared, dict):
        return declared
    for source in ("default", "value"):
        if source in declared:
            return declared[source]
    raise ValueError(f"Pulumi.{stack}.yaml lacks {key}, and Pulumi.yaml has no default for it")


def _with_placeholders(value: object, key: str) -> object:
    """Put text where a secret is encrypted: only the stack's own key can read it."""
    match value:
        case {"secure": str(), **rest} if not rest:
            return f"secret of {key}"
        case dict():
            return {name: _with_placeholders(each, key) for name, each in value.items()}
        case list():
            return [_with_placeholders(each, key) for each in value]
    return value
