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
        project = read_yaml(program / "Pulumi.yaml")
        file = program / f"Pulumi.{stack}.yaml"
        if not file.is_file():
            there = ", ".join(sorted(each.name for each in program.glob("Pulumi.*.yaml")))
            raise FileNotFoundError(f"no stack file {file}; there are: {there or 'none'}")

        name = str(project["name"])
        values = {_full(name, k): v for k, v in (read_yaml(file).get("config") or {}).items()}
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


class ConfigFileError(ValueError):
    """A file that is no YAML, or says one thing twice; names the line."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML's own loader takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 (as its base has it)
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if earlier := seen.setdefault(key.value, line) if key.value in seen else 0:
                raise ConfigFileError(
                    f"{line}: {key.value} is in line {earlier} already: keep one of them"
                )
            seen[key.value] = line
        return super().construct_mapping(node, deep=deep)


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a file that holds a mapping; an empty one is an empty mapping.

    Raises:
        ConfigFileError: it is not YAML, or has a key twice; says ``file:line``.
        TypeError: it holds something else.

    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a safe one)
    except ConfigFileError as error:
        raise ConfigFileError(f"{file}:{error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigFileError(f"{file}{line}: this is no YAML: {_problem(error)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise ConfigFileError(f"{file}: this is no YAML: {said}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise TypeError(f"{file} holds no mapping")
    return content


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it cannot be read"
    if "'\\t'" in problem:
        return "a tab stands where only spaces may; indent with spaces"
    if error.context and error.context_mark:
        return f"{error.context} in line {error.context_mark.line + 1}, {problem}"
    return problem


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
